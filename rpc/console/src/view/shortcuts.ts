import { useEffect } from "preact/hooks";

import { Column } from "@intervene/client/wire";

import type { Desk } from "../desk/desk.js";
import { preferences } from "../desk/preferences.js";
import { go, route } from "../desk/route.js";
import type { Key } from "../words/text.js";

/** What each key does, as the sheet has it. */
export const shortcuts: readonly (readonly [string, Key])[] = [
  ["?", "shortcut.help"],
  ["/", "shortcut.find"],
  ["c", "start"],
  ["j", "shortcut.next"],
  ["k", "shortcut.previous"],
  ["u", "shortcut.longest"],
  ["1", "shortcut.active"],
  ["2", "shortcut.requesting"],
  ["3", "shortcut.intervened"],
  ["h", "shortcut.history"],
  ["o", "shortcut.overview"],
  ["b", "shortcut.board"],
  ["i", "shortcut.intervene"],
  ["r", "shortcut.reply"],
  ["n", "shortcut.note"],
  ["t", "shortcut.transfer"],
  ["e", "shortcut.resolve"],
  ["p", "shortcut.profile"],
  ["m", "shortcut.messages"],
  ["Esc", "shortcut.close"],
];

interface Sheets {
  find(): void;
  help(): void;
}

/** useShortcuts lets single keys do what buttons do, unless somebody writes or does not want that. */
export function useShortcuts(desk: Desk, sheets: Sheets): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || document.querySelector("dialog[open]")) {
        return;
      }
      const writes = event.target instanceof Element && event.target.matches("input, textarea, select, [contenteditable]");
      if (event.key === "Escape") {
        escape(writes, event.target);
        return;
      }
      if (!writes && preferences.get().shortcuts && act(desk, sheets, event.key)) {
        event.preventDefault();
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [desk, sheets]);
}

/** Leaves the field that is written in, then the conversation. */
function escape(writes: boolean, target: EventTarget | null): void {
  if (writes && target instanceof HTMLElement) {
    target.blur();
    return;
  }
  const { conversationId } = route.get();
  if (conversationId !== "") {
    go({ conversationId: "" });
    requestAnimationFrame(() => rowOf(conversationId)?.focus());
  }
}

function act(desk: Desk, sheets: Sheets, key: string): boolean {
  switch (key) {
    case "?":
      sheets.help();
      return true;
    case "/":
      sheets.find();
      return true;
    case "c":
      return click("start");
    case "j":
      return step(1);
    case "k":
      return step(-1);
    case "u":
      return longestWaiting(desk);
    case "1":
    case "2":
    case "3":
      return enter(key);
    case "h":
      go({ place: "history" });
      return true;
    case "b":
      go({ place: "board" });
      return true;
    case "o":
      if (desk.supervises) {
        go({ place: "overview" });
      }
      return desk.supervises;
    case "i":
      return click("intervene") || click("takeOver");
    case "e":
      return click("resolve") || click("dismiss");
    case "t":
      return click("transfer");
    case "p":
      return click("profile");
    case "r":
      return compose("reply");
    case "n":
      return compose("note");
    case "m":
      return focusOn("[data-testid=timeline] article[tabindex='0']");
    default:
      return false;
  }
}

function click(command: string): boolean {
  const button = document.querySelector<HTMLButtonElement>(`[data-command="${command}"]:not(:disabled)`);
  button?.click();
  return button !== null;
}

function compose(what: "reply" | "note"): boolean {
  dispatchEvent(new Event(`intervene:${what}`));
  requestAnimationFrame(() => focusOn("[data-composer]"));
  return true;
}

function focusOn(selector: string): boolean {
  const element = document.querySelector<HTMLElement>(selector);
  element?.focus();
  return element !== null;
}

/** Enters one of the columns, at the row that Tab would reach. */
function enter(column: string): boolean {
  document.querySelector<HTMLElement>(`.column-tabs button:nth-child(${column})`)?.click();
  return focusOn(`.column-${column} a[tabindex='0']`);
}

function rowOf(conversationId: string): HTMLElement | null {
  return document.querySelector<HTMLElement>(`a.card[data-conversation="${CSS.escape(conversationId)}"]`);
}

/** Opens the next conversation of the list that is worked through. */
function step(by: 1 | -1): boolean {
  const now = document.activeElement?.closest<HTMLElement>("a.card") ?? document.querySelector<HTMLElement>("a.card.open");
  const row = now?.closest("li.row");
  const next = by > 0 ? row?.nextElementSibling : row?.previousElementSibling;
  const card = row ? next?.querySelector<HTMLElement>("a.card") : document.querySelector<HTMLElement>(".column-2 a.card, a.card");
  card?.focus();
  card?.click();
  return true;
}

function longestWaiting(desk: Desk): boolean {
  const first = desk.board.get().snapshot().column(Column.REQUESTING).cards[0];
  if (first) {
    go({ place: "board", conversationId: first.conversationId });
  }
  return first !== undefined;
}

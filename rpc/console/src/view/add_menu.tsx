import { useEffect, useRef, useState } from "preact/hooks";

import type { Card } from "@intervene/client/wire";

import type { Content } from "../desk/outbox.js";
import type { Key } from "../words/text.js";
import { t } from "../words/words.js";
import { ContentDialog } from "./content_dialog.js";
import type { Composed } from "./content_form.js";
import { Icon } from "./icon.js";
import type { IconName } from "./icons.js";
import { TemplateDialog } from "./template_dialog.js";

interface Props {
  card: Card;
  /** Answers whether it was taken. */
  onSend(content: Content): boolean;
  onSent(): void;
  /** Focus says whether the button that opened it gets the focus back. */
  onClose(focus: boolean): void;
}

const choices: readonly (readonly [Composed | "template", Key, IconName])[] = [
  ["template", "template.choose", "template"],
  ["buttons", "add.buttons", "check"],
  ["list", "add.list", "filter"],
  ["link", "add.link", "link"],
  ["location", "content.location", "pin"],
  ["contacts", "add.contact", "person"],
];

/** AddMenu is what can be sent besides words and files. */
export function AddMenu({ card, onSend, onSent, onClose }: Props) {
  const menu = useRef<HTMLDivElement>(null);
  const choosing = useRef(false);
  const [chosen, setChosen] = useState<Composed | "template">();
  useEffect(() => menu.current?.querySelector("button")?.focus(), []);
  if (chosen === "template") {
    return <TemplateDialog card={card} onClose={() => onClose(true)} />;
  }
  if (chosen) {
    const [, title] = choices.find(([kind]) => kind === chosen) ?? ["", "add" as const];
    return <ContentDialog kind={chosen} title={t(title)} onSend={onSend} onSent={onSent} onClose={() => onClose(true)} />;
  }
  return (
    <div
      ref={menu}
      class="menu-box"
      role="menu"
      aria-label={t("add")}
      onKeyDown={(event) => step(event, menu.current, () => onClose(true))}
      onFocusOut={(event) => {
        const to = event.relatedTarget;
        if (!choosing.current && (!(to instanceof Element) || !to.closest(".add"))) {
          onClose(false);
        }
      }}
    >
      {choices.map(([kind, key, icon]) => (
        <button
          key={kind}
          type="button"
          role="menuitem"
          tabIndex={-1}
          data-add={kind}
          onClick={() => {
            choosing.current = true; // that the menu goes away is not that it is left
            setChosen(kind);
          }}
        >
          <Icon name={icon} />
          {t(key)}
        </button>
      ))}
    </div>
  );
}

/** Arrow keys go through a menu, Escape and Tab leave it. */
function step(event: KeyboardEvent, menu: HTMLElement | null, leave: () => void): void {
  const all = [...(menu?.querySelectorAll("button") ?? [])];
  const now = all.findIndex((one) => one === document.activeElement);
  const to = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: -1 }[event.key];
  if (to !== undefined) {
    event.preventDefault();
    all.at(to % all.length)?.focus();
  } else if (event.key === "Escape" || event.key === "Tab") {
    event.preventDefault();
    leave();
  }
}

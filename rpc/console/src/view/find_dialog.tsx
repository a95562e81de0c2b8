import { useEffect, useState } from "preact/hooks";

import type { Card } from "@intervene/client/wire";

import { isSignedOut } from "../desk/command.js";
import { refusalText } from "../desk/refusal.js";
import { go, route } from "../desk/route.js";
import { phone } from "../words/format.js";
import { line } from "../words/safe.js";
import { t } from "../words/words.js";
import { Avatar } from "./avatar.js";
import { Button } from "./button.js";
import { columnName, contactName } from "./contact.js";
import { useDesk } from "./desk_context.js";
import { Dialog } from "./dialog.js";

/** How long somebody pauses before what they typed is looked for, in milliseconds. */
const pause = 200;
/** How many are found before somebody asks for more, and how many pages without any are gone through for that. */
const enough = 30;
const maxPages = 20;

interface Found {
  readonly cards: readonly Card[];
  readonly next: string;
  readonly status: "looking" | "done" | "failed";
  readonly problem: string;
}

const nothing: Found = { cards: [], next: "", status: "done", problem: "" };

/** FindDialog finds conversations by name, number or tag, in the columns and the history. */
export function FindDialog({ onClose }: { onClose(): void }) {
  const [query, setQuery] = useState("");
  const { found, more } = useFind(query.trim());
  const open = (card: Card) => {
    go({ place: route.get().place === "overview" ? "board" : route.get().place, conversationId: card.conversationId });
    onClose();
  };
  const looked = /[\p{L}\p{N}]/u.test(query);
  return (
    <Dialog title={t("find")} onClose={onClose} wide>
      <input
        type="text"
        role="searchbox"
        class="field"
        dir="auto"
        maxLength={128}
        autofocus
        value={query}
        aria-label={t("find.what")}
        placeholder={t("find.what")}
        onInput={(event) => setQuery(event.currentTarget.value)}
        onKeyDown={(event) => {
          const first = found.cards[0];
          if (event.key === "Enter" && first) {
            event.preventDefault();
            open(first);
          }
        }}
      />
      <p class="faint" role="status">
        {found.status === "failed"
          ? found.problem
          : found.status === "looking"
            ? t("find.looking")
            : looked
              ? t("find.found", { n: found.cards.length })
              : t("find.hint")}
      </p>
      <ul class="choices-list" data-testid="found">
        {found.cards.map((card) => (
          <li key={card.conversationId}>
            <button type="button" class="choice-button" onClick={() => open(card)}>
              <Avatar contact={card.contact} />
              <span class="found-main">
                <b>
                  <bdi>{contactName(card.contact)}</bdi>
                </b>
                <small>
                  <bdi dir="ltr">{phone(card.contact?.phone ?? "")}</bdi>{" "}
                  {card.tags.slice(0, 4).map((tag) => (
                    <bdi key={tag} class="mark tag">
                      {line(tag)}
                    </bdi>
                  ))}
                </small>
              </span>
              <small class={`state column-${card.column}`}>{columnName(card.column)}</small>
            </button>
          </li>
        ))}
      </ul>
      {found.next !== "" && found.status === "done" && <Button label={t("find.more")} onClick={more} />}
    </Dialog>
  );
}

/** useFind looks for what was typed, page by page; a page may hold none and still not be the last. */
function useFind(query: string) {
  const desk = useDesk();
  const [found, setFound] = useState<Found>(nothing);
  const [asked, setAsked] = useState(1);
  useEffect(() => setAsked(1), [query]);
  useEffect(() => {
    if (!/[\p{L}\p{N}]/u.test(query)) {
      setFound(nothing);
      return;
    }
    const end = new AbortController();
    const look = async () => {
      let cards = asked > 1 ? found.cards : [];
      let next = asked > 1 ? found.next : "";
      setFound({ cards, next, status: "looking", problem: "" });
      for (let page = 0; page < maxPages; page++) {
        const answer = await desk.client.api.findConversations({ query, pageSize: 50, pageToken: next }, { signal: end.signal });
        cards = [...cards, ...answer.cards.filter(({ conversationId }) => !cards.some((card) => card.conversationId === conversationId))];
        next = answer.nextPageToken;
        if (next === "" || cards.length >= enough * asked) {
          break;
        }
        setFound({ cards, next, status: "looking", problem: "" });
      }
      setFound({ cards, next, status: "done", problem: "" });
    };
    const failed = (error: unknown) => {
      if (end.signal.aborted) {
        return;
      }
      if (isSignedOut(error)) {
        desk.failed(error);
      }
      setFound({ ...nothing, status: "failed", problem: refusalText(error, desk.directory.names.get()) });
    };
    const timer = setTimeout(() => void look().catch(failed), asked > 1 ? 0 : pause);
    return () => {
      clearTimeout(timer);
      end.abort();
    };
  }, [desk, query, asked]);
  return { found, more: () => setAsked(asked + 1) };
}

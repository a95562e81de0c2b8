import { Column } from "@intervene/client/wire";
import type { Card } from "@intervene/client/wire";

import { hashOf, route } from "../desk/route.js";
import { useSnapshot, useValue } from "../desk/value.js";
import { number } from "../words/format.js";
import { line } from "../words/safe.js";
import { t } from "../words/words.js";
import { contactName, waitsSince } from "./contact.js";
import { useDesk } from "./desk_context.js";
import { Icon } from "./icon.js";
import type { IconName } from "./icons.js";
import { Waiting } from "./waiting.js";

/** How many chats of each sort stand in the bar. */
const shown = 12;

/** WaitingBar has, wherever one is, who waits for a person and whom one holds. */
export function WaitingBar() {
  const desk = useDesk();
  const board = useSnapshot(useValue(desk.board));
  const requesting = board.column(Column.REQUESTING);
  const waiting = Number(requesting.counter?.conversations ?? requesting.cards.length);
  return (
    <nav class="waiting-bar" aria-label={t("bar")} data-testid="waiting-bar">
      <Group
        name={t("bar.requesting")}
        icon="hand"
        tone="requesting"
        cards={requesting.cards}
        count={waiting}
        none={t("bar.nobodyWaits")}
      />
      <Group name={t("bar.mine")} icon="person" tone="mine" cards={board.mine} count={board.mine.length} none={t("bar.noneMine")} />
    </nav>
  );
}

interface GroupProps {
  name: string;
  icon: IconName;
  tone: "requesting" | "mine";
  cards: readonly Card[];
  count: number;
  none: string;
}

function Group({ name, icon, tone, cards, count, none }: GroupProps) {
  const { place, conversationId: open } = useValue(route);
  return (
    <div class={`bar-group ${tone}`} role="group" aria-label={name}>
      <h2>
        <Icon name={icon} />
        <span>{name}</span> <b>{number(count)}</b>
      </h2>
      {cards.length === 0 ? (
        <p class="faint">{none}</p>
      ) : (
        <ul>
          {cards.slice(0, shown).map((card) => (
            <li key={card.conversationId}>
              <a
                class={`chip ${card.unreadCount > 0 ? "unread" : ""}`}
                href={hashOf({ place: place === "overview" ? "board" : place, conversationId: card.conversationId })}
                aria-current={card.conversationId === open ? "true" : undefined}
                title={line(card.requestReason)}
              >
                <bdi>{contactName(card.contact)}</bdi>
                <Waiting since={waitsSince(card)} precisely />
                {card.unreadCount > 0 && (
                  <span class="badge" aria-label={t("card.unread", { n: card.unreadCount })}>
                    {card.unreadCount > 99 ? "99+" : card.unreadCount}
                  </span>
                )}
              </a>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

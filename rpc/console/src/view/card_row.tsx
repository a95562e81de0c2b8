import { Component } from "preact";

import { Column } from "@intervene/client/wire";
import type { Card, Viewer } from "@intervene/client/wire";

import type { Names } from "../desk/directory.js";
import { hashOf } from "../desk/route.js";
import type { Place } from "../desk/route.js";
import { line } from "../words/safe.js";
import { t } from "../words/words.js";
import { Avatar } from "./avatar.js";
import { contactName } from "./contact.js";
import { Icon } from "./icon.js";
import { Moment, Waiting } from "./waiting.js";

interface Props {
  card: Card;
  place: Place;
  open: boolean;
  left: boolean;
  self: string;
  names: Names;
  viewers: readonly Viewer[];
  tabIndex: 0 | -1;
}

/** CardRow is one conversation in a list. It is painted anew when something of it changed, and not with its list. */
export class CardRow extends Component<Props> {
  override shouldComponentUpdate(next: Props): boolean {
    const now = this.props;
    return (Object.keys(next) as (keyof Props)[]).some((name) => next[name] !== now[name]);
  }

  override render({ card, place, open, left, self, names, viewers, tabIndex }: Props) {
    const name = contactName(card.contact);
    const others = viewers.filter(({ agentId }) => agentId !== self);
    return (
      <a
        class={`card ${open ? "open" : ""} ${left ? "left" : ""} ${card.unreadCount > 0 ? "unread" : ""}`}
        href={hashOf({ place, conversationId: card.conversationId })}
        aria-current={open ? "true" : undefined}
        tabIndex={tabIndex}
        data-testid="card"
        data-conversation={card.conversationId}
      >
        <Avatar contact={card.contact} />
        <span class="card-main">
          <span class="card-top">
            <bdi class="card-name">{name}</bdi>
            <When card={card} />
          </span>
          <span class="card-middle">
            <bdi class="card-preview">{left ? t("card.left") : line(card.preview) || t("card.noPreview")}</bdi>
            {card.unreadCount > 0 && (
              <span class="badge" aria-label={t("card.unread", { n: card.unreadCount })}>
                {card.unreadCount > 99 ? "99+" : card.unreadCount}
              </span>
            )}
          </span>
          <span class="card-marks">
            <Holder card={card} self={self} names={names} />
            {others.length > 0 && (
              <span class="mark seen" title={others.map(({ agentId }) => names.of(agentId)).join(", ")}>
                <Icon name="users" />
                {others.some(({ typing }) => typing) ? t("card.typing") : t("card.viewing", { n: others.length })}
              </span>
            )}
            {card.tags.slice(0, 2).map((tag) => (
              <bdi key={tag} class="mark tag">
                {line(tag)}
              </bdi>
            ))}
            {card.tags.length > 2 && <span class="mark">+{card.tags.length - 2}</span>}
          </span>
        </span>
      </a>
    );
  }
}

function When({ card }: { card: Card }) {
  if (card.column === Column.REQUESTING) {
    return <Waiting since={card.requestedAt} />;
  }
  return <Moment at={card.lastActivityAt} />;
}

function Holder({ card, self, names }: { card: Card; self: string; names: Names }) {
  if (card.column === Column.ACTIVE) {
    return (
      <span class="mark bot">
        <Icon name="bot" />
        {t("card.bot")}
      </span>
    );
  }
  if (card.column === Column.REQUESTING) {
    const why = line(card.requestReason);
    return (
      <bdi class="mark asks" title={why}>
        {why || t("card.asks")}
      </bdi>
    );
  }
  if (card.column !== Column.INTERVENED) {
    return null;
  }
  const mine = card.holderAgentId === self;
  return (
    <span class={`mark ${mine ? "mine" : "held"}`}>
      <Icon name="person" />
      <bdi>{mine ? t("you") : names.of(card.holderAgentId)}</bdi>
    </span>
  );
}

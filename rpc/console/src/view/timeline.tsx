import type { ComponentChildren } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";

import type { Conversation, ConversationSnapshot, Entry } from "@intervene/client";
import { PartyKind } from "@intervene/client/wire";
import type { Card } from "@intervene/client/wire";

import type { Outgoing } from "../desk/outbox.js";
import { instantOf, serverNow } from "../desk/ticker.js";
import { useValue } from "../desk/value.js";
import { day, startOfDay } from "../words/format.js";
import { t } from "../words/words.js";
import { Bubble, sideOf } from "./bubble.js";
import type { BubbleActions } from "./bubble.js";
import { Button } from "./button.js";
import { contactName } from "./contact.js";
import { useDesk } from "./desk_context.js";
import { EventMark } from "./event_mark.js";
import { OutgoingBubble, notYetShown } from "./outgoing_bubble.js";
import { useScroll } from "./scroll.js";

interface Props {
  conversation: Conversation;
  snapshot: ConversationSnapshot;
  card: Card;
  actions: BubbleActions;
  takeBack(outgoing: Outgoing): void;
}

/** Timeline is all that was said and done in one conversation, the newest at the bottom. Each conversation has one of its own. */
export function Timeline({ conversation, snapshot, card, actions, takeBack }: Props) {
  const desk = useDesk();
  const self = desk.session.agentId;
  const { entries, hasOlder } = snapshot;
  const names = useValue(desk.directory.names);
  const outgoing = notYetShown(
    useValue(desk.outbox.all).filter((one) => one.conversationId === card.conversationId),
    entries,
    self,
  );
  const unreadFrom = useUnreadMark(snapshot, card);
  const byId = useMemo(
    () => new Map(entries.flatMap(({ kind }) => (kind.case === "message" ? [[kind.value.messageId, kind.value]] : []))),
    [entries],
  );
  const scroll = useScroll(entries.at(-1)?.version ?? 0n, entries[0]?.version ?? 0n);
  const unseen = scroll.away ? countUnseen(entries, scroll.seenUpTo) : 0;
  const [loading, setLoading] = useState(false);
  const [focused, setFocused] = useState("");

  const loadOlder = async () => {
    setLoading(true);
    try {
      await conversation.loadOlder();
    } catch (error) {
      desk.failed(error);
    }
    setLoading(false);
  };
  const mine = desk.holds(card);
  const mayResend = mine || desk.supervises;
  const last = entries.findLast(({ kind }) => kind.case === "message");
  const reached = byId.has(focused) ? focused : last?.kind.case === "message" ? last.kind.value.messageId : "";

  const items: ComponentChildren[] = [];
  let before: Entry | undefined;
  for (const entry of entries) {
    const at = instantOf(entry.at);
    if (!before || startOfDay(instantOf(before.at)) !== startOfDay(at)) {
      items.push(
        <h3 key={`day ${entry.version}`} class="day">
          <span>{day(at, serverNow())}</span>
        </h3>,
      );
      before = undefined;
    }
    if (entry.version === unreadFrom) {
      items.push(
        <p key="unread" class="unread-mark" data-testid="unread-mark">
          <span>{t("chat.unreadMark")}</span>
        </p>,
      );
    }
    if (entry.kind.case === "message") {
      items.push(
        <Bubble
          key={String(entry.version)}
          message={entry.kind.value}
          answered={byId.get(entry.kind.value.replyToMessageId)}
          self={self}
          names={names}
          customer={contactName(card.contact)}
          continued={continues(before, entry)}
          reached={entry.kind.value.messageId === reached}
          mayWrite={mine}
          mayResend={mayResend}
          actions={actions}
        />,
      );
    } else {
      items.push(<EventMark key={String(entry.version)} entry={entry} names={names} />);
    }
    before = entry;
  }
  return (
    <div class="timeline-frame">
      <div
        ref={scroll.box}
        class="timeline"
        role="log"
        aria-label={t("chat.messages")}
        tabIndex={0}
        data-testid="timeline"
        onScroll={() => {
          scroll.look();
          if (hasOlder && !loading && (scroll.box.current?.scrollTop ?? 999) < 200) {
            void loadOlder();
          }
        }}
        onFocusIn={(event) => setFocused((event.target as Element).closest("article")?.id.replace("message-", "") ?? "")}
        onKeyDown={stepMessages}
      >
        <div ref={scroll.flow} class="timeline-flow">
          {hasOlder && (
            <Button
              label={loading ? t("loading") : t("chat.older")}
              look="quiet"
              class="older"
              disabled={loading}
              onClick={() => void loadOlder()}
            />
          )}
          {!hasOlder && snapshot.whole && <p class="beginning">{t("chat.beginning")}</p>}
          {items}
          {outgoing.map((one) => (
            <OutgoingBubble key={one.commandId} outgoing={one} takeBack={takeBack} />
          ))}
        </div>
      </div>
      {scroll.away && (
        <Button
          label={unseen > 0 ? t("chat.newBelow", { n: unseen }) : t("chat.newest")}
          icon="arrowDown"
          class="jump"
          onClick={() => scroll.toEnd()}
        />
      )}
    </div>
  );
}

/** How many messages of the customer came while somebody reads older ones. */
function countUnseen(entries: readonly Entry[], seenUpTo: bigint): number {
  let count = 0;
  for (let n = entries.length - 1; n >= 0; n--) {
    const entry = entries[n];
    if (!entry || entry.version <= seenUpTo) {
      break;
    }
    count += entry.kind.case === "message" && entry.kind.value.author?.kind === PartyKind.CUSTOMER ? 1 : 0;
  }
  return count;
}

/** Messages of one side that follow closely stand together. */
const together = 5 * 60_000;

function continues(before: Entry | undefined, now: Entry): boolean {
  if (before?.kind.case !== "message" || now.kind.case !== "message") {
    return false;
  }
  const sameAuthor = sideOf(before.kind.value) === sideOf(now.kind.value) && before.by?.id === now.by?.id;
  return sameAuthor && instantOf(now.at) - instantOf(before.at) < together;
}

/** The first message that nobody had read when the conversation was opened. */
function useUnreadMark({ whole, entries }: ConversationSnapshot, card: Card): bigint | undefined {
  const mark = useRef<bigint | undefined | null>(null);
  if (mark.current === null && whole) {
    const fromCustomer = entries.filter(({ kind }) => kind.case === "message" && kind.value.author?.kind === PartyKind.CUSTOMER);
    mark.current = card.unreadCount > 0 ? fromCustomer.at(-card.unreadCount)?.version : undefined;
  }
  return mark.current ?? undefined;
}

/** Arrow keys go from message to message. */
function stepMessages(event: KeyboardEvent): void {
  const article = event.target instanceof Element ? event.target.closest("article") : null;
  if (!article || event.target !== article || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) {
    return;
  }
  event.preventDefault();
  const all = [...(article.parentElement?.querySelectorAll<HTMLElement>("article") ?? [])];
  all[all.indexOf(article) + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
}

/** The message of an id, for whoever looks for it. */
export function showMessage(messageId: string): void {
  const element = document.getElementById(`message-${messageId}`);
  element?.scrollIntoView({ block: "center" });
  element?.focus({ preventScroll: true });
}

import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import type { Conversation } from "@intervene/client";
import { newId, RefusedError } from "@intervene/client";
import { Column } from "@intervene/client/wire";
import type { Card, Message } from "@intervene/client/wire";

import type { Outgoing } from "../desk/outbox.js";
import { preferences } from "../desk/preferences.js";
import { usePart, useSnapshot, useValue } from "../desk/value.js";
import { t } from "../words/words.js";
import type { BubbleActions } from "./bubble.js";
import { ChatFoot } from "./chat_foot.js";
import { ChatHead } from "./chat_head.js";
import { useDesk } from "./desk_context.js";
import { later } from "./later.js";
import { Timeline, showMessage } from "./timeline.js";

const Profile = later(async () => (await import("./profile.js")).Profile);

/** Chat is the conversation that is open. */
export function Chat({ conversation, conversationId }: { conversation: Conversation; conversationId: string }) {
  const desk = useDesk();
  const snapshot = useSnapshot(conversation);
  const { profile } = useValue(preferences);
  const card = newer(
    snapshot.card,
    usePart(useValue(desk.board), (board) => board.card(conversationId)),
  );
  const [replyTo, setReplyTo] = useState(() => desk.drafts.get(conversationId).replyTo);
  const [restored, setRestored] = useState(0);
  useMarkRead(conversationId, card);

  const actions = useMemo<BubbleActions>(
    () => ({
      reply: (message) => {
        setReplyTo(message.messageId);
        document.querySelector<HTMLElement>("[data-composer]")?.focus();
      },
      react: (message, emoji) => {
        const now = conversation.snapshot().card;
        if (now) {
          desk.outbox.send(now, { case: "reaction", value: { $typeName: "intervene.v1.Reaction", emoji } }, message.messageId);
        }
      },
      resend: ({ messageId }: Message) =>
        void desk.perform("resend", (commandId, timeoutMs) =>
          desk.client.api.resendMessage({ conversationId, commandId, messageId }, { timeoutMs }),
        ),
      jump: showMessage,
    }),
    [desk, conversation, conversationId],
  );

  const takeBack = ({ commandId, content, replyTo: answered }: Outgoing) => {
    const text = content.case === "text" ? content.value.body : "";
    const draft = desk.drafts.get(conversationId);
    desk.drafts.change(conversationId, { noting: false, text: [text, draft.text].filter(Boolean).join("\n"), replyTo: answered });
    desk.outbox.discard(commandId);
    setReplyTo(answered);
    setRestored(restored + 1);
  };

  if (!card) {
    return <ChatWait conversation={conversation} />;
  }
  const answered = snapshot.entries.find(({ kind }) => kind.case === "message" && kind.value.messageId === replyTo);
  return (
    <div class={`chat ${profile ? "with-profile" : ""}`} data-testid="chat" data-conversation={conversationId}>
      <section class="chat-main" aria-label={t("chat")}>
        <ChatHead card={card} viewers={snapshot.viewers} />
        <Timeline conversation={conversation} snapshot={snapshot} card={card} actions={actions} takeBack={takeBack} />
        <ChatFoot
          key={restored}
          card={card}
          replyTo={replyTo}
          answered={answered?.kind.case === "message" ? answered.kind.value : undefined}
          onReplyTo={setReplyTo}
        />
      </section>
      {profile && <Profile card={card} snapshot={snapshot} />}
    </div>
  );
}

/** What is shown of a conversation of which nothing is known yet, or which there is none of. */
function ChatWait({ conversation }: { conversation: Conversation }) {
  const { state } = useSnapshot(conversation);
  const gone = state.status === "ended" && state.reason instanceof RefusedError;
  return (
    <div class="chat" data-testid="chat">
      <p class="chat-wait" role="status">
        {gone ? t("refused.notFound") : t("loading")}
      </p>
    </div>
  );
}

function newer(a: Card | undefined, b: Card | undefined): Card | undefined {
  return a && b ? (b.version > a.version ? b : a) : (a ?? b);
}

/** Holders who have a conversation before their eyes have read it. */
function useMarkRead(conversationId: string, card: Card | undefined): void {
  const desk = useDesk();
  const marked = useRef(0n);
  const unread = card !== undefined && card.column === Column.INTERVENED && desk.holds(card) && card.unreadCount > 0;
  useEffect(() => {
    const look = () => {
      if (!unread || !card || marked.current === card.version || document.visibilityState !== "visible" || !document.hasFocus()) {
        return;
      }
      marked.current = card.version;
      const call = desk.client.api.markRead({ conversationId, commandId: newId() });
      call.then(
        (answer) => desk.apply(answer),
        () => (marked.current = 0n),
      ); // the next look tries again
    };
    look();
    window.addEventListener("focus", look);
    return () => window.removeEventListener("focus", look);
  }, [desk, conversationId, unread, card?.version]);
}

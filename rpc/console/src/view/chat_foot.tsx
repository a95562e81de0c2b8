import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

import { Column } from "@intervene/client/wire";
import type { Card, Message } from "@intervene/client/wire";

import { useValue } from "../desk/value.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";
import { Composer } from "./composer.js";
import { useDesk } from "./desk_context.js";
import { Icon } from "./icon.js";
import type { IconName } from "./icons.js";
import { TemplateDialog } from "./compose_later.js";
import { useWindowOpen } from "./window_left.js";

interface Props {
  card: Card;
  replyTo: string;
  answered: Message | undefined;
  onReplyTo(messageId: string): void;
}

/** ChatFoot is where one writes or, where one may not, why that is so and what can be done. */
export function ChatFoot({ card, replyTo, answered, onReplyTo }: Props) {
  const desk = useDesk();
  const open = useWindowOpen(card);
  const [noting, setNoting] = useState(() => desk.drafts.get(card.conversationId).noting);
  useEffect(() => {
    const note = () => setNoting(true);
    const reply = () => setNoting(false);
    addEventListener("intervene:note", note);
    addEventListener("intervene:reply", reply);
    return () => {
      removeEventListener("intervene:note", note);
      removeEventListener("intervene:reply", reply);
    };
  }, []);
  const mayWrite = desk.holds(card) && open;
  return (
    <footer class="chat-foot" data-testid="foot">
      <div class="tabs" role="group" aria-label={t("compose.what")}>
        <button type="button" aria-pressed={!noting} onClick={() => setNoting(false)}>
          {t("compose.reply")}
        </button>
        <button type="button" aria-pressed={noting} data-command="note" onClick={() => setNoting(true)}>
          <Icon name="note" />
          {t("compose.note")}
        </button>
      </div>
      {noting || mayWrite ? (
        <Composer
          key={noting ? "note" : "reply"}
          card={card}
          note={noting}
          replyTo={noting ? "" : replyTo}
          answered={noting ? undefined : answered}
          onReplyTo={onReplyTo}
        />
      ) : (
        <Closed card={card} open={open} />
      )}
    </footer>
  );
}

/** Why nothing can be written here, and what can be done. */
function Closed({ card, open }: { card: Card; open: boolean }) {
  const desk = useDesk();
  const busy = useValue(desk.busy) !== "";
  const names = useValue(desk.directory.names);
  const [choosing, setChoosing] = useState(false);
  const { conversationId } = card;
  const { api } = desk.client;
  const template = (
    <Button label={t("template.choose")} icon="template" look="primary" onClick={() => setChoosing(true)} data-command="template" />
  );
  const intervene = (
    <Button
      label={t("intervene")}
      icon="hand"
      look="primary"
      class="intervene"
      shortcut="i"
      disabled={busy}
      data-command="intervene"
      onClick={() =>
        void desk.perform("intervene", (commandId, timeoutMs) => api.intervene({ conversationId, commandId }, { timeoutMs }))
      }
    />
  );
  const dialog = choosing && <TemplateDialog card={card} onClose={() => setChoosing(false)} />;
  switch (card.column) {
    case Column.REQUESTING:
      return (
        <Explained icon="hand" text={open ? t("closed.requesting") : t("closed.requestingLapsed")}>
          <Button
            label={t("dismiss")}
            disabled={busy}
            data-command="dismiss"
            onClick={() =>
              void desk.perform(
                "dismiss",
                (commandId, timeoutMs) => api.resolve({ conversationId, commandId, expectedEpoch: card.epoch }, { timeoutMs }),
                t("done.dismissed"),
              )
            }
          />
          {intervene}
        </Explained>
      );
    case Column.INTERVENED:
      if (desk.holds(card)) {
        return (
          <Explained icon="clock" text={t("closed.lapsed")}>
            {template}
            {dialog}
          </Explained>
        );
      }
      return <Explained icon="person" text={t("closed.heldBy", { agent: names.of(card.holderAgentId) })} />;
    case Column.ACTIVE:
      return (
        <Explained icon="bot" text={desk.session.takeoverFromActive ? t("closed.activeOpen") : t("closed.active")}>
          <Button
            label={t("requestAgent")}
            icon="hand"
            disabled={busy}
            data-command="request"
            onClick={() =>
              void desk.perform("request", (commandId, timeoutMs) => api.requestAgent({ conversationId, commandId }, { timeoutMs }))
            }
          />
          {desk.session.takeoverFromActive && intervene}
        </Explained>
      );
    default:
      if (!desk.session.writeFirst) {
        return <Explained icon="history" text={t("closed.historyShut")} />;
      }
      return (
        <Explained icon="history" text={t("closed.history")}>
          {template}
          {dialog}
        </Explained>
      );
  }
}

function Explained({ icon, text, children }: { icon: IconName; text: string; children?: ComponentChildren }) {
  return (
    <div class="closed" data-testid="closed">
      <p>
        <Icon name={icon} />
        <span>{text}</span>
      </p>
      <div class="button-row">{children}</div>
    </div>
  );
}

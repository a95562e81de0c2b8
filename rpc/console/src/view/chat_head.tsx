import { useState } from "preact/hooks";

import { Column } from "@intervene/client/wire";
import type { Card, Viewer } from "@intervene/client/wire";

import { preferences, prefer } from "../desk/preferences.js";
import { go } from "../desk/route.js";
import { useValue } from "../desk/value.js";
import { phone } from "../words/format.js";
import { t } from "../words/words.js";
import { Avatar } from "./avatar.js";
import { Button } from "./button.js";
import { columnName, contactName, waitsSince } from "./contact.js";
import { useDesk } from "./desk_context.js";
import { Icon } from "./icon.js";
import { TransferDialog } from "./transfer_dialog.js";
import { Waiting } from "./waiting.js";
import { WindowLeft } from "./window_left.js";

/** ChatHead says whose conversation it is and who has it, and gives it away. */
export function ChatHead({ card, viewers }: { card: Card; viewers: readonly Viewer[] }) {
  const desk = useDesk();
  const { profile } = useValue(preferences);
  const busy = useValue(desk.busy);
  const names = useValue(desk.directory.names);
  const [transferring, setTransferring] = useState(false);
  const { conversationId, column, epoch: expectedEpoch } = card;
  const mine = desk.holds(card);
  const intervened = column === Column.INTERVENED;
  const others = viewers.filter(({ agentId }) => agentId !== desk.session.agentId);

  const resolve = () =>
    void desk.perform(
      "resolve",
      (commandId, timeoutMs) => desk.client.api.resolve({ conversationId, commandId, expectedEpoch }, { timeoutMs }),
      t("done.resolved"),
    );
  const takeOver = () =>
    void desk.perform("takeOver", (commandId, timeoutMs) =>
      desk.client.api.takeOver({ conversationId, commandId, expectedEpoch }, { timeoutMs }),
    );
  return (
    <header class="chat-head">
      <Button label={t("back")} icon="back" bare look="quiet" class="chat-back" onClick={() => go({ conversationId: "" })} />
      <Avatar contact={card.contact} />
      <div class="chat-who">
        <h2>
          <bdi>{contactName(card.contact)}</bdi>
        </h2>
        <p>
          <span class={`state column-${column}`}>
            {intervened ? (mine ? t("chat.yours") : t("chat.heldBy", { agent: names.of(card.holderAgentId) })) : columnName(column)}
          </span>
          {(intervened || column === Column.REQUESTING) && <Waiting since={waitsSince(card)} precisely />}
          {card.contact?.name && card.contact.phone && (
            <bdi dir="ltr" class="chat-phone">
              {phone(card.contact.phone)}
            </bdi>
          )}
          <WindowLeft card={card} />
        </p>
        {others.length > 0 && (
          <p class="chat-viewers" role="status">
            <Icon name="users" />
            {others
              .map(({ agentId, typing }) =>
                typing ? t("chat.writes", { agent: names.of(agentId) }) : t("chat.looks", { agent: names.of(agentId) }),
              )
              .join(" · ")}
          </p>
        )}
      </div>
      <div class="chat-tools">
        {intervened && !mine && desk.supervises && (
          <Button label={t("takeOver")} icon="hand" disabled={busy !== ""} onClick={takeOver} data-command="takeOver" />
        )}
        {intervened && (mine || desk.supervises) && (
          <Button
            label={t("transfer")}
            icon="swap"
            shortcut="t"
            disabled={busy !== ""}
            onClick={() => setTransferring(true)}
            data-command="transfer"
          />
        )}
        {intervened && (mine || desk.supervises) && (
          <Button
            label={t("resolve")}
            icon="check"
            look="primary"
            shortcut="e"
            disabled={busy !== ""}
            onClick={resolve}
            data-command="resolve"
          />
        )}
        <Button
          label={t("profile")}
          icon="info"
          bare
          look="quiet"
          shortcut="p"
          aria-pressed={profile}
          data-command="profile"
          onClick={() => prefer({ profile: !profile })}
        />
      </div>
      {transferring && <TransferDialog card={card} onClose={() => setTransferring(false)} />}
    </header>
  );
}

import type { Card } from "@intervene/client/wire";

import { usePart, useValue } from "../desk/value.js";
import { t } from "../words/words.js";
import { Dialog } from "./dialog.js";
import { useDesk } from "./desk_context.js";

/** TransferDialog names the next holder. */
export function TransferDialog({ card, onClose }: { card: Card; onClose(): void }) {
  const desk = useDesk();
  const names = useValue(desk.directory.names);
  const agents = names.agents.filter(({ id }) => id !== card.holderAgentId);
  const presence = usePart(useValue(desk.board), (board) => board.presence);
  const online = (id: string) => presence.has(id);
  agents.sort((a, b) => Number(online(b.id)) - Number(online(a.id)) || a.name.localeCompare(b.name));
  const transfer = async (toAgentId: string) => {
    const { conversationId, epoch: expectedEpoch } = card;
    const agent = names.of(toAgentId);
    const done = await desk.perform(
      "transfer",
      (commandId, timeoutMs) => desk.client.api.transfer({ conversationId, commandId, expectedEpoch, toAgentId }, { timeoutMs }),
      t("done.transferred", { agent }),
    );
    if (done) {
      onClose();
    }
  };
  return (
    <Dialog title={t("transfer.to")} onClose={onClose}>
      <ul class="choices-list">
        {agents.map(({ id, name }) => (
          <li key={id}>
            <button type="button" class="choice-button" onClick={() => void transfer(id)}>
              <span class={`dot ${online(id) ? "on" : ""}`} aria-hidden="true" />
              <bdi>{name || id}</bdi>
              <small>{online(id) ? t("presence.online") : t("presence.offline")}</small>
            </button>
          </li>
        ))}
      </ul>
      {agents.length === 0 && <p>{t("transfer.nobody")}</p>}
    </Dialog>
  );
}

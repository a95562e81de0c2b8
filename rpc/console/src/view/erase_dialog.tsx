import type { Card } from "@intervene/client/wire";

import { go } from "../desk/route.js";
import { useValue } from "../desk/value.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";
import { contactName } from "./contact.js";
import { useDesk } from "./desk_context.js";
import { Dialog } from "./dialog.js";

/** EraseDialog asks once more before what is known of a customer is removed for ever. */
export function EraseDialog({ card, onClose }: { card: Card; onClose(): void }) {
  const desk = useDesk();
  const busy = useValue(desk.busy) !== "";
  const { conversationId } = card;
  const erase = async () => {
    const call = (commandId: string, timeoutMs: number) =>
      desk.client.api.eraseContact({ conversationId, commandId }, { timeoutMs }).then(() => ({}));
    if (await desk.perform("erase", call, t("done.erased"))) {
      go({ conversationId: "" });
    }
  };
  return (
    <Dialog title={t("erase")} onClose={onClose}>
      <p>{t("erase.means", { name: contactName(card.contact) })}</p>
      <div class="button-row">
        <Button label={t("cancel")} onClick={onClose} />
        <Button label={t("erase.forEver")} look="danger" disabled={busy} onClick={() => void erase()} />
      </div>
    </Dialog>
  );
}

import { Delivery } from "@intervene/client/wire";

import type { Key } from "../words/text.js";
import { t } from "../words/words.js";
import { Icon } from "./icon.js";
import type { IconName } from "./icons.js";

const looks: Readonly<Record<Delivery, readonly [IconName, Key, string] | undefined>> = {
  [Delivery.UNSPECIFIED]: undefined,
  [Delivery.QUEUED]: ["clock", "delivery.queued", ""],
  [Delivery.ATTEMPTED]: ["clock", "delivery.attempted", ""],
  [Delivery.UNKNOWN]: ["alert", "delivery.unknown", "warn"],
  [Delivery.ACCEPTED]: ["check", "delivery.accepted", "faint"],
  [Delivery.SENT]: ["check", "delivery.sent", ""],
  [Delivery.DELIVERED]: ["checks", "delivery.delivered", ""],
  [Delivery.READ]: ["checks", "delivery.read", "read"],
  [Delivery.PLAYED]: ["checks", "delivery.played", "read"],
  [Delivery.FAILED]: ["alert", "delivery.failed", "bad"],
  [Delivery.REJECTED]: ["alert", "delivery.rejected", "bad"],
  [Delivery.DISCARDED]: ["close", "delivery.discarded", "faint"],
};

/** Ticks say how far a message has come. */
export function Ticks({ delivery }: { delivery: Delivery }) {
  const look = looks[delivery];
  if (!look) {
    return null;
  }
  const [icon, key, tone] = look;
  const said = t(key);
  return (
    <span class={`ticks ${tone}`} role="img" aria-label={said} title={said} data-delivery={Delivery[delivery]}>
      <Icon name={icon} />
    </span>
  );
}

import type { Contact } from "@intervene/client/wire";

import { initials, tint } from "./contact.js";
import { Icon } from "./icon.js";

export function Avatar({ contact }: { contact: Contact | undefined }) {
  const letters = initials(contact);
  return (
    <span class={`avatar tint-${tint(contact)}`} aria-hidden="true">
      {letters || <Icon name="person" />}
    </span>
  );
}

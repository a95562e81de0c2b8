import { Column } from "@intervene/client/wire";
import type { Card, Contact } from "@intervene/client/wire";

import { phone } from "../words/format.js";
import { line } from "../words/safe.js";
import { t } from "../words/words.js";

/** How a contact is called: by name, else by number. */
export function contactName(contact: Contact | undefined): string {
  return line(contact?.name ?? "").trim() || phone(contact?.phone ?? "") || t("contact.unknown");
}

/** Two letters at most, for the round picture of a contact. */
export function initials(contact: Contact | undefined): string {
  const words = line(contact?.name ?? "")
    .split(/\s+/)
    .filter((word) => /^[\p{L}\p{N}]/u.test(word));
  const letters = [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => [...(word ?? "")][0] ?? "");
  return letters.join("").toLocaleUpperCase();
}

/** One of eight tints, always the same for a contact. */
export function tint(contact: Contact | undefined): number {
  let sum = 0;
  for (const character of contact?.id ?? "") {
    sum = (sum * 31 + character.charCodeAt(0)) >>> 0;
  }
  return sum % 8;
}

export function columnName(column: Column): string {
  switch (column) {
    case Column.ACTIVE:
      return t("column.active");
    case Column.REQUESTING:
      return t("column.requesting");
    case Column.INTERVENED:
      return t("column.intervened");
    default:
      return t("column.history");
  }
}

/** Since when a customer waits for a person, or for an answer of the one who came. */
export function waitsSince(card: Card): Card["since"] {
  return card.column === Column.REQUESTING ? card.requestedAt : card.since;
}

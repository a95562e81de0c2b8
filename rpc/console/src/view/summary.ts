import type { Content } from "@intervene/client/wire";

import { line } from "../words/safe.js";
import { t } from "../words/words.js";

/** What is quoted of a message, in one line. */
export function summary(content: Content | undefined): string {
  return cut(line(words(content)));
}

function cut(text: string): string {
  const characters = [...text.slice(0, 400)];
  return characters.length > 140 ? `${characters.slice(0, 139).join("")}…` : text.slice(0, 400);
}

function words(content: Content | undefined): string {
  const kind = content?.kind;
  switch (kind?.case) {
    case "text":
    case "buttons":
    case "list":
    case "link":
    case "flowReply":
      return kind.value.body;
    case "buttonReply":
      return kind.value.title;
    case "image":
    case "video":
    case "audio":
    case "document":
    case "sticker":
      return kind.value.caption || kind.value.filename || t(`content.${kind.case}`);
    case "location":
      return kind.value.name || t("content.location");
    case "contacts":
      return kind.value.contacts.map(({ name }) => name?.formattedName ?? "").join(", ");
    case "reaction":
      return kind.value.emoji;
    case "template":
      return t("content.template", { name: kind.value.name });
    case "order":
      return t("content.order", { n: kind.value.items.length });
    case "callPermission":
      return kind.value.granted ? t("content.callGranted") : t("content.callDenied");
    case "welcome":
      return t("content.welcome");
    case "system":
      return t("content.system");
    case undefined:
      return t("content.revoked");
    default:
      return t("content.unsupported");
  }
}

import type { Entry } from "@intervene/client";
import { Cause, Column, Consent, PartyKind } from "@intervene/client/wire";
import type { HandOver, Party } from "@intervene/client/wire";

import type { Names } from "../desk/directory.js";
import { hashOf } from "../desk/route.js";
import { line } from "../words/safe.js";
import { t } from "../words/words.js";
import { contactName } from "./contact.js";
import { Icon } from "./icon.js";
import type { IconName } from "./icons.js";
import { RichText } from "./rich_text.js";
import { Moment } from "./waiting.js";

/** How whoever did something is called. */
export function partyName(party: Party | undefined, names: Names): string {
  switch (party?.kind) {
    case PartyKind.CUSTOMER:
      return t("party.customer");
    case PartyKind.BOT:
      return t("party.bot");
    case PartyKind.AGENT:
    case PartyKind.SUPERVISOR:
      return names.of(party.id);
    case PartyKind.OUTSIDE:
      return t("party.outside");
    default:
      return t("party.engine");
  }
}

/** What a hand-over says in one sentence: who, what, and why. */
export function handOverText({ cause, column, holderAgentId, reason }: HandOver, by: Party | undefined, names: Names): string {
  const who = partyName(by, names);
  const holder = names.of(holderAgentId);
  switch (cause) {
    case Cause.REQUESTED:
      return reason ? t("handOver.requestedWhy", { who, reason }) : t("handOver.requested", { who });
    case Cause.BOT_UNAVAILABLE:
      return t("handOver.botUnavailable");
    case Cause.WINDOW_CLOSED:
      return t("handOver.lateMessage");
    case Cause.WITHDRAWN:
      return t("handOver.withdrawn", { who });
    case Cause.DISMISSED:
      return t("handOver.dismissed", { who });
    case Cause.INTERVENED:
      return t("handOver.intervened", { who: holder });
    case Cause.TAKEN_OVER:
      return t("handOver.takenOver", { who: holder });
    case Cause.TRANSFERRED:
      return t("handOver.transferred", { who, holder });
    case Cause.RESOLVED:
      return t("handOver.resolved", { who });
    case Cause.AUTO_RESOLVED:
      return t("handOver.autoResolved");
    case Cause.WINDOW_LAPSED:
      return t("handOver.windowLapsed");
    default:
      return column === Column.ACTIVE ? t("handOver.active") : t("handOver.moved");
  }
}

/** EventMark is what happened besides messages, as it stands in the timeline. */
export function EventMark({ entry, names }: { entry: Entry; names: Names }) {
  const { kind, by, at } = entry;
  if (kind.case === "note") {
    return (
      <article class="note" data-testid="note" aria-label={t("note.by", { who: partyName(by, names) })}>
        <header>
          <Icon name="note" />
          <bdi>{t("note.by", { who: partyName(by, names) })}</bdi>
          <Moment at={at} />
        </header>
        <RichText text={kind.value.body} />
      </article>
    );
  }
  const said = saying(entry, names);
  if (!said) {
    return null;
  }
  const [icon, text, tone] = said;
  return (
    <p class={`event ${tone}`} data-testid="mark">
      <Icon name={icon} />
      <span dir="auto">{text}</span>
      {kind.case === "contactLink" && <a href={hashOf({ place: "board", conversationId: kind.value.conversationId })}>{t("open")}</a>}
      <Moment at={at} />
    </p>
  );
}

function saying({ kind, by }: Entry, names: Names): readonly [IconName, string, string] | undefined {
  const who = partyName(by, names);
  switch (kind.case) {
    case "handOver":
      return [iconOf(kind.value.column), handOverText(kind.value, by, names), `to-${kind.value.column}`];
    case "tagsChange": {
      const tags = kind.value.tags.map(line).join(", ");
      return ["tag", tags ? t("tags.changed", { who, tags }) : t("tags.cleared", { who }), ""];
    }
    case "contactChange":
      return ["person", t("contact.changed", { name: contactName(kind.value.contact) }), ""];
    case "contactLink":
      return ["link", t("contact.linked"), ""];
    case "consentChange":
      return ["bell", kind.value.consent === Consent.STOP ? t("consent.stop") : t("consent.resume"), ""];
    case "erasure":
      return ["close", t("erased", { who }), ""];
    default:
      return undefined;
  }
}

function iconOf(column: Column): IconName {
  switch (column) {
    case Column.REQUESTING:
      return "hand";
    case Column.INTERVENED:
      return "person";
    case Column.HISTORY:
      return "history";
    default:
      return "bot";
  }
}

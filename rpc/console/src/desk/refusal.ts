import { Code, ConnectError } from "@connectrpc/connect";

import { invalidFields, reasonOf } from "@intervene/client";

import { dateTime } from "../words/format.js";
import { t } from "../words/words.js";
import type { Names } from "./directory.js";

/** refusalText says in plain words why the edge did not do what it was asked for. */
export function refusalText(error: unknown, names: Names): string {
  const { reason, metadata } = reasonOf(error) ?? { reason: "", metadata: {} as Readonly<Record<string, string>> };
  const holder = metadata["holder"] ?? "";
  switch (reason) {
    case "HELD_BY_OTHER":
      return t("refused.heldByOther", { agent: names.of(holder) });
    case "NOT_HOLDER":
      return holder ? t("refused.notHolder", { agent: names.of(holder) }) : t("refused.notHolderNobody");
    case "NOT_REQUESTING":
      return t("refused.notRequesting");
    case "NOT_INTERVENED":
      return t("refused.notIntervened");
    case "WINDOW_CLOSED": {
      const closed = Date.parse(metadata["closed_at"] ?? "");
      return Number.isNaN(closed) ? t("refused.neverWrote") : t("refused.windowClosed", { at: dateTime(closed) });
    }
    case "OPTED_OUT":
      return t("refused.optedOut");
    case "NOT_RESENDABLE":
      return t("refused.notResendable");
    case "STALE_EPOCH":
      return t("refused.staleEpoch");
    case "COMMAND_REUSED":
      return t("refused.commandReused");
    case "DISK_FULL":
      return t("refused.diskFull");
    case "OVERLOADED":
    case "TOO_MANY_STREAMS":
      return t("refused.overloaded");
    case "QUARANTINED":
    case "CORRUPT":
      return t("refused.quarantined");
    default:
      return byCode(error);
  }
}

function byCode(error: unknown): string {
  if (!(error instanceof ConnectError)) {
    return t("refused.unreachable");
  }
  switch (error.code) {
    case Code.PermissionDenied:
      return t("refused.forbidden");
    case Code.NotFound:
      return t("refused.notFound");
    case Code.InvalidArgument:
      return t("refused.invalid", { fields: invalidFields(error).join(", ") || "?" });
    case Code.Unauthenticated:
      return t("refused.signedOut");
    default:
      return t("refused.unreachable");
  }
}

import type { Key } from "../words/text.js";
import { t } from "../words/words.js";

/** What Meta's codes mean to whoever wrote the message. */
const reasons: readonly (readonly [Key, readonly number[]])[] = [
  ["failure.rate", [4, 80007, 130429]],
  ["failure.pair", [131056]],
  ["failure.platform", [1, 2, 131000, 131016, 131057, 133004]],
  ["failure.access", [0, 3, 10, 190]],
  ["failure.locked", [368, 131031, 131064]],
  ["failure.spam", [131048]],
  ["failure.payment", [131042]],
  ["failure.registration", [131045, 133010]],
  ["failure.country", [130497]],
  ["failure.window", [131047]],
  ["failure.undeliverable", [131026]],
  ["failure.type", [131051]],
  ["failure.self", [131021]],
  ["failure.parameter", [100, 131008, 131009, 131062]],
  ["failure.media", [131053]],
  ["failure.experiment", [130472]],
  ["failure.optedOut", [131050]],
  ["failure.marketingLimit", [131049]],
  ["failure.templateParameters", [132000, 132012]],
  ["failure.templateMissing", [132001]],
  ["failure.templateLong", [132005]],
  ["failure.templatePolicy", [132007]],
  ["failure.templatePaused", [132015, 132016]],
  ["failure.flow", [132068, 132069]],
];

const byCode = new Map(reasons.flatMap(([key, codes]) => codes.map((code) => [code, key] as const)));

/** Why a message did not reach the customer, in plain words. */
export function failureText(code: number, windowClosed: boolean): string {
  if (code >= 200 && code <= 299) {
    return t("failure.access");
  }
  const key = code === 0 ? (windowClosed ? "failure.window" : "failure.unknown") : byCode.get(code);
  return t(key ?? "failure.unknown");
}

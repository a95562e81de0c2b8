import type { Card } from "@intervene/client/wire";

import { instantOf, useTicking } from "../desk/ticker.js";
import { roughly } from "../words/format.js";
import { t } from "../words/words.js";

/** Below this many milliseconds the rest of the window is told in its own colour. */
const soon = 2 * 3_600_000;

/** Whether anything but a template may be sent. */
export function useWindowOpen(card: Card): boolean {
  const closes = instantOf(card.windowExpiresAt);
  return useTicking((now) => now < closes);
}

/** WindowLeft counts down the time in which WhatsApp lets the business write freely. */
export function WindowLeft({ card }: { card: Card }) {
  const closes = instantOf(card.windowExpiresAt);
  const text = useTicking((now) => (closes > now ? t("window.left", { time: roughly(closes - now) }) : t("window.closed")));
  const tone = useTicking((now) => (closes <= now ? "closed" : closes - now < soon ? "soon" : ""));
  return closes === 0 ? null : <span class={`window ${tone}`}>{text}</span>;
}

import { Value } from "./value.js";

/** Notice is a short word to whoever works here: what was done, or why not. */
export interface Notice {
  readonly id: number;
  readonly tone: "done" | "problem";
  readonly text: string;
}

/** How long a notice stands, in milliseconds, and how many do at once. A problem stays until it is put away. */
const standsFor = 6_000;
const maxNotices = 4;

let counted = 0;

export const notices = new Value<readonly Notice[]>([]);

export function say(tone: Notice["tone"], text: string): void {
  const notice = { id: ++counted, tone, text };
  notices.set([...notices.get().filter((one) => one.text !== text), notice].slice(-maxNotices));
  if (tone === "done") {
    setTimeout(() => putAway(notice.id), standsFor);
  }
}

export function putAway(id: number): void {
  notices.set(notices.get().filter((notice) => notice.id !== id));
}

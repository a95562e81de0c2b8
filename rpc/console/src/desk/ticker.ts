import { useEffect, useState } from "preact/hooks";

import type { Timestamp } from "@bufbuild/protobuf/wkt";

/** How far the server's clock is ahead of this one, in milliseconds: waiting times are told by the server's. */
let ahead = 0;

/** Learns the server's time from the Date of an answer, which has whole seconds. */
export function learnTime(date: string | null): void {
  const server = date === null ? Number.NaN : Date.parse(date);
  const off = server + 500 - Date.now();
  // A second of difference is what Date leaves open.
  ahead = Number.isNaN(off) || Math.abs(off) < 1_500 ? 0 : off;
}

/** The server's time, in milliseconds since 1970. */
export function serverNow(): number {
  return Date.now() + ahead;
}

/** Milliseconds since 1970; 0: there is none. */
export function instantOf(at: Timestamp | undefined): number {
  return at ? Number(at.seconds) * 1000 + Math.floor(at.nanos / 1e6) : 0;
}

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function tick(): void {
  if (document.visibilityState === "visible") {
    for (const listener of [...listeners]) {
      listener();
    }
  }
}

function listen(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(tick, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** useTicking answers what make says of the time, and paints anew when that changes: it is asked each second. */
export function useTicking<T extends string | number | boolean>(make: (now: number) => T): T {
  const [, paint] = useState(0);
  const shown = make(serverNow());
  useEffect(() =>
    listen(() => {
      if (make(serverNow()) !== shown) {
        paint((n) => n + 1);
      }
    }),
  );
  return shown;
}

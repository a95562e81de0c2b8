import { setImmediate } from "node:timers/promises";

import type { Clock } from "../src/clock.js";

/** What is on its way within a process arrives. */
export async function settle(): Promise<void> {
  for (let n = 0; n < 8; n++) {
    await setImmediate();
  }
}

interface Timer {
  readonly at: number;
  readonly call: () => void;
}

/** VirtualClock stands still until it is told otherwise. */
export class VirtualClock implements Clock {
  #now = Date.UTC(2026, 0, 2, 12);
  readonly #timers = new Set<Timer>();
  /** What random answers. */
  chance = 0.5;
  painted = 0;

  now(): number {
    return this.#now;
  }

  after(milliseconds: number, call: () => void): () => void {
    const timer = { at: this.#now + milliseconds, call };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  random(): number {
    return this.chance;
  }

  beforePaint(call: () => void): void {
    queueMicrotask(() => {
      this.painted++;
      call();
    });
  }

  /** Lets time pass. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    await settle();
    for (;;) {
      const [next] = [...this.#timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at);
      if (!next) {
        break;
      }
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.call();
      await settle();
    }
    this.#now = end;
  }

  /** The wall clock jumps, as it does when a computer slept. */
  jump(milliseconds: number): void {
    this.#now += milliseconds;
  }

  get timers(): number {
    return this.#timers.size;
  }
}

/** Draws numbers from 0 to 1 that depend on the seed alone. */
export function dice(seed: number): () => number {
  let state = (seed + 1) * 0x9e3779b9;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

import { useEffect, useRef, useState } from "preact/hooks";

import type { Follower, Snapshot } from "@intervene/client";

/** Value is something that changes, and whoever shows it is told. */
export class Value<T> {
  #current: T;
  readonly #listeners = new Set<() => void>();

  constructor(initial: T) {
    this.#current = initial;
  }

  get(): T {
    return this.#current;
  }

  set(next: T): void {
    if (next === this.#current) {
      return;
    }
    this.#current = next;
    for (const listener of [...this.#listeners]) {
      listener();
    }
  }

  /** Calls the listener after each change. The answer ends it. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** useValue paints a component anew when the value changes. */
export function useValue<T>(value: Value<T>): T {
  const [, paint] = useState(0);
  useEffect(() => {
    const painted = value.get();
    const repaint = () => paint((n) => n + 1);
    const end = value.subscribe(repaint);
    if (value.get() !== painted) {
      repaint();
    }
    return end;
  }, [value]);
  return value.get();
}

/** useSnapshot paints a component anew when what is followed changes. */
export function useSnapshot<S extends Snapshot>(follower: Follower<S>): S {
  const [, paint] = useState(0);
  useEffect(() => {
    const repaint = () => paint((n) => n + 1);
    const end = follower.subscribe(repaint);
    repaint();
    return end;
  }, [follower]);
  return follower.snapshot();
}

/** usePart paints a component anew when one part of what is followed changes, which a board does many times a second. */
export function usePart<S extends Snapshot, T>(follower: Follower<S>, part: (snapshot: S) => T): T {
  const [, paint] = useState(0);
  const select = useRef(part);
  select.current = part;
  const now = part(follower.snapshot());
  const shown = useRef(now);
  shown.current = now;
  useEffect(() => {
    const look = (snapshot: S) => {
      if (select.current(snapshot) !== shown.current) {
        paint((n) => n + 1);
      }
    };
    look(follower.snapshot());
    return follower.subscribe(look);
  }, [follower]);
  return now;
}

import { askedPause, StreamError } from "./errors.js";

/**
 * The first pause before another attempt is drawn from all of firstPause, each
 * further one from twice as much, up to longestPause: those who were cut off
 * together do not come back together. Milliseconds.
 */
export const firstPause = 250;
export const longestPause = 15_000;

/** Backoff counts the attempts since the last that came to something. */
export class Backoff {
  #failures = 0;
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  /**
   * How many milliseconds to stay away after an error. live: the stream that it
   * ended had come as far as showing the present.
   */
  pause(error: unknown, live: boolean): number {
    const asked = askedPause(error);
    if (live) {
      this.reset();
      if (error instanceof StreamError && error.why === "sent away") {
        return asked; // the server has spread its callers already
      }
    }
    return asked + this.#random() * this.#next();
  }

  /** Begins anew: an attempt came to something. */
  reset(): void {
    this.#failures = 0;
  }

  /** The bound of a pause that is drawn. */
  #next(): number {
    const bound = Math.min(firstPause * 2 ** Math.min(this.#failures, 16), longestPause);
    this.#failures++;
    return bound;
  }
}

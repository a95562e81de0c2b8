/** Clock is time, chance and painting, as a follower meets them; tests bring their own. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls once after so many milliseconds. The answer calls it off. */
  after(milliseconds: number, call: () => void): () => void;
  /** Draws from 0 up to, but not including, 1. */
  random(): number;
  /** Calls once, before the next picture where there are any, else soon. */
  beforePaint(call: () => void): void;
}

/** Milliseconds that a picture may take to come: a page that was hidden meanwhile has none. */
const paintPatience = 250;

/** systemClock is that of the page or the process. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(milliseconds, call) {
    const timer = setTimeout(call, milliseconds);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
  beforePaint(call) {
    // A hidden page paints nothing, and may still have work to do.
    if (typeof document === "undefined" || document.visibilityState !== "visible") {
      queueMicrotask(call);
      return;
    }
    const paint = () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
      call();
    };
    const frame = requestAnimationFrame(paint);
    const timer = setTimeout(paint, paintPatience);
  },
};

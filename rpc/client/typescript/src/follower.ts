import { Backoff } from "./backoff.js";
import type { Clock } from "./clock.js";
import { ClosedError, RefusedError, refusal, StreamError } from "./errors.js";

/** Milliseconds that the first frame of a stream may take. */
export const connectTimeout = 15_000;
/**
 * The longest that a stream is silent, unless its Hello says otherwise;
 * silentIntervals of them end it. Milliseconds.
 */
export const heartbeatInterval = 15_000;
export const silentIntervals = 2;
/** What bounds the interval that a Hello may name. */
export const shortestInterval = 1_000;
export const longestInterval = 300_000;
/** How often the wall clock is looked at: a computer that slept is found out soon after it woke. */
export const watchInterval = 2_000;

/** FollowerState is how a follower stands to the server. */
export type FollowerState =
  /** The first attempt, or the first after a pause, is under way. */
  | { readonly status: "connecting" }
  /** What is shown is the present. */
  | { readonly status: "live" }
  /** What is shown is the past. nextAttemptAt, in milliseconds since 1970, is undefined while an attempt is under way. */
  | { readonly status: "interrupted"; readonly reason: Error; readonly nextAttemptAt: number | undefined }
  /** The owner wants no stream for now. */
  | { readonly status: "paused" }
  /** For good: a ClosedError, or a RefusedError. */
  | { readonly status: "ended"; readonly reason: Error };

/** Snapshot is what all followers' snapshots have. They never change. */
export interface Snapshot {
  /** Everything that there was came at least once. */
  readonly whole: boolean;
  readonly state: FollowerState;
}

const connecting: FollowerState = { status: "connecting" };
const live: FollowerState = { status: "live" };
const paused: FollowerState = { status: "paused" };

/**
 * Follower keeps one stream open and folds what comes. Whoever makes one closes it.
 */
export abstract class Follower<S extends Snapshot> {
  #state: FollowerState = connecting;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  /** Of the stream that is open or being opened. */
  #stream: AbortController | undefined;
  #callOffAttempt: (() => void) | undefined;

  #shown: S | undefined;
  readonly #listeners = new Set<(snapshot: S) => void>();
  #announcing = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#backoff = new Backoff(() => clock.random());
  }

  /** Serves one stream to its end, which is what it answers. */
  protected abstract session(stream: AbortController): Promise<Error>;
  /** Forgets what came of a state that is not whole. */
  protected abstract interrupted(): void;
  protected abstract makeSnapshot(state: FollowerState): S;

  get state(): FollowerState {
    return this.#state;
  }

  /** What is known now. While the stream is down that is what was known last. */
  snapshot(): S {
    return (this.#shown ??= this.makeSnapshot(this.#state));
  }

  /**
   * Calls the listener with each change, at most once before each picture: who is
   * slow gets fewer, newer ones. It is not called with what is there already. The
   * answer ends it.
   */
  subscribe(listener: (snapshot: S) => void): () => void {
    const own = (snapshot: S) => listener(snapshot); // the same function may listen twice
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /**
   * Waits for a whole snapshot that is newer than the one given; without one it
   * takes the first. It fails with what ended the follower, or the signal.
   */
  next(than?: S, signal?: AbortSignal): Promise<S> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const now = this.snapshot();
        if (now.whole && now !== than) {
          leave();
          resolve(now);
        } else if (signal?.aborted) {
          leave();
          reject(signal.reason);
        } else if (this.#state.status === "ended") {
          leave();
          reject(this.#state.reason);
        }
      };
      const unsubscribe = this.subscribe(look);
      const leave = () => {
        unsubscribe();
        signal?.removeEventListener("abort", look);
      };
      signal?.addEventListener("abort", look);
      look();
    });
  }

  /** Ends the stream and keeps what is known: for a page that nobody sees. */
  pause(): void {
    if (this.#state.status === "ended" || this.#state.status === "paused") {
      return;
    }
    this.#leave(new ClosedError());
    this.#enter(paused);
  }

  /** Goes on after pause, from what is known. */
  resume(): void {
    if (this.#state.status === "paused") {
      this.#enter(connecting);
      this.#attempt();
    }
  }

  /** Cuts a pause between attempts short: somebody pressed a button, or the network is back. */
  retryNow(): void {
    if (this.#callOffAttempt && this.#state.status === "interrupted") {
      this.#callOffAttempt();
      this.#again(this.#state.reason);
    }
  }

  /** Ends the follower. What was shown can still be had. */
  close(): void {
    this.#end(new ClosedError());
  }

  protected start(): void {
    this.#attempt();
  }

  /** Tells everybody that there is something new to be seen. */
  protected changed(): void {
    this.#shown = undefined;
    if (this.#announcing || this.#listeners.size === 0) {
      return;
    }
    this.#announcing = true;
    this.#clock.beforePaint(() => {
      this.#announcing = false;
      for (const listener of [...this.#listeners]) {
        if (this.#listeners.has(listener)) {
          listener(this.snapshot());
        }
      }
    });
  }

  /** The stream has come as far as the present. */
  protected reached(): void {
    if (this.#state.status !== "live") {
      this.#enter(live);
    }
  }

  #enter(state: FollowerState): void {
    this.#state = state;
    this.changed();
  }

  #attempt(): void {
    const stream = new AbortController();
    this.#stream = stream;
    void this.session(stream).then((error) => {
      if (this.#stream === stream) {
        this.#lost(error);
      }
    });
  }

  #lost(error: Error): void {
    if (error instanceof RefusedError) {
      this.#end(error);
      return;
    }
    const wasLive = this.#state.status === "live";
    this.#leave(error);
    const pause = this.#backoff.pause(error, wasLive);
    this.#callOffAttempt = this.#clock.after(pause, () => this.#again(error));
    this.#enter({ status: "interrupted", reason: error, nextAttemptAt: this.#clock.now() + pause });
  }

  #again(reason: Error): void {
    this.#callOffAttempt = undefined;
    this.#enter({ status: "interrupted", reason, nextAttemptAt: undefined });
    this.#attempt();
  }

  #end(reason: Error): void {
    if (this.#state.status === "ended") {
      return;
    }
    this.#leave(reason);
    this.#enter({ status: "ended", reason });
  }

  /** Leaves the stream, or the pause before one. */
  #leave(reason: Error): void {
    this.#callOffAttempt?.();
    this.#callOffAttempt = undefined;
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.abort(reason);
    this.interrupted();
  }
}

/**
 * receive serves one stream until it ends or is aborted, and answers why. take
 * answers how many milliseconds the stream may be silent from there on.
 */
export function receive<F>(
  clock: Clock,
  stream: AbortController,
  open: (signal: AbortSignal) => AsyncIterable<F>,
  take: (frame: F) => number,
): Promise<Error> {
  const { signal } = stream;
  let deadline = clock.now() + connectTimeout;
  let callOff = () => {};
  const watch = () => {
    const left = deadline - clock.now();
    if (left <= 0) {
      stream.abort(new StreamError("silent"));
    } else {
      callOff = clock.after(Math.min(left, watchInterval), watch);
    }
  };
  const read = async () => {
    for await (const frame of open(signal)) {
      if (signal.aborted) {
        break; // nobody listens any more
      }
      deadline = clock.now() + take(frame);
    }
    return new StreamError("ended");
  };
  // A transport may take its time to notice that it was aborted.
  const aborted = new Promise<Error>((resolve) => {
    signal.addEventListener("abort", () => resolve(signal.reason as Error), { once: true });
  });
  watch();
  return Promise.race([read().catch(refusal), aborted]).finally(() => {
    callOff();
    stream.abort(new StreamError("ended"));
  });
}

/** How many milliseconds a stream of this heartbeat interval may be silent. */
export function silenceOf(interval: number): number {
  return silentIntervals * Math.min(Math.max(interval, shortestInterval), longestInterval);
}

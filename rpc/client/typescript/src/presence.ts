import type { Client as Service } from "@connectrpc/connect";

import { Backoff } from "./backoff.js";
import type { Clock } from "./clock.js";
import { millisecondsOf, RefusedError, refusal } from "./errors.js";
import { newId } from "./id.js";
import type { LiveChatService } from "./wire.js";

/** The lease is renewed after this share of it. */
export const renewalShare = 2 / 3;
/** The shortest and the longest time to a renewal, in milliseconds, whatever the server says. */
export const shortestRenewal = 5_000;
export const longestRenewal = 120_000;
/** Milliseconds that a call may take. */
export const presenceTimeout = 10_000;
/**
 * Typing is said again after this many milliseconds in which somebody wrote on: the
 * server takes it for over after 10 seconds.
 */
export const typingRepeat = 4_000;
/** Typing is over after this many milliseconds without a key. */
export const typingPause = 6_000;

/** What a session says of itself. */
interface Said {
  readonly conversationId: string;
  readonly typing: boolean;
}

/**
 * Presence keeps a lease: while it is there, colleagues see the caller online, and
 * what it has open. A failed call is repeated; it never fails its owner, who closes
 * it.
 */
export class Presence {
  readonly sessionId = newId();
  readonly #service: Service<typeof LiveChatService>;
  readonly #clock: Clock;
  readonly #backoff: Backoff;

  #viewing = "";
  #typedAt = Number.NEGATIVE_INFINITY;
  #said: Said | undefined;
  #saidAt = Number.NEGATIVE_INFINITY;

  #calling = false;
  #renewal = () => {};
  #pause = () => {};
  #closed = false;
  #error: Error | undefined;

  /** Use Client.keepPresence. */
  constructor(service: Service<typeof LiveChatService>, clock: Clock) {
    this.#service = service;
    this.#clock = clock;
    this.#backoff = new Backoff(() => clock.random());
    this.#say();
  }

  /** Why the newest call failed; undefined: it did not. After a RefusedError there are no more. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Says which conversation is open; none: "". */
  view(conversationId: string): void {
    if (conversationId === this.#viewing) {
      return;
    }
    this.#viewing = conversationId;
    this.#typedAt = Number.NEGATIVE_INFINITY;
    this.#say();
  }

  /** Says that something is being written in it; call it with each key. */
  type(): void {
    this.#typedAt = this.#clock.now();
    this.#pause();
    this.#pause = this.#clock.after(typingPause, () => this.stopTyping());
    if (!this.#said?.typing || this.#clock.now() - this.#saidAt >= typingRepeat) {
      this.#say();
    }
  }

  /** Says that nothing is being written any more: it was sent, or removed. */
  stopTyping(): void {
    this.#pause();
    this.#typedAt = Number.NEGATIVE_INFINITY;
    if (this.#said?.typing) {
      this.#say();
    }
  }

  /** Takes the lease again after leave: a page that was put aside is back. */
  resume(): void {
    if (this.#closed && !(this.#error instanceof RefusedError)) {
      this.#closed = false;
      this.#say();
    }
  }

  /** Gives the lease up: the session is gone at once. Nothing waits for the answer. */
  leave(): void {
    if (this.#closed) {
      return;
    }
    this.#stop();
    this.#said = undefined;
    // If it is lost, the lease ends by itself.
    this.#service.updatePresence({ sessionId: this.sessionId, leave: true }, { timeoutMs: presenceTimeout }).catch(() => {});
  }

  /** Gives the lease up. */
  close(): void {
    this.leave();
  }

  #stop(): void {
    this.#closed = true;
    this.#renewal();
    this.#pause();
  }

  #now(): Said {
    const typing = this.#viewing !== "" && this.#clock.now() - this.#typedAt < typingPause;
    return { conversationId: this.#viewing, typing };
  }

  /** Tells the server what is so now. One call is under way at a time: the next tells what came in between. */
  #say(): void {
    if (this.#closed || this.#calling) {
      return;
    }
    this.#renewal();
    const saying = this.#now();
    this.#said = saying;
    this.#saidAt = this.#clock.now();
    this.#calling = true;
    this.#service.updatePresence({ sessionId: this.sessionId, ...saying }, { timeoutMs: presenceTimeout }).then(
      ({ lease }) => this.#answered(saying, millisecondsOf(lease)),
      (error: unknown) => this.#failed(refusal(error)),
    );
  }

  #answered(said: Said, lease: number): void {
    this.#calling = false;
    this.#error = undefined;
    this.#backoff.reset();
    const now = this.#now();
    if (this.#closed) {
      return;
    }
    if (now.conversationId !== said.conversationId || now.typing !== said.typing) {
      this.#say();
      return;
    }
    const renewal = Math.min(Math.max(lease * renewalShare, shortestRenewal), longestRenewal);
    this.#renewal = this.#clock.after(renewal, () => this.#say());
  }

  #failed(error: Error): void {
    this.#calling = false;
    this.#error = error;
    this.#said = undefined;
    if (this.#closed) {
      return;
    }
    if (error instanceof RefusedError && this.#viewing === "") {
      this.#stop();
      return;
    }
    if (error instanceof RefusedError) {
      this.#viewing = ""; // it may be the conversation that is refused
    }
    this.#renewal = this.#clock.after(this.#backoff.pause(error, false), () => this.#say());
  }
}

import type { Client as Service } from "@connectrpc/connect";

import type { Clock } from "./clock.js";
import type { ConversationContent } from "./conversation_fold.js";
import { ConversationFold } from "./conversation_fold.js";
import { invalidFields, millisecondsOf, RefusedError, StreamError } from "./errors.js";
import type { FollowerState, Snapshot } from "./follower.js";
import { Follower, heartbeatInterval, receive, silenceOf } from "./follower.js";
import type { Card, ConversationEvent, LiveChatService, Message, WatchConversationResponse } from "./wire.js";

/** How many messages loadOlder asks for at once. */
export const olderPage = 100;

/** ConversationQuery says how much of a conversation to follow. */
export interface ConversationQuery {
  /** Begins with at most so many of the newest events; left out: with the first that there is. */
  readonly tail?: number;
}

/** ConversationSnapshot is a conversation at one moment. It never changes, and nobody may change what it holds. */
export interface ConversationSnapshot extends Snapshot, ConversationContent {}

/** Conversation is one conversation that is kept up to date. */
export class Conversation extends Follower<ConversationSnapshot> {
  readonly #service: Service<typeof LiveChatService>;
  readonly #clock: Clock;
  readonly #id: string;
  readonly #tail: number;
  #fold = new ConversationFold();

  /** Where ListMessages goes on, and what waits for it. */
  #olderToken = "";
  #loading: Promise<boolean> | undefined;
  /** The events that came while older messages are being loaded. */
  #since: ConversationEvent[] = [];
  /** Counts how often all was forgotten. */
  #resets = 0;

  /** Use Client.followConversation. */
  constructor(service: Service<typeof LiveChatService>, id: string, query: ConversationQuery, clock: Clock) {
    super(clock);
    this.#service = service;
    this.#clock = clock;
    this.#id = id;
    this.#tail = query.tail ?? 0;
    this.start();
  }

  /**
   * Shows what a command was answered with, unless it is known: the conversation
   * then never shows what was before the command.
   */
  apply(answer: { readonly card?: Card | undefined; readonly message?: Message | undefined }): void {
    if (this.#fold.apply(answer.card, answer.message)) {
      this.changed();
    }
  }

  /**
   * Loads messages from before the first entry, and answers whether there may be
   * more. Calls at the same time are one. Hand-overs and notes from before the tail
   * are not among them.
   */
  loadOlder(signal?: AbortSignal): Promise<boolean> {
    this.#loading ??= this.#load(signal).finally(() => {
      this.#loading = undefined;
      this.#since = [];
    });
    return this.#loading;
  }

  async #load(signal: AbortSignal | undefined): Promise<boolean> {
    const resets = this.#resets;
    let missing = 0;
    while (missing === 0 && this.#fold.content().hasOlder) {
      this.#since = [];
      const page = await this.#service.listMessages(
        { conversationId: this.#id, pageSize: olderPage, pageToken: this.#olderToken },
        signal ? { signal } : {},
      );
      if (resets !== this.#resets) {
        return this.#fold.content().hasOlder; // it was of another journal
      }
      this.#olderToken = page.nextPageToken;
      missing = this.#fold.prepend(page.messages, this.#since, page.nextPageToken === "");
    }
    this.changed();
    return this.#fold.content().hasOlder;
  }

  protected override async session(stream: AbortController): Promise<Error> {
    const { newest } = this.#fold;
    let silence = silenceOf(heartbeatInterval);
    const open = (signal: AbortSignal) => this.#service.watchConversation(this.#fold.request(this.#id, this.#tail), { signal });
    const error = await receive(this.#clock, stream, open, (response) => {
      const { frame } = response;
      if (frame.case === "hello" && frame.value.heartbeatInterval) {
        silence = silenceOf(millisecondsOf(frame.value.heartbeatInterval));
      }
      this.#take(response);
      return silence;
    });
    if (newest > 0n && error instanceof RefusedError && invalidFields(error).includes("after_version")) {
      this.#reset();
      return new StreamError("restored");
    }
    return error;
  }

  #take(response: WatchConversationResponse): void {
    const { frame } = response;
    if (frame.case === "goAway") {
      throw new StreamError("sent away", millisecondsOf(frame.value.retryAfter));
    }
    if (frame.case === "events" && this.#loading) {
      this.#since.push(...frame.value.events);
    }
    if (frame.case === "reset") {
      this.#reset();
    }
    try {
      if (this.#fold.take(response)) {
        this.changed();
      }
    } catch (error) {
      this.changed(); // what was before the gap is in
      throw error;
    }
    if (this.#fold.live) {
      this.reached();
    }
  }

  #reset(): void {
    this.#fold.reset();
    this.#resets++;
    this.#olderToken = "";
  }

  protected override interrupted(): void {
    this.#fold.interrupt();
  }

  protected override makeSnapshot(state: FollowerState): ConversationSnapshot {
    return { ...this.#fold.content(), state };
  }
}

import { create } from "@bufbuild/protobuf";

import { StreamError } from "./errors.js";
import { entryOf, Timeline } from "./timeline.js";
import type { Entry } from "./timeline.js";
import { WatchConversationRequestSchema } from "./wire.js";
import type { Card, ConversationEvent, Message, Viewer, WatchConversationRequest, WatchConversationResponse } from "./wire.js";

/** How many entries are held of one conversation; of twice as many the older half is let go. */
export const maxEntries = 4096;
/** How many messages of answers are kept that the stream has not come to. */
export const maxAppliedMessages = 64;

/** ConversationContent is what is known of a conversation. */
export interface ConversationContent {
  /** Everything came that there was when the conversation was first reached. */
  readonly whole: boolean;
  /** The newest; undefined before there is one. */
  readonly card: Card | undefined;
  /** What there is to show, oldest first, without a gap between what was loaded. */
  readonly entries: readonly Entry[];
  /** The newest event that is folded in. */
  readonly version: bigint;
  /** Everything up to this version was read by an agent; 0: nothing is known of that. */
  readonly readUpTo: bigint;
  /** All agents that have the conversation open. */
  readonly viewers: readonly Viewer[];
  /** There may be messages before the first entry: Conversation.loadOlder. */
  readonly hasOlder: boolean;
}

const noToken = new Uint8Array();
const noViewers: readonly Viewer[] = [];

/** ConversationFold makes a conversation of frames. It knows no network and no clock. */
export class ConversationFold {
  #card: Card | undefined;
  #timeline = new Timeline();
  /** The version up to which events are known, and the first of them. */
  #newest = 0n;
  #oldest = 0n;
  #whole = false;
  #viewers = noViewers;
  #exhausted = false;
  /** Messages of answers that are newer than newest, in order. */
  #applied: Message[] = [];

  /** What to show until the conversation that a Reset began is whole. */
  #before: ConversationContent | undefined;
  /** Under which the versions were learned, and that of the stream that is open. */
  #token: Uint8Array = noToken;
  #hello: Uint8Array = noToken;

  /** Of the stream that is open: the version that it began with, whether an event came, whether it has shown all that there was. */
  #until = 0n;
  #begun = false;
  #live = false;

  get live(): boolean {
    return this.#live;
  }

  get newest(): bigint {
    return this.#newest;
  }

  request(conversationId: string, tail: number): WatchConversationRequest {
    return create(WatchConversationRequestSchema, {
      conversationId,
      afterVersion: this.#newest,
      resumeToken: this.#token,
      tail,
    });
  }

  interrupt(): void {
    this.#until = 0n;
    this.#begun = false;
    this.#live = false;
    this.#hello = noToken;
  }

  /** Folds one frame and answers whether anything changed. */
  take({ frame }: WatchConversationResponse): boolean {
    switch (frame.case) {
      case "hello":
        // It vouches for what is known only if no Reset follows, which the Card tells.
        this.#hello = frame.value.resumeToken;
        return this.#view(noViewers);
      case "reset":
        this.reset();
        return true;
      case "card":
        this.#token = this.#hello.length > 0 ? this.#hello : this.#token;
        this.#show(frame.value);
        break;
      case "events":
        for (const event of frame.value.events) {
          this.#append(event);
        }
        break;
      case "viewers":
        return this.#view(frame.value.viewers);
      default:
        return false;
    }
    this.#live = this.#until > 0n && this.#newest >= this.#until;
    if (this.#live && !this.#whole) {
      this.#whole = true;
      this.#before = undefined;
    }
    return true;
  }

  /** Forgets all: versions mean something else from here on. */
  reset(): void {
    this.#before ??= this.#whole ? this.content() : undefined;
    this.#card = undefined;
    this.#timeline = new Timeline();
    this.#newest = 0n;
    this.#oldest = 0n;
    this.#whole = false;
    this.#exhausted = false;
    this.#applied = [];
    this.#token = noToken;
    this.#until = 0n;
    this.#begun = false;
    this.#live = false;
  }

  #view(viewers: readonly Viewer[]): boolean {
    const changed = viewers.length > 0 || this.#viewers.length > 0;
    this.#viewers = viewers;
    return changed;
  }

  #show(card: Card): void {
    if (this.#until === 0n) {
      this.#until = card.version;
    }
    this.#take(card);
  }

  #take(card: Card): boolean {
    if (this.#card && card.version <= this.#card.version) {
      return false;
    }
    this.#card = card;
    return true;
  }

  /**
   * Takes the next event. Only a stream's first may leave some out: their time of
   * retention is over, and that of all before them, or they are before the tail.
   */
  #append(event: ConversationEvent): void {
    const { version } = event;
    const next = this.#newest + 1n;
    if (version < next || (this.#begun && version !== next)) {
      throw new StreamError("out of order");
    }
    if (version !== next) {
      this.#timeline.clear();
    }
    if (version !== next || this.#oldest === 0n) {
      this.#oldest = version;
    }
    this.#begun = true;
    this.#newest = version;
    this.#timeline.append(event);
    this.#applied = this.#applied.filter((message) => message.version > version);
    if (event.kind.case === "erasure") {
      this.#exhausted = true;
      this.#applied = [];
    }
    if (this.#timeline.length > 2 * maxEntries) {
      this.#timeline.keepNewest(maxEntries);
      this.#oldest = this.#timeline.entries[0]?.version ?? version;
      this.#exhausted = false;
    }
  }

  /** Takes what a command was answered with, and answers whether any of it is news. */
  apply(card: Card | undefined, message: Message | undefined): boolean {
    const changed = card !== undefined && this.#take(card);
    const applied = this.#applied;
    if (!message || message.version <= this.#newest || applied.some((one) => one.version === message.version)) {
      return changed;
    }
    this.#applied = [...applied, message].sort((a, b) => Number(a.version - b.version)).slice(-maxAppliedMessages);
    return true;
  }

  /**
   * Puts a page of older messages, newest first, before what there is. since are the
   * events that came after the page was asked for. It answers how many were missing.
   */
  prepend(messages: readonly Message[], since: readonly ConversationEvent[], last: boolean): number {
    const missing = this.#timeline.prepend(messages);
    for (const event of since) {
      this.#timeline.amend(event);
    }
    this.#exhausted = last;
    return missing;
  }

  get full(): boolean {
    return this.#timeline.length >= maxEntries;
  }

  content(): ConversationContent {
    if (this.#before) {
      return this.#before;
    }
    const applied = this.#applied.map((message) => entryOf(message));
    return {
      whole: this.#whole,
      card: this.#card,
      entries: applied.length > 0 ? [...this.#timeline.entries, ...applied] : this.#timeline.entries,
      version: this.#newest,
      readUpTo: this.#timeline.readUpTo,
      viewers: this.#viewers,
      hasOlder: this.#oldest > 1n && !this.#exhausted && !this.full,
    };
  }
}

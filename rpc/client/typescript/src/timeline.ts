import { create } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";

import { AmendmentKind, ConversationEventSchema, EditSchema, MediaState, MediaStatusSchema, PartyKind } from "./wire.js";
import type { Amendment, ConversationEvent, DeliveryChange, MediaChange, Message } from "./wire.js";

/** Entry is one thing of a conversation to show: a message as it is by now, a hand-over, a note … */
export type Entry = ConversationEvent;

/** The kinds of events that are nothing to show by themselves. */
const silent: ReadonlySet<Entry["kind"]["case"]> = new Set([
  "deliveryChange",
  "amendment",
  "mediaChange",
  "readMark",
  "trim",
  "other",
  undefined,
]);

/**
 * Timeline folds the events of one conversation into what there is to show, oldest
 * first. A message is replaced by a new object when something becomes of it; the
 * objects that were handed out never change.
 */
export class Timeline {
  #entries: Entry[] = [];
  #shown: readonly Entry[] | undefined;
  /** The version of each message. */
  readonly #versions = new Map<string, bigint>();
  /** When the reactions were made that are shown: an older one that comes later changes nothing. */
  readonly #reactedAt = new Map<string, bigint>();
  #readUpTo = 0n;

  /** What there is to show. It is the same array until it changes. */
  get entries(): readonly Entry[] {
    return (this.#shown ??= this.#entries.slice());
  }

  get length(): number {
    return this.#entries.length;
  }

  /** The version up to which an agent has read everything; 0: nothing is known of that. */
  get readUpTo(): bigint {
    return this.#readUpTo;
  }

  /** Folds the next event. */
  append(event: ConversationEvent): void {
    if (!silent.has(event.kind.case)) {
      this.#push(asItIs(event));
    }
    if (event.kind.case === "message" && event.kind.value.resendOfMessageId !== "") {
      const resentAsMessageId = event.kind.value.messageId;
      this.#change(event.kind.value.resendOfMessageId, (message) => ({ ...message, resentAsMessageId }));
    }
    this.amend(event);
    if (event.kind.case === "trim") {
      this.drop(event.kind.value.oldestVersion);
    } else if (event.kind.case === "erasure") {
      this.drop(event.version);
    }
  }

  /** Folds what an event says of what was before it. */
  amend(event: ConversationEvent): void {
    switch (event.kind.case) {
      case "deliveryChange":
        this.#deliver(event.kind.value);
        return;
      case "amendment":
        this.#amend(event.kind.value);
        return;
      case "mediaChange":
        this.#store(event.kind.value);
        return;
      case "readMark":
        this.#readUpTo = event.version;
        return;
      default:
    }
  }

  /**
   * Puts messages of before in front, newest first, as ListMessages has them: what
   * became of them since is told in them. It answers how many were missing.
   */
  prepend(messages: readonly Message[]): number {
    const oldest = this.#entries[0]?.version;
    const missing = messages.filter((message) => oldest === undefined || message.version < oldest);
    const before = missing.map((message) => entryOf(message)).reverse();
    for (const message of missing) {
      this.#versions.set(message.messageId, message.version);
    }
    this.#entries = [...before, ...this.#entries];
    this.#shown = undefined;
    return missing.length;
  }

  /** Forgets what is older than a version. */
  drop(oldest: bigint): void {
    const keep = this.#find(oldest);
    if (keep > 0) {
      this.#forget(this.#entries.splice(0, keep));
    }
  }

  /** Forgets all but so many of the newest entries. */
  keepNewest(count: number): void {
    if (this.#entries.length > count) {
      this.#forget(this.#entries.splice(0, this.#entries.length - count));
    }
  }

  clear(): void {
    this.#forget(this.#entries.splice(0));
  }

  #forget(entries: readonly Entry[]): void {
    for (const { kind } of entries) {
      if (kind.case === "message") {
        this.#versions.delete(kind.value.messageId);
        this.#reactedAt.delete(kind.value.messageId);
      }
    }
    this.#shown = undefined;
  }

  #push(entry: Entry): void {
    if (entry.kind.case === "message") {
      this.#versions.set(entry.kind.value.messageId, entry.version);
    }
    this.#entries.push(entry);
    this.#shown = undefined;
  }

  #deliver({ messageId, delivery, errorCode, errorDetail, repeated }: DeliveryChange): void {
    this.#change(messageId, (message) => ({
      ...message,
      delivery,
      errorCode,
      errorDetail,
      repeated: message.repeated || repeated,
    }));
  }

  #store({ messageId, media }: MediaChange): void {
    if (media) {
      this.#change(messageId, (message) => ({ ...message, media }));
    }
  }

  /** What is older by the platform's clock changes nothing; a revoked message stays so. */
  #amend({ messageId, kind, reaction, content, at }: Amendment): void {
    this.#change(messageId, (message) => {
      switch (kind) {
        case AmendmentKind.REACTED:
          if (nanosecondsOf(at) < (this.#reactedAt.get(messageId) ?? 0n)) {
            return message;
          }
          this.#reactedAt.set(messageId, nanosecondsOf(at));
          return { ...message, reaction };
        case AmendmentKind.EDITED:
          if (message.revokedAt || nanosecondsOf(at) < nanosecondsOf(message.edit?.at)) {
            return message;
          }
          return { ...message, edit: create(EditSchema, { ...(content && { content }), ...(at && { at }) }) };
        case AmendmentKind.REVOKED: {
          const { content: _content, edit: _edit, ...rest } = message;
          return { ...rest, ...(at && { revokedAt: at }) };
        }
        default:
          return message;
      }
    });
  }

  /** Replaces a message, if it is one that is shown. */
  #change(messageId: string, change: (message: Message) => Message): void {
    const version = this.#versions.get(messageId);
    if (version === undefined) {
      return;
    }
    const at = this.#find(version);
    const entry = this.#entries[at];
    if (entry?.kind.case !== "message") {
      return;
    }
    const before = entry.kind.value;
    const value = change(before);
    if (value !== before) {
      this.#entries[at] = { ...entry, kind: { case: "message", value } };
      this.#shown = undefined;
    }
  }

  /** The place of the oldest entry that is not older than a version. */
  #find(version: bigint): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#entries[middle];
      if (entry && entry.version < version) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}

/** A message as an entry of its own. */
export function entryOf(message: Message): Entry {
  return create(ConversationEventSchema, {
    version: message.version,
    ...(message.at && { at: message.at }),
    ...(message.author && { by: message.author }),
    kind: { case: "message", value: message },
  });
}

/** Of a customer's file nothing is told at first: it is being downloaded. */
function asItIs(event: ConversationEvent): Entry {
  if (event.kind.case !== "message" || event.kind.value.media || !hasFileToCome(event.kind.value)) {
    return event;
  }
  const media = create(MediaStatusSchema, { state: MediaState.PENDING });
  return { ...event, kind: { case: "message", value: { ...event.kind.value, media } } };
}

function hasFileToCome({ author, content }: Message): boolean {
  if (author?.kind !== PartyKind.CUSTOMER && author?.kind !== PartyKind.OUTSIDE) {
    return false;
  }
  switch (content?.kind.case) {
    case "image":
    case "video":
    case "audio":
    case "document":
    case "sticker":
      return true;
    default:
      return false;
  }
}

function nanosecondsOf(at: Timestamp | undefined): bigint {
  return at ? at.seconds * 1_000_000_000n + BigInt(at.nanos) : 0n;
}

import assert from "node:assert/strict";
import { test } from "node:test";

import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";

import { Timeline } from "../src/timeline.js";
import type { Entry } from "../src/timeline.js";
import { AmendmentKind, Cause, Column, ConversationEventSchema, Delivery, MediaState, MessageSchema, PartyKind } from "../src/wire.js";
import type { ConversationEvent, Message } from "../src/wire.js";
import { dice } from "./clock.js";

type Kind = MessageInitShape<typeof ConversationEventSchema>["kind"];

/** Events with the versions 1, 2, 3 … */
function history(...kinds: NonNullable<Kind>[]): Timeline {
  const timeline = new Timeline();
  kinds.forEach((kind, n) => {
    timeline.append(create(ConversationEventSchema, { version: BigInt(n + 1), kind }));
  });
  return timeline;
}

const at = (second: number) => ({ seconds: BigInt(second), nanos: 0 });
const text = (messageId: string, body: string): NonNullable<Kind> => ({
  case: "message",
  value: { messageId, content: { kind: { case: "text", value: { body } } }, author: { kind: PartyKind.CUSTOMER } },
});
const amendment = (messageId: string, kind: AmendmentKind, second: number, words = ""): NonNullable<Kind> => ({
  case: "amendment",
  value: { messageId, kind, at: at(second), reaction: words, content: { kind: { case: "text", value: { body: words } } } },
});
const delivered = (messageId: string, delivery: Delivery, repeated = false): NonNullable<Kind> => ({
  case: "deliveryChange",
  value: { messageId, delivery, repeated, errorCode: delivery === Delivery.FAILED ? 131026 : 0 },
});
const { REACTED, EDITED, REVOKED } = AmendmentKind;

function messageOf(timeline: Timeline, messageId: string): Message {
  for (const { kind } of timeline.entries) {
    if (kind.case === "message" && kind.value.messageId === messageId) {
      return kind.value;
    }
  }
  throw new Error(`no message ${messageId}`);
}

const bodyOf = (content: Message["content"]) => (content?.kind.case === "text" ? content.kind.value.body : undefined);

test("how far a message came is told in it", () => {
  const timeline = history(text("m", "hello"), delivered("m", Delivery.ATTEMPTED), delivered("m", Delivery.SENT, true), delivered("m", Delivery.FAILED));
  const { delivery, errorCode, repeated } = messageOf(timeline, "m");
  assert.deepEqual([delivery, errorCode, repeated], [Delivery.FAILED, 131026, true], "once repeated, always repeated");
  assert.equal(timeline.entries.length, 1);
});

test("the newest reaction counts by the platform's clock", () => {
  const timeline = history(text("m", "hello"), amendment("m", REACTED, 20, "heart"), amendment("m", REACTED, 10, "thumb"));
  assert.equal(messageOf(timeline, "m").reaction, "heart");
  timeline.append(create(ConversationEventSchema, { version: 4n, kind: amendment("m", REACTED, 30) }));
  assert.equal(messageOf(timeline, "m").reaction, "", "it was taken back");
});

test("an edit stands beside what was said first, and a message that was taken back stays so", () => {
  const timeline = history(text("m", "first"), amendment("m", EDITED, 20, "third"), amendment("m", EDITED, 10, "second"));
  assert.equal(bodyOf(messageOf(timeline, "m").content), "first");
  assert.equal(bodyOf(messageOf(timeline, "m").edit?.content), "third");
  timeline.append(create(ConversationEventSchema, { version: 4n, kind: amendment("m", REVOKED, 30) }));
  timeline.append(create(ConversationEventSchema, { version: 5n, kind: amendment("m", EDITED, 40, "fourth") }));
  const { content, edit, revokedAt } = messageOf(timeline, "m");
  assert.deepEqual([content, edit, revokedAt?.seconds], [undefined, undefined, 30n]);
});

test("an amendment of what is not known changes nothing", () => {
  const timeline = history(text("m", "hello"), amendment("", REACTED, 1, "heart"), amendment("other", REVOKED, 1));
  assert.equal(timeline.entries.length, 1);
  assert.equal(messageOf(timeline, "m").reaction, "");
});

test("a customer's file is pending until it is told of", () => {
  const image = (kind: PartyKind): NonNullable<Kind> => ({
    case: "message",
    value: { messageId: `of ${kind}`, author: { kind }, content: { kind: { case: "image", value: {} } } },
  });
  const timeline = history(image(PartyKind.CUSTOMER), image(PartyKind.AGENT));
  assert.equal(messageOf(timeline, `of ${PartyKind.CUSTOMER}`).media?.state, MediaState.PENDING);
  assert.equal(messageOf(timeline, `of ${PartyKind.AGENT}`).media, undefined);
  timeline.append(
    create(ConversationEventSchema, {
      version: 3n,
      kind: { case: "mediaChange", value: { messageId: `of ${PartyKind.CUSTOMER}`, media: { state: MediaState.STORED, bytes: 9n } } },
    }),
  );
  assert.equal(messageOf(timeline, `of ${PartyKind.CUSTOMER}`).media?.bytes, 9n);
});

test("a message that was sent again names the one that repeats it", () => {
  const timeline = history(text("m1", "hello"), { case: "message", value: { messageId: "m2", resendOfMessageId: "m1" } });
  assert.equal(messageOf(timeline, "m1").resentAsMessageId, "m2");
  assert.equal(messageOf(timeline, "m2").resendOfMessageId, "m1");
});

test("hand-overs, notes and tags stand between messages, and marks do not", () => {
  const timeline = history(
    text("m", "hello"),
    { case: "handOver", value: { column: Column.INTERVENED, cause: Cause.INTERVENED, holderAgentId: "asha" } },
    { case: "note", value: { body: "a regular" } },
    { case: "readMark", value: {} },
    { case: "tagsChange", value: { tags: ["vip"] } },
    { case: "other", value: {} },
    { case: "contactChange", value: {} },
    { case: "contactLink", value: {} },
    { case: "consentChange", value: {} },
  );
  assert.deepEqual(
    timeline.entries.map((entry) => entry.kind.case),
    ["message", "handOver", "note", "tagsChange", "contactChange", "contactLink", "consentChange"],
  );
  assert.equal(timeline.readUpTo, 4n);
});

test("what was trimmed is gone, and what was erased, but for the word of it", () => {
  const trimmed = history(text("m1", "one"), text("m2", "two"), { case: "trim", value: { oldestVersion: 2n } });
  assert.deepEqual(trimmed.entries.map((entry) => entry.version), [2n]);
  const erased = history(text("m1", "one"), text("m2", "two"), { case: "erasure", value: {} });
  assert.deepEqual(erased.entries.map((entry) => entry.kind.case), ["erasure"]);
  erased.append(create(ConversationEventSchema, { version: 4n, kind: delivered("m1", Delivery.READ) }));
  assert.equal(erased.entries.length, 1);
});

/** What the entries are, made anew from all events of a history: as slow and plain as can be. */
function naive(events: readonly ConversationEvent[]): Entry[] {
  const messages = new Map<string, Message>();
  const reacted = new Map<string, bigint>();
  let oldest = 0n;
  for (const { kind } of events) {
    switch (kind.case) {
      case "message":
        messages.set(kind.value.messageId, create(MessageSchema, kind.value));
        if (messages.has(kind.value.resendOfMessageId)) {
          const first = messages.get(kind.value.resendOfMessageId);
          messages.set(kind.value.resendOfMessageId, { ...(first as Message), resentAsMessageId: kind.value.messageId });
        }
        break;
      case "deliveryChange": {
        const before = messages.get(kind.value.messageId);
        if (before) {
          const { delivery, errorCode, errorDetail } = kind.value;
          messages.set(kind.value.messageId, { ...before, delivery, errorCode, errorDetail, repeated: before.repeated || kind.value.repeated });
        }
        break;
      }
      case "amendment": {
        const before = messages.get(kind.value.messageId);
        const second = kind.value.at?.seconds ?? 0n;
        if (before && kind.value.kind === REACTED && second >= (reacted.get(before.messageId) ?? 0n)) {
          reacted.set(before.messageId, second);
          messages.set(before.messageId, { ...before, reaction: kind.value.reaction });
        }
        break;
      }
      case "trim":
        oldest = kind.value.oldestVersion > oldest ? kind.value.oldestVersion : oldest;
        break;
      default:
    }
  }
  return events
    .filter(({ version, kind }) => version >= oldest && (kind.case === "message" || kind.case === "note"))
    .map((event) => {
      const value = event.kind.case === "message" ? messages.get(event.kind.value.messageId) : undefined;
      return value ? { ...event, kind: { case: "message", value } } : event;
    });
}

test("random histories fold as the plain model does, and what was handed out never changes", () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = dice(seed);
    const draw = (below: number) => Math.floor(random() * below);
    const timeline = new Timeline();
    const events: ConversationEvent[] = [];
    const handedOut: { entries: readonly Entry[]; copy: string }[] = [];
    for (let version = 1; version <= 80; version++) {
      const known = () => `m${1 + draw(version)}`;
      const kinds: (() => NonNullable<Kind>)[] = [
        () => ({ case: "message", value: { messageId: `m${version}` } }),
        () => ({ case: "message", value: { messageId: `m${version}`, resendOfMessageId: known() } }),
        () => ({ case: "note", value: { body: `note ${version}` } }),
        () => delivered(known(), 1 + draw(11), draw(5) === 0),
        () => delivered(known(), 1 + draw(11)),
        () => amendment(known(), REACTED, draw(100), `emoji ${version}`),
        () => ({ case: "other", value: {} }),
      ];
      if (draw(60) === 0) {
        kinds.splice(0, kinds.length, () => ({ case: "trim", value: { oldestVersion: BigInt(draw(version)) } }));
      }
      const event = create(ConversationEventSchema, { version: BigInt(version), kind: (kinds[draw(kinds.length)] ?? (() => ({ case: undefined })))() });
      events.push(event);
      timeline.append(event);
      const { entries } = timeline;
      assert.deepEqual(print(entries), print(naive(events)), `seed ${seed}, version ${version}`);
      assert.equal(timeline.entries, entries, "the same array until it changes");
      if (draw(10) === 0) {
        handedOut.push({ entries, copy: print(entries) });
      }
    }
    for (const { entries, copy } of handedOut) {
      assert.equal(print(entries), copy, `seed ${seed}: a snapshot changed`);
    }
  }
});

function print(entries: readonly Entry[]): string {
  return JSON.stringify(entries, (_, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));
}

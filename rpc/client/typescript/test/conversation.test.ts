import assert from "node:assert/strict";
import { test } from "node:test";

import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";

import { firstPause } from "../src/backoff.js";
import { maxEntries } from "../src/conversation_fold.js";
import { RefusedError, StreamError } from "../src/index.js";
import type { Conversation, ConversationSnapshot } from "../src/index.js";
import { ListMessagesResponseSchema, MessageSchema } from "../src/wire.js";
import type { ConversationEventSchema, ListMessagesRequest, ListMessagesResponse, Message, WatchConversationResponseSchema } from "../src/wire.js";
import { settle } from "./clock.js";
import { card, Code, conversationFrame, refused, Script, textOf, token } from "./script.js";

type Frame = MessageInitShape<typeof WatchConversationResponseSchema>;
type Event = MessageInitShape<typeof ConversationEventSchema>;

const hello = (journal: string): Frame => ({ frame: { case: "hello", value: { resumeToken: token(journal) } } });
const cardOf = (version: number): Frame => ({ frame: { case: "card", value: card("c", version) } });
const events = (...list: Event[]): Frame => ({ frame: { case: "events", value: { events: list } } });
const reset: Frame = { frame: { case: "reset", value: {} } };

const note = (version: number): Event => ({ version: BigInt(version), kind: { case: "note", value: { body: `note ${version}` } } });
const other = (version: number): Event => ({ version: BigInt(version), kind: { case: "other", value: {} } });
const message = (version: number): Message =>
  create(MessageSchema, {
    messageId: `m${version}`,
    version: BigInt(version),
    content: { kind: { case: "text", value: { body: `text ${version}` } } },
  });
const said = (version: number): Event => ({ version: BigInt(version), kind: { case: "message", value: message(version) } });
const notes = (from: number, to: number): Event[] => Array.from({ length: to - from + 1 }, (_, n) => note(from + n));

const versions = (snapshot: ConversationSnapshot) => snapshot.entries.map((entry) => Number(entry.version));

function whyOf({ state }: Conversation): string {
  return state.status === "interrupted" && state.reason instanceof StreamError ? state.reason.why : state.status;
}

test("a conversation is whole once everything came that there was", async () => {
  const script = new Script();
  const conversation = script.client.followConversation("c", { tail: 20 });
  const call = await script.conversation();
  assert.deepEqual([call.request.conversationId, call.request.tail, call.request.afterVersion], ["c", 20, 0n]);
  await call.send(hello("journal"), cardOf(4), events(note(1), said(2), note(3)));
  assert.equal(conversation.snapshot().whole, false);
  await call.send(events(note(4)));
  assert.equal(conversation.state.status, "live");
  assert.deepEqual(versions(conversation.snapshot()), [1, 2, 3, 4]);
  assert.equal(conversation.snapshot().card?.version, 4n);
  await call.send(events(other(5)), cardOf(5));
  assert.equal(conversation.snapshot().version, 5n);
  assert.deepEqual(versions(conversation.snapshot()), [1, 2, 3, 4], "there is nothing to show of it");
  conversation.close();
});

test("a stream that leaves an event out is left, and resumed before the gap", async () => {
  const script = new Script();
  const conversation = script.client.followConversation("c");
  await (await script.conversation()).send(hello("journal"), cardOf(4), events(note(1), note(2), note(4)));
  assert.equal(whyOf(conversation), "out of order");
  await script.clock.advance(firstPause);
  const call = await script.conversation(2);
  assert.equal(call.request.afterVersion, 2n);
  assert.equal(textOf(call.request.resumeToken), "journal");
  await call.send(hello("journal"), cardOf(4), events(note(3), note(4)));
  assert.deepEqual(versions(conversation.snapshot()), [1, 2, 3, 4]);
  conversation.close();
});

test("an event that is repeated is out of order", async () => {
  const script = new Script();
  const conversation = script.client.followConversation("c");
  await (await script.conversation()).send(cardOf(2), events(note(1), note(2)), events(note(2)));
  assert.equal(whyOf(conversation), "out of order");
  conversation.close();
});

test("a tail begins where it begins, and hasOlder says so", async () => {
  const script = new Script();
  const conversation = script.client.followConversation("c", { tail: 2 });
  await (await script.conversation()).send(cardOf(9), events(note(8), note(9)));
  assert.deepEqual(versions(conversation.snapshot()), [8, 9]);
  assert.equal(conversation.state.status, "live");
  assert.equal(conversation.snapshot().hasOlder, true);
  conversation.close();
});

test("what a resume begins with is what there still is", async () => {
  const script = new Script();
  const conversation = script.client.followConversation("c");
  await (await script.conversation()).send(cardOf(2), events(note(1), note(2)));
  await (await script.conversation()).end();
  await script.clock.advance(firstPause);
  await (await script.conversation(2)).send(cardOf(9), events(note(8), note(9)));
  assert.deepEqual(versions(conversation.snapshot()), [8, 9]);
  conversation.close();
});

test("nothing new is live at once", async () => {
  const script = new Script();
  const conversation = script.client.followConversation("c");
  await (await script.conversation()).send(cardOf(2), events(note(1), note(2)));
  await (await script.conversation()).end();
  await script.clock.advance(firstPause);
  await (await script.conversation(2)).send(hello("journal"), cardOf(2));
  assert.equal(conversation.state.status, "live");
  conversation.close();
});

test("a Reset replaces everything once the new is whole", async () => {
  const script = new Script();
  const conversation = script.client.followConversation("c", { tail: 5 });
  await (await script.conversation()).send(hello("one"), cardOf(3), events(...notes(1, 3)));
  await (await script.conversation()).end();
  await script.clock.advance(firstPause);
  const second = await script.conversation(2);
  await second.send(hello("two"), reset);
  assert.deepEqual(versions(conversation.snapshot()), [1, 2, 3], "what was is shown until there is more");
  await second.send(cardOf(2), events(note(1)));
  assert.deepEqual(versions(conversation.snapshot()), [1, 2, 3]);
  await second.send(events(said(2)));
  assert.deepEqual(versions(conversation.snapshot()), [1, 2]);
  assert.equal(conversation.snapshot().card?.version, 2n);
  await second.end();
  await script.clock.advance(firstPause);
  const third = await script.conversation(3);
  assert.deepEqual([textOf(third.request.resumeToken), third.request.afterVersion, third.request.tail], ["two", 2n, 5]);
  conversation.close();
});

test("a Hello whose stream broke before the Card vouches for nothing", async () => {
  const script = new Script();
  const conversation = script.client.followConversation("c");
  await (await script.conversation()).send(hello("one"), cardOf(1), events(note(1)));
  await (await script.conversation()).end();
  await script.clock.advance(firstPause);
  await (await script.conversation(2)).send(hello("two"));
  await (await script.conversation(2)).end();
  await script.clock.advance(2 * firstPause);
  const third = await script.conversation(3);
  assert.deepEqual([textOf(third.request.resumeToken), third.request.afterVersion], ["one", 1n]);
  conversation.close();
});

test("a version that the journal has not reached begins anew", async () => {
  const script = new Script();
  const conversation = script.client.followConversation("c");
  await (await script.conversation()).send(cardOf(2), events(note(1), note(2)));
  await (await script.conversation()).end(refused(Code.Unavailable, "UNAVAILABLE"));
  await script.clock.advance(firstPause);
  await (await script.conversation(2)).end(refused(Code.InvalidArgument, "INVALID", { field: "after_version" }));
  assert.equal(whyOf(conversation), "restored");
  await script.clock.advance(2 * firstPause);
  assert.equal((await script.conversation(3)).request.afterVersion, 0n);
  conversation.close();
});

test("no such conversation is final", async () => {
  const script = new Script();
  const conversation = script.client.followConversation("c");
  await (await script.conversation()).end(refused(Code.NotFound, "NOT_FOUND"));
  await assert.rejects(conversation.next(), RefusedError);
  assert.equal(conversation.state.status, "ended");
});

test("viewers are those of the stream that is open", async () => {
  const script = new Script();
  const conversation = script.client.followConversation("c");
  const viewers = (...ids: string[]): Frame => ({ frame: { case: "viewers", value: { viewers: ids.map((agentId) => ({ agentId })) } } });
  await (await script.conversation()).send(hello("journal"), cardOf(1), events(note(1)), viewers("asha", "sam"));
  assert.deepEqual(conversation.snapshot().viewers.map((viewer) => viewer.agentId), ["asha", "sam"]);
  await (await script.conversation()).end();
  await script.clock.advance(firstPause);
  await (await script.conversation(2)).send(hello("journal"), cardOf(1));
  assert.deepEqual(conversation.snapshot().viewers, []);
  conversation.close();
});

test("an answer is shown before the stream has it, and once", async () => {
  const script = new Script();
  const conversation = script.client.followConversation("c");
  await (await script.conversation()).send(cardOf(2), events(note(1), said(2)));
  conversation.apply({ card: card("c", 5), message: message(5) });
  conversation.apply({ card: card("c", 4), message: message(4) });
  assert.deepEqual(versions(conversation.snapshot()), [1, 2, 4, 5]);
  assert.equal(conversation.snapshot().card?.version, 5n);
  assert.equal(conversation.snapshot().version, 2n);
  await (await script.conversation()).send(events(note(3), said(4)), cardOf(4));
  assert.deepEqual(versions(conversation.snapshot()), [1, 2, 3, 4, 5]);
  assert.equal(conversation.snapshot().card?.version, 5n, "a card does not go back");
  await (await script.conversation()).send(events(said(5)));
  assert.deepEqual(versions(conversation.snapshot()), [1, 2, 3, 4, 5]);
  conversation.apply({ message: message(5) });
  assert.deepEqual(versions(conversation.snapshot()), [1, 2, 3, 4, 5]);
  conversation.close();
});

test("of a conversation without end the older half is let go", async () => {
  const script = new Script();
  const conversation = script.client.followConversation("c");
  const call = await script.conversation();
  await call.send(cardOf(1), events(...notes(1, 2 * maxEntries)));
  assert.equal(conversation.snapshot().entries.length, 2 * maxEntries);
  await call.send(events(note(2 * maxEntries + 1)));
  const { entries, hasOlder } = conversation.snapshot();
  assert.equal(entries.length, maxEntries);
  assert.equal(entries[0]?.version, BigInt(maxEntries + 2));
  assert.equal(hasOlder, false, "as much as is held is there");
  conversation.close();
});

/** A server with messages 1 to 10, in pages of three, whose answers the test lets go. */
class Pages {
  readonly asked: ListMessagesRequest[] = [];
  #answer: (() => void) | undefined;

  readonly script = new Script({
    listMessages: async (request) => {
      this.asked.push(request);
      await new Promise<void>((resolve) => {
        this.#answer = resolve;
      });
      return this.#page(request);
    },
  });

  #page(request: ListMessagesRequest): ListMessagesResponse {
    const newest = request.pageToken === "" ? 10 : Number(request.pageToken);
    const list = [newest, newest - 1, newest - 2].filter((version) => version > 0).map(message);
    return create(ListMessagesResponseSchema, { messages: list, nextPageToken: newest > 3 ? `${newest - 3}` : "" });
  }

  async answer(): Promise<void> {
    await settle();
    this.#answer?.();
    await settle();
  }
}

test("older messages come in front, until there are none", async () => {
  const pages = new Pages();
  const conversation = pages.script.client.followConversation("c", { tail: 2 });
  await (await pages.script.conversation()).send(cardOf(10), events(said(9), said(10)));
  const first = conversation.loadOlder();
  assert.equal(conversation.loadOlder(), first, "two calls at the same time are one");
  await pages.answer();
  assert.equal(await first, true);
  assert.deepEqual(versions(conversation.snapshot()), [8, 9, 10]);
  for (const want of [true, true, false, false]) {
    const more = conversation.loadOlder();
    await pages.answer();
    assert.equal(await more, want);
  }
  assert.deepEqual(versions(conversation.snapshot()), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.equal(pages.asked.length, 4);
  await (await pages.script.conversation()).send(
    events({ version: 11n, kind: { case: "deliveryChange", value: { messageId: "m1", delivery: 7 } } }),
  );
  const [oldest] = conversation.snapshot().entries;
  assert.equal(oldest?.kind.case === "message" && oldest.kind.value.delivery, 7, "what becomes of them is folded");
  conversation.close();
});

test("what happens to older messages while they are loaded is not lost", async () => {
  const pages = new Pages();
  const conversation = pages.script.client.followConversation("c", { tail: 2 });
  await (await pages.script.conversation()).send(cardOf(10), events(said(9), said(10)));
  const loaded = conversation.loadOlder();
  await settle();
  await (await pages.script.conversation()).send(
    events({ version: 11n, kind: { case: "deliveryChange", value: { messageId: "m8", delivery: 7 } } }),
  );
  await pages.answer();
  await loaded;
  const [oldest] = conversation.snapshot().entries;
  assert.equal(oldest?.kind.case === "message" && oldest.kind.value.messageId, "m8");
  assert.equal(oldest?.kind.case === "message" && oldest.kind.value.delivery, 7);
  conversation.close();
});

test("a page of another journal is not shown", async () => {
  const pages = new Pages();
  const conversation = pages.script.client.followConversation("c", { tail: 2 });
  const call = await pages.script.conversation();
  await call.send(cardOf(10), events(said(9), said(10)));
  const loaded = conversation.loadOlder();
  await settle();
  await call.send(reset, cardOf(6), events(note(6)));
  await pages.answer();
  assert.equal(await loaded, true);
  assert.deepEqual(versions(conversation.snapshot()), [6]);
  conversation.close();
});

test("a kind of frame that nobody knows says nothing", async () => {
  const script = new Script();
  const conversation = script.client.followConversation("c");
  await (await script.conversation()).send(cardOf(1), events(note(1)), conversationFrame(undefined));
  assert.equal(conversation.state.status, "live");
  conversation.close();
});

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";

import { bearer, Client, newId, reasonOf, RefusedError } from "../src/index.js";
import type { BoardSnapshot, ConversationSnapshot, Follower, Snapshot } from "../src/index.js";
import { Column, Delivery } from "../src/wire.js";
import type { Card, Message } from "../src/wire.js";
import { Engine, tokens } from "./engine.js";

/** Milliseconds that a state may take to come; a slow machine does not meet it. */
const patience = 30_000;

/** How far a message has come that reached the customer; FAILED has the highest number of all. */
const arrivedBy: ReadonlySet<Delivery> = new Set([Delivery.DELIVERED, Delivery.READ, Delivery.PLAYED]);

let engine: Engine;

before(async () => {
  engine = await Engine.start();
});

after(async () => {
  await engine?.stop();
});

/** The ways to the edge that Node has. */
const protocols: Record<string, (token: string, ends: (() => void)[]) => Transport> = {
  "HTTP/1.1": (token) =>
    createConnectTransport({ httpVersion: "1.1", baseUrl: engine.baseUrl, useBinaryFormat: true, interceptors: [bearer(token)] }),
  "HTTP/2": (token, ends) => {
    const sessionManager = new Http2SessionManager(engine.baseUrl, { pingIntervalMs: 5_000 });
    ends.push(() => sessionManager.abort());
    return createConnectTransport({ httpVersion: "2", baseUrl: engine.baseUrl, useBinaryFormat: true, interceptors: [bearer(token)], sessionManager });
  },
};

/** Waits until what is followed is as it should be. */
async function until<S extends Snapshot>(what: string, follower: Follower<S>, ready: (snapshot: S) => boolean): Promise<S> {
  const signal = AbortSignal.timeout(patience);
  let snapshot = follower.snapshot();
  while (!snapshot.whole || !ready(snapshot)) {
    try {
      snapshot = await follower.next(snapshot, signal);
    } catch (cause) {
      throw new Error(`${what} did not come`, { cause });
    }
  }
  return snapshot;
}

function cardOf(snapshot: BoardSnapshot, name: string): Card | undefined {
  return snapshot.columns.flatMap(({ cards }) => cards).find((card) => card.contact?.name === name);
}

const onColumn = (name: string, column: Column) => (snapshot: BoardSnapshot) => cardOf(snapshot, name)?.column === column;

function messages({ entries }: ConversationSnapshot): Message[] {
  return entries.flatMap(({ kind }) => (kind.case === "message" ? [kind.value] : []));
}

const bodies = (snapshot: ConversationSnapshot) => messages(snapshot).map(({ content }) => (content?.kind.case === "text" ? content.kind.value.body : ""));

for (const [number, [protocol, transport]] of Object.entries(protocols).entries()) {
  test(`a day at the desk over ${protocol}`, async (t) => {
    const ends: (() => void)[] = [];
    const client = (token: string) => new Client(transport(token, ends));
    const [asha, ben, robot] = [client(tokens.asha), client(tokens.ben), client(tokens.robot)];
    const board = asha.followBoard({ includeMine: true });
    const bens = ben.followBoard({ presence: true });
    ends.push(() => board.close(), () => bens.close());
    t.after(() => {
      for (const end of ends.reverse()) {
        end();
      }
    });

    const name = `Customer of ${protocol}`;
    // The stand-in lets nobody be answered of whom it never heard.
    const writes = (text: string) => engine.standIn(`customers/1555010${number}/messages`, { name, text });
    await until("the board", board, ({ state }) => state.status === "live");
    await writes("Hello");
    const { conversationId } = cardOf(await until("the customer", board, onColumn(name, Column.ACTIVE)), name) as Card;

    await robot.api.requestAgent({ conversationId, commandId: newId(), reason: "wants a person" });
    await until("the request", board, onColumn(name, Column.REQUESTING));
    await until("the request at the colleague's", bens, onColumn(name, Column.REQUESTING));

    const intervened = await asha.api.intervene({ conversationId, commandId: newId() });
    board.apply(intervened.card as Card);
    assert.equal(cardOf(board.snapshot(), name)?.column, Column.INTERVENED, "an agent sees at once what it did");
    assert.equal(board.snapshot().self, "asha");
    assert.deepEqual(board.snapshot().mine.map((card) => card.conversationId), [conversationId]);
    const lost = await ben.api.intervene({ conversationId, commandId: newId() }).catch((error: unknown) => error);
    assert.deepEqual([reasonOf(lost)?.reason, reasonOf(lost)?.metadata["holder"]], ["HELD_BY_OTHER", "asha"]);
    await until("the holder at the colleague's", bens, (snapshot) => cardOf(snapshot, name)?.holderAgentId === "asha");

    const conversation = asha.followConversation(conversationId, { tail: 100 });
    ends.push(() => conversation.close());
    const sent = await asha.api.sendMessage({ conversationId, commandId: newId(), content: { case: "text", value: { body: "Good day" } } });
    conversation.apply(sent);
    board.apply(sent.card as Card);
    const presence = asha.keepPresence();
    ends.push(() => presence.close());
    presence.view(conversationId);
    presence.type();
    const seen = (typing: boolean) => (snapshot: BoardSnapshot) =>
      snapshot.viewers(conversationId).some((viewer) => viewer.agentId === "asha" && viewer.typing === typing);
    await until("the colleague who types", bens, seen(true));
    await until("the viewer", conversation, ({ viewers }) => viewers.some((viewer) => viewer.agentId === "asha" && viewer.typing));
    presence.stopTyping();
    await until("the colleague who reads", bens, seen(false));

    const arrived = (snapshot: ConversationSnapshot) =>
      messages(snapshot).some(({ messageId, delivery }) => messageId === sent.message?.messageId && arrivedBy.has(delivery));
    await until("the delivery", conversation, arrived);

    await asha.api.addNote({ conversationId, commandId: newId(), body: "a regular" });
    await asha.api.setTags({ conversationId, commandId: newId(), tags: ["vip"] });
    await until("the tag", board, (snapshot) => cardOf(snapshot, name)?.tags[0] === "vip");
    const noted = await until("the note", conversation, ({ entries }) => entries.some(({ kind }) => kind.case === "tagsChange"));
    assert.ok(noted.entries.some(({ kind }) => kind.case === "note" && kind.value.body === "a regular"));
    assert.ok(noted.entries.some(({ kind }) => kind.case === "handOver" && kind.value.holderAgentId === "asha"));

    await engine.restart(); // as a crash would
    await writes("Are you there?");
    await until("what came after the crash", conversation, (snapshot) => bodies(snapshot).includes("Are you there?"));
    await until("the board after the crash", board, (snapshot) => snapshot.state.status === "live" && cardOf(snapshot, name)?.unreadCount === 1);

    board.pause();
    await engine.replace(); // drained, with a word to its subscribers
    await writes("Hello?");
    board.resume();
    await until("what came meanwhile", board, (snapshot) => cardOf(snapshot, name)?.preview === "Hello?");
    await until("the last message", conversation, (snapshot) => snapshot.state.status === "live" && bodies(snapshot).at(-1) === "Hello?");
    await settles(() => sameAsListed(asha, conversationId, conversation.snapshot()));

    const read = await asha.api.markRead({ conversationId, commandId: newId() });
    board.apply(read.card as Card);
    assert.equal(cardOf(board.snapshot(), name)?.unreadCount, 0);
    await asha.api.resolve({ conversationId, commandId: newId() });
    presence.close();
    await until("the colleague who left", bens, (snapshot) => !snapshot.presence.has("asha"));
    await until("the end", board, onColumn(name, Column.ACTIVE));
    await until("the end at the colleague's", bens, onColumn(name, Column.ACTIVE));
    assert.deepEqual(board.snapshot().mine, []);
    await settles(() => sameAsTold(asha, board.snapshot()));
  });

  test(`refusals over ${protocol}`, async (t) => {
    const ends: (() => void)[] = [];
    t.after(() => {
      for (const end of ends) {
        end();
      }
    });
    const stranger = new Client(transport("token-of-nobody", ends)).followBoard();
    await assert.rejects(stranger.next(), (error) => error instanceof RefusedError && error.reason === "UNAUTHENTICATED");
    const robots = new Client(transport(tokens.robot, ends)).followBoard();
    await assert.rejects(robots.next(), (error) => error instanceof RefusedError && error.reason === "FORBIDDEN");
    const nowhere = new Client(transport(tokens.asha, ends)).followConversation("no-conversation");
    await assert.rejects(nowhere.next(), RefusedError);
  });
}

/**
 * Holds it until it is so, for at most the patience: a status of Meta may move what is
 * followed or what is listed, between the one look and the other.
 */
async function settles(holds: () => Promise<void>): Promise<void> {
  const end = Date.now() + patience;
  for (;;) {
    try {
      return await holds();
    } catch (error) {
      if (Date.now() > end) {
        throw error;
      }
      await delay(50);
    }
  }
}

/** Holds what was followed against what the edge lists. */
async function sameAsListed(client: Client, conversationId: string, snapshot: ConversationSnapshot): Promise<void> {
  const listed = await client.api.listMessages({ conversationId, pageSize: 200 });
  const shape = ({ messageId, delivery, media }: Message) => ({ messageId, delivery, media });
  assert.deepEqual(messages(snapshot).map(shape), listed.messages.reverse().map(shape));
}

async function sameAsTold(client: Client, { columns }: BoardSnapshot): Promise<void> {
  for (const { column, cards } of columns) {
    const page = await client.api.listConversations({ column });
    assert.deepEqual(cards.map((card) => card.conversationId), page.cards.map((card) => card.conversationId), Column[column]);
  }
}

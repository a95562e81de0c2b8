import assert from "node:assert/strict";
import { test } from "node:test";

import { create } from "@bufbuild/protobuf";

import { firstPause } from "../src/backoff.js";
import { RefusedError } from "../src/index.js";
import { typingPause, typingRepeat } from "../src/presence.js";
import { UpdatePresenceResponseSchema } from "../src/wire.js";
import { settle } from "./clock.js";
import { Code, refused, Script } from "./script.js";

/** A server that takes leases of 30 seconds, or fails as it is told. */
class Desk {
  readonly heard: string[] = [];
  readonly sessions = new Set<string>();
  failure: Error | undefined;
  /** While it is set, answers wait. */
  held: Promise<void> | undefined;

  readonly script = new Script({
    updatePresence: async ({ sessionId, conversationId, typing, leave }) => {
      this.sessions.add(sessionId);
      this.heard.push(leave ? "leave" : `${conversationId || "-"}${typing ? " types" : ""}`);
      await this.held;
      if (this.failure) {
        throw this.failure;
      }
      return create(UpdatePresenceResponseSchema, { lease: { seconds: 30n, nanos: 0 } });
    },
  });

  /** What was heard since it was asked last. */
  async hears(): Promise<string[]> {
    await settle();
    return this.heard.splice(0);
  }
}

test("a lease is taken at once, and renewed in two thirds of it", async () => {
  const desk = new Desk();
  const presence = desk.script.client.keepPresence();
  assert.deepEqual(await desk.hears(), ["-"]);
  await desk.script.clock.advance(19_999);
  assert.deepEqual(await desk.hears(), []);
  await desk.script.clock.advance(1);
  assert.deepEqual(await desk.hears(), ["-"]);
  presence.view("c");
  assert.deepEqual(await desk.hears(), ["c"]);
  await desk.script.clock.advance(60_000);
  assert.deepEqual(await desk.hears(), ["c", "c", "c"]);
  assert.equal(desk.sessions.size, 1);
  presence.close();
  assert.deepEqual(await desk.hears(), ["leave"]);
  await desk.script.clock.advance(3_600_000);
  assert.deepEqual(await desk.hears(), []);
  assert.equal(desk.script.clock.timers, 0);
});

test("typing is said at once, seldom repeated, and over soon after the last key", async () => {
  const desk = new Desk();
  const presence = desk.script.client.keepPresence();
  presence.view("c");
  await desk.hears();
  const keys = 40;
  for (let n = 0; n < keys; n++) {
    presence.type();
    await desk.script.clock.advance(200);
  }
  const heard = await desk.hears();
  assert.ok(heard.every((words) => words === "c types"));
  assert.equal(heard.length, Math.ceil((keys * 200) / typingRepeat));
  await desk.script.clock.advance(typingPause);
  assert.deepEqual(await desk.hears(), ["c"]);
  presence.type();
  presence.stopTyping();
  assert.deepEqual(await desk.hears(), ["c types", "c"]);
  presence.type();
  await settle();
  presence.view("d");
  assert.deepEqual(await desk.hears(), ["c types", "d"], "what was typed elsewhere is left behind");
  presence.close();
});

test("of what happens while a call is under way the newest is told", async () => {
  const desk = new Desk();
  let answer = () => {};
  desk.held = new Promise((resolve) => {
    answer = resolve;
  });
  const presence = desk.script.client.keepPresence();
  for (const id of ["a", "b", "c"]) {
    presence.view(id);
  }
  assert.deepEqual(await desk.hears(), ["-"]);
  desk.held = undefined;
  answer();
  assert.deepEqual(await desk.hears(), ["c"]);
  presence.close();
});

test("a failed call is repeated, with pauses", async () => {
  const desk = new Desk();
  desk.failure = refused(Code.Unavailable, "UNAVAILABLE");
  const presence = desk.script.client.keepPresence();
  await desk.hears();
  assert.ok(presence.error);
  await desk.script.clock.advance(firstPause / 2 + firstPause);
  assert.deepEqual(await desk.hears(), ["-", "-"]);
  desk.failure = undefined;
  await desk.script.clock.advance(4 * firstPause);
  assert.deepEqual(await desk.hears(), ["-"]);
  assert.equal(presence.error, undefined);
  presence.close();
});

test("a refusal is final, once it is not the conversation's", async () => {
  const desk = new Desk();
  const presence = desk.script.client.keepPresence();
  await desk.hears();
  desk.failure = refused(Code.NotFound, "NOT_FOUND");
  presence.view("gone");
  await desk.script.clock.advance(3_600_000);
  assert.deepEqual(await desk.hears(), ["gone", "-"]);
  assert.ok(presence.error instanceof RefusedError);
  assert.equal(desk.script.clock.timers, 0);
});

test("a page that was put aside takes its lease again", async () => {
  const desk = new Desk();
  const presence = desk.script.client.keepPresence();
  presence.view("c");
  await desk.hears();
  presence.leave();
  presence.leave();
  assert.deepEqual(await desk.hears(), ["leave"]);
  presence.resume();
  presence.resume();
  assert.deepEqual(await desk.hears(), ["c"]);
  presence.close();
});

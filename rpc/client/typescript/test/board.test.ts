import assert from "node:assert/strict";
import { test } from "node:test";

import { firstPause } from "../src/backoff.js";
import { connectTimeout, heartbeatInterval, receive, watchInterval } from "../src/follower.js";
import type { FollowerState } from "../src/follower.js";
import { ClosedError, RefusedError, StreamError } from "../src/index.js";
import type { Board, BoardSnapshot } from "../src/index.js";
import { Column } from "../src/wire.js";
import { settle, VirtualClock } from "./clock.js";
import { card, Code, goAway, hello, lastChunk, refused, Script, textOf } from "./script.js";

/** A script whose board is live. */
async function liveBoard(): Promise<{ script: Script; board: Board }> {
  const script = new Script();
  const board = script.client.followBoard({ window: 9 });
  const call = await script.board();
  await call.send(hello(15), lastChunk(card("c", 4)));
  assert.equal(board.state.status, "live");
  return { script, board };
}

function whyOf(state: FollowerState): string {
  const reason = "reason" in state ? state.reason : undefined;
  return reason instanceof StreamError ? reason.why : `${state.status}: ${reason}`;
}

test("a client comes back when it was asked to, and names what it has", async () => {
  const { script, board } = await liveBoard();
  await (await script.board()).send({ frame: goAway(1700) });
  assert.equal(whyOf(board.state), "sent away");
  assert.ok(board.snapshot().card("c"), "the board that there was is shown");
  assert.equal(board.state.status === "interrupted" && board.state.nextAttemptAt, script.clock.now() + 1700);
  await script.clock.advance(1699);
  assert.equal(script.boards.length, 1);
  await script.clock.advance(1);
  const { request } = await script.board(2);
  assert.equal(textOf(request.resumeToken), "snapshot");
  assert.deepEqual(request.known.map((known) => [known.conversationId, known.version]), [["c", 4n]]);
  assert.equal(request.window, 9);
  assert.deepEqual(whyOf(board.state), "sent away", "until the stream is live");
  await (await script.board(2)).send(hello(15), { frame: { case: "heartbeat", value: {} } });
  assert.equal(board.state.status, "interrupted", "a heartbeat is no answer to a resume");
  await (await script.board(2)).send({ frame: { case: "deltaBatch", value: { counters: {} } } });
  assert.equal(board.state.status, "live");
  board.close();
});

test("a stream without heartbeats is given up", async () => {
  const script = new Script();
  const board = script.client.followBoard();
  const call = await script.board();
  await call.send(hello(2), lastChunk());
  await script.clock.advance(3_999);
  assert.equal(board.state.status, "live");
  await script.clock.advance(1);
  assert.equal(whyOf(board.state), "silent");
  assert.ok(call.left, "the stream is left");
  board.close();
});

test("each frame is a sign of life", async () => {
  const { script, board } = await liveBoard();
  for (let n = 0; n < 10; n++) {
    await script.clock.advance(2 * heartbeatInterval - 1);
    await (await script.board()).send({ frame: { case: "heartbeat", value: {} } });
  }
  assert.equal(board.state.status, "live");
  board.close();
});

test("a computer that slept finds out soon after it woke", async () => {
  const { script, board } = await liveBoard();
  script.clock.jump(3_600_000);
  await script.clock.advance(watchInterval);
  assert.equal(whyOf(board.state), "silent");
  board.close();
});

test("a call that nobody answers is given up", async () => {
  const script = new Script();
  const board = script.client.followBoard();
  assert.deepEqual(board.state, { status: "connecting" });
  assert.equal(board.snapshot().whole, false);
  assert.equal(board.snapshot().columns.length, 3);
  await script.clock.advance(connectTimeout);
  assert.equal(whyOf(board.state), "silent");
  board.close();
});

test("pauses grow while nothing comes of the attempts, and end with the first that does", async () => {
  const script = new Script();
  const board = script.client.followBoard();
  script.clock.chance = 0.5;
  for (let n = 0; n < 4; n++) {
    await (await script.board()).end();
    assert.equal(whyOf(board.state), "ended");
    const pause = (firstPause * 2 ** n) / 2;
    await script.clock.advance(pause - 1);
    assert.equal(script.boards.length, n + 1, `attempt ${n + 2} came early`);
    await script.clock.advance(1);
    assert.equal(script.boards.length, n + 2, `attempt ${n + 2} did not come`);
  }
  await (await script.board()).send(hello(15), lastChunk());
  await (await script.board()).end();
  await script.clock.advance(firstPause / 2);
  assert.equal(script.boards.length, 6);
  board.close();
});

test("a delta that cannot be folded interrupts, and the next stream begins anew", async () => {
  const script = new Script();
  const board = script.client.followBoard();
  await (await script.board()).send(hello(15), { frame: { case: "deltaBatch", value: {} } });
  assert.equal(whyOf(board.state), "out of order");
  await script.clock.advance(firstPause);
  assert.equal((await script.board(2)).request.resumeToken.length, 0);
  board.close();
});

test("a refusal ends the board, which shows what it had", async () => {
  const { script, board } = await liveBoard();
  await (await script.board()).end(refused(Code.Unauthenticated, "UNAUTHENTICATED"));
  const { state } = board;
  assert.ok(state.status === "ended" && state.reason instanceof RefusedError && state.reason.reason === "UNAUTHENTICATED");
  assert.ok(board.snapshot().card("c"));
  await script.clock.advance(3_600_000);
  assert.equal(script.boards.length, 1);
  assert.equal(script.clock.timers, 0);
  await assert.rejects(board.next(board.snapshot()), RefusedError);
});

test("overload is not final", async () => {
  const { script, board } = await liveBoard();
  await (await script.board()).end(refused(Code.ResourceExhausted, "OVERLOADED", { retrySeconds: 3 }));
  assert.equal(board.state.status, "interrupted");
  await script.clock.advance(2_999);
  assert.equal(script.boards.length, 1);
  await script.clock.advance(firstPause);
  assert.equal(script.boards.length, 2);
  board.close();
});

test("a hidden page holds no stream, and goes on where it stood", async () => {
  const { script, board } = await liveBoard();
  const call = await script.board();
  board.pause();
  board.pause();
  await settle();
  assert.ok(call.left, "the stream is left");
  assert.equal(board.state.status, "paused");
  await script.clock.advance(3_600_000);
  assert.equal(script.boards.length, 1);
  assert.equal(script.clock.timers, 0, "nothing runs");
  board.resume();
  board.resume();
  const { request } = await script.board(2);
  assert.equal(textOf(request.resumeToken), "snapshot");
  assert.equal(board.snapshot().card("c")?.version, 4n);
  board.pause();
  board.resume();
  await settle();
  assert.equal(script.boards.length, 3);
  await (await script.board(3)).send(hello(15), { frame: { case: "deltaBatch", value: { upserts: [card("c", 5)], counters: {} } } });
  assert.equal(board.state.status, "live");
  assert.equal(board.snapshot().card("c")?.version, 5n);
  board.close();
});

test("what an abandoned stream still says is not heard", async () => {
  const { script, board } = await liveBoard();
  const call = await script.board();
  board.pause();
  board.resume();
  await call.send({ frame: { case: "deltaBatch", value: { upserts: [card("c", 9)], counters: {} } } });
  assert.equal(board.snapshot().card("c")?.version, 4n);
  board.close();
});

test("a transport that does not notice that it was aborted is not waited for", async () => {
  const clock = new VirtualClock();
  const stream = new AbortController();
  const heard: string[] = [];
  let say = (_: string) => {};
  async function* frames(): AsyncGenerator<string> {
    for (;;) {
      yield await new Promise<string>((resolve) => {
        say = resolve;
      });
    }
  }
  const ended = receive(clock, stream, frames, (frame) => heard.push(frame) && heartbeatInterval);
  say("before");
  await settle();
  stream.abort(new ClosedError());
  say("after");
  assert.ok((await ended) instanceof ClosedError);
  await settle();
  assert.deepEqual(heard, ["before"]);
  assert.equal(clock.timers, 0);
});

test("a pause between attempts can be cut short", async () => {
  const { script, board } = await liveBoard();
  await (await script.board()).end();
  board.retryNow();
  board.retryNow();
  await settle();
  assert.equal(script.boards.length, 2);
  assert.equal(board.state.status === "interrupted" && board.state.nextAttemptAt, undefined);
  await script.clock.advance(firstPause);
  assert.equal(script.boards.length, 2, "the attempt that was called off did not come");
  board.close();
});

test("listeners are told once for all that came, and not after they left", async () => {
  const { script, board } = await liveBoard();
  const seen: BoardSnapshot[] = [];
  const leave = board.subscribe((snapshot) => seen.push(snapshot));
  board.apply(card("d", 1));
  board.apply(card("e", 1));
  board.apply(card("e", 1));
  assert.equal(seen.length, 0);
  await settle();
  assert.equal(seen.length, 1);
  assert.ok(seen[0]?.card("d") && seen[0].card("e"));
  assert.equal(board.snapshot(), seen[0], "nothing changed since");
  board.apply(card("f", 1));
  leave();
  await settle();
  assert.equal(seen.length, 1);
  const painted = script.clock.painted;
  board.apply(card("g", 1));
  await settle();
  assert.equal(script.clock.painted, painted, "nobody listens");
  board.close();
});

test("next waits for what is newer, and ends with its signal", async () => {
  const script = new Script();
  const board = script.client.followBoard();
  const first = board.next();
  await (await script.board()).send(hello(15), lastChunk(card("c", 4, Column.REQUESTING)));
  const snapshot = await first;
  assert.equal(snapshot.column(Column.REQUESTING).cards.length, 1);
  const second = board.next(snapshot);
  board.apply(card("c", 5, Column.INTERVENED));
  assert.equal((await second).column(Column.INTERVENED).cards.length, 1);
  const abort = new AbortController();
  const third = board.next(board.snapshot(), abort.signal);
  abort.abort(new Error("enough"));
  await assert.rejects(third, /enough/);
  const fourth = board.next(board.snapshot());
  board.close();
  assert.equal((await fourth).state.status, "ended", "the end is a state, too");
  await assert.rejects(board.next(board.snapshot()), ClosedError);
  board.close();
});

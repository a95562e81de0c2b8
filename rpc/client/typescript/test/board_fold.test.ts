import assert from "node:assert/strict";
import { test } from "node:test";

import { appliedFor, maxApplied, maxDepartures } from "../src/answers.js";
import { BoardFold, maxKnown } from "../src/board_fold.js";
import type { BoardQuery } from "../src/board_query.js";
import { BoardView } from "../src/board_snapshot.js";
import type { BoardSnapshot } from "../src/board_snapshot.js";
import { Column, ResetReason } from "../src/wire.js";
import type { Card, WatchBoardResponse } from "../src/wire.js";
import { boardFrame, card, textOf, token } from "./script.js";

const { ACTIVE, REQUESTING, INTERVENED, HISTORY } = Column;
const noon = Date.UTC(2026, 0, 2, 12);

type Step = (fold: BoardFold, clock: { now: number }) => void;

const taking =
  (frame: WatchBoardResponse["frame"]): Step =>
  (fold, clock) => {
    fold.take(boardFrame(frame), clock.now);
  };
const counters = { $typeName: "intervene.v1.Counters", columns: [] } as const;
const removals = (gone: Record<string, number>) =>
  Object.entries(gone).map(([conversationId, version]) => ({ $typeName: "intervene.v1.Removal" as const, conversationId, version: BigInt(version) }));

const chunk = (last: boolean, ...cards: Card[]) =>
  taking({
    case: "snapshotChunk",
    value: { $typeName: "intervene.v1.SnapshotChunk", cards, last, resumeToken: token(last ? "snapshot" : ""), ...(last && { counters }) } as never,
  });
const delta = (gone: Record<string, number>, ...cards: Card[]) =>
  taking({
    case: "deltaBatch",
    value: { $typeName: "intervene.v1.DeltaBatch", upserts: cards, removed: removals(gone), resumeToken: token("delta") } as never,
  });
/** What a resume's answer ends with. */
const lastDelta = (...cards: Card[]) =>
  taking({
    case: "deltaBatch",
    value: { $typeName: "intervene.v1.DeltaBatch", upserts: cards, removed: [], resumeToken: token("delta"), counters } as never,
  });
const reset = (reason: ResetReason) => taking({ case: "reset", value: { $typeName: "intervene.v1.Reset", reason } });
const heartbeat: Step = taking({ case: "heartbeat", value: { $typeName: "intervene.v1.Heartbeat" } });
const greeting: Step = taking({ case: "hello", value: { $typeName: "intervene.v1.Hello", agentId: "asha" } as never });
const lost: Step = (fold) => fold.interrupt();
const answer =
  (one: Card): Step =>
  (fold, clock) => {
    fold.apply(one, clock.now);
  };
const later =
  (milliseconds: number): Step =>
  (fold, clock) => {
    clock.now += milliseconds;
    heartbeat(fold, clock);
  };

const { TOKEN_UNKNOWN, REBUILT } = ResetReason;
const a = (version: number, column = ACTIVE) => card("a", version, column);
const b = (version: number, column = ACTIVE) => card("b", version, column);
const c = (version: number, column = ACTIVE) => card("c", version, column);

/** Steps, then id, version and column of each card that is shown, then token and what a resume knows. */
const schedules: [string, Step[], string, string][] = [
  ["snapshot in parts", [chunk(false, a(1)), chunk(true, b(2))], "a1A b2A", "snapshot a1 b2"],
  ["part of a snapshot", [chunk(false, a(1))], "", ""],
  ["part of a snapshot, then its stream is lost", [chunk(false, a(1)), lost, chunk(true, b(2))], "b2A", "snapshot b2"],
  ["newer and older cards", [chunk(true, a(3)), delta({}, a(5)), delta({}, a(4))], "a5A", "delta a5"],
  ["removal", [chunk(true, a(3)), delta({ a: 3 })], "", "delta"],
  ["removal of before", [chunk(true, a(3)), delta({ a: 2 })], "a3A", "delta a3"],
  ["back in the window", [chunk(true, a(3)), delta({ a: 3 }), delta({}, a(3))], "a3A", "delta a3"],

  ["reset", [chunk(true, a(3)), reset(REBUILT), chunk(true, b(1))], "b1A", "snapshot b1"],
  ["reset shows what was until there is more", [chunk(true, a(3)), reset(REBUILT), chunk(false, b(1))], "a3A", ""],
  ["reset, then its stream is lost", [chunk(true, a(3)), reset(REBUILT), chunk(false, b(1)), lost], "a3A", ""],
  ["delta after a reset", [chunk(true, a(3)), reset(REBUILT), delta({}, b(1))], "a3A error", ""],
  ["delta before all", [delta({}, b(1))], "error", ""],

  ["resume in parts", [chunk(true, a(3)), lost, delta({ a: 4 }, b(1)), lastDelta(c(1))], "b1A c1A", "delta b1 c1"],
  ["part of a resume", [chunk(true, a(3)), lost, delta({ a: 4 }, b(1))], "a3A", "snapshot a3"],
  ["part of a resume, then its stream is lost", [chunk(true, a(3)), lost, delta({ a: 4 }), lost, lastDelta(c(1))], "a3A c1A", "delta a3 c1"],
  ["resume that a heartbeat ends", [chunk(true, a(3)), lost, delta({ a: 4 }), heartbeat], "", "delta"],
  ["snapshot in answer to a resume", [chunk(true, a(3)), lost, reset(TOKEN_UNKNOWN), chunk(true, a(1))], "a1A", "snapshot a1"],

  ["answer", [chunk(true, a(3, REQUESTING)), answer(a(4, INTERVENED))], "a4I", "snapshot a3"],
  ["answer of before", [chunk(true, a(3, REQUESTING)), answer(a(2, INTERVENED))], "a3R", "snapshot a3"],
  ["older answer", [chunk(true), answer(a(5, INTERVENED)), answer(a(4, REQUESTING))], "a5I", "snapshot"],
  ["answer before the stream", [chunk(true), answer(a(4, INTERVENED)), delta({}, a(3, REQUESTING))], "a4I", "delta a3"],
  ["answer, then the stream", [chunk(true), answer(a(4, INTERVENED)), delta({}, a(5))], "a5A", "delta a5"],
  ["answer, then a removal of before", [chunk(true, a(3)), answer(a(4)), delta({ a: 3 })], "a4A", "delta"],
  ["answer beyond the window", [chunk(true, a(3)), answer(a(4)), delta({ a: 3 }), later(appliedFor)], "", "delta"],
  ["answer that changed the version alone", [chunk(true, a(3)), answer(a(4)), later(appliedFor), later(appliedFor)], "a4A", "snapshot a4"],
  ["answer, then its removal", [chunk(true, a(3)), answer(a(4)), delta({ a: 4 })], "", "delta"],
  ["answer to what the stream took away", [chunk(true, a(3)), delta({ a: 5 }), answer(a(4))], "", "delta"],
  ["answer in a column that is not followed", [chunk(true, a(3)), answer(a(4, HISTORY))], "", "snapshot a3"],
  ["answer, lost, part of a resume", [chunk(true, a(3)), answer(a(4)), lost, delta({}, a(5)), lost, lastDelta()], "a4A", "delta a3"],
  ["answer, then a rebuilt board of before", [chunk(true), answer(a(4)), reset(REBUILT), chunk(true, a(3))], "a4A", "snapshot a3"],
  ["answer, then another journal", [chunk(true), answer(a(4)), reset(TOKEN_UNKNOWN), chunk(true, a(3))], "a3A", "snapshot a3"],
];

for (const [name, steps, want, resume] of schedules) {
  test(`board fold: ${name}`, () => {
    const fold = new BoardFold({});
    const view = new BoardView(fold);
    const clock = { now: noon };
    let failed = "";
    for (const step of steps) {
      try {
        step(fold, clock);
      } catch {
        failed = "error";
      }
    }
    assert.equal(join(...shown(view.snapshot({ status: "live" })), failed), want);
    const request = fold.request();
    assert.equal(join(textOf(request.resumeToken), ...request.known.map((known) => known.conversationId + known.version).sort()), resume);
  });
}

function shown(snapshot: BoardSnapshot): string[] {
  return snapshot.columns.flatMap(({ cards }) => cards.map((one) => `${one.conversationId}${one.version}${Column[one.column][0]}`)).sort();
}

const join = (...words: string[]) => words.filter((word) => word !== "").join(" ");

test("a board shows no answer that it would not show", () => {
  const mine = card("a", 2, INTERVENED, { holderAgentId: "asha", channelId: "main", tags: ["vip"] });
  const queries: [BoardQuery, boolean][] = [
    [{}, true],
    [{ filter: { mine: true } }, true],
    [{ filter: { unassigned: true } }, false],
    [{ filter: { channelId: "main" } }, true],
    [{ filter: { channelId: "second" } }, false],
    [{ filter: { tag: "vip" } }, true],
    [{ filter: { tag: "refund" } }, false],
    [{ columns: [REQUESTING] }, false],
  ];
  for (const [query, want] of queries) {
    const fold = new BoardFold(query);
    greeting(fold, { now: noon });
    chunk(true, card("b", 1, INTERVENED, { holderAgentId: "asha" }))(fold, { now: noon });
    fold.apply(mine, noon);
    const got = new BoardView(fold).snapshot({ status: "live" }).card("a") !== undefined;
    assert.equal(got, want, JSON.stringify(query));
  }
});

test("what was handed over is not mine any more", () => {
  const fold = new BoardFold({ filter: { mine: true } });
  const view = new BoardView(fold);
  greeting(fold, { now: noon });
  chunk(true, card("a", 2, INTERVENED, { holderAgentId: "asha" }))(fold, { now: noon });
  assert.deepEqual(shown(view.snapshot({ status: "live" })), ["a2I"]);
  fold.apply(card("a", 3, INTERVENED, { holderAgentId: "ben" }), noon);
  assert.deepEqual(shown(view.snapshot({ status: "live" })), []);
});

test("mine holds what the caller holds beyond the window, and only that", () => {
  const held = (id: string, minute: number, holderAgentId: string) =>
    card(id, 1, INTERVENED, { holderAgentId, since: { seconds: BigInt(60 * minute), nanos: 0 } });
  const fold = new BoardFold({ window: 2, includeMine: true });
  const view = new BoardView(fold);
  greeting(fold, { now: noon });
  chunk(true, held("a", 1, "ben"), held("b", 2, "asha"), held("d", 4, "asha"), held("e", 5, "asha"))(fold, { now: noon });
  const snapshot = view.snapshot({ status: "live" });
  const ids = (cards: readonly Card[]) => cards.map((one) => one.conversationId).join("");
  assert.equal(ids(snapshot.column(INTERVENED).cards), "ab", "the column is a window");
  assert.equal(ids(snapshot.mine), "bde");
  assert.ok(snapshot.card("e"));
  fold.apply({ ...held("f", 3, "asha"), version: 2n }, noon);
  delta({ b: 2 })(fold, { now: noon });
  const after = view.snapshot({ status: "live" });
  assert.equal(ids(after.mine), "fde");
  assert.equal(ids(after.column(INTERVENED).cards), "af");
  assert.equal(ids(snapshot.mine), "bde", "a snapshot that was handed out does not change");
  assert.equal(ids([snapshot.card("b") ?? held("none", 0, "")]), "b");
});

test("cards stand as the server orders them", () => {
  const at = (second: number) => ({ seconds: BigInt(second), nanos: 0 });
  const fold = new BoardFold({});
  chunk(
    true,
    card("b", 1, ACTIVE, { lastActivityAt: at(120) }),
    card("a", 1, ACTIVE, { lastActivityAt: at(179) }),
    card("c", 1, ACTIVE, { lastActivityAt: at(121) }),
    card("d", 1, ACTIVE, { lastActivityAt: at(180) }),
    card("e", 1, REQUESTING, { requestedAt: at(9), since: at(1) }),
    card("f", 1, REQUESTING, { requestedAt: at(8), since: at(2) }),
    card("g", 1, INTERVENED, { requestedAt: at(1), since: at(9) }),
    card("h", 1, INTERVENED, { requestedAt: at(2), since: at(8) }),
    card("i", 1, INTERVENED, { requestedAt: at(2), since: at(8) }),
  )(fold, { now: noon });
  const { columns } = new BoardView(fold).snapshot({ status: "live" });
  assert.deepEqual(columns.map(({ cards }) => cards.map((one) => one.conversationId).join("")), ["dabc", "fe", "hig"]);
});

test("presence replaces, adds and removes", () => {
  const fold = new BoardFold({ presence: true });
  const view = new BoardView(fold);
  const agent = (agentId: string, online: boolean, ...open: string[]) => ({
    $typeName: "intervene.v1.AgentPresence" as const,
    agentId,
    online,
    viewing: open.map((conversationId) => ({ $typeName: "intervene.v1.Viewing" as const, conversationId, typing: agentId === "sam" })),
  });
  const say = (complete: boolean, ...agents: ReturnType<typeof agent>[]) =>
    fold.take(boardFrame({ case: "presence", value: { $typeName: "intervene.v1.PresenceUpdate", complete, agents } }), noon);
  const online = () => [...view.snapshot({ status: "live" }).presence.keys()].sort().join(" ");
  say(true, agent("asha", true, "c1"), agent("sam", true, "c1", "c2"));
  assert.equal(online(), "asha sam");
  const before = view.snapshot({ status: "live" });
  assert.deepEqual(before.viewers("c1").map((viewer) => [viewer.agentId, viewer.typing]), [["asha", false], ["sam", true]]);
  say(false, agent("asha", false), agent("ben", true));
  assert.equal(online(), "ben sam");
  assert.deepEqual(view.snapshot({ status: "live" }).viewers("c1").map((viewer) => viewer.agentId), ["sam"]);
  say(true, agent("ben", true));
  assert.equal(online(), "ben");
  assert.deepEqual([...before.presence.keys()], ["asha", "sam"], "a snapshot that was handed out does not change");
});

test("neither answers nor departures pile up", () => {
  const fold = new BoardFold({ window: 200 });
  chunk(true)(fold, { now: noon });
  for (let n = 0; n < 2 * maxApplied; n++) {
    fold.apply(card(`${n}`, 1), noon + n);
  }
  const snapshot = new BoardView(fold).snapshot({ status: "live" });
  assert.equal(fold.answers.size, maxApplied);
  assert.equal(snapshot.card("0"), undefined);
  assert.ok(snapshot.card(`${2 * maxApplied - 1}`));
  for (let n = 0; n < 2 * maxDepartures; n++) {
    delta({ [`gone ${n}`]: 1 })(fold, { now: noon });
  }
  assert.equal(fold.answers.departures, maxDepartures);
  heartbeat(fold, { now: noon + appliedFor });
  assert.equal(fold.answers.departures, 0);
});

test("a board of which a resume would be refused begins anew", () => {
  const fold = new BoardFold({});
  chunk(true, ...Array.from({ length: maxKnown + 1 }, (_, n) => card(`${n}`, 1)))(fold, { now: noon });
  const request = fold.request();
  assert.equal(request.known.length, 0);
  assert.equal(request.resumeToken.length, 0);
});

test("what did not change is the same object", () => {
  const fold = new BoardFold({});
  const view = new BoardView(fold);
  chunk(true, a(1), b(1, REQUESTING), c(1))(fold, { now: noon });
  const before = view.snapshot({ status: "live" });
  delta({}, a(2))(fold, { now: noon });
  const after = view.snapshot({ status: "live" });
  assert.notEqual(after.column(ACTIVE), before.column(ACTIVE));
  assert.equal(after.column(REQUESTING), before.column(REQUESTING));
  assert.equal(after.card("c"), before.card("c"));
  assert.equal(before.card("a")?.version, 1n);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { create } from "@bufbuild/protobuf";

import { appliedFor } from "../src/answers.js";
import { BoardFold } from "../src/board_fold.js";
import type { BoardQuery } from "../src/board_query.js";
import { BoardView, inOrder } from "../src/board_snapshot.js";
import type { BoardSnapshot } from "../src/board_snapshot.js";
import { Column, ResetReason, WatchBoardResponseSchema } from "../src/wire.js";
import type { Card, WatchBoardRequest, WatchBoardResponse } from "../src/wire.js";
import { dice } from "./clock.js";
import { card, textOf, token } from "./script.js";

const seeds = 300;
const steps = 250;
const conversations = 24;
const columns = [Column.ACTIVE, Column.REQUESTING, Column.INTERVENED];
const agents = ["asha", "ben"];

/**
 * Model is a server that is as plain as can be: it holds all cards, and tells each
 * stream the difference between what it told before and what is so now.
 */
class Model {
  cards = new Map<string, Card>();
  journal = 1;
  /** What the open stream was told; undefined: none is open. */
  told: Map<string, Card | bigint> | undefined;
  #counted = "";
  /** What is on its way to the client, in order. */
  readonly wire: WatchBoardResponse[] = [];
  now = Date.UTC(2026, 0, 2, 12);

  constructor(
    readonly query: BoardQuery,
    readonly draw: (below: number) => number,
  ) {}

  /** One conversation changes, or only its version does. The answer is its card. */
  change(): Card {
    const id = `c${this.draw(conversations)}`;
    const before = this.cards.get(id);
    const at = { seconds: BigInt(Math.floor(this.now / 1000)), nanos: 0 };
    let next = card(id, Number(before?.version ?? 0n) + 1 + this.draw(2), before?.column ?? Column.ACTIVE, {
      ...(before && { tags: before.tags, holderAgentId: before.holderAgentId }),
      requestedAt: before?.requestedAt ?? at,
      since: before?.since ?? at,
      lastActivityAt: before?.lastActivityAt ?? at,
      preview: before?.preview ?? "",
    });
    switch (before ? this.draw(5) : 0) {
      case 0:
        next = { ...next, lastActivityAt: at as never, preview: `${this.now}` };
        break;
      case 1:
        next = { ...next, tags: this.draw(2) === 0 ? ["vip"] : [] };
        break;
      case 2:
        break; // the version alone, of which a board is not told
      default: {
        const column = 1 + this.draw(4);
        const holderAgentId = column === Column.INTERVENED ? (agents[this.draw(2)] ?? "") : "";
        next = { ...next, column, holderAgentId, since: at as never, requestedAt: at as never };
      }
    }
    this.cards.set(id, next);
    return next;
  }

  admits(one: Card): boolean {
    const { filter } = this.query;
    return (!filter?.tag || one.tags.includes(filter.tag)) && (!filter?.mine || one.holderAgentId === "asha");
  }

  column(column: Column): Card[] {
    const all = [...this.cards.values()].filter((one) => one.column === column && this.admits(one)).sort(inOrder);
    return all.slice(0, this.query.window);
  }

  mine(): Card[] {
    const all = [...this.cards.values()].filter((one) => one.column === Column.INTERVENED && one.holderAgentId === "asha").sort(inOrder);
    return this.query.includeMine ? all : [];
  }

  present(): Map<string, Card> {
    return new Map([...columns.flatMap((column) => this.column(column)), ...this.mine()].map((one) => [one.conversationId, one]));
  }

  say(frame: NonNullable<WatchBoardResponse["frame"]>): void {
    this.wire.push(create(WatchBoardResponseSchema, { frame: frame as never }));
  }

  counters() {
    const count = (column: Column) => [...this.cards.values()].filter((one) => one.column === column).length;
    return { columns: columns.map((column) => ({ column, conversations: BigInt(count(column)), unread: 0n })) };
  }

  open(request: WatchBoardRequest): void {
    this.told = undefined;
    this.say({ case: "hello", value: { agentId: "asha" } as never });
    if (request.resumeToken.length === 0) {
      this.snapshot();
    } else if (textOf(request.resumeToken) !== `journal ${this.journal}`) {
      this.reset(ResetReason.TOKEN_UNKNOWN);
    } else {
      this.told = new Map(request.known.map((known) => [known.conversationId, known.version]));
      this.tell(true);
    }
  }

  reset(reason: ResetReason): void {
    this.say({ case: "reset", value: { reason } as never });
    this.snapshot();
  }

  snapshot(): void {
    const cards = this.present();
    this.told = new Map(cards);
    this.#counted = "";
    const all = [...cards.values()];
    while (all.length > 5) {
      this.say({ case: "snapshotChunk", value: { cards: all.splice(0, 5) } as never });
    }
    this.say({
      case: "snapshotChunk",
      value: { cards: all, last: true, counters: this.counters(), resumeToken: token(`journal ${this.journal}`) } as never,
    });
  }

  /** Tells what changed, in one batch or, when it is much, in several, of which the last counts. */
  tell(always = false): void {
    const { told } = this;
    if (!told) {
      return;
    }
    const present = this.present();
    const upserts = [...present.values()].filter((one) => differs(told.get(one.conversationId), one));
    const removed = [...told.keys()]
      .filter((id) => !present.has(id))
      .map((conversationId) => ({ conversationId, version: this.cards.get(conversationId)?.version ?? 0n }));
    const counters = this.counters();
    const counted = counters.columns.map((one) => one.conversations).join();
    if (!always && upserts.length === 0 && removed.length === 0 && counted === this.#counted) {
      return;
    }
    this.#counted = counted;
    for (const [id, one] of present) {
      if (differs(told.get(id), one)) {
        told.set(id, one);
      }
    }
    for (const { conversationId } of removed) {
      told.delete(conversationId);
    }
    const resumeToken = token(`journal ${this.journal}`);
    while (always && upserts.length > 3) {
      this.say({ case: "deltaBatch", value: { upserts: upserts.splice(0, 3), removed: removed.splice(0), resumeToken } as never });
    }
    this.say({ case: "deltaBatch", value: { upserts, removed, counters, resumeToken } as never });
  }

  /** A backup was restored: every conversation is younger than it was, or is not there. */
  restore(): void {
    this.journal++;
    this.told = undefined;
    this.wire.length = 0;
    this.cards = new Map(
      [...this.cards].filter(() => this.draw(3) > 0).map(([id, one]) => [id, { ...one, version: (one.version + 1n) / 2n, preview: "restored" }]),
    );
  }
}

function differs(told: Card | bigint | undefined, now: Card): boolean {
  return typeof told === "bigint" ? told < now.version : told === undefined || faceOf(told) !== faceOf(now);
}

/** All that a person sees of a card: not its version. */
function faceOf(one: Card): string {
  const { conversationId, column, holderAgentId, tags, preview, lastActivityAt, since } = one;
  return [conversationId, Column[column], holderAgentId, ...tags, preview, lastActivityAt?.seconds, since?.seconds].join();
}

/** What a snapshot has to say, from nothing but the fold's answer for each conversation. */
function naive(fold: BoardFold, query: BoardQuery) {
  const shown = Array.from({ length: conversations }, (_, n) => fold.shown(`c${n}`)).filter((one) => one !== undefined);
  return {
    columns: columns.map((column) => shown.filter((one) => one.column === column && fold.scope.admits(one)).sort(inOrder).slice(0, query.window)),
    mine: shown.filter((one) => fold.scope.isMine(one)).sort(inOrder),
  };
}

const queries: BoardQuery[] = [
  { window: 50 },
  { window: 3 },
  { window: 2, includeMine: true },
  { window: 4, filter: { tag: "vip" } },
  { window: 4, filter: { tag: "vip" }, includeMine: true },
  { window: 3, filter: { mine: true } },
];

test(`boards through ${seeds} random schedules are the model's, and never go back`, () => {
  for (let seed = 0; seed < seeds; seed++) {
    const query = queries[seed % queries.length] ?? {};
    new Schedule(seed, query).play();
  }
});

class Schedule {
  readonly #draw: (below: number) => number;
  readonly #model: Model;
  readonly #fold: BoardFold;
  readonly #view: BoardView;
  /** Answers that are on their way, in no order: within a minute or never. */
  readonly #answers: { card: Card; journal: number; at: number }[] = [];
  #seen = new Map<string, bigint>();
  /** What is shown is of a journal that is no more. */
  #restored = false;
  #before: BoardSnapshot | undefined;

  constructor(
    readonly seed: number,
    readonly query: BoardQuery,
  ) {
    const random = dice(seed);
    this.#draw = (below) => Math.floor(random() * below);
    this.#model = new Model(query, this.#draw);
    this.#fold = new BoardFold(query);
    this.#view = new BoardView(this.#fold);
  }

  play(): void {
    this.#model.open(this.#fold.request());
    for (let n = 0; n < steps; n++) {
      this.#step();
      this.#look();
    }
    this.#rest();
  }

  #step(): void {
    const model = this.#model;
    switch (this.#draw(20)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
      case 5: {
        const changed = model.change();
        if (this.#draw(2) === 0) {
          this.#answers.push({ card: changed, journal: model.journal, at: model.now });
        }
        return;
      }
      case 6:
      case 7:
      case 8: {
        const [answer] = this.#answers.splice(this.#draw(this.#answers.length || 1), 1);
        if (answer && answer.journal === model.journal && model.now - answer.at < appliedFor) {
          this.#fold.apply(answer.card, model.now);
        }
        return;
      }
      case 9:
      case 10:
      case 11:
        model.tell();
        return;
      case 12:
        this.#cut();
        return;
      case 13:
        if (model.told && this.#draw(4) === 0) {
          model.reset([ResetReason.REBUILT, ResetReason.TOO_FAR_BEHIND][this.#draw(2)] ?? ResetReason.REBUILT);
        }
        return;
      case 14:
        if (this.#draw(8) === 0) {
          model.restore();
          this.#fold.interrupt();
          model.open(this.#fold.request());
          this.#restored = true;
        }
        return;
      case 15:
        model.now += this.#draw(appliedFor);
        return;
      default:
        this.#receive(1 + this.#draw(3));
    }
  }

  #cut(): void {
    this.#model.wire.length = 0;
    this.#fold.interrupt();
    this.#model.open(this.#fold.request());
  }

  #receive(count: number): void {
    for (const frame of this.#model.wire.splice(0, count)) {
      this.#fold.take(frame, this.#model.now);
      if (this.#restored && frame.frame.case === "snapshotChunk" && frame.frame.value.last) {
        this.#restored = false;
        this.#seen.clear();
      }
    }
  }

  /** Holds a snapshot against what it should be, and against the one before it. */
  #look(): void {
    const now = this.#view.snapshot({ status: "live" });
    const want = naive(this.#fold, this.query);
    const where = `seed ${this.seed}`;
    now.columns.forEach(({ cards }, n) => {
      assert.deepEqual(cards.map((one) => one.conversationId), want.columns[n]?.map((one) => one.conversationId), where);
      assert.ok(cards.every((one, m) => one === want.columns[n]?.[m]), where);
    });
    assert.deepEqual(now.mine, want.mine, where);
    for (const one of new Set([...now.columns.flatMap(({ cards }) => cards), ...now.mine])) {
      const before = this.#seen.get(one.conversationId) ?? 0n;
      assert.ok(this.#restored || one.version >= before, `${where}: ${one.conversationId} went back from ${before} to ${one.version}`);
      this.#seen.set(one.conversationId, one.version);
      assert.equal(now.card(one.conversationId), one, where);
    }
    const before = this.#before;
    for (const [n, column] of now.columns.entries()) {
      const was = before?.columns[n];
      if (was && was.counter === column.counter && was.cards.length === column.cards.length && was.cards.every((one, m) => one === column.cards[m])) {
        assert.equal(column, was, `${where}: a column that did not change is another object`);
      }
    }
    this.#before = now;
  }

  /** Everything arrives, and what waits for a minute is over. */
  #rest(): void {
    const model = this.#model;
    model.tell();
    this.#receive(model.wire.length);
    model.now += appliedFor;
    this.#fold.take(create(WatchBoardResponseSchema, { frame: { case: "heartbeat", value: {} } }), model.now);
    this.#look();
    const now = this.#view.snapshot({ status: "live" });
    assert.ok(now.whole && this.#fold.live, `seed ${this.seed}: not live at rest`);
    for (const { column, cards, counter } of now.columns) {
      assert.deepEqual(cards.map(faceOf), model.column(column).map(faceOf), `seed ${this.seed}: ${Column[column]}`);
      assert.equal(counter?.conversations, model.counters().columns.find((one) => one.column === column)?.conversations);
    }
    assert.deepEqual(now.mine.map(faceOf), model.mine().map(faceOf), `seed ${this.seed}: mine`);
  }
}

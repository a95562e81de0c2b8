import { create } from "@bufbuild/protobuf";

import { Answers } from "./answers.js";
import { BoardScope } from "./board_query.js";
import type { BoardQuery } from "./board_query.js";
import { StreamError } from "./errors.js";
import { KnownCardSchema, ResetReason } from "./wire.js";
import type {
  AgentPresence,
  Card,
  Column,
  ColumnCounter,
  Counters,
  DeltaBatch,
  KnownCard,
  PresenceUpdate,
  Removal,
  SnapshotChunk,
  WatchBoardRequest,
  WatchBoardResponse,
} from "./wire.js";

/** How many cards a resume may name. A board that has more, which no server of ours makes, begins anew. */
export const maxKnown = 1200;

/** The cards of a board at one place of its stream. */
interface Cards {
  readonly byId: Map<string, Card>;
  readonly counters: Map<Column, ColumnCounter>;
  token: Uint8Array;
  /** These are the chunks so far, and a delta cannot follow. */
  snapshot: boolean;
  /** The conversations of which another card stands here than where this began. */
  readonly touched: Set<string>;
}

const noToken = new Uint8Array();
const newSnapshot = (): Cards => ({ byId: new Map(), counters: new Map(), token: noToken, snapshot: true, touched: new Set() });

/**
 * BoardFold makes a board of frames and of the answers to commands. It knows no
 * network and no clock.
 *
 * What the stream said and what answers said are kept apart. The stream is a
 * series of differences to what it said before, and a removal in it may well be
 * older than an answer: folded into one, that card would stay for ever.
 */
export class BoardFold {
  readonly scope: BoardScope;
  readonly answers = new Answers();

  /** What the stream said up to the newest whole state. */
  #base: Cards | undefined;
  /**
   * A snapshot, or the difference that answers a resume, of which a part is
   * missing. When the stream breaks it is dropped.
   */
  #pending: Cards | undefined;
  /** The stream has come as far as the present. */
  #live = false;

  #presence: ReadonlyMap<string, AgentPresence> = new Map();
  /** The conversations of which another card may be shown than at the last look. */
  #touched = new Set<string>();

  constructor(query: BoardQuery) {
    this.scope = new BoardScope(query);
  }

  get whole(): boolean {
    return this.#base !== undefined;
  }

  get live(): boolean {
    return this.#live;
  }

  get presence(): ReadonlyMap<string, AgentPresence> {
    return this.#presence;
  }

  counter(column: Column): ColumnCounter | undefined {
    return this.#base?.counters.get(column);
  }

  /** Asks to resume from the newest whole state, if there is one. */
  request(): WatchBoardRequest {
    const request = this.scope.request();
    const base = this.#base;
    if (base && base.token.length > 0 && base.byId.size <= maxKnown) {
      request.resumeToken = base.token;
      request.known = Array.from(base.byId.values(), knownOf);
    } else {
      this.answers.overtake();
    }
    return request;
  }

  /** Forgets what came of a state that is not whole. */
  interrupt(): void {
    this.#pending = undefined;
    this.#live = false;
    this.answers.interrupt();
  }

  /**
   * Folds one frame and answers whether what is shown changed. A kind of frame that
   * it does not know says nothing to it.
   */
  take({ frame }: WatchBoardResponse, now: number): boolean {
    switch (frame.case) {
      case "hello":
        return this.#greet(frame.value.agentId);
      case "reset":
        this.#reset(frame.value.reason);
        return false;
      case "snapshotChunk":
        return this.#chunk(frame.value, now);
      case "deltaBatch":
        return this.#delta(frame.value, now);
      case "presence":
        this.#present(frame.value);
        return true;
      case "heartbeat":
        if (this.#pending && !this.#pending.snapshot) {
          return this.#commit(now); // there is nothing more to say
        }
        return this.#settle(now);
      default:
        return false;
    }
  }

  /** Learns who the caller is, by which its own cards are told from what others hold. */
  #greet(agentId: string): boolean {
    if (this.scope.self === agentId) {
      return false;
    }
    this.scope.self = agentId;
    this.#touch(this.#base?.byId.keys() ?? [], this.answers.ids());
    return true;
  }

  /**
   * Begins a new board behind the one that is shown, from which nothing can be
   * resumed any more.
   */
  #reset(reason: ResetReason): void {
    this.interrupt();
    this.#pending = newSnapshot();
    if (this.#base) {
      this.#base.token = noToken;
    }
    if (reason === ResetReason.TOKEN_UNKNOWN) {
      // The journal may be another one, with versions of its own.
      this.#touch(this.answers.ids());
      this.answers.clear();
    }
  }

  #chunk(chunk: SnapshotChunk, now: number): boolean {
    if (!this.#pending?.snapshot) {
      this.#pending = newSnapshot();
    }
    this.#upsert(this.#pending, chunk.cards);
    if (!chunk.last) {
      return false;
    }
    count(this.#pending, chunk.counters);
    this.#pending.token = chunk.resumeToken;
    return this.#commit(now);
  }

  /**
   * Folds into what is shown or, while a resume catches up, into what will be:
   * counters are the last that such a one tells.
   */
  #delta(batch: DeltaBatch, now: number): boolean {
    const base = this.#base;
    if (!base || this.#pending?.snapshot) {
      if (base) {
        base.token = noToken;
      }
      throw new StreamError("out of order");
    }
    if (!this.#live && !this.#pending) {
      this.#pending = { ...base, byId: new Map(base.byId), counters: new Map(base.counters), touched: new Set() };
    }
    const to = this.#pending ?? base;
    this.#upsert(to, batch.upserts);
    this.#remove(to, batch.removed, now);
    count(to, batch.counters);
    if (batch.resumeToken.length > 0) {
      to.token = batch.resumeToken;
    }
    return this.#live || batch.counters ? this.#commit(now) : false;
  }

  #upsert(to: Cards, cards: readonly Card[]): void {
    for (const card of cards) {
      const have = to.byId.get(card.conversationId);
      if (!have || card.version > have.version) {
        to.byId.set(card.conversationId, card);
        this.#touchIn(to, card.conversationId);
      }
      this.answers.reach(card.conversationId, card.version);
    }
  }

  /** Lets go of what left, which needs no new version. */
  #remove(to: Cards, removed: readonly Removal[], now: number): void {
    for (const { conversationId: id, version } of removed) {
      const have = to.byId.get(id);
      if (have && version >= have.version) {
        to.byId.delete(id);
        this.#touchIn(to, id);
      }
      this.answers.leave(id, version, now);
    }
  }

  /** Makes what is there the state that is shown. */
  #commit(now: number): boolean {
    const pending = this.#pending;
    if (pending) {
      const replaced = pending.snapshot ? (this.#base?.byId.keys() ?? []) : [];
      // Answers lie over a board, and are not seen before there is one.
      this.#touch(replaced, pending.touched, this.answers.ids());
      if (pending.snapshot) {
        this.answers.dropOvertaken();
      }
      pending.snapshot = false;
      pending.touched.clear();
      this.#base = pending;
      this.#pending = undefined;
    }
    this.#live = true;
    this.#settle(now);
    return true;
  }

  /**
   * Drops the answers that the stream has reached, or would have by now. That it
   * shows such a conversation as it was before means that nothing but the version
   * changed.
   */
  #settle(now: number): boolean {
    const base = this.#base;
    if (!base || !this.#live) {
      return false;
    }
    let changed = false;
    for (const { card, reached } of this.answers.settle(now)) {
      const have = base.byId.get(card.conversationId);
      if (have && have.version < card.version && !reached) {
        base.byId.set(card.conversationId, card);
      } else {
        this.#touched.add(card.conversationId);
        changed = true;
      }
    }
    return changed;
  }

  #present(update: PresenceUpdate): void {
    const agents = new Map(update.complete ? [] : this.#presence);
    for (const agent of update.agents) {
      if (agent.online) {
        agents.set(agent.agentId, agent);
      } else {
        agents.delete(agent.agentId);
      }
    }
    this.#presence = agents;
  }

  /** Takes the card of an answer and says whether it is news. */
  apply(card: Card, now: number): boolean {
    const id = card.conversationId;
    const shown = this.#base?.byId.get(id)?.version ?? this.answers.leftAt(id);
    const before = this.answers.card(id)?.version ?? 0n;
    if (id === "" || shown >= card.version || before >= card.version) {
      return false;
    }
    const dropped = this.answers.keep(card, now);
    this.#touch([id], dropped === undefined ? [] : [dropped]);
    const coming = this.#pending?.byId.get(id);
    if (coming) {
      this.answers.reach(id, coming.version);
    }
    return true;
  }

  #touch(...lists: Iterable<string>[]): void {
    for (const ids of lists) {
      for (const id of ids) {
        this.#touched.add(id);
      }
    }
  }

  /** What is pending is seen when it is committed, and not before. */
  #touchIn(to: Cards, id: string): void {
    (to === this.#base ? this.#touched : to.touched).add(id);
  }

  /** The conversations of which another card may be shown than when this was last asked. */
  drainTouched(): ReadonlySet<string> {
    const touched = this.#touched;
    this.#touched = new Set();
    return touched;
  }

  /** The card to show of a conversation: that of an answer lies over the stream's. */
  shown(id: string): Card | undefined {
    const card = this.#base?.byId.get(id);
    const answered = this.#base && this.answers.card(id);
    if (!answered || (card && card.version >= answered.version)) {
      return card;
    }
    return this.scope.isMine(answered) || this.scope.admits(answered) ? answered : undefined;
  }
}

function knownOf(card: Card): KnownCard {
  return create(KnownCardSchema, { conversationId: card.conversationId, version: card.version });
}

function count(to: Cards, counters: Counters | undefined): void {
  for (const counter of counters?.columns ?? []) {
    to.counters.set(counter.column, counter);
  }
}

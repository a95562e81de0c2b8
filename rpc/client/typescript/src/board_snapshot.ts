import type { Timestamp } from "@bufbuild/protobuf/wkt";

import type { BoardFold } from "./board_fold.js";
import type { FollowerState, Snapshot } from "./follower.js";
import { Column } from "./wire.js";
import type { AgentPresence, Card, ColumnCounter, Viewer } from "./wire.js";

/**
 * How coarsely the server orders Active by recency, in milliseconds, so that a
 * conversation does not move with every message.
 */
const recencyStep = 60_000;

/** BoardColumn is one column of a board. */
export interface BoardColumn {
  readonly column: Column;
  /**
   * In the server's order, at most a window's worth: in Active the newest activity
   * first, else the longest waiting. It is the same array until one of them changes.
   */
  readonly cards: readonly Card[];
  /** Counts the whole column, as the server does; undefined before it did. */
  readonly counter: ColumnCounter | undefined;
}

/** BoardSnapshot is a board at one moment. It never changes, and nobody may change its cards. */
export class BoardSnapshot implements Snapshot {
  #byId: Map<string, Card> | undefined;
  readonly #all: readonly (readonly Card[])[];
  readonly #viewers: ViewerIndex;

  constructor(
    readonly whole: boolean,
    readonly state: FollowerState,
    /** The caller's own id among agents and holders; empty before the first stream. */
    readonly self: string,
    /** Those that were asked for: Active, Requesting, Intervened. */
    readonly columns: readonly BoardColumn[],
    /** What the caller holds, the longest waiting first; empty unless the query asks for it. */
    readonly mine: readonly Card[],
    /** Who is online, by agent id; empty unless the query asks for it. */
    readonly presence: ReadonlyMap<string, AgentPresence>,
    all: readonly (readonly Card[])[],
    viewers: ViewerIndex,
  ) {
    this.#all = all;
    this.#viewers = viewers;
  }

  /** The column of this name, empty when it is not followed. */
  column(column: Column): BoardColumn {
    return this.columns.find((one) => one.column === column) ?? { column, cards: noCards, counter: undefined };
  }

  /** The card of a conversation, if it is known: it may be beyond the window. */
  card(conversationId: string): Card | undefined {
    this.#byId ??= new Map([...this.#all, this.mine].flat().map((card) => [card.conversationId, card]));
    return this.#byId.get(conversationId);
  }

  /** Who has a conversation open. */
  viewers(conversationId: string): readonly Viewer[] {
    return this.#viewers.of(this.presence, conversationId);
  }
}

const noCards: readonly Card[] = [];
const noViewers: readonly Viewer[] = [];

/** ViewerIndex finds viewers by conversation; it is made once for each presence, and only if somebody asks. */
class ViewerIndex {
  #presence: ReadonlyMap<string, AgentPresence> | undefined;
  #byConversation = new Map<string, Viewer[]>();

  of(presence: ReadonlyMap<string, AgentPresence>, conversationId: string): readonly Viewer[] {
    if (this.#presence !== presence) {
      this.#presence = presence;
      this.#byConversation = new Map();
      for (const agent of presence.values()) {
        for (const { conversationId: id, typing } of agent.viewing) {
          const viewers = this.#byConversation.get(id) ?? [];
          viewers.push({ $typeName: "intervene.v1.Viewer", agentId: agent.agentId, typing });
          this.#byConversation.set(id, viewers);
        }
      }
    }
    return this.#byConversation.get(conversationId) ?? noViewers;
  }
}

/**
 * BoardView makes snapshots of a fold. What did not change since the last one is
 * the same object in the next: cards, and lists of cards.
 */
export class BoardView {
  readonly #fold: BoardFold;
  readonly #shown = new Map<string, Card>();
  #self = "";
  readonly #lists: Map<Column, readonly Card[]>;
  readonly #columns = new Map<Column, BoardColumn>();
  #mine: readonly Card[] = noCards;
  readonly #viewers = new ViewerIndex();

  constructor(fold: BoardFold) {
    this.#fold = fold;
    this.#lists = new Map(fold.scope.columns.map((column) => [column, noCards]));
  }

  snapshot(state: FollowerState): BoardSnapshot {
    const fold = this.#fold;
    this.#update();
    const columns = fold.scope.columns.map((column) => this.#column(column));
    return new BoardSnapshot(fold.whole, state, fold.scope.self, columns, this.#mine, fold.presence, [...this.#lists.values()], this.#viewers);
  }

  /** Moves the cards that changed, and only those. */
  #update(): void {
    const { scope } = this.#fold;
    if (this.#self !== scope.self) {
      this.#self = scope.self; // everything is to be placed anew
      this.#shown.clear();
      this.#lists.forEach((_, column) => this.#lists.set(column, noCards));
      this.#mine = noCards;
    }
    const gone = new Set<Card>();
    const come: Card[] = [];
    for (const id of this.#fold.drainTouched()) {
      const before = this.#shown.get(id);
      const now = this.#fold.shown(id);
      if (before === now) {
        continue;
      }
      if (before) {
        gone.add(before);
      }
      if (now) {
        come.push(now);
        this.#shown.set(id, now);
      } else {
        this.#shown.delete(id);
      }
    }
    if (gone.size === 0 && come.length === 0) {
      return;
    }
    for (const [column, list] of this.#lists) {
      this.#lists.set(column, merge(list, gone, come.filter((card) => card.column === column && scope.admits(card))));
    }
    this.#mine = merge(this.#mine, gone, come.filter((card) => scope.isMine(card)));
  }

  #column(column: Column): BoardColumn {
    const before = this.#columns.get(column);
    const counter = this.#fold.counter(column);
    const cards = sameCards(before?.cards, (this.#lists.get(column) ?? noCards).slice(0, this.#fold.scope.window));
    if (before && before.cards === cards && before.counter === counter) {
      return before;
    }
    const next = { column, cards, counter };
    this.#columns.set(column, next);
    return next;
  }
}

/** The list without those that are gone, and with those of its column that came. */
function merge(list: readonly Card[], gone: ReadonlySet<Card>, come: Card[]): readonly Card[] {
  const kept = gone.size > 0 && list.some((card) => gone.has(card)) ? list.filter((card) => !gone.has(card)) : list;
  if (come.length === 0) {
    return kept;
  }
  come.sort(inOrder);
  const merged: Card[] = [];
  let next = 0;
  for (const card of kept) {
    for (let coming = come[next]; coming && inOrder(coming, card) < 0; coming = come[next]) {
      merged.push(coming);
      next++;
    }
    merged.push(card);
  }
  merged.push(...come.slice(next));
  return merged;
}

/** The list of before, if it holds the same cards. */
function sameCards(before: readonly Card[] | undefined, now: readonly Card[]): readonly Card[] {
  return before && before.length === now.length && before.every((card, n) => card === now[n]) ? before : now;
}

/** The server's order of two cards of one column. */
export function inOrder(a: Card, b: Card): number {
  const order = placeOf(a) - placeOf(b);
  if (order !== 0) {
    return a.column === Column.ACTIVE ? -order : order;
  }
  return a.conversationId < b.conversationId ? -1 : a.conversationId > b.conversationId ? 1 : 0;
}

/** What a column is ordered by. */
function placeOf(card: Card): number {
  switch (card.column) {
    case Column.REQUESTING:
      return instantOf(card.requestedAt);
    case Column.INTERVENED:
      return instantOf(card.since);
    default: {
      const at = instantOf(card.lastActivityAt);
      return at - (at % recencyStep);
    }
  }
}

/** Milliseconds since 1970, which a time that is not there is taken for. */
function instantOf(at: Timestamp | undefined): number {
  return at ? Number(at.seconds) * 1000 + Math.floor(at.nanos / 1e6) : 0;
}

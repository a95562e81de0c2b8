import { create } from "@bufbuild/protobuf";

import { Column, WatchBoardRequestSchema } from "./wire.js";
import type { Card, Filter, WatchBoardRequest } from "./wire.js";

/** The cards per column where a query names none, and the most that a server gives. */
export const defaultWindow = 50;
export const longestWindow = 200;

/** BoardQuery says which board to follow; {} is all of the three columns. */
export interface BoardQuery {
  /** None: Active, Requesting and Intervened. */
  readonly columns?: readonly Column[];
  /** Narrows the cards. Counters count whole columns. */
  readonly filter?: Partial<Pick<Filter, "mine" | "unassigned" | "channelId" | "tag">>;
  /** How many cards of each column are followed: 50, at most 200. */
  readonly window?: number;
  /** Follows what the caller holds, too, beyond the window and the filter: BoardSnapshot.mine. */
  readonly includeMine?: boolean;
  /** Follows who is online and what they have open: BoardSnapshot.presence. */
  readonly presence?: boolean;
}

/** BoardScope is what belongs to the board that a query asks for. */
export class BoardScope {
  readonly columns: readonly Column[];
  readonly window: number;
  readonly #query: BoardQuery;
  /** The caller's own id, as Hello has it; empty before it is known. */
  self = "";

  constructor(query: BoardQuery) {
    this.#query = query;
    const columns = query.columns?.length ? query.columns : [Column.ACTIVE, Column.REQUESTING, Column.INTERVENED];
    this.columns = [...columns].sort((a, b) => a - b);
    this.window = Math.min(query.window || defaultWindow, longestWindow);
  }

  /** Asks for the board, not yet resuming. */
  request(): WatchBoardRequest {
    const { columns, filter, window, includeMine, presence } = this.#query;
    return create(WatchBoardRequestSchema, {
      columns: [...(columns ?? [])],
      window: window ?? 0,
      includeMine: includeMine ?? false,
      presence: presence ?? false,
      ...(filter && { filter }),
    });
  }

  /** Whether a card stands on one of the columns. */
  admits(card: Card): boolean {
    const filter = this.#query.filter;
    return (
      this.columns.includes(card.column) &&
      (!filter?.mine || this.#holds(card)) &&
      (!filter?.unassigned || card.holderAgentId === "") &&
      (!filter?.channelId || card.channelId === filter.channelId) &&
      (!filter?.tag || card.tags.includes(filter.tag))
    );
  }

  /** Whether a card stands in the list of what the caller holds. */
  isMine(card: Card): boolean {
    return this.#query.includeMine === true && card.column === Column.INTERVENED && this.#holds(card);
  }

  #holds(card: Card): boolean {
    return card.holderAgentId !== "" && card.holderAgentId === this.self;
  }
}

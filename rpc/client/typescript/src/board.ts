import type { Client as Service } from "@connectrpc/connect";

import { BoardFold } from "./board_fold.js";
import type { BoardQuery } from "./board_query.js";
import type { BoardSnapshot } from "./board_snapshot.js";
import { BoardView } from "./board_snapshot.js";
import type { Clock } from "./clock.js";
import { millisecondsOf, StreamError } from "./errors.js";
import type { FollowerState } from "./follower.js";
import { Follower, heartbeatInterval, receive, silenceOf } from "./follower.js";
import type { Card, LiveChatService, WatchBoardResponse } from "./wire.js";

/** Board is a board that is kept up to date. */
export class Board extends Follower<BoardSnapshot> {
  readonly #service: Service<typeof LiveChatService>;
  readonly #clock: Clock;
  readonly #fold: BoardFold;
  readonly #view: BoardView;

  /** Use Client.followBoard. */
  constructor(service: Service<typeof LiveChatService>, query: BoardQuery, clock: Clock) {
    super(clock);
    this.#service = service;
    this.#clock = clock;
    this.#fold = new BoardFold(query);
    this.#view = new BoardView(this.#fold);
    this.start();
  }

  /**
   * Shows the card that a command was answered with, unless a newer one is known:
   * the board then never shows what was before the command. The stream tells the
   * rest; a card that it does not come to speak of within a minute was beyond the
   * window, and goes.
   */
  apply(card: Card): void {
    if (this.#fold.apply(card, this.#clock.now())) {
      this.changed();
    }
  }

  protected override session(stream: AbortController): Promise<Error> {
    let silence = silenceOf(heartbeatInterval);
    const open = (signal: AbortSignal) => this.#service.watchBoard(this.#fold.request(), { signal });
    return receive(this.#clock, stream, open, (response) => {
      const { frame } = response;
      if (frame.case === "hello" && frame.value.heartbeatInterval) {
        silence = silenceOf(millisecondsOf(frame.value.heartbeatInterval));
      }
      this.#take(response);
      return silence;
    });
  }

  #take(response: WatchBoardResponse): void {
    const { frame } = response;
    if (frame.case === "goAway") {
      throw new StreamError("sent away", millisecondsOf(frame.value.retryAfter));
    }
    if (this.#fold.take(response, this.#clock.now())) {
      this.changed();
    }
    if (this.#fold.live) {
      this.reached();
    }
  }

  protected override interrupted(): void {
    this.#fold.interrupt();
  }

  protected override makeSnapshot(state: FollowerState): BoardSnapshot {
    return this.#view.snapshot(state);
  }
}

import { createClient } from "@connectrpc/connect";
import type { Client as Service, Interceptor, Transport } from "@connectrpc/connect";

import { Board } from "./board.js";
import type { BoardQuery } from "./board_query.js";
import type { Clock } from "./clock.js";
import { systemClock } from "./clock.js";
import type { ConversationQuery } from "./conversation.js";
import { Conversation } from "./conversation.js";
import { Presence } from "./presence.js";
import { LiveChatService } from "./wire.js";

/**
 * Client follows boards and conversations of a workspace over the Connect edge, as
 * one caller: it comes back after any interruption with jittered pauses, resumes
 * where it stood, folds what comes, and shows consistent states.
 *
 * It never decides anything, never repeats a command by itself, never shows a card
 * that is older than one that it showed, and keeps nothing but what its followers
 * hold in memory.
 */
export class Client {
  /**
   * Makes all other calls. A follower that is to show what a command did, before its
   * stream does, is told with apply.
   */
  readonly api: Service<typeof LiveChatService>;
  readonly #clock: Clock;

  /** The transport carries the token: see bearer. clock is for tests. */
  constructor(transport: Transport, clock: Clock = systemClock) {
    this.api = createClient(LiveChatService, transport);
    this.#clock = clock;
  }

  /** Begins to follow a board. */
  followBoard(query: BoardQuery = {}): Board {
    return new Board(this.api, query, this.#clock);
  }

  /** Begins to follow a conversation. */
  followConversation(conversationId: string, query: ConversationQuery = {}): Conversation {
    return new Conversation(this.api, conversationId, query, this.#clock);
  }

  /** Takes a lease, which tells colleagues that the caller is online. */
  keepPresence(): Presence {
    return new Presence(this.api, this.#clock);
  }
}

/** bearer adds a token to every call; it is asked for at each, so that it may change. */
export function bearer(token: string | (() => string)): Interceptor {
  return (next) => (request) => {
    request.header.set("Authorization", `Bearer ${typeof token === "string" ? token : token()}`);
    return next(request);
  };
}

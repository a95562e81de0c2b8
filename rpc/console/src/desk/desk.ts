import { Client, RefusedError } from "@intervene/client";
import type { Board, Conversation, Follower, Presence, Snapshot } from "@intervene/client";
import { leaveWithPage, pauseWhileHidden } from "@intervene/client/browser";
import { Column, Role } from "@intervene/client/wire";
import type { Card, Message } from "@intervene/client/wire";
import { Code } from "@connectrpc/connect";

import type { Session } from "../session.js";
import { pageTransport } from "../transport.js";
import { Bell } from "./bell.js";
import { command, isSignedOut } from "./command.js";
import { Directory } from "./directory.js";
import { Drafts } from "./drafts.js";
import { say } from "./notices.js";
import { Outbox } from "./outbox.js";
import { refusalText } from "./refusal.js";
import { route } from "./route.js";
import { Value } from "./value.js";

/** How many events a conversation begins with, and the cards of a column that are followed. */
export const tail = 150;
const boardWindow = 200;

/** Narrow is what the agent wants to see of the columns. */
export interface Narrow {
  readonly whose: "all" | "mine" | "unassigned";
  readonly channelId: string;
  readonly tag: string;
}

export const everything: Narrow = { whose: "all", channelId: "", tag: "" };

/** What an answer to a command says. */
interface Answer {
  readonly card?: Card | undefined;
  readonly message?: Message | undefined;
}

/** Desk is all that one signed-in agent has before them. Whoever makes one closes it. */
export class Desk {
  readonly client = new Client(pageTransport);
  readonly directory: Directory;
  readonly drafts: Drafts;
  readonly outbox: Outbox;
  readonly presence: Presence;
  readonly board: Value<Board>;
  readonly conversation = new Value<Conversation | undefined>(undefined);
  readonly narrow = new Value<Narrow>(everything);
  /** The name of the command that is under way, if any. */
  readonly busy = new Value("");
  readonly #signedOut: () => void;
  readonly #ends: (() => void)[] = [];
  readonly #bell: Bell;
  #endBoard = () => {};
  #endConversation = () => {};

  /** signedOut is called when the session is over. */
  constructor(
    readonly session: Session,
    signedOut: () => void,
  ) {
    this.#signedOut = signedOut;
    this.directory = new Directory(this.client);
    this.drafts = new Drafts(session.workspaceId, session.agentId);
    this.outbox = new Outbox(this.client, this.drafts, (answer) => this.apply(answer), signedOut);
    this.presence = this.client.keepPresence();
    this.board = new Value(this.#followBoard());
    this.#bell = new Bell(this.client, this.board);
    this.#ends.push(
      leaveWithPage(this.presence),
      route.subscribe(() => this.#open(route.get().conversationId)),
    );
    this.#open(route.get().conversationId);
  }

  get supervises(): boolean {
    return this.session.role === Role.SUPERVISOR || this.session.role === Role.ADMIN;
  }

  /** Whether the caller holds a conversation. */
  holds(card: Card): boolean {
    return card.column === Column.INTERVENED && card.holderAgentId === this.session.agentId;
  }

  /** Narrows the columns. */
  show(narrow: Narrow): void {
    const now = this.narrow.get();
    this.narrow.set(narrow);
    if (narrow.channelId !== now.channelId || narrow.tag !== now.tag) {
      this.#endBoard();
      this.board.set(this.#followBoard());
    }
  }

  /** Shows what a command was answered with, before the streams do. */
  apply(answer: Answer): void {
    if (answer.card) {
      this.board.get().apply(answer.card);
    }
    const { conversationId } = route.get();
    if (answer.card?.conversationId === conversationId) {
      this.conversation.get()?.apply(answer);
    }
  }

  /** Carries a command out, shows what came of it, and answers whether it did take effect. */
  async perform(name: string, call: (commandId: string, timeoutMs: number) => Promise<Answer>, done?: string): Promise<boolean> {
    if (this.busy.get() !== "") {
      return false;
    }
    this.busy.set(name);
    try {
      this.apply(await command(call));
      if (done !== undefined) {
        say("done", done);
      }
      return true;
    } catch (error) {
      this.failed(error);
      return false;
    } finally {
      this.busy.set("");
    }
  }

  /** Says why a call failed. */
  failed(error: unknown): void {
    if (isSignedOut(error)) {
      this.#signedOut();
    } else {
      say("problem", refusalText(error, this.directory.names.get()));
    }
  }

  close(): void {
    this.#endConversation();
    this.#endBoard();
    this.#bell.close();
    this.outbox.close();
    this.directory.close();
    this.presence.close();
    for (const end of this.#ends) {
      end();
    }
  }

  #followBoard(): Board {
    const { channelId, tag } = this.narrow.get();
    const board = this.client.followBoard({ filter: { channelId, tag }, window: boardWindow, includeMine: true, presence: true });
    this.#endBoard = this.#tend(board);
    return board;
  }

  #open(conversationId: string): void {
    this.#endConversation();
    this.#endConversation = () => {};
    this.presence.view(conversationId);
    if (conversationId === "") {
      this.conversation.set(undefined);
      return;
    }
    const conversation = this.client.followConversation(conversationId, { tail });
    this.#endConversation = this.#tend(conversation);
    this.conversation.set(conversation);
  }

  /** Pauses a follower while nobody looks, and notices when the session is over. The answer ends it. */
  #tend<S extends Snapshot>(follower: Follower<S>): () => void {
    const endPauses = pauseWhileHidden(follower);
    const endWatch = follower.subscribe(({ state }) => {
      if (state.status === "ended" && state.reason instanceof RefusedError && state.reason.code === Code.Unauthenticated) {
        this.#signedOut();
      }
    });
    return () => {
      endPauses();
      endWatch();
      follower.close();
    };
  }
}

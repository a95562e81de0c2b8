import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import type { ServiceImpl, Transport } from "@connectrpc/connect";

import { ErrorInfoSchema, RetryInfoSchema, BadRequestSchema } from "../gen/google/rpc/error_details_pb.js";
import { Client } from "../src/index.js";
import { CardSchema, Column, LiveChatService, WatchBoardResponseSchema, WatchConversationResponseSchema } from "../src/wire.js";
import type { Card, WatchBoardRequest, WatchBoardResponse, WatchConversationRequest, WatchConversationResponse } from "../src/wire.js";
import { settle, VirtualClock } from "./clock.js";

/** Call is one stream, whose frames the test sends. */
export class Call<Request, Response> {
  readonly #frames: Response[] = [];
  #ended: { readonly error: Error | undefined } | undefined;
  #wake = () => {};
  /** The caller is gone. */
  left = false;

  constructor(
    readonly request: Request,
    readonly at: number,
  ) {}

  /** Sends frames and waits until they are taken. */
  async send(...frames: Response[]): Promise<void> {
    this.#frames.push(...frames);
    this.#wake();
    await settle();
  }

  async end(error?: Error): Promise<void> {
    this.#ended = { error };
    this.#wake();
    await settle();
  }

  async *frames(signal: AbortSignal): AsyncGenerator<Response> {
    signal.addEventListener("abort", () => {
      this.left = true;
      this.#wake();
    });
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) {
        yield frame;
      } else if (this.left) {
        return;
      } else if (this.#ended) {
        if (this.#ended.error) {
          throw this.#ended.error;
        }
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

type BoardFrame = MessageInitShape<typeof WatchBoardResponseSchema>;
type ConversationFrame = MessageInitShape<typeof WatchConversationResponseSchema>;

/** Script is a server in this process that says what the test lets it say, in the test's own time. */
export class Script {
  readonly clock = new VirtualClock();
  readonly boards: Call<WatchBoardRequest, BoardFrame>[] = [];
  readonly conversations: Call<WatchConversationRequest, ConversationFrame>[] = [];
  readonly transport: Transport;
  readonly client: Client;

  constructor(unary: Partial<ServiceImpl<typeof LiveChatService>> = {}) {
    const { boards, conversations, clock } = this;
    this.transport = createRouterTransport(({ service }) => {
      service(LiveChatService, {
        ...unary,
        async *watchBoard(request, { signal }) {
          const call = new Call<WatchBoardRequest, BoardFrame>(request, clock.now());
          boards.push(call);
          yield* call.frames(signal);
        },
        async *watchConversation(request, { signal }) {
          const call = new Call<WatchConversationRequest, ConversationFrame>(request, clock.now());
          conversations.push(call);
          yield* call.frames(signal);
        },
      });
    });
    this.client = new Client(this.transport, clock);
  }

  /** The nth call, from 1, or the newest, which was made. */
  async board(nth?: number): Promise<Call<WatchBoardRequest, BoardFrame>> {
    await settle();
    return made(this.boards.at(nth === undefined ? -1 : nth - 1));
  }

  async conversation(nth?: number): Promise<Call<WatchConversationRequest, ConversationFrame>> {
    await settle();
    return made(this.conversations.at(nth === undefined ? -1 : nth - 1));
  }
}

function made<T>(call: T | undefined): T {
  if (call === undefined) {
    throw new Error("the call was not made");
  }
  return call;
}

/** An error as the edge makes them. */
export function refused(code: Code, reason: string, options: { field?: string; retrySeconds?: number } = {}): ConnectError {
  const details = [{ desc: ErrorInfoSchema, value: { reason, domain: "intervene", metadata: { holder: "sam" } } }];
  return new ConnectError("refused", code, undefined, [
    ...details,
    ...(options.field ? [{ desc: BadRequestSchema, value: { fieldViolations: [{ field: options.field }] } }] : []),
    ...(options.retrySeconds ? [{ desc: RetryInfoSchema, value: { retryDelay: { seconds: BigInt(options.retrySeconds), nanos: 0 } } }] : []),
  ]);
}

export function card(id: string, version: number, column = Column.ACTIVE, more: Omit<MessageInitShape<typeof CardSchema>, "$typeName"> = {}): Card {
  return create(CardSchema, { conversationId: id, version: BigInt(version), column, ...more });
}

export const boardFrame = (frame: WatchBoardResponse["frame"] | BoardFrame["frame"]): WatchBoardResponse =>
  create(WatchBoardResponseSchema, { frame: frame as NonNullable<BoardFrame["frame"]> });

export const conversationFrame = (frame: ConversationFrame["frame"]): WatchConversationResponse =>
  create(WatchConversationResponseSchema, { frame: frame as NonNullable<ConversationFrame["frame"]> });

export const hello = (seconds: number): BoardFrame => ({
  frame: { case: "hello", value: { heartbeatInterval: { seconds: BigInt(seconds), nanos: 0 } } },
});

export const token = (text: string): Uint8Array => new TextEncoder().encode(text);

export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

export const lastChunk = (...cards: Card[]): BoardFrame => ({
  frame: {
    case: "snapshotChunk",
    value: { cards, last: true, resumeToken: token("snapshot"), counters: { columns: [{ column: Column.ACTIVE, conversations: BigInt(cards.length) }] } },
  },
});

export const goAway = (milliseconds: number): { case: "goAway"; value: { retryAfter: { seconds: bigint; nanos: number } } } => ({
  case: "goAway",
  value: { retryAfter: { seconds: BigInt(Math.floor(milliseconds / 1000)), nanos: (milliseconds % 1000) * 1e6 } },
});

export { Code };

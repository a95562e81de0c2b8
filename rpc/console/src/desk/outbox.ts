import type { Client } from "@intervene/client";
import { newId } from "@intervene/client";
import type { Card, SendMessageRequest, SendMessageResponse } from "@intervene/client/wire";

import { attemptTimeout, isSignedOut, isTemporary, rest } from "./command.js";
import type { Drafts } from "./drafts.js";
import { Value } from "./value.js";

export type Content = SendMessageRequest["content"];

/** Outgoing is a message that was handed over here, and that the journal does not have yet, as far as is known. */
export interface Outgoing {
  readonly commandId: string;
  readonly conversationId: string;
  readonly content: Content;
  readonly replyTo: string;
  readonly epoch: bigint;
  /** The version that was known when it was sent: it comes later. */
  readonly after: bigint;
  readonly at: number;
  /** unanswered: an answer was lost, so it is sent again under the same id. refused: it was not sent, and will not be. */
  readonly state: "sending" | "unanswered" | "refused";
  readonly error: unknown;
}

/** The longest pause before a message is sent again whose answer was lost, in milliseconds. */
const longestPause = 10_000;
const firstPause = 500;
/** How many messages wait here at most. */
export const maxOutgoing = 100;

/** Outbox sends what agents write: in order, one at a time in each conversation, each under one command_id until it is answered. */
export class Outbox {
  readonly all = new Value<readonly Outgoing[]>([]);
  readonly #client: Client;
  readonly #drafts: Drafts;
  readonly #answered: (answer: SendMessageResponse) => void;
  readonly #signedOut: () => void;
  readonly #running = new Set<string>();
  #closed = false;

  constructor(client: Client, drafts: Drafts, answered: (answer: SendMessageResponse) => void, signedOut: () => void) {
    this.#client = client;
    this.#drafts = drafts;
    this.#answered = answered;
    this.#signedOut = signedOut;
    for (const conversationId of drafts.withUnsent()) {
      for (const { commandId, text, replyTo, epoch, after, at } of drafts.unsent(conversationId)) {
        const content: Content = { case: "text", value: { $typeName: "intervene.v1.Text", body: text, linkPreview: false } };
        this.#add({
          commandId,
          conversationId,
          content,
          replyTo,
          epoch: BigInt(epoch),
          after: BigInt(after),
          at,
          state: "unanswered",
          error: undefined,
        });
      }
      void this.#run(conversationId);
    }
  }

  /** Takes a message over, and answers whether there was room. */
  send({ conversationId, epoch, version }: Card, content: Content, replyTo: string): boolean {
    if (this.all.get().length >= maxOutgoing) {
      return false;
    }
    const one: Outgoing = {
      commandId: newId(),
      conversationId,
      content,
      replyTo,
      epoch,
      after: version,
      at: Date.now(),
      state: "sending",
      error: undefined,
    };
    if (content.case === "text") {
      const { commandId, at } = one;
      this.#drafts.keep(conversationId, { commandId, text: content.value.body, replyTo, epoch: String(epoch), after: String(version), at });
    }
    this.#add(one);
    void this.#run(conversationId);
    return true;
  }

  /** Gives a refused message up. */
  discard(commandId: string): void {
    const one = this.all.get().find((outgoing) => outgoing.commandId === commandId);
    if (one?.state === "refused") {
      this.#remove(one);
    }
  }

  of(conversationId: string): readonly Outgoing[] {
    return this.all.get().filter((one) => one.conversationId === conversationId);
  }

  /** Stops; what is unsent stays in the drafts. */
  close(): void {
    this.#closed = true;
  }

  #add(one: Outgoing): void {
    this.all.set([...this.all.get(), one]);
  }

  #remove(one: Outgoing): void {
    this.#drafts.settle(one.conversationId, one.commandId);
    this.all.set(this.all.get().filter(({ commandId }) => commandId !== one.commandId));
  }

  #change(commandId: string, change: Pick<Outgoing, "state" | "error">): void {
    this.all.set(this.all.get().map((one) => (one.commandId === commandId ? { ...one, ...change } : one)));
  }

  /** Sends what waits in one conversation, in its order. */
  async #run(conversationId: string): Promise<void> {
    if (this.#running.has(conversationId)) {
      return;
    }
    this.#running.add(conversationId);
    for (let next = this.#next(conversationId); next && !this.#closed; next = this.#next(conversationId)) {
      await this.#deliver(next);
    }
    this.#running.delete(conversationId);
  }

  #next(conversationId: string): Outgoing | undefined {
    return this.all.get().find((one) => one.conversationId === conversationId && one.state !== "refused");
  }

  async #deliver(one: Outgoing): Promise<void> {
    const { conversationId, commandId, content, replyTo, epoch } = one;
    const request = { conversationId, commandId, content, replyToMessageId: replyTo, expectedEpoch: epoch };
    for (let pause = firstPause; !this.#closed; pause = Math.min(pause * 2, longestPause)) {
      try {
        const answer = await this.#client.api.sendMessage(request, { timeoutMs: attemptTimeout });
        this.#answered(answer);
        this.#remove(one);
        return;
      } catch (error) {
        if (isSignedOut(error)) {
          this.close();
          this.#signedOut();
          return;
        }
        if (!isTemporary(error)) {
          this.#drafts.settle(conversationId, commandId);
          this.#change(commandId, { state: "refused", error });
          return;
        }
        this.#change(commandId, { state: "unanswered", error });
      }
      await rest(pause * (0.5 + Math.random()));
    }
  }
}

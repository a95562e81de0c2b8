import type { Client } from "@intervene/client";
import type { Agent } from "@intervene/client/wire";

import { rest } from "./command.js";
import { Value } from "./value.js";

/** How long names are good, and how soon they are asked for again after a failure, in milliseconds. */
const goodFor = 10 * 60_000;
const again = 5_000;

/** Names is what everybody who may hold a conversation is called, as far as it is known at one moment. */
export class Names {
  constructor(readonly agents: readonly Agent[]) {}

  /** An id stands in for a name that is not known. */
  of(agentId: string): string {
    return this.agents.find(({ id }) => id === agentId)?.name || agentId;
  }
}

/** Directory knows the names of everybody who may hold a conversation. */
export class Directory {
  readonly names = new Value(new Names([]));
  readonly #client: Client;
  #closed = false;

  constructor(client: Client) {
    this.#client = client;
    void this.#keep();
  }

  close(): void {
    this.#closed = true;
  }

  async #keep(): Promise<void> {
    while (!this.#closed) {
      let pause = goodFor;
      try {
        const { agents } = await this.#client.api.listAgents({});
        this.names.set(new Names(agents));
      } catch {
        pause = again; // ids stand in for names until then
      }
      await rest(pause);
    }
  }
}

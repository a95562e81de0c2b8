import type { Client } from "@intervene/client";
import type { Card, Column } from "@intervene/client/wire";

import { Value } from "./value.js";

/** Cards of a page, and how many pages are held at once: what is further away is asked for again. */
export const pageSize = 200;
export const maxPages = 12;

/** What a page is asked for by. */
export interface PageQuery {
  readonly column: Column;
  readonly channelId: string;
  readonly tag: string;
}

interface Page {
  readonly token: string;
  /** How many rows it has, also when they were let go. */
  rows: number;
  cards: readonly Card[] | undefined;
  usedAt: number;
}

/** Pages are the rows of a column as ListConversations has them, of which those that are looked at are held. */
export class Pages {
  /** Goes up with each change. */
  readonly changes = new Value(0);
  readonly #client: Client;
  readonly #query: PageQuery;
  #pages: Page[] = [];
  #next = "";
  #complete = false;
  #loading = false;
  #failed = false;
  #closed = false;

  constructor(client: Client, query: PageQuery) {
    this.#client = client;
    this.#query = query;
  }

  get rows(): number {
    return this.#pages.reduce((sum, page) => sum + page.rows, 0);
  }

  get complete(): boolean {
    return this.#complete;
  }

  get failed(): boolean {
    return this.#failed;
  }

  /** All cards that are held. */
  held(): Card[] {
    return this.#pages.flatMap((page) => page.cards ?? []);
  }

  /** The card of a row; undefined when its page is not held. */
  card(row: number): Card | undefined {
    let start = 0;
    for (const page of this.#pages) {
      if (row < start + page.rows) {
        return page.cards?.[row - start];
      }
      start += page.rows;
    }
    return undefined;
  }

  /** Sees to it that the rows are held, or will be. */
  need(from: number, to: number): void {
    if (this.#loading || this.#closed) {
      return;
    }
    let start = 0;
    for (const page of this.#pages) {
      if (start < to && from < start + page.rows) {
        page.usedAt = Date.now();
        if (!page.cards) {
          void this.#load(page);
          return;
        }
      }
      start += page.rows;
    }
    if (!this.#complete && to > start - pageSize / 2) {
      void this.#load({ token: this.#next, rows: 0, cards: undefined, usedAt: Date.now() });
    }
  }

  /** Asks again after a failure. */
  retry(): void {
    this.#failed = false;
    this.#tell();
  }

  close(): void {
    this.#closed = true;
  }

  async #load(page: Page): Promise<void> {
    this.#loading = true;
    this.#failed = false;
    const { column, channelId, tag } = this.#query;
    try {
      const answer = await this.#client.api.listConversations({ column, pageSize, pageToken: page.token, filter: { channelId, tag } });
      page.cards = answer.cards;
      page.rows = answer.cards.length;
      if (!this.#pages.includes(page)) {
        this.#pages.push(page);
        this.#next = answer.nextPageToken;
        this.#complete = answer.nextPageToken === "";
      }
      this.#letGo();
    } catch {
      this.#failed = true; // said in the list, with a button
    }
    this.#loading = false;
    this.#tell();
  }

  #letGo(): void {
    const held = this.#pages.filter((page) => page.cards).sort((a, b) => a.usedAt - b.usedAt);
    for (const page of held.slice(0, Math.max(0, held.length - maxPages))) {
      page.cards = undefined;
    }
  }

  #tell(): void {
    if (!this.#closed) {
      this.changes.set(this.changes.get() + 1);
    }
  }
}

/** Draft is what somebody began to write in one conversation. */
export interface Draft {
  /** For the customer. */
  readonly text: string;
  /** For colleagues. The two never become each other. */
  readonly note: string;
  /** The note is what is being written. */
  readonly noting: boolean;
  readonly replyTo: string;
}

/** Unsent is a text that was given to the engine and of which no answer came yet: it is sent again under its id after a reload. */
export interface Unsent {
  readonly commandId: string;
  readonly text: string;
  readonly replyTo: string;
  /** Of the conversation when it was sent; as text, since JSON has no such numbers. */
  readonly epoch: string;
  /** The version that was known when it was sent. */
  readonly after: string;
  readonly at: number;
}

interface Record {
  readonly draft: Draft;
  readonly unsent: readonly Unsent[];
  readonly at: number;
}

export const noDraft: Draft = { text: "", note: "", noting: false, replyTo: "" };

/** A draft is given up after so many milliseconds; so is what is unsent: the engine knows a command_id for 48 hours. */
const draftFor = 14 * 24 * 3_600_000;
const unsentFor = 47 * 3_600_000;

/**
 * Drafts outlast the page, in the browser's storage: the only place where this page
 * keeps words of a message. Signing out removes them.
 */
export class Drafts {
  readonly #prefix: string;
  readonly #cache = new Map<string, Record>();

  constructor(workspaceId: string, agentId: string) {
    this.#prefix = `intervene.draft.${workspaceId}.${agentId}.`;
    this.#expire();
  }

  get(conversationId: string): Draft {
    return this.#load(conversationId).draft;
  }

  change(conversationId: string, change: Partial<Draft>): void {
    const record = this.#load(conversationId);
    this.#store(conversationId, { ...record, draft: { ...record.draft, ...change }, at: Date.now() });
  }

  unsent(conversationId: string): readonly Unsent[] {
    return this.#load(conversationId).unsent.filter(({ at }) => Date.now() - at < unsentFor);
  }

  keep(conversationId: string, unsent: Unsent): void {
    const record = this.#load(conversationId);
    this.#store(conversationId, { ...record, unsent: [...record.unsent, unsent], at: Date.now() });
  }

  settle(conversationId: string, commandId: string): void {
    const record = this.#load(conversationId);
    this.#store(conversationId, { ...record, unsent: record.unsent.filter((one) => one.commandId !== commandId) });
  }

  /** The conversations in which something is unsent. */
  withUnsent(): string[] {
    return this.#keys()
      .map((key) => key.slice(this.#prefix.length))
      .filter((id) => this.unsent(id).length > 0);
  }

  /** Removes all of them. */
  clear(): void {
    for (const key of this.#keys()) {
      localStorage.removeItem(key);
    }
    this.#cache.clear();
  }

  #keys(): string[] {
    try {
      return Object.keys(localStorage).filter((key) => key.startsWith(this.#prefix));
    } catch {
      return [];
    }
  }

  #expire(): void {
    for (const key of this.#keys()) {
      if (Date.now() - this.#load(key.slice(this.#prefix.length)).at > draftFor) {
        localStorage.removeItem(key);
      }
    }
  }

  #load(conversationId: string): Record {
    const known = this.#cache.get(conversationId);
    if (known) {
      return known;
    }
    const record = read(this.#prefix + conversationId);
    this.#cache.set(conversationId, record);
    return record;
  }

  #store(conversationId: string, record: Record): void {
    this.#cache.set(conversationId, record);
    try {
      if (record.draft.text === "" && record.draft.note === "" && record.draft.replyTo === "" && record.unsent.length === 0) {
        localStorage.removeItem(this.#prefix + conversationId);
      } else {
        localStorage.setItem(this.#prefix + conversationId, JSON.stringify(record));
      }
    } catch {
      // Without storage, or when it is full, they last as long as the page.
    }
  }
}

function read(key: string): Record {
  try {
    const stored = JSON.parse(localStorage.getItem(key) ?? "null") as Partial<Record> | null;
    return { draft: { ...noDraft, ...stored?.draft }, unsent: stored?.unsent ?? [], at: stored?.at ?? Date.now() };
  } catch {
    return { draft: noDraft, unsent: [], at: Date.now() };
  }
}

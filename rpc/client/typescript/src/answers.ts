import type { Card } from "./wire.js";

/** How many cards of answers are kept that the stream has not come to. */
export const maxApplied = 256;
/**
 * How long such a card is kept beside a live stream, in milliseconds: what a board
 * shows of it has come by then, and a command is answered by then or never.
 */
export const appliedFor = 60_000;
/** How many conversations that left are remembered, for answers that the stream has overtaken. */
export const maxDepartures = 4096;

/** The card of an answer. */
interface Answer {
  readonly card: Card;
  readonly at: number;
  /** The stream, or its pending part, is as new as the answer. */
  reached: boolean;
  /** A board that began anew since has it, or is of another journal. */
  overtaken: boolean;
}

interface Departure {
  readonly id: string;
  readonly version: bigint;
  readonly at: number;
}

/**
 * Answers keeps the cards that commands were answered with until the stream has come
 * to them, and what left lately, for answers that are older than that.
 */
export class Answers {
  readonly #byId = new Map<string, Answer>();
  /** At which version conversations left lately, and the same in the order in which they did. */
  readonly #left = new Map<string, bigint>();
  #departures: Departure[] = [];

  /** The conversations that there are answers of. */
  ids(): Iterable<string> {
    return this.#byId.keys();
  }

  card(id: string): Card | undefined {
    return this.#byId.get(id)?.card;
  }

  /** The version at which a conversation left lately; 0: it did not. */
  leftAt(id: string): bigint {
    return this.#left.get(id) ?? 0n;
  }

  get size(): number {
    return this.#byId.size;
  }

  get departures(): number {
    return Math.max(this.#left.size, this.#departures.length);
  }

  /** Keeps a card, and answers which conversation's had to make room. */
  keep(card: Card, now: number): string | undefined {
    const id = card.conversationId;
    const dropped = !this.#byId.has(id) && this.#byId.size === maxApplied ? this.#oldest() : undefined;
    if (dropped !== undefined) {
      this.#byId.delete(dropped);
    }
    this.#byId.set(id, { card, at: now, reached: false, overtaken: false });
    return dropped;
  }

  #oldest(): string | undefined {
    let oldest: Answer | undefined;
    for (const answer of this.#byId.values()) {
      if (!oldest || answer.at < oldest.at) {
        oldest = answer;
      }
    }
    return oldest?.card.conversationId;
  }

  /** Notes that the stream told of a conversation at a version. */
  reach(id: string, version: bigint): void {
    const answer = this.#byId.get(id);
    if (answer && version >= answer.card.version) {
      answer.reached = true;
    }
  }

  /** Notes that a conversation left at a version. */
  leave(id: string, version: bigint, now: number): void {
    const before = this.leftAt(id);
    const left = version > before ? version : before;
    this.#left.set(id, left);
    this.#departures.push({ id, version: left, at: now });
    this.reach(id, version);
  }

  /** What the stream told since it was last whole is forgotten. */
  interrupt(): void {
    for (const answer of this.#byId.values()) {
      answer.reached = false;
    }
  }

  /** The board begins anew: until it has, the answers are kept. */
  overtake(): void {
    for (const answer of this.#byId.values()) {
      answer.overtaken = true;
    }
  }

  /**
   * The board has begun anew. Nobody could say that its journal is not another one,
   * with versions of its own.
   */
  dropOvertaken(): void {
    for (const [id, { overtaken }] of this.#byId) {
      if (overtaken) {
        this.#byId.delete(id);
      }
    }
  }

  /** Gives up the answers that the stream has reached, and those that it would have by now. */
  settle(now: number): readonly Readonly<Answer>[] {
    const settled: Answer[] = [];
    for (const [id, answer] of this.#byId) {
      if (answer.reached || now - answer.at >= appliedFor) {
        settled.push(answer);
        this.#byId.delete(id);
      }
    }
    this.#forgetDepartures(now);
    return settled;
  }

  #forgetDepartures(now: number): void {
    const departures = this.#departures;
    let past = 0;
    for (const departure of departures) {
      if (departures.length - past <= maxDepartures && now - departure.at < appliedFor) {
        break;
      }
      if (this.#left.get(departure.id) === departure.version) {
        this.#left.delete(departure.id);
      }
      past++;
    }
    if (past > 0) {
      this.#departures = departures.slice(past);
    }
  }

  clear(): void {
    this.#byId.clear();
    this.#left.clear();
    this.#departures = [];
  }
}

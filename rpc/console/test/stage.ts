import { existsSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";
import type { Browser, BrowserContextOptions } from "playwright-core";

import { Engine, tokens } from "../../client/typescript/test/engine.js";
import type { Setting } from "../../client/typescript/test/engine.js";
import { Seat } from "./seat.js";
import { until } from "./until.js";
import { Wire } from "./wire.js";

/** Debian's; another one by CHROMIUM. */
const executable = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Where the pictures of failures are put. */
const pictures = join(tmpdir(), "intervene-console");

export type Agent = keyof typeof tokens;

/** Customer is somebody who writes to the business, and the conversation that came of it. */
export interface Customer {
  readonly waId: string;
  readonly name: string;
  readonly conversationId: string;
  writes(text: string): Promise<void>;
}

/** Stage is a real engine, the stand-in for Meta, and a real browser. */
export class Stage {
  #customers = 0;
  #seats: Seat[] = [];

  private constructor(
    readonly engine: Engine,
    readonly browser: Browser,
    /** What all windows are connected by. */
    readonly wire: Wire,
  ) {}

  static async open(setting: Setting): Promise<Stage> {
    if (!existsSync(executable)) {
      throw new Error(`there is no chromium at ${executable}: install it, or name another one in CHROMIUM`);
    }
    const engine = await Engine.start(setting);
    try {
      const browser = await chromium.launch({ executablePath: executable, args: flags });
      return new Stage(engine, browser, await Wire.lay(() => engine.baseUrl));
    } catch (error) {
      await engine.stop();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.browser.close();
    this.wire.close();
    await this.engine.stop();
  }

  /** Opens a browser window of its own, in which nobody is signed in. */
  async window(options: BrowserContextOptions = {}): Promise<Seat> {
    const context = await this.browser.newContext({ locale: "en-GB", viewport: { width: 1360, height: 850 }, ...options });
    const seat = await Seat.take(context, this.wire.baseUrl);
    this.#seats.push(seat);
    return seat;
  }

  /** Lets an agent sit down before a live board. */
  async seat(agent: Agent, options: BrowserContextOptions = {}): Promise<Seat> {
    const seat = await this.window(options);
    const answer = await seat.page.request.post(`${seat.baseUrl}/v1/session`, { data: { token: tokens[agent] } });
    if (!answer.ok()) {
      throw new Error(`the sign-in was answered ${answer.status()}`);
    }
    await seat.open();
    await seat.live();
    return seat;
  }

  /** Makes a call as an agent or a bot does that has no browser. */
  async call(agent: Agent, method: string, message: object): Promise<Record<string, unknown>> {
    const answer = await fetch(`${this.engine.baseUrl}/intervene.v1.LiveChatService/${method}`, {
      method: "POST",
      body: JSON.stringify(message),
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${tokens[agent]}` },
    });
    const body = (await answer.json()) as Record<string, unknown>;
    if (!answer.ok) {
      throw new Error(`${method}: ${JSON.stringify(body)}`);
    }
    return body;
  }

  /** Tells the stand-in for WhatsApp something. */
  standIn(path: string, body: object): Promise<void> {
    return this.engine.standIn(path, body);
  }

  /** A customer whom nobody knew yet, and who has written a first message; what WhatsApp says of it besides, such as when. */
  async customer(name: string, text = "Hello", besides: object = {}): Promise<Customer> {
    this.#customers++;
    const waId = String(15_550_300_000 + this.#customers);
    // The stand-in lets nobody be answered of whom it never heard.
    await this.standIn(`customers/${waId}/messages`, { name, text, ...besides });
    const conversationId = await until(`the conversation of ${name}`, () => this.#find(waId));
    return { waId, name, conversationId, writes: (words) => this.engine.receive(waId, name, words) };
  }

  /** A customer who waits for a person. */
  async requesting(name: string, reason = "wants a person", text = "Hello"): Promise<Customer> {
    const customer = await this.customer(name, text);
    await this.request(customer, reason);
    return customer;
  }

  async request({ conversationId }: Customer, reason = "wants a person"): Promise<void> {
    await this.call("robot", "RequestAgent", { conversationId, commandId: crypto.randomUUID(), reason });
  }

  /** A customer whom an agent has intervened for. */
  async held(agent: Agent, name: string, text = "Hello"): Promise<Customer> {
    const customer = await this.requesting(name, "wants a person", text);
    await this.call(agent, "Intervene", { conversationId: customer.conversationId, commandId: crypto.randomUUID() });
    return customer;
  }

  async #find(waId: string): Promise<string | undefined> {
    const { cards } = await this.call("sam", "FindConversations", { query: waId });
    return (cards as { conversationId: string }[] | undefined)?.[0]?.conversationId;
  }

  /** Ends a scene: all its windows close, and what went wrong in one of them is an error. */
  async clear(failed: string | undefined): Promise<void> {
    const seats = this.#seats;
    this.#seats = [];
    const problems = seats.flatMap((seat) => seat.problems);
    for (const [n, seat] of seats.entries()) {
      if (failed !== undefined || problems.length > 0) {
        mkdirSync(pictures, { recursive: true });
        const path = join(pictures, `${failed ?? "problems"}-${n}.png`.replace(/[^\w.-]+/g, "-"));
        await seat.page.screenshot({ path }).catch(() => {}); // the failure itself is what counts
      }
      await seat.context.close();
    }
    if (problems.length > 0) {
      throw new Error(`the page complains: ${problems.join("\n")}`);
    }
  }
}

/** A bot that says nothing, for those who count what others say. */
export const silentFlow = JSON.stringify({ id: "silent", nodes: [{ id: "nothing", end: {} }], fallback: { text: "-", next: "nothing" } });

/** Milliseconds after which a scene hangs. */
const sceneTimeout = 120_000;

/** One stage for all scenes of a file; each scene has its own windows and customers. */
export function scenes(setting: Setting = {}): (name: string, play: (stage: Stage) => Promise<void>) => void {
  let stage: Stage | undefined;
  before(async () => {
    stage = await Stage.open(setting);
  });
  after(async () => {
    await stage?.close();
  });
  return (name, play) =>
    void test(name, { timeout: sceneTimeout }, async () => {
      if (!stage) {
        throw new Error("there is no stage");
      }
      try {
        await play(stage);
      } catch (error) {
        await stage.clear(name).catch(() => {}); // the first error tells more
        throw error;
      }
      await stage.clear(undefined);
    });
}

import type { BrowserContext, Locator, Page } from "playwright-core";

import { patience, until } from "./until.js";

export type Column = "active" | "requesting" | "intervened";

/** Seat is one browser window before which somebody sits, and what the page complained of in it. */
export class Seat {
  readonly problems: string[] = [];

  private constructor(
    readonly context: BrowserContext,
    readonly page: Page,
    readonly baseUrl: string,
  ) {}

  static async take(context: BrowserContext, baseUrl: string): Promise<Seat> {
    context.setDefaultTimeout(patience);
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
        console.error(`policy violated: ${violatedDirective} ${blockedURI}`);
      });
    });
    const seat = new Seat(context, await context.newPage(), baseUrl);
    seat.#listen();
    return seat;
  }

  #listen(): void {
    this.page.on("pageerror", (error) => this.problems.push(`uncaught: ${error.message}`));
    this.page.on("dialog", (dialog) => {
      this.problems.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    this.page.on("console", (message) => {
      // The browser itself says of each request that it failed, also where the page expects that.
      if ((message.type() === "error" || message.type() === "warning") && !message.text().startsWith("Failed to load resource")) {
        this.problems.push(`console: ${message.text()}`);
      }
    });
  }

  async open(path = "/"): Promise<void> {
    await this.page.goto(this.baseUrl + path);
  }

  /** Waits until the board is followed. */
  async live(): Promise<void> {
    await this.connection("live");
  }

  async connection(state: string): Promise<void> {
    await this.page.locator(`[data-testid=connection][data-state=${state}]`).waitFor({ state: "attached" });
  }

  get banner(): Locator {
    return this.page.locator("[data-testid=connection] .banner");
  }

  get bar(): Locator {
    return this.page.locator("[data-testid=waiting-bar]");
  }

  column(column: Column): Locator {
    return this.page.locator(`[data-testid=column-${column}]`);
  }

  card(column: Column, conversationId: string): Locator {
    return this.column(column).locator(`[data-testid=card][data-conversation="${conversationId}"]:not(.left)`);
  }

  get chat(): Locator {
    return this.page.locator("[data-testid=chat][data-conversation]");
  }

  get messages(): Locator {
    return this.chat.locator("[data-testid=message]");
  }

  message(text: string): Locator {
    return this.messages.filter({ hasText: text });
  }

  get composer(): Locator {
    return this.chat.locator("[data-testid=composer]");
  }

  command(name: string): Locator {
    return this.page.locator(`[data-command=${name}]`);
  }

  get notices(): Locator {
    return this.page.locator("[data-testid=notices]");
  }

  /** Opens a conversation from a column, and takes the pointer away: it holds the rows that it rests on. */
  async choose(column: Column, conversationId: string): Promise<void> {
    await this.card(column, conversationId).click();
    await this.page.mouse.move(0, 0);
    await this.page.locator(`[data-testid=chat][data-conversation="${conversationId}"]`).waitFor();
  }

  async send(text: string): Promise<void> {
    await this.composer.fill(text);
    await this.composer.press("Enter");
    await this.message(text).waitFor();
  }

  /** Waits until a message has come as far as one of these. */
  async delivered(text: string, ...far: string[]): Promise<void> {
    const reached = far.map((delivery) => `[data-delivery=${delivery}]`).join(", ");
    await this.message(text).locator(reached).first().waitFor();
  }

  async count(column: Column): Promise<number> {
    return Number((await this.column(column).locator("[data-testid=count]").innerText()).replace(/\D/g, ""));
  }

  async counts(column: Column, want: number): Promise<void> {
    await until(`the count ${want} of ${column}`, async () => (await this.count(column)) === want);
  }

  /** What customers and agents said, from the oldest to the newest. */
  async words(): Promise<string[]> {
    return this.chat.locator("[data-testid=message]:not([data-side=bot]) .text").allInnerTexts();
  }
}

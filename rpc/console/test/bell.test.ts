import assert from "node:assert/strict";

import type { Seat } from "./seat.js";
import { scenes } from "./stage.js";
import { until } from "./until.js";

const scene = scenes();

interface Heard {
  rung: number;
  readonly notified: string[];
}

/** Listens in: a headless browser has neither speakers nor a desktop. */
function listenIn(): void {
  const heard: Heard = { rung: 0, notified: [] };
  Object.assign(globalThis, {
    heard,
    OscillatorNode: class extends OscillatorNode {
      override start(when?: number): void {
        heard.rung++;
        super.start(when);
      }
    },
    Notification: class extends EventTarget {
      static permission = "default";
      static async requestPermission(): Promise<string> {
        this.permission = "granted";
        return "granted";
      }
      onclick: (() => void) | null = null;
      constructor(title: string, options: { body?: string }) {
        super();
        heard.notified.push(`${title}: ${options.body}`);
      }
      close(): void {}
    },
  });
}

function heard({ page }: Seat): Promise<Heard> {
  return page.evaluate(() => (globalThis as unknown as { heard: Heard }).heard);
}

async function hide({ page }: Seat): Promise<void> {
  await page.evaluate(() => {
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => "hidden" });
    Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
}

scene("nobody is rung for who does not want it; who wants it hears and is notified, and no name is told", async (stage) => {
  const asha = await stage.seat("asha");
  const { page, context } = asha;
  await context.addInitScript(listenIn);
  await page.clock.install();
  await page.reload();
  await asha.live();
  await stage.requesting("First Caller");
  await asha.counts("requesting", 1);
  await until("the title", async () => (await page.title()) === "(1) Intervene");
  assert.deepEqual(await heard(asha), { rung: 0, notified: [] });

  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("switch", { name: /Sound/ }).check();
  await page.getByRole("switch", { name: /Notification/ }).check();
  await page.keyboard.press("Escape");
  const { rung } = await heard(asha);
  assert.ok(rung > 0, "who switches the sound on hears it");
  await stage.requesting("Second Caller");
  await until("the sound", async () => (await heard(asha)).rung > rung);
  assert.deepEqual((await heard(asha)).notified, [], "who sees the page needs no notification");

  await hide(asha);
  await asha.connection("paused");
  await stage.requesting("Third Caller");
  await page.clock.fastForward(31_000);
  const notified = await until("the notification", async () => {
    const all = (await heard(asha)).notified;
    return all.length > 0 && all;
  });
  assert.deepEqual(notified.map((text) => text.replace(/[\u2068\u2069]/g, "")), ["Somebody asks for a person: 3 customers are waiting"]);
  assert.equal(await page.title(), "(3) Intervene");
});

scene("a hidden page that nobody wants to hear of asks for nothing", async (stage) => {
  const asha = await stage.seat("asha");
  const { page } = asha;
  await page.clock.install();
  await page.reload();
  await asha.live();
  await hide(asha);
  await asha.connection("paused");
  const calls: string[] = [];
  page.on("request", (request) => calls.push(new URL(request.url()).pathname.split("/").at(-1) ?? ""));
  await stage.requesting("Unheard");
  await page.clock.fastForward(300_000);
  await page.clock.runFor(1_000);
  assert.deepEqual(calls.filter((call) => call !== "UpdatePresence" && call !== "ListAgents"), []);
});

/**
 * Measures the console in a real browser before a real engine, and prints what it
 * found. It judges nothing: the machine and its load decide as much as the page.
 *
 *   npm run measure --workspace rpc/console -- [conversations]
 */
import { loadavg } from "node:os";
import { gzipSync } from "node:zlib";

import type { Page } from "playwright-core";

import { Stage, silentFlow } from "./stage.js";
import type { Customer } from "./stage.js";

const conversations = Number(process.argv[2] ?? 100_000);
const held = 400;
const updatesPerSecond = 200;
const seconds = 20;
/** An hour of a busy workspace, as fast as it goes. */
const replayed = 18_000;

function say(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(52)} ${value}   (load ${loadavg()[0]?.toFixed(1)})\n`);
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

const figures = (values: readonly number[]) => `p50 ${percentile(values, 0.5).toFixed(0)} ms, p99 ${percentile(values, 0.99).toFixed(0)} ms, n ${values.length}`;

const stage = await Stage.open({ flow: silentFlow });
try {
  await fill(stage);
  await firstLoad(stage);
  const asha = await stage.seat("asha");
  const needle = await stage.requesting("Needle");
  await asha.card("requesting", needle.conversationId).waitFor();
  const busy = await holders(stage);
  say("conversations, as the board counts them", String((await asha.count("active")) + (await asha.count("requesting")) + (await asha.count("intervened"))));

  await painted(stage, asha.page, needle, "quiet");
  say("frames under 20 ms, nothing happens", await frames(asha.page, seconds));
  const quiet = flood(stage, busy);
  await painted(stage, asha.page, needle, `${updatesPerSecond} updates/s`);
  say(`frames under 20 ms at ${updatesPerSecond} updates/s`, await frames(asha.page, seconds));
  say("the same while the longest column scrolls", await frames(asha.page, seconds, true));
  await quiet();
  await replay(stage, asha.page, busy);
} finally {
  await stage.clear(undefined);
  await stage.close();
}

/** Fills the board: each customer writes once. */
async function fill({ engine }: Stage): Promise<void> {
  const batch = 500;
  for (let first = 0; first < conversations; first += batch) {
    const count = Math.min(batch, conversations - first);
    await engine.receiveAll(Array.from({ length: count }, (_, n) => ({ waId: String(15_570_000_000 + first + n), name: `Customer ${first + n}`, text: `Number ${first + n}` })));
  }
}

/** Loads the page in windows that have never seen it. */
async function firstLoad(stage: Stage): Promise<void> {
  const times: number[] = [];
  let bytes = 0;
  for (let n = 0; n < 10; n++) {
    const seat = await stage.window();
    bytes = 0;
    const scripts: Promise<void>[] = [];
    seat.page.on("response", (answer) => {
      if (answer.url().endsWith(".js")) {
        scripts.push(answer.body().then((body) => {
          bytes += gzipSync(body, { level: 9 }).length;
        }));
      }
    });
    await seat.context.addInitScript(() => {
      const look = () => {
        if (document.querySelector("[data-testid=connection][data-state=live]") && document.querySelector("[data-testid=card]")) {
          observer.disconnect();
          requestAnimationFrame(() => setTimeout(() => Object.assign(window, { usableAt: performance.now() })));
        }
      };
      const observer = new MutationObserver(look);
      observer.observe(document, { subtree: true, childList: true, attributes: true });
    });
    await signIn(stage, seat.page);
    await seat.open();
    const at = await seat.page.waitForFunction(() => (window as { usableAt?: number }).usableAt);
    times.push((await at.jsonValue()) as number);
    await Promise.all(scripts);
    await seat.context.close();
  }
  say("scripts of the first load, gzipped", `${bytes} bytes`);
  say("from the first request to a usable board", figures(times));
}

async function signIn(stage: Stage, page: Page): Promise<void> {
  await page.request.post(`${stage.wire.baseUrl}/v1/session`, { data: { token: "token-of-asha" } });
}

/** Conversations that an agent holds, so that all that customers write is seen. */
async function holders(stage: Stage): Promise<readonly { waId: string; name: string }[]> {
  const all: { waId: string; name: string }[] = [];
  for (let n = 0; n < held; n++) {
    const { waId, name } = await stage.held("ben", `Busy ${n}`);
    all.push({ waId, name });
  }
  return all;
}

/** Sets a tag 200 times, and notes when each is seen. The commit lies between the call and its answer. */
async function painted(stage: Stage, page: Page, { conversationId }: Customer, when: string): Promise<void> {
  await page.evaluate((id) => {
    const seen: Record<string, number> = {};
    Object.assign(window, { seen });
    const channel = new MessageChannel();
    const waiting: string[] = [];
    channel.port1.onmessage = () => {
      for (const tag of waiting.splice(0)) {
        seen[tag] ??= Date.now();
      }
    };
    new MutationObserver(() => {
      const tag = document.querySelector(`a[data-conversation="${id}"] .tag`)?.textContent;
      if (tag && seen[tag] === undefined && !waiting.includes(tag)) {
        waiting.push(tag);
        requestAnimationFrame(() => channel.port2.postMessage("")); // comes once the picture is made
      }
    }).observe(document, { subtree: true, childList: true, characterData: true });
  }, conversationId);
  const called: number[] = [];
  const answered: number[] = [];
  for (let n = 0; n < 200; n++) {
    called.push(Date.now());
    await stage.call("ben", "SetTags", { conversationId, commandId: crypto.randomUUID(), tags: [`${when[0]}${n}`] });
    answered.push(Date.now());
    await new Promise((resolve) => setTimeout(resolve, 60 + Math.random() * 40)); // so that each is a change of its own
  }
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const seen = await page.evaluate(() => (window as unknown as { seen: Record<string, number> }).seen);
  const at = called.map((_, n) => seen[`${when[0]}${n}`]);
  const since = (from: readonly number[]) => at.flatMap((moment, n) => (moment === undefined ? [] : [Math.max(0, moment - (from[n] ?? 0))]));
  say(`from the call to the painted card, ${when}`, figures(since(called)));
  say(`from its answer, which comes after the commit, ${when}`, figures(since(answered)));
}

/** Lets customers write so often, until the answer is called. */
function flood(stage: Stage, customers: readonly { waId: string; name: string }[]): () => Promise<void> {
  let sent = 0;
  const began = Date.now();
  const under: Promise<void>[] = [];
  const timer = setInterval(() => {
    const due = Math.floor(((Date.now() - began) / 1000) * updatesPerSecond) - sent;
    if (due > 0) {
      const first = sent;
      sent += due;
      under.push(stage.engine.receiveAll(Array.from({ length: due }, (_, n) => ({ ...pick(customers, first + n), text: `Update ${first + n}` }))));
    }
  }, 50);
  return async () => {
    clearInterval(timer);
    await Promise.all(under);
    say("updates that were sent", `${sent}, ${(sent / ((Date.now() - began) / 1000)).toFixed(0)} a second`);
  };
}

function pick<T>(all: readonly T[], n: number): T {
  return all[n % all.length] as T;
}

async function frames(page: Page, forSeconds: number, scroll = false): Promise<string> {
  const deltas = await page.evaluate(
    ({ milliseconds, scrolls }) =>
      new Promise<number[]>((resolve) => {
        const list = document.querySelector("[data-testid=column-active] .list") as HTMLElement;
        const all: number[] = [];
        const begin = performance.now();
        let before = begin;
        const frame = (now: number) => {
          all.push(now - before);
          before = now;
          if (scrolls) {
            list.scrollTop += 12;
          }
          if (now - begin < milliseconds) {
            requestAnimationFrame(frame);
          } else {
            resolve(all.slice(1));
          }
        };
        requestAnimationFrame(frame);
      }),
    { milliseconds: forSeconds * 1000, scrolls: scroll },
  );
  const good = deltas.filter((delta) => delta < 20).length;
  return `${((100 * good) / deltas.length).toFixed(1)} %, longest ${Math.max(...deltas).toFixed(0)} ms, ${deltas.length} frames`;
}

/** Replays many updates fast and looks at the heap after each quarter of them. */
async function replay(stage: Stage, page: Page, customers: readonly { waId: string; name: string }[]): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const heap = async () => {
    await session.send("HeapProfiler.collectGarbage");
    const { usedSize } = await session.send("Runtime.getHeapUsage");
    return `${(usedSize / 1e6).toFixed(1)} MB`;
  };
  const sizes = [await heap()];
  const began = Date.now();
  const batch = 100;
  for (let sent = 0; sent < replayed; sent += batch) {
    await stage.engine.receiveAll(Array.from({ length: batch }, (_, n) => ({ ...pick(customers, sent + n), text: `Replayed ${sent + n}` })));
    if ((sent + batch) % (replayed / 4) === 0) {
      sizes.push(await heap());
    }
  }
  say(`heap before and after each quarter of ${replayed} updates`, `${sizes.join(", ")}, at ${(replayed / ((Date.now() - began) / 1000)).toFixed(0)} a second`);
}

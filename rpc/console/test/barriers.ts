import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import type { Result, RunOptions } from "axe-core";

import type { Seat } from "./seat.js";
import type { Stage } from "./stage.js";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** A conversation of sam's with some of all that there can be in one. */
export async function busyChat(stage: Stage, name: string): Promise<string> {
  const customer = await stage.requesting(`Lena ${name}`, "asks for a refund", "Hello, my parcel is late");
  const { conversationId } = customer;
  await stage.requesting(`Waiting ${name}`);
  const command = () => ({ conversationId, commandId: crypto.randomUUID() });
  await stage.call("sam", "Intervene", command());
  await stage.call("sam", "AddNote", { ...command(), body: "A regular: be kind." });
  await stage.call("sam", "SetTags", { ...command(), tags: ["vip", "refund", "parcel"] });
  await stage.call("sam", "SendMessage", { ...command(), text: { body: "We are looking for it: https://parcels.example/123" } });
  await customer.writes("*Perfect*, thank you. _So_ kind!");
  return conversationId;
}

/** Asks axe for all of WCAG 2.2 AA and what it calls best practice, and looks for what spills over. */
export async function sound(seat: Seat, view: string): Promise<void> {
  await settled(seat);
  await seat.page.evaluate(axe);
  const violations = await seat.page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run(options: RunOptions): Promise<{ violations: Result[] }> } };
    return (await axe.run({ rules: { "target-size": { enabled: true } } })).violations; // of WCAG 2.2, which axe leaves out unless asked
  });
  const findings = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary}`).join("\n  ")}`);
  assert.deepEqual(findings, [], `axe has findings on ${view}`);
  const said = await seat.page.evaluate(() => document.body.innerText);
  assert.deepEqual(said.match(/(?<![\w.@/])(add|template|start|profile|overview|undelivered|settings|shortcut|find)\.[a-z]\w+/g), null, `${view} shows the key of a text`);
  const wide = await seat.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${view} is ${wide} pixels wider than its window`);
}

/** Colours that are on their way from one to another are nobody's. */
async function settled(seat: Seat): Promise<void> {
  await seat.page.evaluate(async () => {
    await Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => {})));
  });
}

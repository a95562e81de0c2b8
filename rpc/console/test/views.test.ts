import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import type { Result, RunOptions } from "axe-core";
import type { BrowserContextOptions } from "playwright-core";

import type { Seat } from "./seat.js";
import { scenes } from "./stage.js";
import type { Stage } from "./stage.js";

const scene = scenes();
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Windows that agents have. */
const windows: Record<string, BrowserContextOptions> = {
  light: { colorScheme: "light" },
  "dark, on a tablet": { colorScheme: "dark", viewport: { width: 820, height: 1100 }, hasTouch: true },
  narrow: { colorScheme: "light", viewport: { width: 390, height: 780 }, hasTouch: true },
  "right-to-left": { colorScheme: "light", locale: "ar" },
};

for (const [name, options] of Object.entries(windows)) {
  scene(`no view has a barrier or spills over its edge: ${name}`, async (stage) => {
    const conversationId = await busyChat(stage, name);
    const signingIn = await stage.window(options);
    await signingIn.open();
    await signingIn.page.locator(".sign-in form").waitFor();
    await sound(signingIn, "sign-in");

    const sam = await stage.seat("sam", options);
    if (name === "right-to-left") {
      assert.equal(await sam.page.evaluate(() => document.documentElement.dir), "rtl");
    }
    await sound(sam, "board");
    await sam.open(`/#/board/${conversationId}`);
    await sam.composer.waitFor();
    await sam.message("Perfect").waitFor();
    await sound(sam, "chat");
    await sam.command("profile").click();
    const profile = sam.page.locator("[data-testid=profile]");
    await profile.waitFor();
    await sound(sam, "profile");
    await profile.locator(".profile-head button").click();
    await sam.page.keyboard.press("Escape"); // in a narrow window the chat stands before the rest
    await sam.chat.waitFor({ state: "detached" });
    for (const place of ["history", "overview"]) {
      await sam.page.locator(`.places a[href="#/${place}"], .places a[href^="#/${place}/"]`).click();
      await sam.page.locator(place === "history" ? ".list" : ".overview").first().waitFor();
      await sound(sam, place);
    }
    for (const key of name === "narrow" ? [] : ["?", "/"]) {
      await sam.page.keyboard.press(key);
      await sam.page.getByRole("dialog").waitFor();
      await sound(sam, `dialog ${key}`);
      await sam.page.keyboard.press("Escape");
    }
  });
}

/** A conversation of sam's with some of all that there can be in one. */
async function busyChat(stage: Stage, name: string): Promise<string> {
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
async function sound(seat: Seat, view: string): Promise<void> {
  await settled(seat);
  await seat.page.evaluate(axe);
  const violations = await seat.page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run(options: RunOptions): Promise<{ violations: Result[] }> } };
    return (await axe.run({ rules: { "target-size": { enabled: true } } })).violations; // of WCAG 2.2, which axe leaves out unless asked
  });
  const findings = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary}`).join("\n  ")}`);
  assert.deepEqual(findings, [], `axe has findings on ${view}`);
  const wide = await seat.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${view} is ${wide} pixels wider than its window`);
}

/** Colours that are on their way from one to another are nobody's. */
async function settled(seat: Seat): Promise<void> {
  await seat.page.evaluate(async () => {
    await Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => {})));
  });
}

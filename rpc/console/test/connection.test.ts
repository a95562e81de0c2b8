import assert from "node:assert/strict";

import type { Seat } from "./seat.js";
import { scenes } from "./stage.js";
import type { Stage } from "./stage.js";
import { until } from "./until.js";

const scene = scenes();

/** An agent in mid-chat: something was said, and something is half written. */
async function midChat(stage: Stage, name: string) {
  const asha = await stage.seat("asha");
  const customer = await stage.held("asha", name, "first");
  await asha.choose("intervened", customer.conversationId);
  await asha.send("second");
  await asha.composer.fill("half a sentence");
  return { asha, customer };
}

/** The chat is as it was, and goes on. */
async function goesOn(asha: Seat, customer: { writes(text: string): Promise<void> }, ...between: string[]): Promise<void> {
  await customer.writes("last");
  await asha.message("last").waitFor();
  assert.deepEqual(await asha.words(), ["first", "second", ...between, "last"]);
  assert.equal(await asha.composer.inputValue(), "half a sentence");
}

scene("a reload in mid-chat keeps draft and place", async (stage) => {
  const { asha, customer } = await midChat(stage, "Reloaded");
  await asha.page.reload();
  await asha.live();
  await asha.page.locator(`[data-testid=chat][data-conversation="${customer.conversationId}"]`).waitFor();
  await asha.message("second").waitFor();
  await goesOn(asha, customer);
  await asha.composer.press("Enter");
  await asha.delivered("half a sentence", "DELIVERED", "READ");
  await asha.page.reload();
  await asha.message("half a sentence").waitFor();
  assert.equal(await asha.composer.inputValue(), "", "what was sent is no draft any more");
});

for (const signal of ["SIGKILL", "SIGTERM"] as const) {
  scene(`an engine that ends by ${signal} in mid-chat costs nothing`, async (stage) => {
    const { asha, customer } = await midChat(stage, `Restarted by ${signal}`);
    await stage.engine.end(signal);
    await asha.banner.getByText("Connection lost. What you see may be out of date.").waitFor();
    assert.notEqual(await asha.page.locator("[data-testid=connection]").getAttribute("data-state"), "live");
    assert.deepEqual(await asha.words(), ["first", "second"], "what was known stays in sight");
    await asha.composer.fill("said into the dark");
    await asha.composer.press("Enter");
    await asha.chat.locator("[data-testid=outgoing][data-state=unanswered]").waitFor();
    await asha.composer.fill("half a sentence");

    await stage.engine.restart();
    await asha.live();
    await asha.banner.waitFor({ state: "detached" });
    await asha.delivered("said into the dark", "DELIVERED", "READ");
    await goesOn(asha, customer, "said into the dark");
    await asha.card("intervened", customer.conversationId).getByText("last").waitFor();
  });
}

scene("a lost network is told of, and what was written meanwhile is sent once", async (stage) => {
  const { asha, customer } = await midChat(stage, "Cut Off");
  await asha.context.setOffline(true);
  stage.wire.cut();
  await asha.composer.fill("from the tunnel");
  await asha.composer.press("Enter");
  await asha.chat.locator("[data-testid=outgoing]").getByText("from the tunnel").waitFor();
  await asha.banner.getByText("You are offline.").waitFor();
  await customer.writes("written meanwhile");
  await asha.composer.fill("half a sentence");
  stage.wire.mend();
  await asha.context.setOffline(false);
  await asha.live();
  await asha.message("written meanwhile").waitFor();
  await asha.delivered("from the tunnel", "DELIVERED", "READ");
  await goesOn(asha, customer, "written meanwhile", "from the tunnel");
});

scene("a reload with an unanswered message sends it once", async (stage) => {
  const { asha, customer } = await midChat(stage, "Lost Answer");
  // The engine does what it is asked for, and its answer is lost.
  await asha.page.route("**/SendMessage", async (route) => {
    await route.fetch();
    await route.abort("connectionreset");
  });
  await asha.composer.fill("said once");
  await asha.composer.press("Enter");
  await asha.message("said once").waitFor();
  await asha.page.unroute("**/SendMessage");
  await asha.page.reload();
  await asha.delivered("said once", "DELIVERED", "READ");
  await until("the answer", async () => (await asha.chat.locator("[data-testid=outgoing]").count()) === 0);
  await asha.composer.fill("half a sentence");
  await goesOn(asha, customer, "said once");
});

scene("a slow engine is waited for, and a second press does nothing twice", async (stage) => {
  const asha = await stage.seat("asha");
  const customer = await stage.requesting("Patient");
  await asha.choose("requesting", customer.conversationId);
  let asked = 0;
  const release: (() => void)[] = [];
  await asha.page.route("**/Intervene", async (route) => {
    asked++;
    await new Promise<void>((resolve) => release.push(resolve));
    await route.continue();
  });
  await asha.command("intervene").click();
  await until("the call", async () => asked > 0);
  assert.ok(await asha.command("intervene").isDisabled(), "what is under way cannot be started again");
  await asha.page.keyboard.press("i");
  for (const go of release) {
    go();
  }
  await asha.composer.waitFor();
  assert.equal(asked, 1);
  const events = await asha.chat.locator("[data-testid=mark]").filter({ hasText: "intervened" }).count();
  assert.equal(events, 1);
});

scene("a hidden page holds no stream and comes back up to date", async (stage) => {
  const { asha, customer } = await midChat(stage, "Out of Sight");
  await hide(asha, true);
  await asha.connection("paused");
  await customer.writes("while you were away");
  await hide(asha, false);
  await asha.live();
  await asha.message("while you were away").waitFor();
  await goesOn(asha, customer, "while you were away");
});

/** Headless windows are never hidden, so the page is told so. */
async function hide(seat: Seat, hidden: boolean): Promise<void> {
  await seat.page.evaluate((state) => {
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
    Object.defineProperty(document, "hidden", { configurable: true, get: () => state === "hidden" });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden ? "hidden" : "visible");
}

import assert from "node:assert/strict";

import { scenes, silentFlow } from "./stage.js";
import { until } from "./until.js";

const scene = scenes({ flow: silentFlow });

/** How many conversations there are, and how many of them one webhook brings. */
const conversations = 5_000;
const batch = 250;
/** How far down is scrolled: well past what the stream follows. */
const deep = 600;

scene(`a board of ${conversations} conversations counts them all and scrolls through them`, async (stage) => {
  const asha = await stage.seat("asha");
  for (let first = 0; first < conversations; first += batch) {
    const written = Array.from({ length: batch }, (_, n) => ({ waId: String(15_560_000_000 + first + n), name: `Customer ${first + n}`, text: `Number ${first + n}` }));
    await stage.engine.receiveAll(written);
  }
  await asha.counts("active", conversations);

  const list = asha.column("active").locator(".list");
  const painted = () => list.locator("li.row").count();
  assert.ok((await painted()) < 60, "only what is in sight is painted");
  await asha.page.mouse.move(0, 0);
  const seen = new Set<string>();
  await until(`row ${deep}`, async () => {
    for (const id of await list.locator("[data-testid=card]").evaluateAll((cards) => cards.map((card) => (card as HTMLElement).dataset["conversation"] ?? ""))) {
      seen.add(id);
    }
    return list.evaluate((element) => {
      element.scrollTop += element.clientHeight;
      return Number([...element.querySelectorAll("li.row:has(a)")].at(-1)?.getAttribute("aria-posinset"));
    }).then((row) => row > deep);
  });
  assert.ok((await painted()) < 60, "only what is in sight is painted, at any depth");
  assert.ok(seen.size > deep * 0.9, `scrolling to row ${deep} showed ${seen.size} conversations`);

  const customer = await stage.requesting("Needle in the hay");
  await asha.choose("requesting", customer.conversationId);
  await asha.command("intervene").click();
  await asha.composer.waitFor();
  await asha.counts("active", conversations);
  await asha.counts("intervened", 1);
});

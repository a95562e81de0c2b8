import type { BrowserContextOptions } from "playwright-core";

import { busyChat, sound } from "./barriers.js";
import { scenes } from "./stage.js";
import { until } from "./until.js";

const scene = scenes();

/** Between them they have both colours, both directions, and little room. */
const windows: Record<string, BrowserContextOptions> = {
  "light and narrow": { colorScheme: "light", viewport: { width: 390, height: 780 }, hasTouch: true },
  "dark and right-to-left": { colorScheme: "dark", locale: "ar" },
};

for (const [name, options] of Object.entries(windows)) {
  scene(`nothing that is opened over a view has a barrier or spills over its edge: ${name}`, async (stage) => {
    const conversationId = await busyChat(stage, name);
    const sam = await stage.seat("sam", options);
    const dialog = sam.page.getByRole("dialog");
    await sam.open(`/#/board/${conversationId}`);
    await sam.composer.waitFor();
    await sam.command("add").click();
    await sam.page.getByRole("menu").waitFor();
    await sound(sam, "menu");
    await sam.page.keyboard.press("Escape");
    for (const [kind, fields] of Object.entries({ list: 6, location: 3, template: 1 })) {
      await sam.command("add").click();
      await sam.page.locator(`[data-add=${kind}]`).click();
      await until(`the fields of ${kind}`, async () => (await dialog.locator(".field").count()) >= fields);
      await dialog.locator(".field").first().fill("W".repeat(70)); // too long for a header, and no place
      await sound(sam, kind);
      await sam.page.keyboard.press("Escape");
      await dialog.waitFor({ state: "detached" });
    }
    await sam.command("start").click();
    await dialog.waitFor();
    await sound(sam, "new conversation");
    await sam.page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
  });
}

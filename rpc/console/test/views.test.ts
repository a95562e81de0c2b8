import assert from "node:assert/strict";

import type { BrowserContextOptions } from "playwright-core";

import { busyChat, sound } from "./barriers.js";
import { scenes } from "./stage.js";

const scene = scenes();

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

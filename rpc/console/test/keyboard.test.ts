import assert from "node:assert/strict";

import { scenes } from "./stage.js";
import { until } from "./until.js";

const scene = scenes();

scene("a day's work needs no mouse", async (stage) => {
  const asha = await stage.seat("asha");
  const { page } = asha;
  const { conversationId } = await stage.requesting("By Hand", "wants a person", "Can you hear me?");
  await asha.card("requesting", conversationId).waitFor();

  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });

  await page.keyboard.press("2");
  await page.keyboard.press("Enter");
  await asha.message("Can you hear me?").waitFor();
  await page.keyboard.press("i");
  await asha.composer.waitFor();
  const writing = () => until("the focus in the composer", () => page.evaluate(() => document.activeElement?.matches("[data-composer]") ?? false));
  await page.keyboard.press("r");
  await writing();
  await page.keyboard.type("Loud and clear.");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("ire"); // letters of shortcuts are letters here
  await page.keyboard.press("Enter");
  await asha.message("Loud and clear.").waitFor();
  assert.deepEqual(await asha.words(), ["Can you hear me?", "Loud and clear.\nire"]);
  assert.equal(await asha.card("intervened", conversationId).count(), 1);

  await page.keyboard.press("Escape"); // leaves the field
  await page.keyboard.press("n");
  await asha.page.getByLabel("Note for colleagues").waitFor();
  await writing();
  await page.keyboard.type("a note");
  await page.keyboard.press("Enter");
  await asha.chat.locator("[data-testid=note]").getByText("a note").waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("e");
  await asha.card("active", conversationId).waitFor();
  await page.keyboard.press("Escape");
  await asha.chat.waitFor({ state: "detached" });
});

scene("Tab alone reaches what is needed, and the focus is always seen", async (stage) => {
  const asha = await stage.seat("asha");
  const { page } = asha;
  const { conversationId } = await stage.requesting("By Tab");
  await asha.card("requesting", conversationId).waitFor();
  /** Presses Tab until the focus is where it is wanted, and looks at it on the way. */
  const tabTo = async (selector: string) => {
    for (let n = 0; n < 80; n++) {
      await page.keyboard.press("Tab");
      const { there, seen } = await page.evaluate((wanted) => {
        const now = document.activeElement as HTMLElement;
        const marked = (element: Element | null, above: number): boolean => {
          const style = element && getComputedStyle(element);
          return style !== null && (style.outlineStyle !== "none" || style.boxShadow !== "none" || (above > 0 && marked(element?.parentElement ?? null, above - 1)));
        };
        const seen = now === document.body || marked(now, 2); // a field may be marked by its frame
        return { there: now.matches(wanted), seen: seen || now.outerHTML.slice(0, 120) };
      }, selector);
      assert.equal(seen, true, "the focus is not seen");
      if (there) {
        return;
      }
    }
    throw new Error(`Tab does not reach ${selector}`);
  };
  await tabTo(`a[data-conversation="${conversationId}"]`);
  await page.keyboard.press("Enter");
  await asha.command("intervene").waitFor();
  await tabTo("[data-command=intervene]");
  await page.keyboard.press("Space");
  await asha.composer.waitFor();
  await tabTo("[data-composer]");
  await page.keyboard.type("By Tab, too");
  await page.keyboard.press("Enter");
  await asha.message("By Tab, too").waitFor();
  await tabTo("[data-command=resolve]");
  await page.keyboard.press("Enter");
  await asha.card("active", conversationId).waitFor();
});

scene("find goes to a conversation by name and by number", async (stage) => {
  const asha = await stage.seat("asha");
  const { page } = asha;
  const { conversationId, waId } = await stage.customer("Xiomara Quist");
  for (const query of ["xiomara", waId.slice(-6)]) {
    await page.keyboard.press("/");
    const dialog = page.getByRole("dialog", { name: "Find" });
    await dialog.waitFor();
    await page.keyboard.type(query);
    await dialog.getByText("Xiomara Quist").first().waitFor();
    await dialog.getByText("Xiomara Quist").first().click();
    await page.locator(`[data-testid=chat][data-conversation="${conversationId}"]`).waitFor();
    await page.keyboard.press("Escape");
    await asha.chat.waitFor({ state: "detached" });
  }
});

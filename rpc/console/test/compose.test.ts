import assert from "node:assert/strict";

import type { Seat } from "./seat.js";
import { scenes } from "./stage.js";
import type { Stage } from "./stage.js";
import { until } from "./until.js";

const scene = scenes({ handoff: { write_first: true } });

/** WhatsApp's own, as the stand-in has it: to be there before the channel is first asked. */
async function withTemplate(stage: Stage): Promise<void> {
  await stage.standIn("templates", {
    name: "order_ready",
    language: "en",
    category: "UTILITY",
    components: [
      { type: "HEADER", format: "TEXT", text: "Order {{1}}" },
      { type: "BODY", text: "Dear {{1}}, your order is *ready*. Come by {{2}}." },
      { type: "FOOTER", text: "The corner shop" },
      { type: "BUTTONS", buttons: [{ type: "QUICK_REPLY", text: "On my way" }] },
    ],
  });
}

/** Chooses the template in an open dialog and fills it in. */
async function fillIn({ page }: Seat): Promise<void> {
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Find a template").fill("ready");
  await dialog.getByRole("button", { name: "order_ready" }).click();
  await dialog.getByLabel(/^Header: \u20681/).fill("4711");
  await dialog.getByLabel(/^Text: \u20681/).fill("Kim");
  const send = dialog.getByRole("button", { name: "Send template" });
  assert.ok(await send.isDisabled(), "nothing is sent with a blank in it");
  await dialog.getByLabel(/^Text: \u20682/).fill("before six");
  await dialog.getByText("Come by before six").waitFor();
  await send.click();
  await dialog.waitFor({ state: "detached" });
}

const words = "Dear Kim, your order is ready. Come by before six.";

async function withWords(seat: Seat): Promise<void> {
  const sent = seat.messages.filter({ hasText: words });
  await sent.getByText("Order 4711").waitFor();
  await sent.getByText("On my way").waitFor();
  await sent.locator("[data-delivery=DELIVERED], [data-delivery=READ]").first().waitFor();
}

scene("a template is chosen, filled in, and shown with its words", async (stage) => {
  await withTemplate(stage);
  const asha = await stage.seat("asha");
  const { conversationId } = await stage.held("asha", "Templated");
  await asha.choose("intervened", conversationId);
  await asha.command("add").click();
  await asha.page.getByRole("menuitem", { name: "Send a template" }).click();
  await fillIn(asha);
  await withWords(asha);
});

scene("when the window has lapsed, only a template goes", async (stage) => {
  await withTemplate(stage);
  const asha = await stage.seat("asha");
  const at = new Date(Date.now() - 25 * 3_600_000).toISOString();
  const { conversationId } = await stage.customer("Too Late", "Is anybody there?", { at });
  await asha.choose("requesting", conversationId);
  await asha.chat.locator("[data-testid=closed]").getByText("The 24-hour window has closed").waitFor();
  await asha.command("intervene").click();
  await asha.chat.locator("[data-testid=closed]").getByText("only a template can be sent").waitFor();
  assert.equal(await asha.composer.count(), 0);
  await asha.command("template").click();
  await fillIn(asha);
  await withWords(asha);
  assert.equal(await asha.composer.count(), 0, "the template opens no window");
});

scene("a conversation is begun with a template", async (stage) => {
  await withTemplate(stage);
  const asha = await stage.seat("asha");
  await asha.page.keyboard.press("c");
  const dialog = asha.page.getByRole("dialog", { name: "New conversation" });
  const number = dialog.getByLabel("WhatsApp number");
  await number.fill("call me");
  assert.equal(await number.getAttribute("aria-invalid"), "true");
  await number.fill("+1 (555) 039-9001");
  assert.equal(await number.getAttribute("aria-invalid"), "false");
  await fillIn(asha);
  await asha.chat.waitFor();
  await withWords(asha);
  await asha.chat.locator("[data-testid=closed]").getByText("This conversation is over.").waitFor();
});

/** What is composed in each form, what it may not be, and what of it is seen in the chat. */
const forms: readonly {
  readonly item: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly wrong: readonly [string, string, string];
  readonly seen: readonly string[];
}[] = [
  {
    item: "Location",
    fields: [
      ["Coordinates", "https://www.openstreetmap.org/?mlat=52.5163&mlon=13.3777#map=16"],
      ["Name of the place", "Brandenburg Gate"],
    ],
    wrong: ["Coordinates", "somewhere", "Write latitude and longitude"],
    seen: ["Brandenburg Gate", "52.51630,13.37770"],
  },
  {
    item: "Contact",
    fields: [
      ["First name", "Mina"],
      ["Phone number", "+49 30 901820"],
    ],
    wrong: ["First name", "M".repeat(1001), "1,001 / 1,000"],
    seen: ["Mina", "+49 30 901820"],
  },
  {
    item: "Reply buttons",
    fields: [
      ["Header", "Delivery"],
      ["Text", "Shall we bring it?"],
      ["Button 1", "Yes, please"],
    ],
    wrong: ["Button 1", "A button that says too much", "27 / 20"],
    seen: ["Delivery", "Shall we bring it?", "Yes, please"],
  },
  {
    item: "List to choose from",
    fields: [
      ["Text", "When?"],
      ["What the button says", "Choose a time"],
      ["Row 1", "Morning"],
      ["Description of row 1", "Eight to twelve"],
    ],
    wrong: ["Row 1", "The hour before the sun is up", "29 / 24"],
    seen: ["When?", "Choose a time"],
  },
  {
    item: "Button that opens a link",
    fields: [
      ["Text", "Where is it?"],
      ["What the button says", "Track it"],
      ["Address of the link", "https://parcels.example/4711"],
    ],
    wrong: ["Address of the link", "parcels.example", "begins with http"],
    seen: ["Where is it?", "Track it"],
  },
];

scene("what is more than words is composed within WhatsApp's limits", async (stage) => {
  const asha = await stage.seat("asha");
  const { page } = asha;
  const customer = await stage.held("asha", "More than Words");
  await asha.choose("intervened", customer.conversationId);
  await asha.composer.fill("half a sentence");
  for (const { item, fields, wrong, seen } of forms) {
    await asha.command("add").click();
    await page.getByRole("menuitem", { name: item }).click();
    const dialog = page.getByRole("dialog", { name: item });
    const send = dialog.getByRole("button", { name: "Send" });
    assert.ok(await send.isDisabled(), `${item} is sent though nothing is in it`);
    for (const [label, text] of fields) {
      await dialog.getByRole("textbox", { name: label }).first().fill(text);
    }
    const [label, text, problem] = wrong;
    const field = dialog.getByRole("textbox", { name: label }).first();
    const right = await field.inputValue();
    await field.fill(text);
    await dialog.getByText(problem).waitFor();
    assert.ok(await send.isDisabled(), `${item} is sent although ${problem}`);
    await field.fill(right);
    await send.click();
    await dialog.waitFor({ state: "detached" });
    const sent = asha.messages.filter({ hasText: seen[0] as string });
    for (const part of seen) {
      await sent.getByText(part).first().waitFor();
    }
    await sent.locator("[data-delivery=DELIVERED], [data-delivery=READ]").first().waitFor();
  }
  assert.equal(await asha.composer.inputValue(), "half a sentence", "what is being written stays");
});

scene("the menu needs no mouse, and there are at most three buttons, none twice", async (stage) => {
  const asha = await stage.seat("asha");
  const { page } = asha;
  const { conversationId } = await stage.held("asha", "By Keys");
  await asha.choose("intervened", conversationId);
  await asha.command("add").focus();
  await page.keyboard.press("Enter");
  const focused = (name: string) => until(`the focus on ${name}`, () => page.evaluate(() => document.activeElement?.textContent).then((text) => text === name));
  await focused("Send a template");
  await page.keyboard.press("Escape");
  await until("the focus on the button", () => page.evaluate(() => document.activeElement?.getAttribute("data-command") === "add"));
  await asha.chat.waitFor();
  await page.keyboard.press("Enter");
  await focused("Send a template");
  await page.keyboard.press("ArrowDown");
  await focused("Reply buttons");
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Reply buttons" });
  await until("the first field", () => page.evaluate(() => document.activeElement?.tagName === "INPUT"));
  await dialog.getByRole("textbox", { name: "Text" }).fill("Which one?");
  await dialog.getByRole("textbox", { name: "Button 1" }).fill("Blue");
  const more = dialog.getByRole("button", { name: "Add a button" });
  await more.click();
  await dialog.getByRole("textbox", { name: "Button 2" }).fill("Blue");
  await dialog.getByText("This stands here twice").first().waitFor();
  assert.ok(await dialog.getByRole("button", { name: "Send" }).isDisabled());
  await dialog.getByRole("textbox", { name: "Button 2" }).fill("Red");
  await more.click();
  await dialog.getByRole("textbox", { name: "Button 3" }).fill("Green");
  assert.ok(await more.isDisabled());
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "detached" });
  await asha.message("Which one?").getByText("Green").waitFor();
});

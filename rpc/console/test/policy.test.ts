import assert from "node:assert/strict";

import { scenes } from "./stage.js";
import { until } from "./until.js";

const scene = scenes({ handoff: { takeover_from_active: true, write_first: false }, otherChannel: "acme-returns" });

scene("where the workspace allows it, an agent intervenes though nobody asked", async (stage) => {
  const asha = await stage.seat("asha");
  const { conversationId } = await stage.customer("Unasked", "Where is my order?");
  await asha.choose("active", conversationId);
  await asha.chat.locator("[data-testid=closed]").getByText("Intervene to write to the customer yourself.").waitFor();
  await asha.command("intervene").click();
  await asha.composer.waitFor();
  await asha.send("I am looking.");
  await asha.delivered("I am looking.", "DELIVERED", "READ");
});

scene("where nobody may write first, nothing offers to", async (stage) => {
  const asha = await stage.seat("asha");
  assert.equal(await asha.command("start").count(), 0);
  await asha.page.keyboard.press("c");
  assert.equal(await asha.page.getByRole("dialog").count(), 0);
});

scene("the filter has the workspace's channels, also those that nobody writes to", async (stage) => {
  const asha = await stage.seat("asha");
  const { conversationId } = await stage.requesting("On Main");
  await asha.card("requesting", conversationId).waitFor();
  const channel = asha.page.getByRole("combobox", { name: "Channel" });
  assert.deepEqual(await channel.locator("option").allInnerTexts(), ["All channels", "acme-main", "acme-returns"]);
  await channel.selectOption("acme-returns");
  await asha.card("requesting", conversationId).waitFor({ state: "detached" });
  await channel.selectOption("acme-main");
  await asha.card("requesting", conversationId).waitFor();
});

scene("the profile has what was before the newest events, once it is wanted", async (stage) => {
  const asha = await stage.seat("asha");
  const customer = await stage.held("asha", "Long Known");
  const { conversationId } = customer;
  await stage.call("asha", "AddNote", { conversationId, commandId: crypto.randomUUID(), body: "the very first note" });
  const { waId, name } = customer;
  for (let n = 0; n < 13; n++) {
    await stage.engine.receiveAll(Array.from({ length: 50 }, (_, m) => ({ waId, name, text: `line ${50 * n + m}` })));
  }
  await stage.call("asha", "AddNote", { conversationId, commandId: crypto.randomUUID(), body: "a late note" });
  await asha.choose("intervened", conversationId);
  await asha.chat.locator("[data-testid=note]").getByText("a late note").waitFor();
  await asha.command("profile").click();
  const profile = asha.page.locator("[data-testid=profile]");
  await profile.getByText("a late note").waitFor();
  assert.equal(await profile.getByText("the very first note").count(), 0);
  const older = profile.locator("[data-command=older]");
  await until("the first note", async () => {
    if ((await older.count()) > 0 && (await older.isEnabled())) {
      await older.click();
    }
    return (await profile.getByText("the very first note").count()) === 1;
  });
  await profile.getByText(/asha\u2069 intervened/).waitFor();
  await older.waitFor({ state: "detached" });
  assert.equal(await profile.getByText("a late note").count(), 1);
});

scene("an administrator erases a contact for everybody", async (stage) => {
  const [ada, asha] = [await stage.seat("ada"), await stage.seat("asha")];
  const { conversationId } = await stage.held("asha", "Forget Me", "my secret");
  await asha.choose("intervened", conversationId);
  await asha.command("profile").click();
  await asha.page.locator("[data-testid=profile]").getByText("Forget Me").waitFor();
  assert.equal(await asha.page.getByRole("button", { name: "Erase contact" }).count(), 0, "agents erase nobody");
  await ada.choose("intervened", conversationId);
  await ada.command("profile").click();
  await ada.page.getByRole("button", { name: "Erase contact" }).click();
  const dialog = ada.page.getByRole("dialog", { name: "Erase contact" });
  await dialog.getByText("Forget Me").waitFor();
  await dialog.getByRole("button", { name: "Erase for ever" }).click();
  await ada.notices.getByText("Erased").waitFor();
  await ada.chat.waitFor({ state: "detached" });
  for (const seat of [ada, asha]) {
    await seat.card("intervened", conversationId).waitFor({ state: "detached" });
  }
  await until("nothing said left", async () => (await asha.page.getByText("my secret").count()) === 0);
});

scene("what reached nobody stands in the overview until it is sent again", async (stage) => {
  const sam = await stage.seat("sam");
  const customer = await stage.held("sam", "Out of Reach");
  const { conversationId, waId } = customer;
  await stage.standIn("faults", { name: "once", fault: "fail", code: 131026, next: 1, contact: waId });
  await stage.call("sam", "SendMessage", { conversationId, commandId: crypto.randomUUID(), text: { body: "Hello out there" } });
  await sam.choose("intervened", conversationId);
  const again = sam.message("Hello out there").getByRole("button", { name: "Send again" });
  await again.waitFor();
  await sam.page.getByRole("link", { name: "Overview" }).click();
  const list = sam.page.locator("[data-testid=undelivered]");
  await list.getByText("The customer cannot be reached").waitFor();
  await list.getByRole("link", { name: "Hello out there" }).click();
  await again.click();
  await sam.message("Hello out there").first().getByText("Was sent again").waitFor();
  await sam.page.getByRole("link", { name: "Overview" }).click();
  await list.getByText("Every message has arrived").waitFor();
});

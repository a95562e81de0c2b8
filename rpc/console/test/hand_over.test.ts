import assert from "node:assert/strict";

import { scenes } from "./stage.js";
import { until } from "./until.js";

const scene = scenes();

scene("a request is seen at once, is intervened for, answered and given back", async (stage) => {
  const asha = await stage.seat("asha");
  const customer = await stage.customer("Maria Lopez", "Where is my order?");
  const { conversationId } = customer;
  await asha.card("active", conversationId).waitFor();

  await stage.request(customer, "asks for a refund");
  await asha.card("requesting", conversationId).getByText("asks for a refund").waitFor();
  await asha.bar.getByRole("link", { name: /Maria Lopez/ }).waitFor();
  await until("the title", async () => /^\(\d+\)/.test(await asha.page.title()));

  await asha.choose("requesting", conversationId);
  await asha.message("Where is my order?").waitFor();
  assert.equal(await asha.composer.count(), 0, "who has not intervened cannot write");
  await asha.command("intervene").click();
  await asha.composer.waitFor();
  await asha.card("intervened", conversationId).waitFor();
  await asha.bar.getByRole("group", { name: "Your chats" }).getByRole("link", { name: /Maria Lopez/ }).waitFor();

  await asha.send("It is on its way.");
  await asha.delivered("It is on its way.", "DELIVERED", "READ");
  await customer.writes("Thank you!");
  await asha.message("Thank you!").waitFor();
  assert.deepEqual(await asha.words(), ["Where is my order?", "It is on its way.", "Thank you!"]);

  await asha.command("resolve").click();
  await asha.notices.getByText("Resolved").waitFor();
  await asha.card("active", conversationId).waitFor();
  await asha.composer.waitFor({ state: "detached" });
  await asha.chat.locator("[data-testid=closed]").getByText("The bot answers this chat.").waitFor();
});

scene("of two agents who press at once, one has the chat and the other is told who", async (stage) => {
  const [asha, ben] = [await stage.seat("asha"), await stage.seat("ben")];
  for (let round = 0; round < 3; round++) {
    const { conversationId } = await stage.requesting(`Contested ${round}`);
    await Promise.all([asha, ben].map((seat) => seat.choose("requesting", conversationId)));
    const buttons = await Promise.all([asha, ben].map((seat) => seat.command("intervene").elementHandle()));
    // What the buttons do is started in the pages themselves: clicks would wait for one another.
    await Promise.all(buttons.map((button) => button?.evaluate((element) => (element as HTMLButtonElement).click())));

    const winner = await until("a winner", async () => ((await asha.composer.count()) > 0 ? asha : (await ben.composer.count()) > 0 ? ben : undefined));
    const [loser, name] = winner === asha ? [ben, "asha"] : [asha, "ben"];
    await loser.page.getByText(new RegExp(`${name}.? has this chat`)).first().waitFor();
    assert.equal(await loser.composer.count(), 0);
    await winner.card("intervened", conversationId).getByText("You", { exact: true }).waitFor();
    await loser.card("intervened", conversationId).getByText(name).waitFor();
  }
});

scene("what a customer writes during hand-overs stands once and in order before everybody", async (stage) => {
  const [asha, ben] = [await stage.seat("asha"), await stage.seat("ben")];
  const customer = await stage.requesting("Busy Writer", "wants a person", "word 0");
  const { conversationId } = customer;
  await Promise.all([asha, ben].map((seat) => seat.choose("requesting", conversationId)));
  let stop = false;
  let words = 1;
  const writing = (async () => {
    while (!stop) {
      await customer.writes(`word ${words++}`);
    }
  })();
  await asha.command("intervene").click();
  await asha.composer.waitFor();
  await asha.send("I am here.");
  await asha.command("resolve").click();
  await asha.composer.waitFor({ state: "detached" });
  await stage.request(customer);
  await ben.command("intervene").click();
  await ben.composer.waitFor();
  await ben.send("Now I am.");
  stop = true;
  await writing;

  const want = Array.from({ length: words }, (_, n) => `word ${n}`);
  const seen = await Promise.all([asha, ben].map((seat) => until("the last word", async () => {
    const all = await seat.words();
    return all.includes(want.at(-1) as string) && all.includes("Now I am.") && all;
  })));
  assert.deepEqual(seen[0], seen[1], "both see one order");
  assert.deepEqual(seen[0]?.filter((word) => word.startsWith("word ")), want);
  assert.ok((await asha.chat.locator("[data-testid=mark]").count()) >= 4, "each hand-over stands in the timeline");
});

scene("a supervisor takes over and transfers, and whoever lost the chat is told", async (stage) => {
  const [asha, sam] = [await stage.seat("asha"), await stage.seat("sam")];
  const { conversationId } = await stage.held("asha", "Passed On");
  await asha.choose("intervened", conversationId);
  await asha.composer.waitFor();
  await sam.choose("intervened", conversationId);
  assert.equal(await asha.command("takeOver").count(), 0);
  await sam.command("takeOver").click();
  await sam.composer.waitFor();
  await asha.composer.waitFor({ state: "detached" });
  await asha.chat.locator("[data-testid=closed]").getByText("sam").waitFor();

  await sam.command("transfer").click();
  await sam.page.getByRole("dialog").getByText("asha").click();
  const give = sam.page.getByRole("dialog").getByRole("button", { name: "Transfer" });
  if ((await give.count()) > 0) {
    await give.click();
  }
  await asha.composer.waitFor();
});

scene("notes and tags are for colleagues", async (stage) => {
  const [asha, ben] = [await stage.seat("asha"), await stage.seat("ben")];
  const { conversationId } = await stage.held("asha", "Well Known");
  await asha.choose("intervened", conversationId);
  await ben.choose("intervened", conversationId);
  await asha.command("note").click();
  await asha.composer.fill("pays late");
  await asha.composer.press("Enter");
  await ben.chat.locator("[data-testid=note]").getByText("pays late").waitFor();
  await asha.page.getByRole("button", { name: "Reply" }).first().click();
  assert.equal(await asha.composer.inputValue(), "");
  const sent = (await (await fetch(`${await stage.engine.graphUrl()}/_standin/deliveries`)).text()).includes("pays late");
  assert.equal(sent, false, "a note does not leave the house");
});

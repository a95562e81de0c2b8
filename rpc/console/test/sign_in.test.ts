import assert from "node:assert/strict";

import { tokens } from "../../client/typescript/test/engine.js";
import { Seat } from "./seat.js";
import { scenes } from "./stage.js";
import { until } from "./until.js";

const scene = scenes();

scene("an agent signs in and out, and a wrong token opens nothing", async (stage) => {
  const seat = await stage.window();
  const { page, context } = seat;
  await seat.open();
  const token = page.getByLabel("Access token");
  const submit = page.getByRole("button", { name: "Sign in" });

  await token.fill("a token that nobody has");
  await submit.click();
  await page.getByRole("alert").getByText("This token is not known.").waitFor();
  await token.fill(tokens.robot);
  await submit.click();
  await page.getByRole("alert").getByText("This token is not for the console.").waitFor();
  assert.deepEqual(await context.cookies(), [], "a refused token leaves nothing behind");

  await token.fill(tokens.asha);
  await token.press("Enter");
  await seat.live();
  const [cookie, ...others] = await context.cookies();
  assert.deepEqual(others, []);
  assert.deepEqual([cookie?.httpOnly, cookie?.sameSite, cookie?.path], [true, "Strict", "/"]);
  const kept = await page.evaluate(() => JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.cookie + location.href);
  assert.ok(!kept.includes(tokens.asha), "no script can read the token");

  await page.reload();
  await seat.live();
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await token.waitFor();
  await page.reload();
  await token.waitFor();
  assert.deepEqual(await context.cookies(), []);
});

scene("a session that is over says so and keeps what was written", async (stage) => {
  const seat = await stage.seat("asha");
  const { conversationId } = await stage.held("asha", "Olga Draft");
  await seat.choose("intervened", conversationId);
  await seat.composer.fill("half a sen");
  await seat.context.clearCookies();
  await seat.composer.fill("half a sentence");
  await seat.command("resolve").click();
  await seat.page.getByText("Your session is over.").waitFor();
  await seat.page.getByLabel("Access token").fill(tokens.asha);
  await seat.page.getByRole("button", { name: "Sign in" }).click();
  await seat.live();
  await until("the draft", async () => (await seat.composer.inputValue()) === "half a sentence");
});

scene("signing out ends the session in all tabs", async (stage) => {
  const seat = await stage.seat("asha");
  const other = await Seat.take(seat.context, seat.baseUrl);
  await other.open();
  await other.live();
  await seat.page.getByRole("button", { name: "Settings" }).click();
  await seat.page.getByRole("button", { name: "Sign out" }).click();
  await other.page.getByLabel("Access token").waitFor();
  assert.deepEqual(other.problems, []);
});

scene("an agent has no overview, and a supervisor has one", async (stage) => {
  const [asha, sam] = [await stage.seat("asha"), await stage.seat("sam")];
  assert.equal(await asha.page.getByRole("link", { name: "Overview" }).count(), 0);
  await asha.open("/#/overview");
  await asha.page.getByText("The overview is for supervisors and administrators.").waitFor();
  assert.equal(await asha.page.getByRole("button", { name: "Try again" }).count(), 0);
  await asha.page.getByRole("link", { name: "Go to the board" }).click();
  await asha.column("active").waitFor();
  await sam.page.getByRole("link", { name: "Overview" }).click();
  await sam.page.locator(".overview").waitFor();
});

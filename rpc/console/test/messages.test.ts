import assert from "node:assert/strict";

import type { Seat } from "./seat.js";
import { scenes } from "./stage.js";
import type { Customer, Stage } from "./stage.js";
import { until } from "./until.js";

const scene = scenes();

/** A picture of 4 by 4 points. */
const picture = "iVBORw0KGgoAAAANSUhEUgAAAAQAAAAECAIAAAAmkwkpAAAAEklEQVR4nGPkEZFkgAEmBiSAkwMACqQAMyZ3LuEAAAAASUVORK5CYII=";

scene("what customers send besides words is shown, answered and reacted to", async (stage) => {
  const asha = await stage.seat("asha");
  const customer = await stage.held("asha", "Sends It All", "Look at this");
  await asha.choose("intervened", customer.conversationId);
  await sends(stage, customer, { media: { kind: "image", mime_type: "image/png", data: picture, caption: "my broken cup" } });
  const image = asha.message("my broken cup").locator("img");
  await image.waitFor();
  await until("the picture", () => image.evaluate((element) => (element as HTMLImageElement).naturalWidth > 0));
  await sends(stage, customer, { media: { kind: "document", mime_type: "application/pdf", filename: "bill.pdf", data: Buffer.from("%PDF-1.4\n%%EOF\n").toString("base64") } });
  const [file] = await Promise.all([
    asha.page.waitForEvent("download"),
    asha.message("bill.pdf").getByRole("button", { name: /Download/ }).click(),
  ]);
  assert.equal(file.suggestedFilename(), "bill.pdf");
  await sends(stage, customer, { location: { latitude: 1.5, longitude: 2, name: "The corner shop" } });
  await asha.message("The corner shop").waitFor();
  await sends(stage, customer, { contacts: [{ name: { formatted_name: "Benjamin Button", first_name: "Benjamin" }, phones: [{ phone: "+15550123" }] }] });
  await asha.message("Benjamin Button").waitFor();

  await asha.message("The corner shop").hover();
  await asha.message("The corner shop").getByRole("button", { name: "Reply" }).click();
  await asha.send("I know that place");
  await asha.message("I know that place").locator(".quote").getByText("The corner shop").waitFor();
  const wamid = await delivery(stage, customer, "I know that place");
  await sends(stage, customer, { reaction: { to: wamid, emoji: "🎉" } });
  await asha.message("I know that place").locator(".reaction").getByText("🎉").waitFor();
});

scene("why a message failed is said in plain words and in sight, and it can be sent again", async (stage) => {
  const asha = await stage.seat("asha");
  const customer = await stage.held("asha", "Hard to Reach");
  await asha.choose("intervened", customer.conversationId);
  for (let n = 0; n < 12; n++) {
    await customer.writes(`line ${n}`);
  }
  await asha.message("line 11").waitFor();
  await stage.standIn("faults", { name: "once", fault: "fail", code: 131026, next: 1, contact: customer.waId });
  await asha.send("Can you read this?");
  const failed = asha.message("Can you read this?");
  const again = failed.getByRole("button", { name: "Send again" });
  await failed.getByText("The customer cannot be reached").waitFor();
  await until("the button in sight", () => inSight(asha, again));
  await again.click();
  await failed.first().getByText("Was sent again").waitFor();
  await asha.page.locator("[data-testid=message]", { hasText: "Can you read this?" }).last().locator("[data-delivery=DELIVERED], [data-delivery=READ]").waitFor();
});

async function sends(stage: Stage, { waId, name }: Customer, what: object): Promise<void> {
  await stage.standIn(`customers/${waId}/messages`, { name, ...what });
}

/** The WAMID of a text that a customer got. */
async function delivery(stage: Stage, { waId }: Customer, text: string): Promise<string> {
  const { wamid } = await until("the delivery", async () => {
    const all = (await (await fetch(`${await stage.engine.graphUrl()}/_standin/deliveries?to=${waId}`)).json()) as { deliveries?: Sent[] } | Sent[];
    return (Array.isArray(all) ? all : (all.deliveries ?? [])).find(({ body }) => body === text);
  });
  return wamid;
}

interface Sent {
  readonly wamid: string;
  readonly body: string;
}

/** Whether all of something is between the head of the chat and its foot. */
async function inSight(seat: Seat, what: ReturnType<Seat["message"]>): Promise<boolean> {
  const [box, frame] = [await what.boundingBox(), await seat.chat.locator("[data-testid=timeline]").boundingBox()];
  return box !== null && frame !== null && box.y >= frame.y && box.y + box.height <= frame.y + frame.height;
}

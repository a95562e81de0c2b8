import assert from "node:assert/strict";

import { scenes } from "./stage.js";

const scene = scenes();

const script = `<img src=x onerror=alert(1)><script>alert(2)</script><svg onload=alert(3)>"'\`\${alert(4)} javascript:alert(5)`;
const markup = "*<b onmouseover=alert(6)>bold</b>* http://evil.example/\"onmouseover=alert(7) https://user:pass@bank.example/ javascript:alert(8)//https://x.example";
const turned = "safe \u202egpj.exe\u202c \u2066hidden\u2069 \u200fmixed\u200e end";
const control = "bell\u0007 escape\u001b[2J delete\u007f next\u0085 null-free";
const zalgo = `Z${"\u0300\u0301\u0302\u0316".repeat(200)}algo`;
const unbroken = "W".repeat(60_000);
const rows = Array.from({ length: 3_000 }, (_, n) => `row ${n}`).join("\n");

scene("hostile messages are text, and the page holds", async (stage) => {
  const asha = await stage.seat("asha");
  const name = `${script}\u202e${"N".repeat(300)}`;
  const customer = await stage.held("asha", name, script);
  const { conversationId } = customer;
  for (const text of [markup, turned, control, zalgo, unbroken, rows]) {
    await customer.writes(text);
  }
  await stage.call("ben", "AddNote", { conversationId, commandId: crypto.randomUUID(), body: script });
  await stage.call("ben", "SetTags", { conversationId, commandId: crypto.randomUUID(), tags: ["<b>tag</b>", "\u202evip"] }).catch(() => {}); // an edge that refuses such tags is fine, too
  await customer.writes("the end");
  await asha.choose("intervened", conversationId);
  await asha.message("the end").waitFor();

  const said = await asha.words();
  assert.ok(said.some((text) => text.includes("<script>alert(2)</script>")), "markup is shown as it was written");
  assert.equal(await asha.chat.locator("script, [onerror], [onload], [onmouseover], .text img, .text svg").count(), 0);
  const shown = said.join("");
  assert.ok(!/[\u202a-\u202e\u0007\u001b\u007f\u0085]/.test(shown), "what turns or rings is taken out");
  const links = await asha.chat.locator(".text a").evaluateAll((all) => all.map((link) => ({ href: (link as HTMLAnchorElement).href, rel: (link as HTMLAnchorElement).rel })));
  for (const { href, rel } of links) {
    assert.match(href, /^https?:\/\/[^@]*$/);
    assert.match(rel, /noopener/);
  }
  assert.ok(links.length > 0);

  const overflow = await asha.page.evaluate(() => {
    const wide = [...document.body.querySelectorAll("*")].filter((one) => document.documentElement.scrollWidth > innerWidth && one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.className || one.nodeName);
    const timeline = document.querySelector("[data-testid=timeline]") as HTMLElement;
    const edge = timeline.getBoundingClientRect();
    const out = [...timeline.querySelectorAll("article")].filter((article) => {
      const { left, right } = article.getBoundingClientRect();
      return left < edge.left - 1 || right > edge.right + 1;
    });
    return { wide, sideways: timeline.scrollWidth - timeline.clientWidth, out: out.length };
  });
  assert.deepEqual(overflow, { wide: [], sideways: 0, out: 0 });
  await asha.message("WWWW").getByRole("button", { name: /Show all/ }).click();
  assert.ok((await asha.message("WWWW").innerText()).includes(unbroken), "all of a huge text can be read");

  await asha.command("profile").click();
  await asha.page.locator("[data-testid=profile]").waitFor();
  await asha.send("still able to answer");
  await asha.delivered("still able to answer", "DELIVERED", "READ");
});

scene("a hostile address opens nothing", async (stage) => {
  const seat = await stage.seat("asha");
  for (const hash of ["#/board/<img src=x onerror=alert(1)>", "#/javascript:alert(1)", "#/board/00000000-0000-7000-8000-000000000000", "#/overview"]) {
    await seat.page.evaluate((to) => {
      location.hash = to;
    }, hash);
    await seat.live();
  }
  await seat.page.getByRole("link", { name: "Live chat" }).waitFor();
});

scene("the page is not framed and forms go nowhere else", async (stage) => {
  const answer = await fetch(stage.engine.baseUrl);
  const policy = answer.headers.get("Content-Security-Policy") ?? "";
  for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]) {
    assert.ok(policy.includes(part), `the policy is ${policy}`);
  }
  assert.ok(!policy.includes("unsafe"), `the policy is ${policy}`);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { ConnectError } from "@connectrpc/connect";

import { Backoff, firstPause, longestPause } from "../src/backoff.js";
import { longestAsked, reasonOf, RefusedError, refusal, StreamError } from "../src/errors.js";
import { Code, refused } from "./script.js";

const broken = new Error("broken");
const highest = () => 0.999;

test("pauses are drawn from bounds that double up to a limit", () => {
  const high = new Backoff(highest);
  const low = new Backoff(() => 0);
  for (let n = 0; n < 200; n++) {
    const bound = Math.min(firstPause * 2 ** n, longestPause);
    const pause = high.pause(broken, false);
    assert.ok(pause < bound && pause > bound * 0.99, `after ${n} failures: got ${pause}, want nearly ${bound}`);
    assert.equal(low.pause(broken, false), 0);
  }
});

test("a live stream lets pauses begin anew", () => {
  const backoff = new Backoff(highest);
  for (let n = 0; n < 10; n++) {
    backoff.pause(broken, false);
  }
  assert.ok(backoff.pause(broken, true) < firstPause);
  assert.ok(backoff.pause(broken, false) > firstPause);
});

test("what a server asks for is kept to", () => {
  const sentAway = (after: number) => new StreamError("sent away", after);
  assert.equal(new Backoff(highest).pause(sentAway(3000), true), 3000, "the server has spread its callers already");
  const early = new Backoff(highest).pause(sentAway(1000), false);
  assert.ok(early > 1000 && early < 1000 + firstPause, `sent away at once: got ${early}, want a pause of its own, too`);
  assert.equal(new Backoff(highest).pause(sentAway(3_600_000), true), longestAsked);
  const overloaded = new Backoff(highest).pause(refusal(refused(Code.ResourceExhausted, "OVERLOADED", { retrySeconds: 2 })), false);
  assert.ok(overloaded > 2000 && overloaded < 2000 + firstPause, `overloaded: got ${overloaded}, want 2000 and a pause of its own`);
});

test("four codes of the edge are final", () => {
  for (const code of [Code.Unauthenticated, Code.PermissionDenied, Code.NotFound, Code.InvalidArgument]) {
    const error = refusal(refused(code, "REASON"));
    assert.ok(error instanceof RefusedError && error.code === code && error.reason === "REASON", `${Code[code]}: got ${error}`);
  }
  for (const code of [Code.Unavailable, Code.ResourceExhausted, Code.Internal, Code.DeadlineExceeded, Code.DataLoss]) {
    assert.ok(!(refusal(refused(code, "REASON")) instanceof RefusedError), `${Code[code]}: got it final, want it tried again`);
  }
});

test("proxies are not believed", () => {
  for (const code of [Code.Unauthenticated, Code.NotFound, Code.PermissionDenied, Code.Unimplemented]) {
    const error = refusal(new ConnectError("a proxy's", code));
    assert.ok(!(error instanceof RefusedError), `${Code[code]} without details: got it final, want it tried again`);
    assert.equal(reasonOf(error), undefined);
  }
});

test("a command's refusal tells reason and state", () => {
  assert.deepEqual(reasonOf(refused(Code.FailedPrecondition, "HELD_BY_OTHER")), { reason: "HELD_BY_OTHER", metadata: { holder: "sam" } });
});

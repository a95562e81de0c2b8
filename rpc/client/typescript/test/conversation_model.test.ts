import assert from "node:assert/strict";
import { test } from "node:test";

import { create } from "@bufbuild/protobuf";

import { ConversationFold } from "../src/conversation_fold.js";
import { StreamError } from "../src/index.js";
import { Timeline } from "../src/timeline.js";
import type { Entry } from "../src/timeline.js";
import { ConversationEventSchema, MessageSchema, WatchConversationResponseSchema } from "../src/wire.js";
import type { ConversationEvent, WatchConversationRequest, WatchConversationResponse } from "../src/wire.js";
import { dice } from "./clock.js";
import { card, textOf, token } from "./script.js";

const seeds = 300;
const steps = 150;

/** Model is a conversation on a server, and the one stream that is open of it. */
class Model {
  events: ConversationEvent[] = [];
  journal = 1;
  /** The events before this one are gone. */
  oldest = 1n;
  /** Up to where the open stream was told; undefined: none is open. */
  told: bigint | undefined;
  /** What is on its way to the client, in order. */
  readonly wire: WatchConversationResponse[] = [];

  constructor(readonly draw: (below: number) => number) {
    this.add();
  }

  get version(): bigint {
    return BigInt(this.events.length);
  }

  add(): ConversationEvent {
    const version = this.version + 1n;
    const messageId = `m${1 + this.draw(this.events.length + 1)}`;
    const kinds = [
      { case: "message", value: { messageId: `m${version}`, version } },
      { case: "deliveryChange", value: { messageId, delivery: 1 + this.draw(8) } },
      { case: "note", value: { body: `note ${version} of journal ${this.journal}` } },
      { case: "other", value: {} },
    ] as const;
    const event = create(ConversationEventSchema, { version, kind: kinds[this.draw(kinds.length)] ?? kinds[3] });
    this.events.push(event);
    return event;
  }

  /** Retention does not overtake a stream. */
  trim(): void {
    const oldest = 1n + BigInt(this.draw(Number(this.told ?? this.version)));
    this.oldest = oldest > this.oldest ? oldest : this.oldest;
    this.events.push(create(ConversationEventSchema, { version: this.version + 1n, kind: { case: "trim", value: { oldestVersion: this.oldest } } }));
  }

  /** A backup was restored: the newest events are not there, and others come in their place. */
  restore(): void {
    this.journal++;
    this.told = undefined;
    this.wire.length = 0;
    this.events = this.events.slice(0, 1 + this.draw(this.events.length));
    this.oldest = this.oldest > this.version ? this.version : this.oldest;
    this.add();
  }

  say(frame: NonNullable<WatchConversationResponse["frame"]>): void {
    this.wire.push(create(WatchConversationResponseSchema, { frame: frame as never }));
  }

  open(request: WatchConversationRequest): void {
    this.wire.length = 0;
    this.say({ case: "hello", value: { resumeToken: token(`journal ${this.journal}`) } as never });
    let after = request.afterVersion;
    if (request.resumeToken.length > 0 && textOf(request.resumeToken) !== `journal ${this.journal}`) {
      this.say({ case: "reset", value: {} as never });
      after = 0n;
    }
    assert.ok(after <= this.version, "the client asks for what is not there yet");
    if (after === 0n && request.tail > 0 && this.version > BigInt(request.tail)) {
      after = this.version - BigInt(request.tail);
    }
    this.told = after;
    this.say({ case: "card", value: card("c", Number(this.version)) });
    this.tell();
  }

  /** Tells what happened since, in batches of all sizes. */
  tell(): void {
    if (this.told === undefined || this.told === this.version) {
      return;
    }
    const missing = this.events.filter(({ version }) => version > (this.told ?? 0n) && version >= this.oldest);
    while (missing.length > 0) {
      this.say({ case: "events", value: { events: missing.splice(0, 1 + this.draw(5)) } as never });
    }
    this.told = this.version;
    this.say({ case: "card", value: card("c", Number(this.version)) });
  }
}

test(`conversations through ${seeds} random schedules are the model's, and have no gap`, () => {
  for (let seed = 0; seed < seeds; seed++) {
    play(seed);
  }
});

function play(seed: number): void {
  const random = dice(seed);
  const draw = (below: number) => Math.floor(random() * below);
  const model = new Model(draw);
  const fold = new ConversationFold();
  const tail = draw(3) * 4;
  let shown = 0n;
  /** What is shown is of a journal that is no more. */
  let restored = false;

  const receive = (count: number) => {
    for (const frame of model.wire.splice(0, count)) {
      fold.take(frame);
      restored &&= !(fold.live && textOf(fold.request("c", tail).resumeToken) === `journal ${model.journal}`);
    }
  };
  const cut = () => {
    fold.interrupt();
    model.open(fold.request("c", tail));
  };

  model.open(fold.request("c", tail));
  for (let n = 0; n < steps; n++) {
    switch (draw(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        for (let more = draw(4); more >= 0; more--) {
          model.add();
        }
        break;
      case 5:
      case 6:
      case 7:
        model.tell();
        break;
      case 8:
        cut();
        break;
      case 9:
        if (draw(4) === 0) {
          model.trim();
        }
        break;
      case 10:
        if (draw(6) === 0) {
          model.restore();
          restored = true;
          shown = 0n;
          cut();
        }
        break;
      case 11: {
        const event = model.events[draw(model.events.length)];
        if (event?.kind.case === "message" && !restored) {
          fold.apply(card("c", Number(event.version)), create(MessageSchema, event.kind.value));
        }
        break;
      }
      default:
        receive(1 + draw(3));
    }
    const content = fold.content();
    if (!restored) {
      assert.ok(content.version >= shown, `seed ${seed}: went back from ${shown} to ${content.version}`);
      shown = content.version;
    }
    const versions = content.entries.map(({ version }) => version);
    assert.deepEqual(versions, [...new Set(versions)].sort((a, b) => Number(a - b)), `seed ${seed}: entries are out of order`);
  }
  model.tell();
  receive(model.wire.length);
  const content = fold.content();
  assert.ok(fold.live && content.whole && !restored, `seed ${seed}: not live at rest`);
  assert.equal(content.version, model.version, `seed ${seed}`);
  assert.equal(content.card?.version, model.version, `seed ${seed}`);
  assert.deepEqual(print(content.entries), print(wanted(model, content.entries)), `seed ${seed}`);
}

/** What the model has to show, from the first entry on that is held. */
function wanted(model: Model, held: readonly Entry[]): readonly Entry[] {
  const timeline = new Timeline();
  for (const event of model.events) {
    timeline.append(event);
  }
  const first = held[0]?.version ?? 0n;
  return timeline.entries.filter(({ version }) => version >= first);
}

function print(entries: readonly Entry[]): string[] {
  return entries.map(({ version, kind }) => {
    const more = kind.case === "message" ? kind.value.delivery : kind.case === "note" ? kind.value.body : "";
    return `${version} ${kind.case} ${more}`;
  });
}

test("an event that the model never had is noticed", () => {
  const fold = new ConversationFold();
  const events = (...versions: bigint[]) =>
    create(WatchConversationResponseSchema, { frame: { case: "events", value: { events: versions.map((version) => ({ version })) } } });
  fold.take(events(4n, 5n));
  assert.throws(() => fold.take(events(7n)), StreamError);
  assert.throws(() => fold.take(events(5n)), StreamError);
});

import type { Board, BoardSnapshot, Client } from "@intervene/client";
import { Column } from "@intervene/client/wire";

import { t } from "../words/words.js";
import { preferences } from "./preferences.js";
import type { Value } from "./value.js";

/** How often a hidden page, which has no stream, asks how many customers wait; milliseconds. */
const askEvery = 30_000;
const title = "Intervene";

/**
 * Bell says that a customer asks for a person: in the page's title, with a sound and
 * with a notification of the browser, where the agent wants that. It names nobody: a
 * notification stands on screens that others see.
 */
export class Bell {
  readonly #client: Client;
  readonly #board: Value<Board>;
  readonly #ends: (() => void)[];
  #endBoard = () => {};
  /** Who waited at the last look; undefined before the first. */
  #waiting: ReadonlySet<string> | undefined;
  #count = 0;

  constructor(client: Client, board: Value<Board>) {
    this.#client = client;
    this.#board = board;
    const timer = setInterval(() => void this.#ask(), askEvery);
    this.#ends = [() => clearInterval(timer), board.subscribe(() => this.#follow())];
    this.#follow();
  }

  close(): void {
    this.#endBoard();
    for (const end of this.#ends) {
      end();
    }
    document.title = title;
  }

  #follow(): void {
    this.#endBoard();
    this.#waiting = undefined;
    this.#endBoard = this.#board.get().subscribe((snapshot) => this.#look(snapshot));
  }

  #look(snapshot: BoardSnapshot): void {
    if (snapshot.state.status !== "live") {
      return;
    }
    const requesting = snapshot.column(Column.REQUESTING);
    const now = new Set(requesting.cards.map((card) => card.conversationId));
    const before = this.#waiting;
    this.#waiting = now;
    if (before && [...now].some((id) => !before.has(id))) {
      this.#ring(now.size);
    }
    const unread = snapshot.mine.filter((card) => card.unreadCount > 0).length;
    this.#count = Number(requesting.counter?.conversations ?? now.size);
    badge(this.#count + unread);
  }

  /** A hidden page asks now and then, if anybody wants to hear of it. */
  async #ask(): Promise<void> {
    const { sound, notifications } = preferences.get();
    if (document.visibilityState === "visible" || (!sound && !notifications)) {
      return;
    }
    try {
      const { counters } = await this.#client.api.listConversations({ column: Column.REQUESTING, pageSize: 1 });
      const count = Number(counters?.columns.find(({ column }) => column === Column.REQUESTING)?.conversations ?? 0);
      if (count > this.#count) {
        this.#ring(count);
      }
      this.#count = count;
      badge(count);
    } catch {
      // It is asked again.
    }
  }

  #ring(waiting: number): void {
    const { sound, notifications } = preferences.get();
    if (sound) {
      chime();
    }
    if (notifications && document.visibilityState === "hidden" && "Notification" in window && Notification.permission === "granted") {
      const notification = new Notification(t("bell.title"), { body: t("bell.waiting", { n: waiting }), tag: "intervene.requesting" });
      notification.onclick = () => {
        window.focus();
        notification.close();
      };
    }
  }
}

function badge(count: number): void {
  document.title = count > 0 ? `(${count}) ${title}` : title;
}

let sounds: AudioContext | undefined;

/** Two short tones. Browsers keep a page silent until somebody has touched it. */
export function chime(): void {
  sounds ??= new AudioContext();
  const start = sounds.currentTime;
  for (const [at, frequency] of [
    [0, 660],
    [0.16, 880],
  ] as const) {
    const tone = new OscillatorNode(sounds, { frequency });
    const loudness = new GainNode(sounds, { gain: 0 });
    loudness.gain.setValueAtTime(0, start + at);
    loudness.gain.linearRampToValueAtTime(0.12, start + at + 0.02);
    loudness.gain.exponentialRampToValueAtTime(0.001, start + at + 0.3);
    tone.connect(loudness).connect(sounds.destination);
    tone.start(start + at);
    tone.stop(start + at + 0.32);
  }
}

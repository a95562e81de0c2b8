import { useRef } from "preact/hooks";

import type { Card } from "@intervene/client/wire";

/** HeldRow is a card at its place, which it may have left meanwhile. */
export interface HeldRow {
  readonly card: Card;
  readonly left: boolean;
}

interface Held {
  readonly rows: readonly HeldRow[];
  /** How many came that are not shown until the pointer goes. */
  readonly waiting: number;
}

/**
 * useHeldOrder keeps rows where they are while the pointer is over them: what is
 * pressed is what was aimed at. What leaves stays in grey, what comes is put at the
 * end or waits.
 */
export function useHeldOrder(cards: readonly Card[], held: boolean): Held {
  const order = useRef<readonly Card[] | undefined>(undefined);
  if (!held) {
    order.current = undefined;
    return { rows: cards.map((card) => ({ card, left: false })), waiting: 0 };
  }
  const before = (order.current ??= cards);
  const now = new Map(cards.map((card) => [card.conversationId, card]));
  const rows = before.map((card) => {
    const present = now.get(card.conversationId);
    now.delete(card.conversationId);
    return { card: present ?? card, left: !present };
  });
  const last = cards.findLastIndex((card) => !now.has(card.conversationId));
  const after = cards.slice(last + 1);
  order.current = [...rows.map(({ card }) => card), ...after];
  return { rows: [...rows, ...after.map((card) => ({ card, left: false }))], waiting: now.size - after.length };
}

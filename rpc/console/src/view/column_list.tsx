import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";

import type { BoardSnapshot } from "@intervene/client";
import { Column } from "@intervene/client/wire";
import type { Card } from "@intervene/client/wire";

import type { Desk } from "../desk/desk.js";
import { Pages } from "../desk/pages.js";
import { route } from "../desk/route.js";
import { useValue } from "../desk/value.js";
import { number } from "../words/format.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";
import { CardRow } from "./card_row.js";
import { columnName } from "./contact.js";
import { useDesk } from "./desk_context.js";
import { useHeldOrder } from "./held_order.js";
import { VirtualList } from "./virtual_list.js";
import { Waiting } from "./waiting.js";

/** How long a pointer that rests holds the rows, in milliseconds: somebody may have gone for coffee. */
const holdFor = 15_000;

/** ColumnList is one column of the board: what the stream follows, and what is past it by pages. */
export function ColumnList({ column, board }: { column: Column; board: BoardSnapshot }) {
  const desk = useDesk();
  const narrow = useValue(desk.narrow);
  const open = useValue(route).conversationId;
  const names = useValue(desk.directory.names);
  const [held, setHeld] = useHold();
  const { cards: all, counter } = board.column(column);
  const cards = useMemo(() => narrowed(all, board, column, narrow.whose), [all, board.mine, column, narrow.whose]);
  const { rows, waiting } = useHeldOrder(cards, held);
  const pages = usePages(desk, column);
  const changes = useValue(pages.changes);
  const paged = narrow.whose === "all" && all.length >= 200;
  const beyond = paged ? Math.max(0, pages.rows - rows.length) + (pages.complete ? 0 : 1) : 0;
  const need = useCallback(
    (from: number, to: number) => {
      if (paged && to > rows.length - 20) {
        pages.need(from, to);
      }
    },
    [pages, paged, rows.length, changes],
  );

  const paint = (row: number, tabIndex: 0 | -1) => {
    const card = rows[row]?.card ?? pages.card(row);
    if (!card) {
      return pages.failed ? (
        <div class="card-wait">
          <Button label={t("retry")} icon="retry" onClick={() => pages.retry()} />
        </div>
      ) : (
        <div class="card-wait" />
      );
    }
    return (
      <CardRow
        card={card}
        place="board"
        open={card.conversationId === open}
        left={rows[row]?.left ?? false}
        self={desk.session.agentId}
        names={names}
        viewers={board.viewers(card.conversationId)}
        tabIndex={tabIndex}
      />
    );
  };
  return (
    <section class={`column column-${column}`} aria-label={columnName(column)} data-testid={`column-${Column[column]?.toLowerCase()}`}>
      <header class="column-head">
        <h2>{columnName(column)}</h2>
        <span class="count" data-testid="count">
          {number(counter?.conversations ?? 0)}
        </span>
        {counter !== undefined && counter.unread > 0 && (
          <span class="count-unread">{t("column.unread", { n: Number(counter.unread) })}</span>
        )}
        {column === Column.REQUESTING && <Waiting since={counter?.oldestWaitingSince} />}
        {waiting > 0 && <span class="count-held">{t("column.held", { n: waiting })}</span>}
      </header>
      <VirtualList
        label={columnName(column)}
        rows={rows.length + beyond}
        keyOf={(row) => rows[row]?.card.conversationId ?? `row ${row}`}
        onSight={need}
        onHover={setHeld}
        empty={board.whole ? t(emptyKey(column)) : t("loading")}
      >
        {paint}
      </VirtualList>
    </section>
  );
}

function emptyKey(column: Column) {
  return column === Column.ACTIVE ? "empty.active" : column === Column.REQUESTING ? "empty.requesting" : "empty.intervened";
}

/** What the agent wants to see of a column. */
function narrowed(cards: readonly Card[], board: BoardSnapshot, column: Column, whose: "all" | "mine" | "unassigned"): readonly Card[] {
  switch (whose) {
    case "mine":
      return column === Column.INTERVENED ? board.mine : [];
    case "unassigned":
      return column === Column.INTERVENED ? [] : cards;
    default:
      return cards;
  }
}

function usePages(desk: Desk, column: Column): Pages {
  const { channelId, tag } = useValue(desk.narrow);
  const pages = useMemo(() => new Pages(desk.client, { column, channelId, tag }), [desk, column, channelId, tag]);
  useEffect(() => () => pages.close(), [pages]);
  return pages;
}

/** Whether the rows are to be held: the pointer is over them, and not for ever. */
function useHold(): [boolean, (over: boolean) => void] {
  const [held, setHeld] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const hover = useCallback((over: boolean) => {
    clearTimeout(timer.current);
    setHeld(over);
    if (over) {
      timer.current = setTimeout(() => setHeld(false), holdFor);
    }
  }, []);
  useEffect(() => () => clearTimeout(timer.current), []);
  return [held, hover];
}

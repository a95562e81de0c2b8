import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

/** Rows that are painted beyond the visible ones, on each side. */
const beyond = 6;

interface Props {
  label: string;
  rows: number;
  /** What a row is told from others by; it keeps its place in the page, and the focus, while it moves. */
  keyOf(row: number): string;
  /** tabIndex: of all rows one is reached with Tab, the others with arrow keys. */
  children(row: number, tabIndex: 0 | -1): ComponentChildren;
  /** What is in sight. */
  onSight?(from: number, to: number): void;
  onHover?(over: boolean): void;
  /** Stands in place of rows. */
  empty: ComponentChildren;
}

/**
 * VirtualList paints the rows in sight of a list of any length. Rows have one height.
 * Arrow keys go from row to row.
 */
export function VirtualList({ label, rows, keyOf, children, onSight, onHover, empty }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800, row: 76 });
  const [focused, setFocused] = useState("");
  const { from, to } = sight(view, rows);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) {
      return;
    }
    const look = () => {
      const row = rowHeight(element);
      setView((before) => {
        const now = { top: element.scrollTop, height: element.clientHeight, row };
        return before.top === now.top && before.height === now.height && before.row === now.row ? before : now;
      });
    };
    const observer = new ResizeObserver(look);
    observer.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    look();
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, []);
  useLayoutEffect(() => onSight?.(from, to), [from, to, rows, onSight]);

  const shown = Array.from({ length: Math.max(0, to - from) }, (_, n) => ({ row: from + n, key: keyOf(from + n) }));
  const first = Math.min(Math.ceil(view.top / view.row), rows - 1);
  const reached = shown.find(({ key }) => key === focused)?.row ?? first;
  const painted = shown.map(({ row, key }) => (
    <li
      key={key}
      class="row"
      aria-setsize={rows}
      aria-posinset={row + 1}
      style={{ top: `${row * view.row}px`, height: `${view.row}px` }}
      onFocusIn={() => setFocused(key)}
    >
      {children(row, row === reached ? 0 : -1)}
    </li>
  ));
  return (
    <div
      ref={box}
      class="list"
      data-rows={rows}
      onPointerMove={() => onHover?.(true)}
      onPointerLeave={() => onHover?.(false)}
      onKeyDown={(event) => step(event, box.current, view.row)}
    >
      {rows === 0 && <div class="list-empty">{empty}</div>}
      <ul role="list" aria-label={label} style={{ height: `${rows * view.row}px` }}>
        {painted}
      </ul>
    </div>
  );
}

function sight({ top, height, row }: { top: number; height: number; row: number }, rows: number) {
  const from = Math.max(0, Math.min(Math.floor(top / row) - beyond, rows - 1));
  return { from, to: Math.min(rows, Math.ceil((top + height) / row) + beyond) };
}

/** Rows are as high as so many letters: they grow with the size of the text. */
function rowHeight(element: HTMLElement): number {
  return Math.round(Number.parseFloat(getComputedStyle(element).fontSize) * 5);
}

/** Moves the focus by rows. */
function step(event: KeyboardEvent, box: HTMLElement | null, row: number): void {
  const by: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
  const move = by[event.key];
  const now = event.target instanceof Element ? event.target.closest("li.row") : null;
  if (!box || !now || move === undefined || event.altKey || event.ctrlKey || event.metaKey) {
    return;
  }
  event.preventDefault();
  const place = Number(now.getAttribute("aria-posinset")) + move;
  box.scrollTop = Math.min(Math.max(box.scrollTop, place * row - box.clientHeight), (place - 1) * row);
  // The rows there are painted with the next picture.
  const focus = () => {
    const rows = [...box.querySelectorAll<HTMLElement>("li.row")];
    const exact = rows.find((one) => Number(one.getAttribute("aria-posinset")) === place);
    (exact ?? (move > 0 ? rows.at(-1) : rows[0]))?.querySelector<HTMLElement>("a, button")?.focus({ preventScroll: true });
  };
  requestAnimationFrame(() => requestAnimationFrame(focus));
}

import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";

import { t } from "../words/words.js";

/** Series is one line, or one sort of bar, of a plot; undefined: there is nothing to tell of that period. */
export interface Series {
  readonly name: string;
  readonly tone: "a" | "b" | "c";
  readonly values: readonly (number | undefined)[];
}

interface Props {
  title: string;
  labels: readonly string[];
  series: readonly Series[];
  /** How a value is written. */
  show(value: number): string;
  bars?: boolean;
  /** Values are whole numbers. */
  whole?: boolean;
}

const height = 190;
const top = 8;
const bottom = 22;
const start = 6;

/** Plot draws what was when. The same stands in a table, for whoever reads rather than sees. */
export function Plot({ title, labels, series, show, bars = false, whole = false }: Props) {
  const heading = useId();
  const [pointed, setPointed] = useState<number>();
  const { box, width } = useWidth();
  const most = Math.max(...series.flatMap(({ values }) => values.map((value) => value ?? 0)), 0);
  const highest = whole ? Math.ceil(most / 2) * 2 : most;
  const limit = highest === 0 ? 1 : highest * 1.08;
  const step = (width - start) / Math.max(1, labels.length);
  const x = (n: number) => start + step * (n + 0.5);
  const y = (value: number) => top + (height - top - bottom) * (1 - value / limit);
  const every = Math.ceil((labels.length * 56) / width);
  return (
    <section ref={box} class="plot" aria-labelledby={heading}>
      <header>
        <h3 id={heading}>{title}</h3>
        <ul class="legend">
          {series.map(({ name, tone, values }) => {
            const value = pointed === undefined ? undefined : values[pointed];
            return (
              <li key={name} class={`tone-${tone}`}>
                <span>{name}</span> {value !== undefined && <b>{show(value)}</b>}
              </li>
            );
          })}
          {pointed !== undefined && <li class="faint">{labels[pointed]}</li>}
        </ul>
      </header>
      {highest === 0 ? (
        <p class="plot-empty faint">{t("overview.nothing")}</p>
      ) : (
        <svg
          viewBox={`0 0 ${width} ${height}`}
          width={width}
          height={height}
          direction="ltr"
          aria-hidden="true"
          onPointerMove={(event) => {
            const box = event.currentTarget.getBoundingClientRect();
            const n = Math.floor((((event.clientX - box.left) / box.width) * width - start) / step);
            setPointed(n >= 0 && n < labels.length ? n : undefined);
          }}
          onPointerLeave={() => setPointed(undefined)}
        >
          {[0, 0.5, 1].map((part) => (
            <g key={part}>
              <line class="grid" x1={start} x2={width} y1={y(highest * part)} y2={y(highest * part)} />
              {part > 0 && (
                <text class="axis" x={start} y={y(highest * part) - 3}>
                  {show(highest * part)}
                </text>
              )}
            </g>
          ))}
          {pointed !== undefined && <line class="pointer" x1={x(pointed)} x2={x(pointed)} y1={top} y2={height - bottom} />}
          {labels.map(
            (label, n) =>
              n % every === Math.floor(every / 2) && (
                <text
                  key={n}
                  class="axis"
                  text-anchor={x(n) > width - 20 ? "end" : "middle"}
                  x={x(n) > width - 20 ? width : x(n)}
                  y={height - 6}
                >
                  {label}
                </text>
              ),
          )}
          {bars ? <Bars series={series} x={x} y={y} step={step} /> : series.map((one) => <Line key={one.name} series={one} x={x} y={y} />)}
        </svg>
      )}
      <table class="for-readers">
        <caption>{title}</caption>
        <thead>
          <tr>
            <th scope="col">{t("overview.period")}</th>
            {series.map(({ name }) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {labels.map((label, n) => (
            <tr key={n}>
              <th scope="row">{label}</th>
              {series.map(({ name, values }) => (
                <td key={name}>{values[n] === undefined ? "–" : show(values[n])}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** useWidth is how much room there is inside: letters keep their size. */
function useWidth() {
  const box = useRef<HTMLElement>(null);
  const [width, setWidth] = useState(480);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) {
      return;
    }
    const observer = new ResizeObserver(([entry]) => entry && setWidth(Math.max(200, Math.floor(entry.contentRect.width))));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return { box, width };
}

type Scale = (value: number) => number;

function Bars({ series, x, y, step }: { series: readonly Series[]; x: Scale; y: Scale; step: number }) {
  const wide = Math.max(1, (step * 0.8) / series.length);
  return (
    <>
      {series.map(({ name, tone, values }, m) =>
        values.map(
          (value, n) =>
            value !== undefined &&
            value > 0 && (
              <rect
                key={`${name} ${n}`}
                class={`bar tone-${tone}`}
                x={x(n) - step * 0.4 + m * wide}
                y={y(value)}
                width={Math.max(1, wide - 0.5)}
                height={Math.max(1, y(0) - y(value))}
                rx={Math.min(1.5, wide / 3)}
              />
            ),
        ),
      )}
    </>
  );
}

/** A line has gaps where there is nothing to tell; what stands alone is a dot. */
function Line({ series: { tone, values }, x, y }: { series: Series; x: Scale; y: Scale }) {
  const path = values
    .map((value, n) => (value === undefined ? "" : `${values[n - 1] === undefined ? "M" : "L"}${x(n).toFixed(1)} ${y(value).toFixed(1)}`))
    .join("");
  return (
    <>
      <path class={`line tone-${tone}`} d={path} />
      {values.map((value, n) => value !== undefined && <circle key={n} class={`point tone-${tone}`} cx={x(n)} cy={y(value)} r="2" />)}
    </>
  );
}

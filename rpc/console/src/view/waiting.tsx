import { instantOf, useTicking } from "../desk/ticker.js";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { dateTime, elapsed, moment, roughly } from "../words/format.js";

/** Waiting tells how long something has lasted; precisely, to the second. */
export function Waiting({ since, precisely = false }: { since: Timestamp | undefined; precisely?: boolean }) {
  const at = instantOf(since);
  const text = useTicking((now) => (at === 0 ? "" : (precisely ? elapsed : roughly)(Math.max(0, now - at))));
  return at === 0 ? null : (
    <time class="waiting" dateTime={new Date(at).toISOString()} title={dateTime(at)}>
      {text}
    </time>
  );
}

/** Moment tells when something was. */
export function Moment({ at: timestamp }: { at: Timestamp | undefined }) {
  const at = instantOf(timestamp);
  const text = useTicking((now) => (at === 0 ? "" : moment(at, now)));
  return at === 0 ? null : (
    <time dateTime={new Date(at).toISOString()} title={dateTime(at)}>
      {text}
    </time>
  );
}

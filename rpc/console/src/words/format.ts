import { region } from "./words.js";

/** What Intl makes is dear to make and good for ever. */
const made = new Map<string, unknown>();

function once<T>(name: string, make: (language: string) => T): T {
  const to = region();
  const key = `${to}.${name}`;
  let one = made.get(key) as T | undefined;
  if (one === undefined) {
    one = make(to);
    made.set(key, one);
  }
  return one;
}

export function number(n: number | bigint): string {
  return once("number", (to) => new Intl.NumberFormat(to)).format(n);
}

export function percent(share: number): string {
  return once("percent", (to) => new Intl.NumberFormat(to, { style: "percent", maximumFractionDigits: 1 })).format(share);
}

export function time(at: number): string {
  return once("time", (to) => new Intl.DateTimeFormat(to, { timeStyle: "short" })).format(at);
}

export function dateTime(at: number): string {
  return once("dateTime", (to) => new Intl.DateTimeFormat(to, { dateStyle: "medium", timeStyle: "short" })).format(at);
}

/** A day, by its name as long as that says which one it is. */
export function day(at: number, now: number): string {
  const days = Math.round((startOfDay(now) - startOfDay(at)) / 86_400_000);
  if (days >= 0 && days <= 1) {
    return once("relative", (to) => new Intl.RelativeTimeFormat(to, { numeric: "auto" })).format(-days, "day");
  }
  if (days > 0 && days < 7) {
    return once("weekday", (to) => new Intl.DateTimeFormat(to, { weekday: "long" })).format(at);
  }
  return once("date", (to) => new Intl.DateTimeFormat(to, { dateStyle: "long" })).format(at);
}

export function startOfDay(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0);
}

/** When something was, as short as it is clear: the time of today, else the date. */
export function moment(at: number, now: number): string {
  if (startOfDay(at) === startOfDay(now)) {
    return time(at);
  }
  return once("short", (to) => new Intl.DateTimeFormat(to, { day: "numeric", month: "short" })).format(at);
}

export function hour(at: number): string {
  return once("hour", (to) => new Intl.DateTimeFormat(to, { hour: "numeric" })).format(at);
}

export function dayAndMonth(at: number): string {
  return once("short", (to) => new Intl.DateTimeFormat(to, { day: "numeric", month: "short" })).format(at);
}

type Unit = "second" | "minute" | "hour" | "day" | "kilobyte" | "megabyte";

function unit(n: number, name: Unit, digits = 0): string {
  const style = { style: "unit", unit: name, unitDisplay: "narrow", maximumFractionDigits: digits } as const;
  return once(`${name}.${digits}`, (to) => new Intl.NumberFormat(to, style)).format(n);
}

/** How long something took: short things to the tenth of a second. */
export function duration(milliseconds: number): string {
  return milliseconds < 10_000 ? unit(milliseconds / 1000, "second", 1) : elapsed(milliseconds);
}

/** How long something takes, in its two largest units. */
export function elapsed(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  if (days > 0) {
    return `${unit(days, "day")} ${unit(hours, "hour")}`;
  }
  if (hours > 0) {
    return `${unit(hours, "hour")} ${unit(minutes, "minute")}`;
  }
  return minutes > 0 ? `${unit(minutes, "minute")} ${unit(seconds % 60, "second")}` : unit(seconds, "second");
}

/** How long something takes, in its largest unit: it seldom changes. */
export function roughly(milliseconds: number): string {
  const minutes = Math.floor(milliseconds / 60_000);
  if (minutes < 1) {
    return unit(Math.max(0, Math.floor(milliseconds / 1000)), "second");
  }
  if (minutes < 60) {
    return unit(minutes, "minute");
  }
  return minutes < 2880 ? unit(Math.floor(minutes / 60), "hour") : unit(Math.floor(minutes / 1440), "day");
}

export function size(bytes: number): string {
  return bytes < 1_000_000 ? unit(Math.max(1, Math.round(bytes / 1000)), "kilobyte") : unit(bytes / 1_000_000, "megabyte", 1);
}

/** A phone number as people write it: which group of digits ends where differs by country. */
export function phone(digits: string): string {
  return digits === "" ? "" : `+${digits}`;
}

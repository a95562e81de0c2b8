import { number } from "./format.js";
import { line } from "./safe.js";
import type { Key, More, Text, Words } from "./text.js";

/** The languages that there are words in, by their own names. */
export const languages = { en: "English", hi: "हिन्दी", pt: "Português", es: "Español", ar: "العربية" } as const;
export type Language = keyof typeof languages;

const load: Readonly<Record<Language, () => Promise<Words>>> = {
  en: async () => (await import("./locale-en.js")).words,
  hi: async () => (await import("./locale-hi.js")).words,
  pt: async () => (await import("./locale-pt.js")).words,
  es: async () => (await import("./locale-es.js")).words,
  ar: async () => (await import("./locale-ar.js")).words,
};

const loadMore: Readonly<Record<Language, () => Promise<More>>> = {
  en: async () => (await import("./more-en.js")).more,
  hi: async () => (await import("./more-hi.js")).more,
  pt: async () => (await import("./more-pt.js")).more,
  es: async () => (await import("./more-es.js")).more,
  ar: async () => (await import("./more-ar.js")).more,
};

let spoken: Language = "en";
let words: Partial<Words & More> = {};
/** The words of later parts are wanted, in whatever language is spoken. */
let wantsMore = false;
let plural = new Intl.PluralRules("en");

/** The language that is spoken now. */
export function language(): Language {
  return spoken;
}

/** The language that is spoken as the browser has it, with its region: one language tells the time in several ways. */
export function region(): string {
  return navigator.languages.find((tag) => tag.split("-")[0] === spoken) ?? spoken;
}

/** The language of a preference, or else the first of the browser's that there are words in. */
export function chooseLanguage(preferred: string): Language {
  const wanted = [preferred, ...navigator.languages].map((tag) => tag.split("-")[0] ?? "");
  return (wanted.find((tag) => tag in languages) as Language | undefined) ?? "en";
}

/**
 * Speaks another language from here on, unless it is stale once its words are here,
 * and answers the one that is spoken: whoever is painted must be painted anew.
 */
export async function speak(to: Language, stale: () => boolean): Promise<Language> {
  let next: Partial<Words & More> = await load[to]();
  if (wantsMore) {
    next = { ...next, ...(await loadMore[to]()) };
  }
  if (!stale()) {
    words = next;
    spoken = to;
    plural = new Intl.PluralRules(to);
    document.documentElement.lang = to;
    document.documentElement.dir = to === "ar" ? "rtl" : "ltr";
  }
  return spoken;
}

/** Learns the words of what is loaded later, before that is painted. */
export async function learnMore(): Promise<void> {
  wantsMore = true;
  const to = spoken;
  const more = await loadMore[to]();
  if (to === spoken) {
    words = { ...words, ...more };
  }
}

/** What stands in for the names in braces. n decides on the plural. */
type Parameters = Readonly<Record<string, string | number>>;

/** t says something in the language that is spoken. What stands in for a name keeps its own direction. */
export function t(key: Key, parameters?: Parameters): string {
  const entry: Text = words[key] ?? key;
  const n = parameters?.["n"];
  const text = typeof entry === "string" ? entry : (entry[plural.select(typeof n === "number" ? n : 0)] ?? entry.other);
  if (!parameters) {
    return text;
  }
  return text.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = parameters[name] ?? "";
    return typeof value === "number" ? number(value) : `\u2068${line(value)}\u2069`;
  });
}

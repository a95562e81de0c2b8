import type { words } from "./locale-en.js";

/** Text is a sentence, or one for each plural of n that the language has. */
export type Text = string | ({ readonly [rule in Intl.LDMLPluralRule]?: string } & { readonly other: string });

/** Key names a text. English says which there are. */
export type Key = keyof typeof words;

export type Words = Readonly<Record<Key, Text>>;

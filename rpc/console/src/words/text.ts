import type { words } from "./locale-en.js";
import type { more } from "./more-en.js";

/** Text is a sentence, or one for each plural of n that the language has. */
export type Text = string | ({ readonly [rule in Intl.LDMLPluralRule]?: string } & { readonly other: string });

/** Key names a text. English says which there are. */
export type Key = keyof typeof words | keyof typeof more;

/** Words are those that a page begins with, More those of its parts that are loaded later. */
export type Words = Readonly<Record<keyof typeof words, Text>>;
export type More = Readonly<Record<keyof typeof more, Text>>;

import { Value } from "./value.js";

export type Theme = "system" | "light" | "dark";

/** Preferences are of this browser, whoever sits before it. */
export interface Preferences {
  readonly theme: Theme;
  /** Empty: the browser's. */
  readonly language: string;
  readonly sound: boolean;
  readonly notifications: boolean;
  /** Single letters are shortcuts. */
  readonly shortcuts: boolean;
  /** The profile stands beside the chat. */
  readonly profile: boolean;
}

const key = "intervene.preferences";
const usual: Preferences = { theme: "system", language: "", sound: false, notifications: false, shortcuts: true, profile: false };

function load(): Preferences {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(key) ?? "{}");
    return { ...usual, ...(typeof stored === "object" ? stored : {}) };
  } catch {
    return usual; // storage is shut off, or holds what is not ours
  }
}

export const preferences = new Value<Preferences>(load());

export function prefer(change: Partial<Preferences>): void {
  preferences.set({ ...preferences.get(), ...change });
  try {
    localStorage.setItem(key, JSON.stringify(preferences.get()));
  } catch {
    // Without storage they last as long as the page.
  }
}

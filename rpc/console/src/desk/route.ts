import { Value } from "./value.js";

/** What the page shows. Its address holds no more than this: no name, no number, no word of a message. */
export type Place = "board" | "history" | "overview";

export interface Route {
  readonly place: Place;
  /** The conversation that is open; empty: none. */
  readonly conversationId: string;
}

const places: Readonly<Record<string, Place>> = { history: "history", overview: "overview" };

function read(): Route {
  const [place = "", conversationId = ""] = location.hash.replace(/^#\/?/, "").split("/");
  return { place: places[place] ?? "board", conversationId: /^[A-Za-z0-9_-]{1,64}$/.test(conversationId) ? conversationId : "" };
}

/** The address of a place and what is open there. */
export function hashOf({ place, conversationId }: Route): string {
  return conversationId === "" ? `#/${place}` : `#/${place}/${conversationId}`;
}

export const route = new Value<Route>(read());

addEventListener("hashchange", () => {
  const next = read();
  const now = route.get();
  if (next.place !== now.place || next.conversationId !== now.conversationId) {
    route.set(next);
  }
});

/** Goes to a place; going back comes here again. */
export function go(to: Partial<Route>): void {
  location.hash = hashOf({ ...route.get(), ...to });
}

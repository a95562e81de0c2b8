import { createContext } from "preact";
import { useContext } from "preact/hooks";

import type { Desk } from "../desk/desk.js";

export const DeskContext = createContext<Desk | undefined>(undefined);

/** The desk before which this is painted. */
export function useDesk(): Desk {
  const desk = useContext(DeskContext);
  if (!desk) {
    throw new Error("painted without a desk");
  }
  return desk;
}

import { useEffect, useState } from "preact/hooks";

/** useSettled is true once something has been true for so many milliseconds; false at once. */
export function useSettled(now: boolean, milliseconds: number): boolean {
  const [settled, setSettled] = useState(false);
  useEffect(() => {
    if (!now) {
      setSettled(false);
      return;
    }
    const timer = setTimeout(() => setSettled(true), milliseconds);
    return () => clearTimeout(timer);
  }, [now, milliseconds]);
  return now && settled;
}

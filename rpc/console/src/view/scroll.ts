import { useCallback, useLayoutEffect, useRef, useState } from "preact/hooks";

/** Whoever is this close to the end, in pixels, is at the end. */
const close = 80;

/**
 * useScroll keeps a list that grows at both ends where the reader is: at the end, if
 * they are there, else at what they read.
 */
export function useScroll(newest: bigint, outgoing: number, oldest: bigint) {
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const height = useRef(0);
  const seen = useRef(newest);
  const [away, setAway] = useState(false);

  const toEnd = useCallback(() => {
    const element = box.current;
    if (element) {
      atEnd.current = true;
      element.scrollTop = element.scrollHeight;
    }
  }, []);
  const look = useCallback(() => {
    const element = box.current;
    if (element) {
      height.current = element.scrollHeight;
      atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < close;
      setAway(!atEnd.current);
    }
  }, []);
  if (atEnd.current) {
    seen.current = newest;
  }

  // Pictures and fonts come later than their messages.
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) {
      return;
    }
    const follow = () => {
      if (atEnd.current) {
        toEnd();
      }
    };
    const observer = new ResizeObserver(follow);
    observer.observe(element);
    element.addEventListener("load", follow, true);
    return () => {
      observer.disconnect();
      element.removeEventListener("load", follow, true);
    };
  }, [toEnd]);
  useLayoutEffect(() => {
    const element = box.current;
    if (element && height.current > 0 && !atEnd.current) {
      element.scrollTop += element.scrollHeight - height.current; // what came in front moves nothing
    }
  }, [oldest]);
  useLayoutEffect(() => {
    if (atEnd.current) {
      toEnd();
    }
  }, [newest, outgoing, toEnd]);

  useLayoutEffect(() => {
    height.current = box.current?.scrollHeight ?? 0;
  });
  return { box, away, seenUpTo: seen.current, toEnd, look };
}

import { useCallback, useLayoutEffect, useRef, useState } from "preact/hooks";

/** Whoever is this close to the end, in pixels, is at the end. */
const close = 80;

/**
 * useScroll keeps a list that grows at both ends where the reader is: at the end, if
 * they are there, else at what they read. What is in the box stands in one flow, whose
 * size is watched: a message also grows where it stands, when it fails, when its
 * picture comes.
 */
export function useScroll(newest: bigint, oldest: bigint) {
  const box = useRef<HTMLDivElement>(null);
  const flow = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const top = useRef(0);
  const height = useRef(0);
  const seen = useRef(newest);
  const [away, setAway] = useState(false);

  const toEnd = useCallback(() => {
    const element = box.current;
    if (element) {
      atEnd.current = true;
      element.scrollTop = element.scrollHeight;
      top.current = element.scrollTop;
    }
  }, []);
  const look = useCallback(() => {
    const element = box.current;
    if (element) {
      const left = element.scrollHeight - element.scrollTop - element.clientHeight;
      // The news of a scroll comes a picture later, when the list may have grown: only
      // who went up has left the end.
      atEnd.current = left < close || (atEnd.current && element.scrollTop >= top.current - 1);
      top.current = element.scrollTop;
      height.current = element.scrollHeight;
      setAway(!atEnd.current);
    }
  }, []);
  const follow = useCallback(() => {
    if (box.current && box.current.scrollTop < top.current - 1) {
      look(); // the reader went up, and the news of it is on its way
    }
    if (atEnd.current) {
      toEnd();
    }
  }, [look, toEnd]);
  if (atEnd.current) {
    seen.current = newest;
  }

  useLayoutEffect(() => {
    const observer = new ResizeObserver(follow);
    for (const element of [box.current, flow.current]) {
      if (element) {
        observer.observe(element);
      }
    }
    return () => observer.disconnect();
  }, [follow]);
  useLayoutEffect(() => {
    const element = box.current;
    if (element && height.current > 0 && !atEnd.current) {
      element.scrollTop += element.scrollHeight - height.current; // what came in front moves nothing
    }
  }, [oldest]);
  useLayoutEffect(() => {
    follow();
    height.current = box.current?.scrollHeight ?? 0;
  });
  return { box, flow, away, seenUpTo: seen.current, toEnd, look };
}

import type { Interceptor, Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";

import type { Presence } from "./presence.js";
import { LiveChatService } from "./wire.js";

/**
 * How long a page is hidden before its streams are ended, in milliseconds: who only
 * looks something up comes back to a live page.
 */
export const hiddenGrace = 5_000;

const updatePresence = `/${LiveChatService.typeName}/${LiveChatService.method.updatePresence.name}`;

/**
 * browserTransport speaks Connect in binary to the edge at baseUrl. Without an
 * interceptor for a token the page's cookies say who calls.
 */
export function browserTransport(baseUrl: string, interceptors: Interceptor[] = []): Transport {
  return createConnectTransport({
    baseUrl,
    interceptors,
    useBinaryFormat: true,
    // A page that goes away still says so.
    fetch: (input, init) => fetch(input, String(input).endsWith(updatePresence) ? { ...init, keepalive: true } : init),
  });
}

/** What can be paused while nobody sees it. */
export interface Pausable {
  pause(): void;
  resume(): void;
  retryNow(): void;
}

/**
 * pauseWhileHidden ends a follower's stream while its page is hidden, resumes it when
 * the page is seen again, and does not wait out a pause once the network is back: of
 * many tabs only the visible ones hold streams. The answer ends this.
 */
export function pauseWhileHidden(follower: Pausable): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    clearTimeout(timer);
    if (document.visibilityState === "visible") {
      follower.resume();
    } else {
      timer = setTimeout(() => follower.pause(), hiddenGrace);
    }
  };
  const retry = () => follower.retryNow();
  document.addEventListener("visibilitychange", look);
  window.addEventListener("online", retry);
  look();
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
    window.removeEventListener("online", retry);
  };
}

/**
 * leaveWithPage gives a presence's lease up when its page goes away, and takes it
 * again should the page come back from where the browser keeps it. The answer ends
 * this.
 */
export function leaveWithPage(presence: Presence): () => void {
  const leave = () => presence.leave();
  const back = (event: PageTransitionEvent) => {
    if (event.persisted) {
      presence.resume();
    }
  };
  window.addEventListener("pagehide", leave);
  window.addEventListener("pageshow", back);
  return () => {
    window.removeEventListener("pagehide", leave);
    window.removeEventListener("pageshow", back);
  };
}

import { useEffect, useState } from "preact/hooks";

import type { ConversationSnapshot, Entry } from "@intervene/client";

import { useDesk } from "./desk_context.js";
import { tail } from "../desk/desk.js";

/** How many events are read at once, and how long that may take, in milliseconds. */
const pageEvents = 500n;
const pageTimeout = 30_000;

interface Past {
  /** From this version on everything is known. */
  readonly from: bigint;
  readonly entries: readonly Entry[];
}

/**
 * usePast has the hand-overs and notes of a conversation, oldest first: those that are
 * followed, and what was before them once somebody asks for it. The timeline cannot
 * tell, whose older pages hold messages alone.
 */
export function usePast(conversationId: string, { entries, version }: ConversationSnapshot) {
  const desk = useDesk();
  const [past, setPast] = useState<Past>();
  const [loading, setLoading] = useState(false);
  const [end] = useState(() => new AbortController());
  useEffect(() => () => end.abort(), []);
  const first = entries.find(({ kind }) => kind.case !== "message")?.version ?? version;
  const followed = version - BigInt(tail) + 1n;
  const from = past?.from ?? (first < followed ? first : followed);

  const older = async () => {
    setLoading(true);
    try {
      const afterVersion = from - 1n > pageEvents ? from - 1n - pageEvents : 0n;
      const signal = AbortSignal.any([end.signal, AbortSignal.timeout(pageTimeout)]);
      const page: Entry[] = [];
      for await (const { frame } of desk.client.api.watchConversation({ conversationId, afterVersion }, { signal })) {
        const events = frame.case === "events" ? frame.value.events : [];
        page.push(...events.filter((event) => event.version < from));
        if (events.some((event) => event.version >= from - 1n)) {
          break;
        }
      }
      setPast({ from: afterVersion + 1n, entries: [...page.filter(isAside), ...(past?.entries ?? [])] });
    } catch (error) {
      if (!end.signal.aborted) {
        desk.failed(error);
      }
    }
    setLoading(false);
  };
  const known = new Set(past?.entries.map((entry) => entry.version));
  const all = [...(past?.entries ?? []), ...entries.filter((entry) => isAside(entry) && !known.has(entry.version))];
  return { all, complete: from <= 1n, loading, older: () => void older() };
}

function isAside({ kind }: Entry): boolean {
  return kind.case === "handOver" || kind.case === "note";
}

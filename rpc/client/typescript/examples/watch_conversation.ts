// Shows a conversation as it goes on: node build/examples/watch_conversation.js ID.
// It shows what is written: run it where that may be seen.
import type { Entry } from "../src/index.js";
import { Cause, Delivery, PartyKind } from "../src/wire.js";
import { argument, connect } from "./edge.js";

const id = argument("the id of a conversation");
const { client, disconnect } = connect();
const conversation = client.followConversation(id, { tail: 20 });

function describe({ by, kind }: Entry): string {
  const who = by?.id || PartyKind[by?.kind ?? PartyKind.UNSPECIFIED].toLowerCase();
  switch (kind.case) {
    case "message": {
      const { content, delivery } = kind.value;
      const words = content?.kind.case === "text" ? content.kind.value.body : `(${content?.kind.case ?? "taken back"})`;
      return `${who}: ${words}${delivery ? ` [${Delivery[delivery].toLowerCase()}]` : ""}`;
    }
    case "handOver":
      return `-- ${Cause[kind.value.cause].toLowerCase()} ${kind.value.holderAgentId}`;
    case "note":
      return `-- note of ${who}: ${kind.value.body}`;
    default:
      return `-- ${kind.case}`;
  }
}

try {
  for (let seen = await conversation.next(); ; seen = await conversation.next(seen)) {
    process.stdout.write(`-- ${seen.state.status}, version ${seen.version}\n${seen.entries.map(describe).join("\n")}\n`);
  }
} catch (error) {
  process.stdout.write(`${error instanceof Error ? error.message : error}\n`);
} finally {
  conversation.close();
  disconnect();
}

// Waits for a customer who asks for a person, intervenes, says a word, and resolves.
import { newId, reasonOf } from "../src/index.js";
import { Column } from "../src/wire.js";
import { connect } from "./edge.js";

const { client, disconnect } = connect();
const board = client.followBoard({ columns: [Column.REQUESTING, Column.INTERVENED] });
try {
  let now = await board.next();
  for (;;) {
    const [card] = now.column(Column.REQUESTING).cards;
    if (!card) {
      now = await board.next(now);
      continue;
    }
    const { conversationId } = card;
    try {
      const held = await client.api.intervene({ conversationId, commandId: newId() });
      if (held.card) {
        board.apply(held.card); // shown at once, and never taken back
      }
    } catch (error) {
      // Of all who press the button at the same time exactly one wins.
      const reason = reasonOf(error);
      process.stdout.write(`${reason ? `${reason.reason} ${reason.metadata["holder"] ?? ""}` : error}\n`);
      now = await board.next(now);
      continue;
    }
    // A command is repeated with the id that it had: the first outcome counts.
    const commandId = newId();
    await client.api.sendMessage({ conversationId, commandId, content: { case: "text", value: { body: "Good day, how can I help?" } } });
    await client.api.resolve({ conversationId, commandId: newId() });
    process.stdout.write(`helped in ${conversationId}\n`);
    break;
  }
} finally {
  board.close();
  disconnect();
}

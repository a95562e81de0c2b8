// Shows the three columns of a workspace, again and again as they change. It shows
// names: run it where they may be seen.
import { Column } from "../src/wire.js";
import { connect } from "./edge.js";

const { client, disconnect } = connect();
const board = client.followBoard({ window: 10, includeMine: true, presence: true });

const leave = board.subscribe(({ state, columns, mine, presence }) => {
  const lines = columns.map(({ column, cards, counter }) => {
    const names = cards.map((card) => card.contact?.name || "somebody").join(", ");
    return `${Column[column].padEnd(10)} ${counter?.conversations ?? 0n}: ${names}`;
  });
  process.stdout.write(`${[`-- ${state.status}`, ...lines, `mine ${mine.length}, online ${presence.size}`].join("\n")}\n`);
  if (state.status === "ended") {
    process.stdout.write(`${state.reason.message}\n`);
    leave();
    disconnect();
  }
});

process.once("SIGINT", () => board.close());

import { useState } from "preact/hooks";

import { Column } from "@intervene/client/wire";

import { useSnapshot, useValue } from "../desk/value.js";
import { number } from "../words/format.js";
import { t } from "../words/words.js";
import { ColumnList } from "./column_list.js";
import { columnName } from "./contact.js";
import { useDesk } from "./desk_context.js";
import { FilterBar } from "./filter_bar.js";

const columns = [Column.ACTIVE, Column.REQUESTING, Column.INTERVENED] as const;

/** Board is the three columns: beside each other where there is room, else one at a time. */
export function Board() {
  const desk = useDesk();
  const board = useSnapshot(useValue(desk.board));
  const [chosen, setChosen] = useState<Column>(Column.REQUESTING);
  return (
    <section class="board" aria-label={t("place.board")} data-list>
      <FilterBar board={board} />
      <div class="column-tabs" role="group" aria-label={t("columns")}>
        {columns.map((column) => (
          <button key={column} type="button" aria-pressed={column === chosen} onClick={() => setChosen(column)}>
            {columnName(column)} <b>{number(board.column(column).counter?.conversations ?? 0)}</b>
          </button>
        ))}
      </div>
      <div class="columns" data-chosen={chosen}>
        {columns.map((column) => (
          <ColumnList key={column} column={column} board={board} />
        ))}
      </div>
    </section>
  );
}

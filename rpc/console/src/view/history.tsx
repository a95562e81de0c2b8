import { useCallback, useEffect, useMemo } from "preact/hooks";

import { Column } from "@intervene/client/wire";

import { Pages } from "../desk/pages.js";
import { route } from "../desk/route.js";
import { useSnapshot, useValue } from "../desk/value.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";
import { CardRow } from "./card_row.js";
import { useDesk } from "./desk_context.js";
import { VirtualList } from "./virtual_list.js";

/** History is the conversations that stand on no column, the newest first. No stream follows them: they are read when one looks. */
export function History() {
  const desk = useDesk();
  const open = useValue(route).conversationId;
  const board = useSnapshot(useValue(desk.board));
  const names = useValue(desk.directory.names);
  const query = useMemo(() => ({ column: Column.HISTORY, channelId: "", tag: "" }), []);
  const pages = useMemo(() => new Pages(desk.client, query), [desk, query]);
  useEffect(() => () => pages.close(), [pages]);
  const changes = useValue(pages.changes);
  const need = useCallback((from: number, to: number) => pages.need(from, to), [pages, changes]);
  const rows = pages.rows + (pages.complete ? 0 : 1);
  return (
    <section class="board single" aria-label={t("place.history")} data-list>
      <div class="column">
        <header class="column-head">
          <h2>{t("place.history")}</h2>
        </header>
        <VirtualList
          label={t("place.history")}
          rows={rows}
          keyOf={(row) => pages.card(row)?.conversationId ?? `row ${row}`}
          onSight={need}
          empty={t("empty.history")}
        >
          {(row, tabIndex) => {
            const card = pages.card(row);
            if (!card) {
              return (
                <div class="card-wait">{pages.failed && <Button label={t("retry")} icon="retry" onClick={() => pages.retry()} />}</div>
              );
            }
            const { conversationId } = card;
            return (
              <CardRow
                card={board.card(conversationId) ?? card}
                place="history"
                open={conversationId === open}
                left={false}
                self={desk.session.agentId}
                names={names}
                viewers={board.viewers(conversationId)}
                tabIndex={tabIndex}
              />
            );
          }}
        </VirtualList>
      </div>
    </section>
  );
}

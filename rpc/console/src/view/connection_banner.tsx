import type { FollowerState } from "@intervene/client";
import { ConnectError, Code } from "@connectrpc/connect";

import { useTicking } from "../desk/ticker.js";
import { useSnapshot, useValue } from "../desk/value.js";
import { t } from "../words/words.js";
import { useDesk } from "./desk_context.js";
import { Icon } from "./icon.js";
import { useSettled } from "./settled.js";

/** How long a stream may be on its way before that is worth a word, in milliseconds. */
const patience = 800;

/** ConnectionBanner says when what is shown is the past, and what is done about it. */
export function ConnectionBanner() {
  const desk = useDesk();
  const board = useValue(desk.board);
  const { state, whole } = useSnapshot(board);
  // Half a second without a stream is nothing that anybody needs to know.
  const down = useSettled(state.status !== "live" && state.status !== "paused", patience);
  const again = state.status === "interrupted" ? state.nextAttemptAt : undefined;
  const seconds = useTicking(() => (again === undefined ? 0 : Math.max(0, Math.ceil((again - Date.now()) / 1000))));
  return (
    <div class="banner-place" role="status" aria-live="polite" data-testid="connection" data-state={state.status}>
      {down && (
        <div class={`banner ${state.status}`}>
          <Icon name={state.status === "ended" ? "alert" : "retry"} />
          <span>{text(state, whole)}</span>
          {seconds > 0 && <span class="banner-soon">{t("connection.again", { n: seconds })}</span>}
          {again !== undefined && <button type="button" class="more" onClick={() => board.retryNow()}>{t("connection.now")}</button>}
          {state.status === "ended" && <button type="button" class="more" onClick={() => location.reload()}>{t("connection.reload")}</button>}
        </div>
      )}
    </div>
  );
}

function text(state: FollowerState, whole: boolean): string {
  if (state.status === "ended") {
    return t("connection.ended");
  }
  if (state.status === "interrupted" && state.reason instanceof ConnectError && state.reason.code === Code.ResourceExhausted) {
    return t("connection.full");
  }
  if (!navigator.onLine) {
    return t("connection.offline");
  }
  return whole ? t("connection.lost") : t("connection.connecting");
}

import { Code, ConnectError } from "@connectrpc/connect";
import type { Follower, FollowerState, Snapshot } from "@intervene/client";

import { useTicking } from "../desk/ticker.js";
import { usePart, useValue } from "../desk/value.js";
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
  const conversation = useValue(desk.conversation);
  const state = usePart(board, (snapshot) => snapshot.state);
  return (
    <div class="banner-place" data-testid="connection" data-state={state.status}>
      {state.status === "live" && conversation ? <OfConversation follower={conversation} /> : <Banner follower={board} state={state} />}
    </div>
  );
}

/** The board may be up to date and the open conversation not; one that is refused says so in its own place. */
function OfConversation<S extends Snapshot>({ follower }: { follower: Follower<S> }) {
  const state = usePart(follower, (snapshot) => snapshot.state);
  return state.status === "interrupted" ? <Banner follower={follower} state={state} /> : null;
}

function Banner<S extends Snapshot>({ follower, state }: { follower: Follower<S>; state: FollowerState }) {
  const whole = usePart(follower, (snapshot) => snapshot.whole);
  const down = useSettled(state.status !== "live" && state.status !== "paused", patience);
  const again = state.status === "interrupted" ? state.nextAttemptAt : undefined;
  const seconds = useTicking(() => (again === undefined ? 0 : Math.max(0, Math.ceil((again - Date.now()) / 1000))));
  const said = text(state, whole);
  return (
    <>
      {/* Read out once, without the seconds that pass. */}
      <p class="for-readers" role="status">
        {down ? said : ""}
      </p>
      {down && (
        <div class={`banner ${state.status}`}>
          <Icon name={state.status === "ended" ? "alert" : "retry"} />
          <span aria-hidden="true">{said}</span>
          {seconds > 0 && <span>{t("connection.again", { n: seconds })}</span>}
          {again !== undefined && (
            <button type="button" class="more" onClick={() => follower.retryNow()}>
              {t("connection.now")}
            </button>
          )}
          {state.status === "ended" && (
            <button type="button" class="more" onClick={() => location.reload()}>
              {t("connection.reload")}
            </button>
          )}
        </div>
      )}
    </>
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

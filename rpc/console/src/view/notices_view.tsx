import { notices, putAway } from "../desk/notices.js";
import { useValue } from "../desk/value.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";
import { Icon } from "./icon.js";

/** Notices stand at the edge of the page, and are read out. */
export function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite" data-testid="notices">
      {useValue(notices).map(({ id, tone, text }) => (
        <div key={id} class={`notice ${tone}`}>
          <Icon name={tone === "done" ? "check" : "alert"} />
          <span>{text}</span>
          <Button label={t("close")} icon="close" bare look="quiet" onClick={() => putAway(id)} />
        </div>
      ))}
    </div>
  );
}

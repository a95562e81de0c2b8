import { preferences } from "../desk/preferences.js";
import { useValue } from "../desk/value.js";
import { t } from "../words/words.js";
import { Dialog } from "./dialog.js";
import { shortcuts } from "./shortcuts.js";

/** ShortcutSheet tells which key does what. */
export function ShortcutSheet({ onClose }: { onClose(): void }) {
  const { shortcuts: on } = useValue(preferences);
  return (
    <Dialog title={t("shortcuts")} onClose={onClose} wide>
      {!on && <p class="faint">{t("shortcuts.off")}</p>}
      <dl class="shortcuts">
        {shortcuts.map(([key, does]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{t(does)}</dd>
          </div>
        ))}
        <div>
          <dt>
            <kbd>↑</kbd> <kbd>↓</kbd>
          </dt>
          <dd>{t("shortcut.arrows")}</dd>
        </div>
        <div>
          <dt>
            <kbd>Enter</kbd>
          </dt>
          <dd>{t("shortcut.send")}</dd>
        </div>
        <div>
          <dt>
            <kbd>Shift</kbd> <kbd>Enter</kbd>
          </dt>
          <dd>{t("shortcut.newLine")}</dd>
        </div>
      </dl>
    </Dialog>
  );
}

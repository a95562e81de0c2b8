import { chime } from "../desk/bell.js";
import { say } from "../desk/notices.js";
import { preferences, prefer } from "../desk/preferences.js";
import type { Preferences, Theme } from "../desk/preferences.js";
import { useValue } from "../desk/value.js";
import { languages, t } from "../words/words.js";
import { Button } from "./button.js";
import { Dialog } from "./dialog.js";
import { useDesk } from "./desk_context.js";

const themes: readonly Theme[] = ["system", "light", "dark"];

/** SettingsDialog is what an agent chooses for this browser. */
export function SettingsDialog({ onClose, onSignOut }: { onClose(): void; onSignOut(): Promise<void> }) {
  const desk = useDesk();
  const { theme, language } = useValue(preferences);
  const notify = async (wanted: boolean) => {
    if (wanted && (!("Notification" in window) || (await Notification.requestPermission()) !== "granted")) {
      say("problem", t("settings.notificationsRefused"));
      return;
    }
    prefer({ notifications: wanted });
  };
  const sound = (wanted: boolean) => {
    prefer({ sound: wanted });
    if (wanted) {
      chime();
    }
  };
  const leave = () => onSignOut().catch(() => say("problem", t("signIn.unreachable")));
  return (
    <Dialog title={t("settings")} onClose={onClose}>
      <fieldset class="labelled">
        <legend>{t("settings.theme")}</legend>
        <div class="segments">
          {themes.map((one) => (
            <label key={one}>
              <input type="radio" name="theme" checked={theme === one} onChange={() => prefer({ theme: one })} />
              <span>{t(`settings.theme.${one}`)}</span>
            </label>
          ))}
        </div>
      </fieldset>
      <label class="labelled">
        <span>{t("settings.language")}</span>
        <select class="field" value={language} onChange={(event) => prefer({ language: event.currentTarget.value })}>
          <option value="">{t("settings.languageOfBrowser")}</option>
          {Object.entries(languages).map(([code, name]) => (
            <option key={code} value={code} lang={code}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <Switch name="sound" label={t("settings.sound")} onSwitch={sound} />
      <Switch name="notifications" label={t("settings.notifications")} onSwitch={(wanted) => void notify(wanted)} />
      <Switch name="shortcuts" label={t("settings.shortcuts")} onSwitch={(wanted) => prefer({ shortcuts: wanted })} />
      <hr />
      <p class="faint">
        {t("settings.signedIn", { name: desk.session.name || desk.session.agentId, workspace: desk.session.workspaceId })}
      </p>
      <p class="faint">{t("settings.signOutMeans")}</p>
      <Button label={t("signOut")} icon="signOut" onClick={() => void leave()} />
    </Dialog>
  );
}

interface SwitchProps {
  name: keyof Pick<Preferences, "sound" | "notifications" | "shortcuts">;
  label: string;
  onSwitch(on: boolean): void;
}

function Switch({ name, label, onSwitch }: SwitchProps) {
  const on = useValue(preferences)[name];
  return (
    <label class="switch">
      <input type="checkbox" role="switch" checked={on} onChange={(event) => onSwitch(event.currentTarget.checked)} />
      <span>{label}</span>
    </label>
  );
}

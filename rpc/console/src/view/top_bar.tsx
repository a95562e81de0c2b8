import { useState } from "preact/hooks";

import { hashOf, route } from "../desk/route.js";
import type { Place } from "../desk/route.js";
import { usePart, useValue } from "../desk/value.js";
import type { Key } from "../words/text.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";
import { useDesk } from "./desk_context.js";
import { Icon } from "./icon.js";
import type { IconName } from "./icons.js";
import { later } from "./later.js";
import { Mark } from "./mark.js";

const StartDialog = later(async () => (await import("./start_dialog.js")).StartDialog);
const SettingsDialog = later(async () => (await import("./settings_dialog.js")).SettingsDialog);

interface Props {
  onFind(): void;
  onHelp(): void;
  onSignOut(): Promise<void>;
}

const places: readonly (readonly [Place, Key, IconName])[] = [
  ["board", "place.board", "board"],
  ["history", "place.history", "history"],
  ["overview", "place.overview", "chart"],
];

/** TopBar goes to the views, finds, and says who is here. */
export function TopBar({ onFind, onHelp, onSignOut }: Props) {
  const desk = useDesk();
  const now = useValue(route);
  const presence = usePart(useValue(desk.board), (board) => board.presence);
  const [settings, setSettings] = useState(false);
  const [starting, setStarting] = useState(false);
  const names = useValue(desk.directory.names);
  const colleagues = [...presence.keys()].filter((id) => id !== desk.session.agentId);
  const online = colleagues.map((id) => names.of(id)).join(", ");
  return (
    <header class="top-bar">
      <h1 class="brand">
        <Mark />
        <span>Intervene</span>
      </h1>
      <nav class="places" aria-label={t("place")}>
        {places
          .filter(([place]) => place !== "overview" || desk.supervises)
          .map(([place, key, icon]) => (
            <a
              key={place}
              href={hashOf({ place, conversationId: place === "overview" ? "" : now.conversationId })}
              aria-current={now.place === place ? "page" : undefined}
            >
              <Icon name={icon} />
              <span>{t(key)}</span>
            </a>
          ))}
      </nav>
      {desk.session.writeFirst && (
        <Button label={t("start")} icon="plus" bare look="quiet" shortcut="c" data-command="start" onClick={() => setStarting(true)} />
      )}
      <button type="button" class="find-button" onClick={onFind} aria-keyshortcuts="/">
        <Icon name="search" />
        <span>{t("find")}</span>
        <kbd aria-hidden="true">/</kbd>
      </button>
      <span class="colleagues" title={online} role="img" aria-label={t("presence.colleagues", { n: colleagues.length })}>
        <span class={colleagues.length > 0 ? "dot on" : "dot"} />
        {colleagues.length}
        <Icon name="users" />
      </span>
      <Button label={t("shortcuts")} icon="keyboard" bare look="quiet" shortcut="?" onClick={onHelp} class="wide-only" />
      <Button label={t("settings")} icon="settings" bare look="quiet" onClick={() => setSettings(true)} />
      <span class="self wide-only">
        <bdi>{desk.session.name || names.of(desk.session.agentId)}</bdi>
      </span>
      {starting && <StartDialog onClose={() => setStarting(false)} />}
      {settings && <SettingsDialog onClose={() => setSettings(false)} onSignOut={onSignOut} />}
    </header>
  );
}

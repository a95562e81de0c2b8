import { useEffect, useState } from "preact/hooks";

import { preferences } from "../desk/preferences.js";
import { route } from "../desk/route.js";
import { useValue } from "../desk/value.js";
import { learnMore, t } from "../words/words.js";
import { Board } from "./board.js";
import { Chat } from "./chat.js";
import { ConnectionBanner } from "./connection_banner.js";
import { useDesk } from "./desk_context.js";
import { History } from "./history.js";
import { later } from "./later.js";
import { Notices } from "./notices_view.js";
import { useShortcuts } from "./shortcuts.js";
import { TopBar } from "./top_bar.js";
import { WaitingBar } from "./waiting_bar.js";

const find = async () => (await import("./find_dialog.js")).FindDialog;
const FindDialog = later(find);
const ShortcutSheet = later(async () => (await import("./shortcut_sheet.js")).ShortcutSheet);
const Overview = later(async () => (await import("./overview.js")).Overview);

/** DeskView is all that a signed-in agent sees. */
export function DeskView({ onSignOut }: { onSignOut(): Promise<void> }) {
  const desk = useDesk();
  const { place, conversationId } = useValue(route);
  const conversation = useValue(desk.conversation);
  const [sheet, setSheet] = useState<"" | "shortcuts" | "find">("");
  useShortcuts(desk, { find: () => setSheet("find"), help: () => setSheet("shortcuts") });
  const { profile } = useValue(preferences);
  // Who finds types at once: it is here by then.
  useEffect(() => {
    const timer = setTimeout(() => void Promise.all([find(), learnMore()]).catch(() => {}), 2_000);
    return () => clearTimeout(timer);
  }, []);
  const overview = place === "overview";
  const chat = conversationId !== "" && !overview;
  return (
    <div class={`desk ${chat ? "has-chat" : "no-chat"} ${chat && profile ? "has-profile" : ""}`}>
      <a
        class="skip"
        href="#work"
        onClick={(event) => {
          event.preventDefault();
          document.querySelector<HTMLElement>("[data-list] a[tabindex='0']")?.focus();
        }}
      >
        {t("skip")}
      </a>
      <TopBar onFind={() => setSheet("find")} onHelp={() => setSheet("shortcuts")} onSignOut={onSignOut} />
      <ConnectionBanner />
      {!overview && <WaitingBar />}
      {overview ? (
        <Overview />
      ) : (
        <main id="work" class="work">
          {place === "history" ? <History /> : <Board />}
          {conversation && conversationId !== "" && (
            <Chat key={conversationId} conversation={conversation} conversationId={conversationId} />
          )}
        </main>
      )}
      {sheet === "shortcuts" && <ShortcutSheet onClose={() => setSheet("")} />}
      {sheet === "find" && <FindDialog onClose={() => setSheet("")} />}
      <Notices />
    </div>
  );
}

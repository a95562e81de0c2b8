import { useEffect, useState } from "preact/hooks";

import { Desk } from "./desk/desk.js";
import { forgetFiles } from "./desk/files.js";
import { preferences } from "./desk/preferences.js";
import { useValue } from "./desk/value.js";
import { SignInError, currentSession, onSignOut, signOut } from "./session.js";
import type { Session } from "./session.js";
import { DeskContext } from "./view/desk_context.js";
import { DeskView } from "./view/desk_view.js";
import { SignIn } from "./view/sign_in.js";
import { chooseLanguage, language, speak, t } from "./words/words.js";

type State = { readonly is: "starting" | "unreachable" | "signed out" | "expired" } | { readonly is: "signed in"; readonly desk: Desk };

/** How often an engine that cannot be reached is asked again, in milliseconds. */
const askAgain = 3_000;

/** App is the page: a desk for whoever is signed in. */
export function App() {
  const [state, setState] = useState<State>({ is: "starting" });
  const spoken = useLanguage();
  useTheme();

  const sit = (session: Session) => {
    const desk = new Desk(session, () => setState((now) => (now.is === "signed in" && now.desk === desk ? { is: "expired" } : now)));
    setState({ is: "signed in", desk });
  };
  const leave = async (desk: Desk) => {
    await signOut();
    desk.drafts.clear();
    setState({ is: "signed out" });
  };
  useEffect(() => {
    if (state.is !== "starting" && state.is !== "unreachable") {
      return;
    }
    const ask = () =>
      currentSession().then(sit, (error: unknown) =>
        setState({ is: error instanceof SignInError && error.why === "unreachable" ? "unreachable" : "signed out" }),
      );
    if (state.is === "starting") {
      void ask();
      return;
    }
    const timer = setInterval(() => void ask(), askAgain);
    return () => clearInterval(timer);
  }, [state.is]);
  useEffect(() => onSignOut(() => setState((now) => (now.is === "signed in" ? { is: "signed out" } : now))), []);
  const desk = state.is === "signed in" ? state.desk : undefined;
  useEffect(
    () => () => {
      desk?.close();
      forgetFiles();
    },
    [desk],
  );

  switch (state.is) {
    case "starting":
      return null;
    case "unreachable":
      return (
        <main class="sign-in">
          <p role="status">{t("connection.unreachable")}</p>
        </main>
      );
    case "signed in":
      return (
        <DeskContext.Provider value={state.desk}>
          <DeskView key={spoken} onSignOut={() => leave(state.desk)} />
        </DeskContext.Provider>
      );
    default:
      return <SignIn key={spoken} expired={state.is === "expired"} onSignedIn={sit} />;
  }
}

/** useLanguage speaks the language that is wanted, and answers the one that is spoken. */
function useLanguage(): string {
  const wanted = chooseLanguage(useValue(preferences).language);
  const [spoken, setSpoken] = useState(language());
  useEffect(() => {
    let stale = false;
    speak(wanted, () => stale).then(
      (now) => setSpoken(now),
      () => {},
    ); // without its words the page goes on in those that it has
    return () => {
      stale = true;
    };
  }, [wanted]);
  return spoken;
}

function useTheme(): void {
  const { theme } = useValue(preferences);
  useEffect(() => {
    document.documentElement.dataset["theme"] = theme;
  }, [theme]);
}

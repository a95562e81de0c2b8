import { useState } from "preact/hooks";

import { SignInError, signIn } from "../session.js";
import type { Session } from "../session.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";
import { Mark } from "./mark.js";

interface Props {
  /** There was a session, and it is over. */
  expired: boolean;
  onSignedIn(session: Session): void;
}

/** SignIn takes a token, gives it to the engine, and forgets it. */
export function SignIn({ expired, onSignedIn }: Props) {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    setProblem("");
    try {
      const session = await signIn(token.trim());
      setToken("");
      onSignedIn(session);
    } catch (error) {
      setProblem(problemText(error));
      setBusy(false);
    }
  };
  return (
    <main class="sign-in">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <Mark />
        <h1>{t("signIn.title")}</h1>
        <p class="faint">{expired ? t("signIn.expired") : t("signIn.explained")}</p>
        <label class="labelled">
          <span>{t("signIn.token")}</span>
          <input
            class="field"
            type="password"
            autocomplete="current-password"
            autocapitalize="off"
            spellcheck={false}
            dir="ltr"
            required
            autofocus
            value={token}
            aria-describedby="sign-in-problem"
            aria-invalid={problem !== ""}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        <p id="sign-in-problem" class="problem" role="alert">
          {problem}
        </p>
        <Button type="submit" label={busy ? t("signIn.busy") : t("signIn.do")} look="primary" disabled={busy || token.trim() === ""} />
      </form>
    </main>
  );
}

function problemText(error: unknown): string {
  switch (error instanceof SignInError ? error.why : "unreachable") {
    case "unknown":
      return t("signIn.unknown");
    case "forbidden":
      return t("signIn.forbidden");
    case "busy":
      return t("signIn.tooMany");
    default:
      return t("signIn.unreachable");
  }
}

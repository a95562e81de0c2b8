import { useEffect, useState } from "preact/hooks";

import { Delivery } from "@intervene/client/wire";
import type { Message } from "@intervene/client/wire";

import { refusalText } from "../desk/refusal.js";
import { hashOf } from "../desk/route.js";
import { useValue } from "../desk/value.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";
import { useDesk } from "./desk_context.js";
import { partyName } from "./event_mark.js";
import { failureText } from "./failure.js";
import { Icon } from "./icon.js";
import { summary } from "./summary.js";
import { Moment } from "./waiting.js";

/** How many are shown, and how many more each time. */
const pageSize = 10;

interface Letters {
  readonly messages: readonly Message[];
  readonly next: string;
  readonly problem: string;
}

/** Undelivered is what reached no customer and was not sent again, the newest first, for supervisors. asOf makes it look anew. */
export function Undelivered({ asOf }: { asOf: unknown }) {
  const desk = useDesk();
  const names = useValue(desk.directory.names);
  const [letters, setLetters] = useState<Letters>();
  const [wanted, setWanted] = useState(pageSize);
  useEffect(() => {
    let stale = false;
    desk.client.api.listDeadLetters({ pageSize: wanted }).then(
      ({ messages, nextPageToken: next }) => !stale && setLetters({ messages, next, problem: "" }),
      (error: unknown) => !stale && setLetters({ messages: [], next: "", problem: refusalText(error, desk.directory.names.get()) }),
    );
    return () => {
      stale = true;
    };
  }, [desk, asOf, wanted]);
  if (!letters) {
    return null;
  }
  return (
    <section class="plot undelivered" data-testid="undelivered">
      <header>
        <h3>{t("undelivered")}</h3>
      </header>
      {letters.problem !== "" && <p class="problem">{letters.problem}</p>}
      {letters.problem === "" && letters.messages.length === 0 && <p class="faint">{t("undelivered.none")}</p>}
      <ul>
        {letters.messages.map(({ messageId, conversationId, content, author, at, delivery, errorCode }) => (
          <li key={messageId}>
            <a href={hashOf({ place: "board", conversationId })}>
              <Icon name="alert" />
              <span class="undelivered-what">
                <bdi>{summary(content)}</bdi>
                <small>
                  {t(delivery === Delivery.REJECTED ? "delivery.rejected" : "delivery.failed")}: {failureText(errorCode, false)}
                </small>
              </span>
              <small>
                <bdi>{partyName(author, names)}</bdi> <Moment at={at} />
              </small>
            </a>
          </li>
        ))}
      </ul>
      {letters.next !== "" && <Button label={t("undelivered.more")} onClick={() => setWanted(wanted + pageSize)} />}
    </section>
  );
}

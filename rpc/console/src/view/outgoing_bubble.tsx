import type { Entry } from "@intervene/client";

import { useDesk } from "./desk_context.js";
import type { Outgoing } from "../desk/outbox.js";
import { refusalText } from "../desk/refusal.js";
import { line } from "../words/safe.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";
import { Icon } from "./icon.js";
import { RichText } from "./rich_text.js";
import { summary } from "./summary.js";

interface Props {
  outgoing: Outgoing;
  /** Puts the words back to where they can be changed. */
  takeBack(outgoing: Outgoing): void;
}

/** OutgoingBubble is a message that the engine has not confirmed yet, and says so. */
export function OutgoingBubble({ outgoing, takeBack }: Props) {
  const desk = useDesk();
  const { state, content, error, commandId } = outgoing;
  return (
    <article
      class={`bubble agent outgoing ${state}`}
      data-testid="outgoing"
      data-state={state}
      aria-label={t("message.from", { who: t("you") })}
    >
      <header class="bubble-who">
        <bdi>{t("you")}</bdi>
      </header>
      {content.case === "text" ? <RichText text={content.value.body} /> : <div class="text">{line(outgoingSummary(outgoing))}</div>}
      <footer class="bubble-foot">
        <span role="status">
          {state === "sending" ? t("outgoing.sending") : state === "unanswered" ? t("outgoing.unanswered") : t("outgoing.refused")}
        </span>
        <Icon name={state === "refused" ? "alert" : "clock"} />
      </footer>
      {state === "refused" && (
        <div class="trouble bad">
          <p>{refusalText(error, desk.directory.names.get())}</p>
          <div class="button-row">
            {content.case === "text" && (
              <Button label={t("outgoing.takeBack")} icon="undo" look="quiet" onClick={() => takeBack(outgoing)} />
            )}
            <Button label={t("outgoing.discard")} icon="close" look="quiet" onClick={() => desk.outbox.discard(commandId)} />
          </div>
        </div>
      )}
    </article>
  );
}

function outgoingSummary({ content }: Outgoing): string {
  return content.case === undefined ? "" : summary({ $typeName: "intervene.v1.Content", kind: content });
}

/** The outgoing messages that are not in the timeline already: the stream may be faster than the answer. */
export function notYetShown(outgoing: readonly Outgoing[], entries: readonly Entry[], self: string): readonly Outgoing[] {
  if (outgoing.length === 0) {
    return outgoing;
  }
  const taken = new Set<bigint>();
  return outgoing.filter((one) => {
    const entry = entries.findLast(({ version, kind }) => {
      return (
        version > one.after &&
        !taken.has(version) &&
        kind.case === "message" &&
        kind.value.author?.id === self &&
        sameContent(one, kind.value.content?.kind)
      );
    });
    if (entry) {
      taken.add(entry.version);
    }
    return !entry;
  });
}

function sameContent({ content }: Outgoing, kind: { case: string | undefined; value?: unknown } | undefined): boolean {
  if (content.case === undefined || kind?.case !== content.case) {
    return false;
  }
  const said = kind.value as Readonly<Record<string, unknown>>;
  const meant = content.value as unknown as Readonly<Record<string, unknown>>;
  return ["body", "caption", "emoji", "name"].every((field) => said[field] === meant[field]);
}

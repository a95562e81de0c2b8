import { useState } from "preact/hooks";

import type { Template } from "@intervene/client/wire";

import { go } from "../desk/route.js";
import { line } from "../words/safe.js";
import { t } from "../words/words.js";
import { useDesk } from "./desk_context.js";
import { Dialog } from "./dialog.js";
import { TemplateChooser } from "./template_dialog.js";

/** StartDialog writes first: a template, to a number, on one of the workspace's channels. */
export function StartDialog({ onClose }: { onClose(): void }) {
  const desk = useDesk();
  const { channels } = desk.session;
  const [channelId, setChannelId] = useState(desk.narrow.get().channelId || (channels[0] ?? ""));
  const [written, setWritten] = useState("");
  const to = digitsOf(written);
  const send = async (template: Template) => {
    const call = async (commandId: string, timeoutMs: number) => {
      const answer = await desk.client.api.startConversation({ channelId, commandId, to: to ?? "", template }, { timeoutMs });
      go({ place: "board", conversationId: answer.card?.conversationId ?? "" });
      return answer;
    };
    if (await desk.perform("start", call)) {
      onClose();
    }
  };
  return (
    <Dialog title={t("start")} onClose={onClose} wide stubborn>
      <p class="faint">{t("start.explained")}</p>
      <label class="labelled">
        <span>{t("start.number")}</span>
        <input
          class="field"
          type="tel"
          dir="ltr"
          autofocus
          required
          value={written}
          placeholder="+44 20 7946 0123"
          aria-invalid={written !== "" && to === undefined}
          aria-describedby="start-number"
          onInput={(event) => setWritten(event.currentTarget.value)}
        />
        <small id="start-number" class="faint">
          {t("start.numberHint")}
        </small>
      </label>
      {channels.length > 1 && (
        <label class="labelled">
          <span>{t("filter.channel")}</span>
          <select class="field" value={channelId} onChange={(event) => setChannelId(event.currentTarget.value)}>
            {channels.map((channel) => (
              <option key={channel} value={channel}>
                {line(channel)}
              </option>
            ))}
          </select>
        </label>
      )}
      <TemplateChooser
        key={channelId}
        channelId={channelId}
        conversationId={undefined}
        incomplete={to === undefined}
        onSend={(template) => void send(template)}
      />
    </Dialog>
  );
}

/** The digits of a number with its country code, however it is written; undefined: it is none. */
function digitsOf(written: string): string | undefined {
  const digits = written.replace(/[\s().\-–/\u200e\u200f\u202a-\u202e]/g, "").replace(/^(\+|00)/, "");
  return /^[1-9][0-9]{6,14}$/.test(digits) ? digits : undefined;
}

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import type { Card, Message } from "@intervene/client/wire";

import { command } from "../desk/command.js";
import { accepted, fileKind, upload } from "../desk/files.js";
import { say } from "../desk/notices.js";
import type { Content } from "../desk/outbox.js";
import { line } from "../words/safe.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";
import { useDesk } from "./desk_context.js";
import { fileProblem } from "./media_view.js";
import { summary } from "./summary.js";
import { AddMenu } from "./compose_later.js";

/** WhatsApp's limit, in characters. */
const longest = 4096;
/** How often WhatsApp is told, at most, that an answer is being written; milliseconds. It shows that for 25 s. */
const typingEvery = 20_000;

interface Props {
  card: Card;
  note: boolean;
  replyTo: string;
  answered: Message | undefined;
  onReplyTo(messageId: string): void;
}

/** Composer is where a message or a note is written. What is written outlasts the page. */
export function Composer({ card, note, replyTo, answered, onReplyTo }: Props) {
  const desk = useDesk();
  const { conversationId } = card;
  const [text, setText] = useState(() => desk.drafts.get(conversationId)[note ? "note" : "text"]);
  const [files, setFiles] = useState<readonly File[]>([]);
  const [uploading, setUploading] = useState(false);
  const [adding, setAdding] = useState(false);
  const box = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const typedAt = useRef(0);
  const length = [...text].length;

  // At once, and not after the next picture: there may be none any more.
  useLayoutEffect(() => {
    desk.drafts.change(conversationId, note ? { note: text, noting: true } : { text, noting: false, replyTo });
  }, [desk, conversationId, text, note, replyTo]);
  useEffect(() => {
    const focus = () => box.current?.focus();
    addEventListener("intervene:compose", focus);
    return () => removeEventListener("intervene:compose", focus);
  }, []);

  const write = (value: string) => {
    setText(value);
    desk.presence.type();
    if (!note && value !== "" && Date.now() - typedAt.current > typingEvery) {
      typedAt.current = Date.now();
      desk.client.api.sendTyping({ conversationId }).catch(() => {}); // it is tried once, and nothing hangs on it
    }
  };
  const clear = () => {
    setText("");
    setFiles([]);
    onReplyTo("");
    typedAt.current = 0;
    desk.presence.stopTyping();
    box.current?.focus();
  };
  const close = (focus: boolean) => {
    setAdding(false);
    if (focus) {
      document.querySelector<HTMLElement>("[data-command=add]")?.focus();
    }
  };
  const sent = () => {
    setAdding(false);
    onReplyTo("");
    box.current?.focus();
  };
  const queue = (content: Content) => {
    const taken = desk.outbox.send(card, content, replyTo);
    if (!taken) {
      say("problem", t("outgoing.full"));
    }
    return taken;
  };
  const submit = async () => {
    const body = text.trim();
    if (uploading || length > longest || (body === "" && files.length === 0)) {
      return;
    }
    if (note) {
      const done = await desk.perform("note", (commandId, timeoutMs) =>
        desk.client.api.addNote({ conversationId, commandId, body }, { timeoutMs }),
      );
      if (done) {
        clear();
      }
      return;
    }
    if (files.length === 0) {
      if (queue({ case: "text", value: { $typeName: "intervene.v1.Text", body, linkPreview: true } })) {
        clear();
      }
      return;
    }
    setUploading(true);
    const captioned = files.length === 1 && [...body].length <= 1024;
    try {
      for (const file of files) {
        queue(await asMessage(conversationId, file, captioned ? body : ""));
      }
      if (!captioned && body !== "") {
        queue({ case: "text", value: { $typeName: "intervene.v1.Text", body, linkPreview: true } });
      }
      clear();
    } catch (error) {
      say("problem", fileProblem(error));
    }
    setUploading(false);
  };
  const attach = (list: Iterable<File>) => {
    const added = [...list].filter((file) => {
      const kind = fileKind(file);
      if (kind === "type" || kind === "size") {
        say("problem", t(kind === "type" ? "file.type" : "file.size", { name: file.name }));
      }
      return kind !== "type" && kind !== "size";
    });
    setFiles([...files, ...added].slice(0, 10));
    box.current?.focus();
  };
  return (
    <form
      class={`composer ${note ? "note" : ""}`}
      onSubmit={(event) => {
        event.preventDefault();
        // A dialog in here has a form of its own, whose events come by.
        if (event.target === event.currentTarget) {
          void submit();
        }
      }}
      onDragOver={(event) => !note && event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        if (!note && event.dataTransfer) {
          attach(event.dataTransfer.files);
        }
      }}
    >
      {replyTo !== "" && (
        <div class="replying">
          <span class="quote">
            <b>{t("compose.replying")}</b>
            {answered && <span dir="auto">{summary(answered.content)}</span>}
          </span>
          <Button label={t("compose.noReply")} icon="close" bare look="quiet" onClick={() => onReplyTo("")} />
        </div>
      )}
      {files.length > 0 && (
        <ul class="attached">
          {files.map((file, n) => (
            <li key={n}>
              <bdi>{line(file.name)}</bdi>
              <Button
                label={t("compose.detach", { name: file.name })}
                icon="close"
                bare
                look="quiet"
                onClick={() => setFiles(files.filter((one) => one !== file))}
              />
            </li>
          ))}
        </ul>
      )}
      <div class="composer-row">
        {!note && (
          <>
            <input
              ref={picker}
              type="file"
              multiple
              hidden
              accept={accepted}
              onChange={() => {
                attach(picker.current?.files ?? []);
                if (picker.current) picker.current.value = "";
              }}
            />
            <Button label={t("compose.attach")} icon="paperclip" bare look="quiet" onClick={() => picker.current?.click()} />
            <span class="add">
              <Button
                label={t("add")}
                icon="plus"
                bare
                look="quiet"
                aria-haspopup="menu"
                aria-expanded={adding}
                data-command="add"
                onClick={() => setAdding(!adding)}
              />
              {adding && <AddMenu card={card} onSend={queue} onSent={sent} onClose={close} />}
            </span>
          </>
        )}
        <textarea
          ref={box}
          data-composer
          data-testid="composer"
          rows={1}
          dir="auto"
          value={text}
          aria-label={note ? t("compose.noteLabel") : t("compose.label")}
          placeholder={note ? t("compose.notePlaceholder") : t("compose.placeholder")}
          onInput={(event) => write(event.currentTarget.value)}
          onPaste={(event) => {
            const pasted = [...(event.clipboardData?.files ?? [])];
            if (!note && pasted.length > 0) {
              event.preventDefault();
              attach(pasted);
            }
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
              event.preventDefault();
              void submit();
            }
          }}
        />
        <Button
          type="submit"
          label={note ? t("compose.addNote") : t("compose.send")}
          icon={note ? "note" : "send"}
          bare
          look="primary"
          disabled={uploading || length > longest || (text.trim() === "" && files.length === 0)}
        />
      </div>
      {length > longest - 300 && (
        <p class={length > longest ? "limit over" : "limit"} role="status">
          {t("compose.left", { n: longest - length })}
        </p>
      )}
      {uploading && (
        <p class="limit" role="status">
          {t("compose.uploading")}
        </p>
      )}
    </form>
  );
}

/** Milliseconds that an upload may take. */
const uploadTimeout = 300_000;

/** Stores a file with the engine, and makes a message of it. */
async function asMessage(conversationId: string, file: File, caption: string): Promise<Content> {
  const kind = fileKind(file);
  const { blobId, mimeType } = await command(() => upload(conversationId, file, AbortSignal.timeout(uploadTimeout)));
  const value = {
    $typeName: "intervene.v1.Media" as const,
    source: { case: "blobId" as const, value: blobId },
    mimeType,
    caption: kind === "image" || kind === "video" || kind === "document" ? caption : "",
    filename: kind === "document" ? file.name.slice(0, 240) : "",
    voice: false,
    animated: false,
  };
  return { case: kind === "type" || kind === "size" ? "document" : kind, value };
}

import { useEffect, useRef, useState } from "preact/hooks";

import { MediaState } from "@intervene/client/wire";
import type { Media, Message } from "@intervene/client/wire";

import { FileError, fileUrl } from "../desk/files.js";
import type { FileKind } from "../desk/files.js";
import { rest } from "../desk/command.js";
import { say } from "../desk/notices.js";
import { size } from "../words/format.js";
import { line } from "../words/safe.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";
import { Icon } from "./icon.js";
import { RichText, SafeLink } from "./rich_text.js";

/** Pictures up to this size are fetched when they come into sight; anything else when somebody asks. */
const fetchedUpTo = 5 * 1024 * 1024;

interface Props {
  kind: FileKind;
  media: Media;
  message: Message;
}

/** MediaView is a message's file: seen or heard where a browser can do that, else to be downloaded. */
export function MediaView({ kind, media, message }: Props) {
  return (
    <div class={`media media-${kind}`}>
      <File kind={kind} media={media} message={message} />
      {media.caption !== "" && <RichText text={media.caption} />}
    </div>
  );
}

function File({ kind, media, message }: Props) {
  if (media.source.case === "link") {
    return (
      <div class="file">
        <Icon name="link" />
        <SafeLink url={media.source.value}>{line(media.filename) || t(`content.${kind}`)}</SafeLink>
      </div>
    );
  }
  switch (message.media?.state) {
    case MediaState.PENDING:
      return <Absent kind={kind} media={media} text={t("media.pending")} />;
    case MediaState.FAILED:
      return <Absent kind={kind} media={media} text={t("media.failed")} />;
    case MediaState.EXPIRED:
      return <Absent kind={kind} media={media} text={t("media.expired")} />;
    default:
      return <Present kind={kind} media={media} message={message} />;
  }
}

function Absent({ kind, media, text }: { kind: FileKind; media: Media; text: string }) {
  return (
    <div class="file absent">
      <Icon name={kind === "audio" ? "mic" : "file"} />
      <span>
        <bdi>{line(media.filename) || t(`content.${kind}`)}</bdi>
        <small>{text}</small>
      </span>
    </div>
  );
}

function Present({ kind, media, message }: Props) {
  const picture = kind === "image" || kind === "sticker";
  const bytes = Number(message.media?.bytes ?? 0n);
  const { url, problem, load, box } = useFile(message.messageId, picture && bytes <= fetchedUpTo);
  const name = line(media.filename) || t(`content.${kind}`);
  if (picture && url !== undefined) {
    return (
      <a class="picture" href={url} download={filename(media, message)} title={t("media.download")}>
        <img src={url} alt={media.caption ? line(media.caption) : name} />
      </a>
    );
  }
  if (kind === "video" && url !== undefined) {
    return <video src={url} controls preload="metadata" aria-label={name} />;
  }
  if (kind === "audio" && url !== undefined) {
    return <audio src={url} controls preload="metadata" aria-label={name} />;
  }
  const play = kind === "video" || kind === "audio";
  return (
    <div ref={box} class="file">
      <Icon name={kind === "audio" ? "mic" : kind === "video" ? "play" : "file"} />
      <span>
        <bdi>{media.voice ? t("content.voice") : name}</bdi>
        <small>{problem ?? (bytes > 0 ? size(bytes) : line(media.mimeType))}</small>
      </span>
      <Button
        label={play ? t("media.play", { name }) : t("media.downloadOf", { name })}
        icon={play ? "play" : "download"}
        bare
        look="quiet"
        onClick={() => void (play || picture ? load() : save(media, message))}
      />
    </div>
  );
}

/** useFile has a message's file fetched, at once when it comes into sight or when it is asked for. */
function useFile(messageId: string, inSight: boolean) {
  const [url, setUrl] = useState<string>();
  const [problem, setProblem] = useState<string>();
  const box = useRef<HTMLDivElement>(null);
  const load = async () => {
    try {
      setProblem(t("loading"));
      setUrl(await patiently(messageId));
      setProblem(undefined);
    } catch (error) {
      setProblem(fileProblem(error));
    }
  };
  useEffect(() => {
    const element = box.current;
    if (!inSight || !element) {
      return;
    }
    const observer = new IntersectionObserver((seen) => {
      if (seen.some(({ isIntersecting }) => isIntersecting)) {
        observer.disconnect();
        void load();
      }
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [messageId, inSight]);
  return { url, problem, load, box };
}

/** How often, and after how many milliseconds, a file is asked for that is still being downloaded. */
const attempts = 3;
const pause = 2_000;

async function patiently(messageId: string): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fileUrl(messageId);
    } catch (error) {
      if (!(error instanceof FileError) || error.why !== "pending" || attempt === attempts) {
        throw error;
      }
      await rest(pause * attempt);
    }
  }
}

/** Hands a message's file to the browser's downloads. */
export async function save(media: Media, message: Message): Promise<void> {
  try {
    const link = document.createElement("a");
    link.href = await patiently(message.messageId);
    link.download = filename(media, message);
    link.click();
  } catch (error) {
    say("problem", fileProblem(error));
  }
}

export function fileProblem(error: unknown): string {
  const why = error instanceof FileError ? error.why : "unreachable";
  switch (why) {
    case "pending":
      return t("media.pending");
    case "gone":
      return t("media.gone");
    case "refused":
      return t("media.refused");
    default:
      return t("media.unreachable");
  }
}

/** A name to save a file under. No name of a customer's makes it another sort of file than it is. */
function filename(media: Media, message: Message): string {
  const named = media.filename.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069/\\:*?"<>|]/g, "_").slice(0, 120);
  const extension = /^[a-z]+\/([a-z0-9]+)/.exec(media.mimeType)?.[1] ?? "bin";
  return named || `whatsapp-${message.messageId.slice(0, 8)}.${extension}`;
}

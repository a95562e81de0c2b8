import { learnTime } from "./ticker.js";

/** What WhatsApp takes as which kind of message, and up to how many bytes. */
export type FileKind = "image" | "video" | "audio" | "document" | "sticker";

const mb = 1024 * 1024;
const limits: Readonly<Record<FileKind, number>> = {
  image: 5 * mb,
  video: 16 * mb,
  audio: 16 * mb,
  document: 100 * mb,
  sticker: 500 * 1024,
};

const kinds: Readonly<Record<string, FileKind>> = {
  "image/jpeg": "image",
  "image/png": "image",
  "image/webp": "sticker",
  "video/mp4": "video",
  "video/3gpp": "video",
  "audio/aac": "audio",
  "audio/amr": "audio",
  "audio/mpeg": "audio",
  "audio/mp4": "audio",
  "audio/ogg": "audio",
  "text/plain": "document",
  "application/pdf": "document",
  "application/msword": "document",
  "application/vnd.ms-excel": "document",
  "application/vnd.ms-powerpoint": "document",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "document",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "document",
  "application/vnd.openxmlformats-officedocument.presentationml.presentation": "document",
};

/** What a file picker offers. */
export const accepted = Object.keys(kinds).join(",");

/** What a file can be sent as; a word says why it cannot. */
export function fileKind(file: File): FileKind | "type" | "size" {
  const kind = kinds[file.type];
  if (!kind) {
    return "type";
  }
  return file.size > limits[kind] ? "size" : kind;
}

export interface Stored {
  readonly blobId: string;
  readonly mimeType: string;
}

/** FileError says why a file could not be had or stored. */
export class FileError extends Error {
  override readonly name = "FileError";

  constructor(readonly why: "pending" | "gone" | "refused" | "signed out" | "unreachable") {
    super(`file: ${why}`);
  }
}

/** Stores a file to be sent in a conversation. The same bytes have the same id, so it may be tried again. */
export async function upload(conversationId: string, file: File, signal: AbortSignal): Promise<Stored> {
  const answer = await request(`/v1/conversations/${encodeURIComponent(conversationId)}/media`, {
    method: "POST",
    body: file,
    headers: { "Content-Type": file.type },
    signal,
  });
  const { blob_id: blobId, mime_type: mimeType } = (await answer.json()) as { blob_id: string; mime_type: string };
  return { blobId, mimeType };
}

/** Types that a browser shows as a picture, a film or a sound, and as nothing else. */
const shown = /^(image\/(jpeg|png|webp|gif)|video\/(mp4|3gpp|webm)|audio\/(aac|amr|mpeg|mp4|ogg))$/;

/** How many bytes of files are held to be shown again. */
const maxHeld = 64 * mb;

interface Held {
  readonly url: string;
  readonly bytes: number;
}

/** Files of messages that were looked at, the one of longest ago first. */
const held = new Map<string, Held>();
let heldBytes = 0;
const coming = new Map<string, Promise<Held>>();

/** The address of a message's file, inside this page. */
export async function fileUrl(messageId: string): Promise<string> {
  const known = held.get(messageId);
  if (known) {
    held.delete(messageId);
    held.set(messageId, known);
    return known.url;
  }
  let load = coming.get(messageId);
  if (!load) {
    load = download(messageId).finally(() => coming.delete(messageId));
    coming.set(messageId, load);
  }
  return (await load).url;
}

async function download(messageId: string): Promise<Held> {
  const answer = await request(`/v1/media/${encodeURIComponent(messageId)}`, {});
  const blob = await answer.blob();
  const type = blob.type.split(";")[0]?.trim() ?? "";
  // A page of a customer's would run as one of ours: whatever is not a picture is only bytes.
  const harmless = new Blob([blob], { type: shown.test(type) ? type : "application/octet-stream" });
  const one = { url: URL.createObjectURL(harmless), bytes: blob.size };
  held.set(messageId, one);
  heldBytes += one.bytes;
  for (const [id, old] of held) {
    if (heldBytes <= maxHeld || old === one) {
      break;
    }
    forget(id, old);
  }
  return one;
}

function forget(messageId: string, one: Held): void {
  URL.revokeObjectURL(one.url);
  held.delete(messageId);
  heldBytes -= one.bytes;
}

/** Lets go of all files: somebody else may sit down here. */
export function forgetFiles(): void {
  for (const [id, one] of [...held]) {
    forget(id, one);
  }
}

async function request(url: string, init: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(url, init);
  } catch {
    throw new FileError("unreachable");
  }
  learnTime(answer.headers.get("Date"));
  if (answer.ok) {
    return answer;
  }
  switch (answer.status) {
    case 401:
      throw new FileError("signed out");
    case 400:
    case 403:
    case 413:
    case 415:
      throw new FileError("refused");
    case 404:
    case 410:
      throw new FileError("gone");
    case 503:
      throw new FileError(answer.headers.has("Retry-After") ? "pending" : "unreachable");
    default:
      throw new FileError("unreachable");
  }
}

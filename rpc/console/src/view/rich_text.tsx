import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import { safe } from "../words/safe.js";
import { t } from "../words/words.js";

/** What of a text is shown before somebody asks for all of it. */
const maxCharacters = 1200;
const maxLines = 24;

/** WhatsApp's marks and links; what a mark holds ends in its own line. */
const marks =
  /```([^`]+)```|`([^`\n]+)`|(?<![\p{L}\p{N}*])\*(?=\S)([^*\n]*[^*\s])\*(?![\p{L}\p{N}*])|(?<![\p{L}\p{N}_])_(?=\S)([^_\n]*[^_\s])_(?![\p{L}\p{N}_])|(?<![\p{L}\p{N}~])~(?=\S)([^~\n]*[^~\s])~(?![\p{L}\p{N}~])|(https?:\/\/[^\s<>"]+)/gu;

const fewEmoji = /^(?:\p{Extended_Pictographic}(?:\uFE0F|\u200D\p{Extended_Pictographic}|\p{Emoji_Modifier})*\s*){1,3}$/u;

/** RichText is the text of a message, as WhatsApp would show it, and only ever as text. */
export function RichText({ text }: { text: string }) {
  const [all, setAll] = useState(false);
  const whole = safe(text);
  const cut = all ? whole : beginning(whole);
  const large = whole.length < 24 && fewEmoji.test(whole);
  return (
    <>
      <div class={large ? "text emoji" : "text"} dir="auto">
        {formatted(cut)}
        {cut.length < whole.length && "…"}
      </div>
      {cut.length < whole.length && (
        <button type="button" class="more" onClick={() => setAll(true)}>
          {t("text.more", { n: whole.length })}
        </button>
      )}
    </>
  );
}

function beginning(text: string): string {
  let end = text.length > maxCharacters ? maxCharacters : text.length;
  for (let line = 0, at = -1; line < maxLines; line++) {
    at = text.indexOf("\n", at + 1);
    if (at < 0) {
      break;
    }
    if (line === maxLines - 1) {
      end = Math.min(end, at);
    }
  }
  if (end < text.length && /[\uD800-\uDBFF]/.test(text[end - 1] ?? "")) {
    end--; // half a character says nothing
  }
  return text.slice(0, end);
}

function formatted(text: string): ComponentChildren[] {
  const parts: ComponentChildren[] = [];
  let done = 0;
  for (const match of text.matchAll(marks)) {
    const [all, block, code, bold, italic, struck, link] = match;
    if (match.index > done) {
      parts.push(text.slice(done, match.index));
    }
    done = match.index + all.length;
    if (block !== undefined || code !== undefined) {
      parts.push(<code>{block ?? code}</code>);
    } else if (bold !== undefined) {
      parts.push(<strong>{formatted(bold)}</strong>);
    } else if (italic !== undefined) {
      parts.push(<em>{formatted(italic)}</em>);
    } else if (struck !== undefined) {
      parts.push(<s>{formatted(struck)}</s>);
    } else if (link !== undefined) {
      const url = link.replace(/[.,;:!?)\]}'»]+$/, "");
      parts.push(<SafeLink url={url}>{url}</SafeLink>, link.slice(url.length));
    }
  }
  parts.push(text.slice(done));
  return parts;
}

/** SafeLink goes to a web page in a tab of its own, and nowhere else; it says where. */
export function SafeLink({ url, children }: { url: string; children: ComponentChildren }) {
  const target = webAddress(url);
  return target ? (
    <a class="link" href={target} title={target} target="_blank" rel="noopener noreferrer nofollow">
      <bdi>{children}</bdi>
    </a>
  ) : (
    <bdi>{children}</bdi>
  );
}

/** A URL of the web as the browser understands it; undefined when it is none. */
export function webAddress(url: string): string | undefined {
  try {
    const { protocol, href, username } = new URL(url);
    return (protocol === "https:" || protocol === "http:") && username === "" ? href : undefined;
  } catch {
    return undefined;
  }
}

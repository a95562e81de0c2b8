import { useId, useState } from "preact/hooks";

import type { Card } from "@intervene/client/wire";

import { useSnapshot, useValue } from "../desk/value.js";
import { line } from "../words/safe.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";
import { useDesk } from "./desk_context.js";
import { seenTags } from "./filter_bar.js";

/** The most tags of a conversation, and the most characters of one. */
const maxTags = 20;
const longest = 64;

/** TagEditor adds tags and takes them away. */
export function TagEditor({ card }: { card: Card }) {
  const desk = useDesk();
  const busy = useValue(desk.busy) !== "";
  const board = useSnapshot(useValue(desk.board));
  const [adding, setAdding] = useState("");
  const known = useId();
  const { conversationId, tags } = card;
  const set = (next: string[]) =>
    desk.perform("tags", (commandId, timeoutMs) => desk.client.api.setTags({ conversationId, commandId, tags: next }, { timeoutMs }));
  const add = async () => {
    const tag = adding.trim();
    if (tag === "" || tags.includes(tag) || (await set([...tags, tag]))) {
      setAdding("");
    }
  };
  return (
    <>
      {tags.length > 0 && (
        <ul class="tags" data-testid="tags">
          {tags.map((tag) => (
            <li key={tag} class="mark tag">
              <bdi>{line(tag)}</bdi>
              <Button
                label={t("tags.remove", { tag })}
                icon="close"
                bare
                look="quiet"
                disabled={busy}
                onClick={() => void set(tags.filter((one) => one !== tag))}
              />
            </li>
          ))}
        </ul>
      )}
      {tags.length < maxTags && (
        <form
          class="tag-form"
          onSubmit={(event) => {
            event.preventDefault();
            void add();
          }}
        >
          <input
            class="field"
            dir="auto"
            list={known}
            maxLength={longest}
            value={adding}
            aria-label={t("tags.add")}
            placeholder={t("tags.add")}
            onInput={(event) => setAdding(event.currentTarget.value)}
          />
          <datalist id={known}>
            {seenTags(board)
              .filter((tag) => !tags.includes(tag))
              .map((tag) => (
                <option key={tag} value={tag} />
              ))}
          </datalist>
          <Button type="submit" label={t("tags.add")} icon="plus" bare disabled={busy || adding.trim() === ""} />
        </form>
      )}
    </>
  );
}

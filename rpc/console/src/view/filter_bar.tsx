import type { BoardSnapshot } from "@intervene/client";

import { everything } from "../desk/desk.js";
import type { Narrow } from "../desk/desk.js";
import { useValue } from "../desk/value.js";
import { line } from "../words/safe.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";
import { useDesk } from "./desk_context.js";

const whose: readonly Narrow["whose"][] = ["all", "mine", "unassigned"];

/** FilterBar narrows what the columns show. */
export function FilterBar({ board }: { board: BoardSnapshot }) {
  const desk = useDesk();
  const narrow = useValue(desk.narrow);
  const { channels } = desk.session;
  const tags = withChosen(seenTags(board), narrow.tag);
  const narrowed = narrow.whose !== "all" || narrow.channelId !== "" || narrow.tag !== "";
  return (
    <div class="filter-bar" role="group" aria-label={t("filter")}>
      <div class="segments small" role="group" aria-label={t("filter.whose")}>
        {whose.map((one) => (
          <button key={one} type="button" aria-pressed={narrow.whose === one} onClick={() => desk.show({ ...narrow, whose: one })}>
            {t(`filter.${one}`)}
          </button>
        ))}
      </div>
      {channels.length > 1 && (
        <Choose
          label={t("filter.channel")}
          all={t("filter.allChannels")}
          options={channels}
          value={narrow.channelId}
          onChoose={(channelId) => desk.show({ ...narrow, channelId })}
        />
      )}
      {tags.length > 0 && (
        <Choose
          label={t("filter.tag")}
          all={t("filter.allTags")}
          options={tags}
          value={narrow.tag}
          onChoose={(tag) => desk.show({ ...narrow, tag })}
        />
      )}
      {narrowed && <Button label={t("filter.clear")} icon="close" look="quiet" onClick={() => desk.show(everything)} />}
    </div>
  );
}

interface ChooseProps {
  label: string;
  all: string;
  options: readonly string[];
  value: string;
  onChoose(value: string): void;
}

function Choose({ label, all, options, value, onChoose }: ChooseProps) {
  return (
    <select class="field small" aria-label={label} value={value} onChange={(event) => onChoose(event.currentTarget.value)}>
      <option value="">{all}</option>
      {options.map((option) => (
        <option key={option} value={option}>
          {line(option)}
        </option>
      ))}
    </select>
  );
}

/** The tags of the cards that are here. */
export function seenTags(board: BoardSnapshot): string[] {
  const all = new Set(board.columns.flatMap(({ cards }) => cards.flatMap(({ tags }) => tags)));
  return [...all].sort((a, b) => a.localeCompare(b));
}

function withChosen(options: string[], chosen: string): string[] {
  return chosen === "" || options.includes(chosen) ? options : [chosen, ...options];
}

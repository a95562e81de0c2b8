import { icons } from "./icons.js";
import type { IconName } from "./icons.js";

/** Icon is a picture that says nothing by itself: its name stands beside it or on its button. */
export function Icon({ name, class: extra = "" }: { name: IconName; class?: string }) {
  return (
    <svg class={`icon ${extra}`} viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={icons[name]} />
    </svg>
  );
}

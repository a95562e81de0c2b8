import type { ButtonHTMLAttributes, ComponentChildren } from "preact";

import { Icon } from "./icon.js";
import type { IconName } from "./icons.js";

interface Looks {
  /** What it says, also where only its picture is seen. */
  label: string;
  icon?: IconName;
  look?: "primary" | "quiet" | "danger" | "plain";
  /** Only the picture is seen. */
  bare?: boolean;
  /** The key that does the same. */
  shortcut?: string;
  children?: ComponentChildren;
}

type Props = Looks & Omit<ButtonHTMLAttributes<HTMLButtonElement>, "label" | "icon" | "children">;

/** Button does something here; whatever goes somewhere is a link. */
export function Button({ label, icon, look = "plain", bare = false, shortcut, children, class: extra, ...rest }: Props) {
  const title = shortcut ? `${label} (${shortcut})` : label;
  return (
    <button
      type="button"
      {...rest}
      class={`button ${look} ${bare ? "bare" : ""} ${typeof extra === "string" ? extra : ""}`}
      aria-label={bare ? label : undefined}
      title={bare || shortcut ? title : undefined}
      aria-keyshortcuts={shortcut}
    >
      {icon && <Icon name={icon} />}
      {!bare && <span>{label}</span>}
      {children}
    </button>
  );
}

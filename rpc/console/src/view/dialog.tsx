import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

import { t } from "../words/words.js";
import { Button } from "./button.js";

interface Props {
  title: string;
  onClose(): void;
  children: ComponentChildren;
  wide?: boolean;
  /** A click beside it does not close it: something is being written in it. */
  stubborn?: boolean;
}

/** Dialog stands before everything else until it is closed; the browser keeps the focus inside and gives it back. */
export function Dialog({ title, onClose, children, wide = false, stubborn = false }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    element?.showModal();
    return () => {
      element?.close();
      if (before instanceof HTMLElement && before.isConnected) {
        before.focus();
      }
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={wide ? "dialog wide" : "dialog"}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => !stubborn && event.target === dialog.current && onClose()}
    >
      <div class="dialog-body">
        <div class="dialog-head">
          <h2 id={heading}>{title}</h2>
          <Button label={t("close")} icon="close" bare look="quiet" onClick={onClose} />
        </div>
        {children}
      </div>
    </dialog>
  );
}

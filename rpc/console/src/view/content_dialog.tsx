import { create } from "@bufbuild/protobuf";
import { useState } from "preact/hooks";

import { ContentSchema, MessageSchema } from "@intervene/client/wire";

import type { Content } from "../desk/outbox.js";
import { number } from "../words/format.js";
import type { Key } from "../words/text.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";
import { contentOf, fieldsOf, lengthOf, mostRows, problemOf } from "./content_form.js";
import type { Composed, Entered, Field } from "./content_form.js";
import { ContentView } from "./content_view.js";
import { Dialog } from "./dialog.js";

interface Props {
  kind: Composed;
  title: string;
  /** Answers whether it was taken. */
  onSend(content: Content): boolean;
  onSent(): void;
  onClose(): void;
}

const problems: Readonly<Record<Exclude<ReturnType<typeof problemOf>, "" | "long">, Key>> = {
  place: "add.placeWrong",
  url: "add.urlWrong",
  twice: "add.twice",
};

/** ContentDialog composes what is more than words, with WhatsApp's limits beside each field. */
export function ContentDialog({ kind, title, onSend, onSent, onClose }: Props) {
  const [entered, setEntered] = useState<Entered>({});
  const [rows, setRows] = useState(1);
  const content = contentOf(kind, rows, entered);
  const most = mostRows[kind];
  const remove = () => {
    const { [`title ${rows}`]: _title, [`description ${rows}`]: _description, ...rest } = entered;
    setEntered(rest);
    setRows(rows - 1);
  };
  return (
    <Dialog title={title} onClose={onClose} wide stubborn>
      <form
        class="template-fill"
        onSubmit={(event) => {
          event.preventDefault();
          if (content && onSend(content)) {
            onSent();
          }
        }}
      >
        {fieldsOf(kind, rows).map((field, n) => (
          <Line
            key={field.name}
            field={field}
            first={n === 0}
            entered={entered}
            onEnter={(text) => setEntered({ ...entered, [field.name]: text })}
          />
        ))}
        {most !== undefined && (
          <div class="button-row">
            <Button
              label={t(kind === "list" ? "add.rowMore" : "add.buttonMore", { n: most })}
              icon="plus"
              disabled={rows >= most}
              onClick={() => setRows(rows + 1)}
            />
            {rows > 1 && <Button label={t("add.rowLess")} icon="close" look="quiet" onClick={remove} />}
          </div>
        )}
        {content && (
          <div class="bubble agent preview" role="group" aria-label={t("template.preview")}>
            <ContentView content={create(ContentSchema, { kind: content as never })} message={create(MessageSchema)} />
          </div>
        )}
        <div class="button-row">
          <Button label={t("cancel")} onClick={onClose} />
          <Button type="submit" label={t("compose.send")} icon="send" look="primary" disabled={!content} />
        </div>
      </form>
    </Dialog>
  );
}

interface LineProps {
  field: Field;
  first: boolean;
  entered: Entered;
  onEnter(text: string): void;
}

function Line({ field, first, entered, onEnter }: LineProps) {
  const { name, label, n, longest, required, type } = field;
  const text = entered[name] ?? "";
  const problem = problemOf(field, entered);
  const described = `limit-${name.replace(" ", "-")}`;
  const rest = {
    class: "field",
    value: text,
    required,
    autofocus: first,
    "aria-invalid": problem !== "",
    "aria-describedby": described,
    onInput: (event: { currentTarget: { value: string } }) => onEnter(event.currentTarget.value),
  };
  return (
    <label class="labelled">
      <span>
        {t(label, n === undefined ? {} : { n })} {!required && <small class="faint">{t("add.optional")}</small>}
      </span>
      {type === "lines" ? (
        <textarea {...rest} dir="auto" rows={3} />
      ) : (
        <input {...rest} inputMode={type} dir={type === "text" && name !== "place" ? "auto" : "ltr"} />
      )}
      <small id={described} class={problem === "" ? "faint counted" : "problem counted"}>
        <span>{problem !== "" && problem !== "long" && t(problems[problem])}</span>
        <span dir="ltr">
          {number(lengthOf(text))} / {number(longest)}
        </span>
      </small>
    </label>
  );
}

import type { ComponentChildren } from "preact";

import type { TemplateInfo } from "@intervene/client/wire";

import { line } from "../words/safe.js";
import { RichText } from "./rich_text.js";
import { fill } from "./template_form.js";
import type { Filled } from "./template_form.js";

interface Props {
  template: TemplateInfo;
  filled: Filled;
  /** The file or the place that stands as header, if it is known. */
  header?: ComponentChildren;
}

/** TemplatePreview is a template as the customer sees it. What is not filled in stays as the template has it. */
export function TemplatePreview({ template, filled, header }: Props) {
  return (
    <>
      {template.parts.map(({ type, format, text, buttons }, n) => {
        switch (type) {
          case "HEADER":
            return format === "TEXT" ? (
              <strong key={n} class="template-header" dir="auto">
                {line(fill(text, "header", filled))}
              </strong>
            ) : (
              (header ?? <small key={n}>[{line(format)}]</small>)
            );
          case "BODY":
            return <RichText key={n} text={fill(text, "body", filled)} />;
          case "FOOTER":
            return (
              <small key={n} dir="auto">
                {line(text)}
              </small>
            );
          default:
            return (
              <ul key={n} class="choices">
                {buttons.map((button, m) => (
                  <li key={m}>
                    <bdi>{line(button.text)}</bdi>
                  </li>
                ))}
              </ul>
            );
        }
      })}
    </>
  );
}

import { useEffect, useState } from "preact/hooks";

import type { Message, Template, TemplateInfo, TemplateParameter } from "@intervene/client/wire";

import { templatesOf } from "../desk/templates.js";
import { line } from "../words/safe.js";
import type { Key } from "../words/text.js";
import { t } from "../words/words.js";
import { useDesk } from "./desk_context.js";
import { Icon } from "./icon.js";
import { MediaView } from "./media_view.js";
import type { Filled } from "./template_form.js";
import { TemplatePreview } from "./template_preview.js";

interface Props {
  template: Template;
  message: Message;
}

/** SentTemplate is a template that was sent, with its words if the channel still has them, else with the values that filled it. */
export function SentTemplate({ template, message }: Props) {
  const info = useInfo(template);
  const header = fileOf(template, message);
  return (
    <div class="template">
      <div class="aside">
        <Icon name="template" />
        <span>
          <bdi>{line(template.name)}</bdi> <small>{line(template.language)}</small>
        </span>
      </div>
      {info ? (
        <TemplatePreview template={info} filled={filledOf(template)} {...(header && { header })} />
      ) : (
        <>
          {header}
          <Values template={template} />
        </>
      )}
    </div>
  );
}

/** What the channel says of a template; undefined while that is not known, or if it has it no more. */
function useInfo({ name, language }: Template): TemplateInfo | undefined {
  const desk = useDesk();
  const channelId = desk.conversation.get()?.snapshot().card?.channelId ?? "";
  const [info, setInfo] = useState<TemplateInfo>();
  useEffect(() => {
    let stale = false;
    templatesOf(desk.client, channelId).then(
      (all) => !stale && setInfo(all.find((one) => one.name === name && one.language === language)),
      () => {}, // its values are shown
    );
    return () => {
      stale = true;
    };
  }, [desk, channelId, name, language]);
  return info;
}

/** The file that stands as the template's header, if there is one. */
function fileOf({ components }: Template, message: Message) {
  for (const { value } of components.flatMap(({ parameters }) => parameters)) {
    if (value.case === "image" || value.case === "video" || value.case === "document") {
      return <MediaView kind={value.case} media={value.value} message={message} />;
    }
  }
  return undefined;
}

function textOf({ value }: TemplateParameter): string {
  if (typeof value.value === "string") {
    return value.value;
  }
  return value.case === "currency" || value.case === "dateTime" ? value.value.fallbackValue : "";
}

/** What filled the places of a template: by their names or, where they have none, by their numbers. */
function filledOf({ components }: Template): Filled {
  const filled: Record<string, string> = {};
  for (const { type, parameters } of components) {
    for (const [n, parameter] of parameters.entries()) {
      filled[`${type.toLowerCase()} ${parameter.name || n + 1}`] = textOf(parameter);
    }
  }
  return filled;
}

function partOf(type: string): Key {
  return type === "header" ? "template.header" : type === "body" ? "template.body" : "template.button";
}

function Values({ template }: { template: Template }) {
  return (
    <>
      {template.components.map(({ type, parameters }, n) =>
        parameters.map((parameter, m) => {
          const text = textOf(parameter);
          return (
            text !== "" && (
              <div key={`${n} ${m}`} class="parameter" dir="auto">
                <small>{t(partOf(type), { name: parameter.name || m + 1 })}</small> {line(text)}
              </div>
            )
          );
        }),
      )}
    </>
  );
}

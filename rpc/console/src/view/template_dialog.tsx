import { useEffect, useState } from "preact/hooks";

import type { Card, TemplateInfo } from "@intervene/client/wire";

import { accepted, fileKind, upload } from "../desk/files.js";
import { say } from "../desk/notices.js";
import { refusalText } from "../desk/refusal.js";
import { line } from "../words/safe.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";
import { useDesk } from "./desk_context.js";
import { Dialog } from "./dialog.js";
import { fileProblem } from "./media_view.js";
import { RichText } from "./rich_text.js";
import { blanksOf, componentsOf, fill } from "./template_form.js";
import type { Blank, Filled } from "./template_form.js";

/** How many templates are looked through at most. */
const maxTemplates = 2000;

/** TemplateDialog chooses a template of the channel, fills it in and sends it. */
export function TemplateDialog({ card, onClose }: { card: Card; onClose(): void }) {
  const { templates, problem } = useTemplates(card.channelId);
  const [query, setQuery] = useState("");
  const [chosen, setChosen] = useState<TemplateInfo>();
  const words = query.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  const found = templates?.filter(({ name, language, category }) => {
    const all = `${name} ${language} ${category}`.toLocaleLowerCase();
    return words.every((word) => all.includes(word));
  });
  return (
    <Dialog title={chosen ? line(chosen.name) : t("template.choose")} onClose={onClose} wide>
      {chosen ? (
        <Fill card={card} template={chosen} onBack={() => setChosen(undefined)} onSent={onClose} />
      ) : (
        <>
          <input
            type="search"
            class="field"
            value={query}
            aria-label={t("template.find")}
            placeholder={t("template.find")}
            onInput={(event) => setQuery(event.currentTarget.value)}
          />
          {problem && (
            <p role="alert">
              {t("template.problem")} {problem}
            </p>
          )}
          {!templates && !problem && <p role="status">{t("loading")}</p>}
          {found?.length === 0 && <p role="status">{t("template.none")}</p>}
          <ul class="choices-list">
            {found?.slice(0, 200).map((template) => (
              <li key={`${template.name} ${template.language}`}>
                <button type="button" class="choice-button template-choice" onClick={() => setChosen(template)}>
                  <b>
                    <bdi>{line(template.name)}</bdi>
                  </b>
                  <small>
                    {line(template.language)} · {line(template.category)}
                  </small>
                  <span dir="auto">{line(template.parts.find(({ type }) => type === "BODY")?.text ?? "")}</span>
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
    </Dialog>
  );
}

/** useTemplates has all templates of a channel that can be sent. */
function useTemplates(channelId: string) {
  const desk = useDesk();
  const [templates, setTemplates] = useState<readonly TemplateInfo[]>();
  const [problem, setProblem] = useState("");
  useEffect(() => {
    const end = new AbortController();
    const load = async () => {
      const all: TemplateInfo[] = [];
      let pageToken = "";
      do {
        const page = await desk.client.api.listTemplates({ channelId, pageSize: 200, pageToken }, { signal: end.signal });
        all.push(...page.templates.filter(({ status }) => status === "APPROVED"));
        pageToken = page.nextPageToken;
      } while (pageToken !== "" && all.length < maxTemplates);
      setTemplates(all);
    };
    load().catch((error: unknown) => !end.signal.aborted && setProblem(refusalText(error, desk.directory.names.get())));
    return () => end.abort();
  }, [desk, channelId]);
  return { templates, problem };
}

interface FillProps {
  card: Card;
  template: TemplateInfo;
  onBack(): void;
  onSent(): void;
}

function Fill({ card, template, onBack, onSent }: FillProps) {
  const desk = useDesk();
  const [filled, setFilled] = useState<Filled>({});
  const blanks = blanksOf(template);
  const complete =
    blanks?.every(({ key }) => (typeof filled[key] === "string" ? filled[key].trim() !== "" : filled[key] !== undefined)) ?? false;
  const send = () => {
    const { name, language } = template;
    const components = componentsOf(template, blanks ?? [], filled);
    const value = {
      $typeName: "intervene.v1.Template" as const,
      name,
      language,
      category: "",
      components,
      componentsJson: "",
      languagePolicy: "",
    };
    if (desk.outbox.send(card, { case: "template", value }, "")) {
      onSent();
    } else {
      say("problem", t("outgoing.full"));
    }
  };
  return (
    <form
      class="template-fill"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <Preview template={template} filled={filled} />
      {blanks ? (
        blanks.map((blank) => (
          <Field
            key={blank.key}
            blank={blank}
            conversationId={card.conversationId}
            value={filled[blank.key]}
            onFill={(value) => setFilled({ ...filled, [blank.key]: value })}
          />
        ))
      ) : (
        <p role="alert">{t("template.cannotFill")}</p>
      )}
      <div class="button-row">
        <Button label={t("back")} onClick={onBack} />
        <Button type="submit" label={t("template.send")} icon="send" look="primary" disabled={!complete} />
      </div>
    </form>
  );
}

function Preview({ template, filled }: { template: TemplateInfo; filled: Filled }) {
  return (
    <div class="bubble agent preview" aria-label={t("template.preview")} role="group">
      {template.parts.map(({ type, format, text, buttons }, n) => {
        switch (type) {
          case "HEADER":
            return (
              <strong key={n} dir="auto">
                {format === "TEXT" ? line(fill(text, "header", filled)) : `[${line(format)}]`}
              </strong>
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
    </div>
  );
}

interface FieldProps {
  blank: Blank;
  conversationId: string;
  value: Filled[string] | undefined;
  onFill(value: Filled[string]): void;
}

function Field({ blank, conversationId, value, onFill }: FieldProps) {
  const [problem, setProblem] = useState("");
  const label = labelOf(blank);
  if (blank.kind === "text" || blank.kind === "coupon") {
    return (
      <label class="labelled">
        <span>{label}</span>
        <input
          class="field"
          dir="auto"
          required
          maxLength={blank.kind === "coupon" ? 20 : blank.component === "header" ? 60 : 1024}
          value={typeof value === "string" ? value : ""}
          onInput={(event) => onFill(event.currentTarget.value)}
        />
      </label>
    );
  }
  const { kind } = blank;
  const store = async (file: File | undefined) => {
    if (!file) {
      return;
    }
    if (fileKind(file) !== kind) {
      setProblem(t("file.type", { name: file.name }));
      return;
    }
    try {
      setProblem(t("compose.uploading"));
      const { blobId, mimeType } = await upload(conversationId, file, AbortSignal.timeout(300_000));
      const filename = kind === "document" ? file.name.slice(0, 240) : "";
      onFill({
        $typeName: "intervene.v1.Media",
        source: { case: "blobId", value: blobId },
        mimeType,
        caption: "",
        filename,
        voice: false,
        animated: false,
      });
      setProblem("");
    } catch (error) {
      setProblem(fileProblem(error));
    }
  };
  return (
    <label class="labelled">
      <span>{label}</span>
      <input type="file" accept={accepted} onChange={(event) => void store(event.currentTarget.files?.[0])} />
      {problem && <small role="status">{problem}</small>}
    </label>
  );
}

function labelOf({ component, name, kind }: Blank): string {
  if (component === "button") {
    return t("template.button", { name });
  }
  return name === ""
    ? t(`content.${kind === "text" || kind === "coupon" ? "document" : kind}`)
    : t(component === "header" ? "template.header" : "template.body", { name });
}

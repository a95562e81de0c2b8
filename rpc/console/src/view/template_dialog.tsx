import { useEffect, useState } from "preact/hooks";

import { invalidFields } from "@intervene/client";
import type { Card, Media, Template, TemplateInfo } from "@intervene/client/wire";

import type { Names } from "../desk/directory.js";
import { accepted, fileKind, upload } from "../desk/files.js";
import { say } from "../desk/notices.js";
import { refusalText } from "../desk/refusal.js";
import { templatesOf } from "../desk/templates.js";
import { line } from "../words/safe.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";
import { useDesk } from "./desk_context.js";
import { Dialog } from "./dialog.js";
import { fileProblem } from "./media_view.js";
import { blanksOf, componentsOf } from "./template_form.js";
import type { Blank, Filled } from "./template_form.js";
import { TemplatePreview } from "./template_preview.js";

/** TemplateDialog sends a template in a conversation. */
export function TemplateDialog({ card, onClose }: { card: Card; onClose(): void }) {
  const desk = useDesk();
  const send = (value: Template) => {
    if (desk.outbox.send(card, { case: "template", value }, "")) {
      onClose();
    } else {
      say("problem", t("outgoing.full"));
    }
  };
  return (
    <Dialog title={t("template.choose")} onClose={onClose} wide>
      <TemplateChooser channelId={card.channelId} conversationId={card.conversationId} onSend={send} />
    </Dialog>
  );
}

interface ChooserProps {
  channelId: string;
  /** Undefined: there is none yet, and so no place to upload a file to. */
  conversationId: string | undefined;
  /** What is missing besides the template. */
  incomplete?: boolean;
  onSend(template: Template): void;
}

/** TemplateChooser chooses a template of a channel and fills it in. */
export function TemplateChooser({ channelId, conversationId, incomplete = false, onSend }: ChooserProps) {
  const { templates, problem } = useTemplates(channelId);
  const [query, setQuery] = useState("");
  const [chosen, setChosen] = useState<TemplateInfo>();
  const words = query.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  const found = templates?.filter(({ name, language, category }) => {
    const all = `${name} ${language} ${category}`.toLocaleLowerCase();
    return words.every((word) => all.includes(word));
  });
  if (chosen) {
    return (
      <Fill
        key={`${chosen.name} ${chosen.language}`}
        template={chosen}
        conversationId={conversationId}
        incomplete={incomplete}
        onBack={() => setChosen(undefined)}
        onSend={onSend}
      />
    );
  }
  return (
    <>
      <input
        type="text"
        role="searchbox"
        class="field"
        value={query}
        aria-label={t("template.find")}
        placeholder={t("template.find")}
        onInput={(event) => setQuery(event.currentTarget.value)}
      />
      {problem && <p role="alert">{problem}</p>}
      {!templates && !problem && <p role="status">{t("loading")}</p>}
      {found?.length === 0 && <p role="status">{t("template.none")}</p>}
      <ul class="choices-list" data-testid="templates">
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
  );
}

/** useTemplates has all templates of a channel that can be sent. */
function useTemplates(channelId: string) {
  const desk = useDesk();
  const [templates, setTemplates] = useState<readonly TemplateInfo[]>();
  const [problem, setProblem] = useState("");
  useEffect(() => {
    let stale = false;
    setTemplates(undefined);
    setProblem("");
    templatesOf(desk.client, channelId).then(
      (all) => !stale && setTemplates(all.filter(({ status }) => status === "APPROVED")),
      (error: unknown) => !stale && setProblem(problemOf(error, desk.directory.names.get())),
    );
    return () => {
      stale = true;
    };
  }, [desk, channelId]);
  return { templates, problem };
}

/** Why there are no templates: most often nobody has said whose they are. */
function problemOf(error: unknown, names: Names): string {
  return invalidFields(error).includes("channel_id")
    ? t("template.noAccount")
    : `${t("template.problem")} ${refusalText(error, names)}`;
}

interface FillProps {
  template: TemplateInfo;
  conversationId: string | undefined;
  incomplete: boolean;
  onBack(): void;
  onSend(template: Template): void;
}

function Fill({ template, conversationId, incomplete, onBack, onSend }: FillProps) {
  const [filled, setFilled] = useState<Filled>({});
  const blanks = blanksOf(template);
  const complete =
    blanks?.every(({ key }) => (typeof filled[key] === "string" ? filled[key].trim() !== "" : filled[key] !== undefined)) ?? false;
  const send = () => {
    const { name, language } = template;
    const components = componentsOf(template, blanks ?? [], filled);
    onSend({ $typeName: "intervene.v1.Template", name, language, category: "", components, componentsJson: "", languagePolicy: "" });
  };
  return (
    <form
      class="template-fill"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <h3>
        <bdi>{line(template.name)}</bdi> <small>{line(template.language)}</small>
      </h3>
      <div class="bubble agent preview" aria-label={t("template.preview")} role="group">
        <TemplatePreview template={template} filled={filled} />
      </div>
      {blanks ? (
        blanks.map((blank) => (
          <Field
            key={blank.key}
            blank={blank}
            conversationId={conversationId}
            value={filled[blank.key]}
            onFill={(value) => setFilled({ ...filled, [blank.key]: value })}
          />
        ))
      ) : (
        <p role="alert">{t("template.cannotFill")}</p>
      )}
      <div class="button-row">
        <Button label={t("back")} onClick={onBack} />
        <Button type="submit" label={t("template.send")} icon="send" look="primary" disabled={!complete || incomplete} />
      </div>
    </form>
  );
}

interface FieldProps {
  blank: Blank;
  conversationId: string | undefined;
  value: Filled[string] | undefined;
  /** Undefined takes back what was filled in. */
  onFill(value: Filled[string] | undefined): void;
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
  const media = (source: Media["source"], mimeType: string, filename: string): Media => ({
    $typeName: "intervene.v1.Media",
    source,
    mimeType,
    caption: "",
    filename,
    voice: false,
    animated: false,
  });
  if (conversationId === undefined) {
    const link = (url: string) => onFill(/^https:\/\/\S+$/.test(url) ? media({ case: "link", value: url }, "", "") : undefined);
    return (
      <label class="labelled">
        <span>
          {label}: {t("template.link")}
        </span>
        <input class="field" type="url" dir="ltr" required placeholder="https://" onInput={(event) => link(event.currentTarget.value.trim())} />
      </label>
    );
  }
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
      onFill(media({ case: "blobId", value: blobId }, mimeType, filename));
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

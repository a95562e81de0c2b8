import type { Media, TemplateComponent, TemplateInfo, TemplateParameter, TemplatePart } from "@intervene/client/wire";

/** Blank is one place of a template that is to be filled in. */
export interface Blank {
  /** Tells it from the others. */
  readonly key: string;
  readonly component: "header" | "body" | "button";
  /** Of a button: which one, and of which sort. */
  readonly index: number;
  readonly subType: string;
  /** What the template calls it: a number or a name. */
  readonly name: string;
  readonly kind: "text" | "coupon" | "image" | "video" | "document";
}

/** What was filled in, by the key of the blank. */
export type Filled = Readonly<Record<string, string | Media | undefined>>;

const placeholder = /\{\{\s*([A-Za-z0-9_]+)\s*\}\}/g;

/** What is to be filled in before a template can be sent; undefined: it needs what this page cannot fill in. */
export function blanksOf({ parts }: TemplateInfo): Blank[] | undefined {
  const blanks: Blank[] = [];
  for (const part of parts) {
    if (part.type === "HEADER" && part.format === "LOCATION") {
      return undefined;
    }
    blanks.push(...blanksOfPart(part));
  }
  return blanks;
}

function blanksOfPart(part: TemplatePart): Blank[] {
  const component = part.type === "HEADER" ? "header" : "body";
  const of = { component, index: 0, subType: "" } as const;
  switch (part.type) {
    case "HEADER":
      if (part.format === "IMAGE" || part.format === "VIDEO" || part.format === "DOCUMENT") {
        return [{ ...of, key: "header", name: "", kind: part.format.toLowerCase() as "image" | "video" | "document" }];
      }
      return namesIn(part.text).map((name) => ({ ...of, key: `header ${name}`, name, kind: "text" }));
    case "BODY":
      return namesIn(part.text).map((name) => ({ ...of, key: `body ${name}`, name, kind: "text" }));
    case "BUTTONS":
      return part.buttons.flatMap(({ type, text, url }, index): Blank[] => {
        const button = { component: "button", index, name: text } as const;
        if (type === "URL" && namesIn(url).length > 0) {
          return [{ ...button, key: `button ${index}`, subType: "url", kind: "text" }];
        }
        return type === "COPY_CODE" ? [{ ...button, key: `button ${index}`, subType: "copy_code", kind: "coupon" }] : [];
      });
    default:
      return [];
  }
}

function namesIn(text: string): string[] {
  return [...new Set(Array.from(text.matchAll(placeholder), ([, name]) => name ?? ""))];
}

/** A text of the template with what was filled in. */
export function fill(text: string, component: "header" | "body", filled: Filled): string {
  return text.replace(placeholder, (all, name: string) => {
    const value = filled[`${component} ${name}`];
    return typeof value === "string" && value !== "" ? value : all;
  });
}

/** What fills the template, as the wire has it. */
export function componentsOf({ parameterFormat }: TemplateInfo, blanks: readonly Blank[], filled: Filled): TemplateComponent[] {
  const named = parameterFormat === "NAMED";
  const components = new Map<string, TemplateComponent>();
  for (const blank of blanks) {
    const { component, index, subType, name } = blank;
    const key = `${component} ${index}`;
    const one = components.get(key) ?? { $typeName: "intervene.v1.TemplateComponent", type: component, subType, index, parameters: [] };
    one.parameters.push({
      $typeName: "intervene.v1.TemplateParameter",
      name: named && component !== "button" && blank.kind === "text" ? name : "",
      value: valueOf(blank, filled[blank.key]),
    });
    components.set(key, one);
  }
  return [...components.values()];
}

function valueOf({ kind }: Blank, value: string | Media | undefined): TemplateParameter["value"] {
  const text = typeof value === "string" ? value : "";
  switch (kind) {
    case "text":
      return { case: "text", value: text };
    case "coupon":
      return { case: "couponCode", value: text };
    default:
      return typeof value === "object" ? { case: kind, value } : { case: "text", value: "" };
  }
}

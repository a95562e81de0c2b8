import type { Content } from "../desk/outbox.js";
import type { Key } from "../words/text.js";

/** What can be composed by filling in a form. */
export type Composed = "location" | "contacts" | "buttons" | "list" | "link";

/** What was entered, by the name of the field. */
export type Entered = Readonly<Record<string, string>>;

/** Field is one line of a form, with WhatsApp's limit in characters. */
export interface Field {
  readonly name: string;
  readonly label: Key;
  /** Which one of several. */
  readonly n?: number;
  readonly longest: number;
  readonly required: boolean;
  readonly type: "text" | "lines" | "tel" | "email" | "url";
}

/** How many buttons, and rows of a list, there are at most. */
export const mostRows: Readonly<Partial<Record<Composed, number>>> = { buttons: 3, list: 10 };

function field(name: string, label: Key, longest: number, required = false, type: Field["type"] = "text", n?: number): Field {
  return { name, label, longest, required, type, ...(n !== undefined && { n }) };
}

/** The fields of a form that has so many buttons or rows. */
export function fieldsOf(kind: Composed, rows: number): Field[] {
  const numbers = Array.from({ length: rows }, (_, n) => n + 1);
  const header = field("header", "add.header", 60);
  const footer = field("footer", "add.footer", 60);
  const body = (longest: number) => field("body", "add.body", longest, true, "lines");
  switch (kind) {
    case "location":
      return [field("place", "add.place", 2000, true), field("name", "add.name", 1000), field("address", "add.address", 1000)];
    case "contacts":
      return [
        field("first", "add.first", 1000, true),
        field("last", "add.last", 1000),
        field("phone", "add.phone", 1000, false, "tel"),
        field("email", "add.email", 1000, false, "email"),
        field("company", "add.company", 1000),
      ];
    case "buttons":
      return [header, body(1024), ...numbers.map((n) => field(`title ${n}`, "add.button", 20, true, "text", n)), footer];
    case "list":
      return [
        header,
        body(4096),
        field("label", "add.label", 20, true),
        ...numbers.flatMap((n) => [
          field(`title ${n}`, "add.row", 24, true, "text", n),
          field(`description ${n}`, "add.description", 72, false, "text", n),
        ]),
        footer,
      ];
    case "link":
      return [header, body(1024), field("label", "add.label", 20, true), field("url", "add.url", 2000, true, "url"), footer];
  }
}

export function lengthOf(text: string): number {
  return [...text.trim()].length;
}

/** Why what stands in a field cannot be sent; empty: it can, or it is only missing. */
export function problemOf(field: Field, entered: Entered): "" | "place" | "url" | "twice" | "long" {
  const text = (entered[field.name] ?? "").trim();
  if (text === "") {
    return "";
  }
  if (lengthOf(text) > field.longest) {
    return "long";
  }
  if (field.name === "place" && !placeOf(text)) {
    return "place";
  }
  if (field.type === "url" && !/^https?:\/\/\S+$/.test(text)) {
    return "url";
  }
  const same = (name: string) => name.startsWith("title ") && name !== field.name && entered[name]?.trim() === text;
  return field.name.startsWith("title ") && Object.keys(entered).some(same) ? "twice" : "";
}

/** Degrees, or the address of a map that has them. */
export function placeOf(text: string): { latitude: number; longitude: number } | undefined {
  const number = String.raw`(-?\d{1,3}(?:\.\d+)?)`;
  const found =
    new RegExp(String.raw`mlat=${number}&mlon=${number}`).exec(text) ??
    new RegExp(String.raw`(?:^|[@=/])${number}\s*(?:,|%2C|;|\s)\s*${number}(?=$|[^\d.])`).exec(text.trim());
  const [latitude, longitude] = [Number(found?.[1] ?? Number.NaN), Number(found?.[2] ?? Number.NaN)];
  return Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180 ? { latitude, longitude } : undefined;
}

/** The message that the form makes; undefined while something is missing or wrong. */
export function contentOf(kind: Composed, rows: number, entered: Entered): Content | undefined {
  const fields = fieldsOf(kind, rows);
  const get = (name: string) => (entered[name] ?? "").trim();
  if (fields.some((one) => (one.required && get(one.name) === "") || problemOf(one, entered) !== "")) {
    return undefined;
  }
  const header = get("header") ? { header: { $typeName: "intervene.v1.MenuHeader" as const, kind: { case: "text" as const, value: get("header") } } } : {};
  const menu = { ...header, body: get("body"), footer: get("footer") };
  const numbers = Array.from({ length: rows }, (_, n) => n + 1);
  switch (kind) {
    case "location": {
      const place = placeOf(get("place")) ?? { latitude: 0, longitude: 0 };
      return { case: kind, value: { $typeName: "intervene.v1.Location", ...place, name: get("name"), address: get("address"), url: "" } };
    }
    case "contacts":
      return { case: kind, value: { $typeName: "intervene.v1.Contacts", contacts: [cardOf(get)] } };
    case "buttons": {
      const buttons = numbers.map((n) => ({ $typeName: "intervene.v1.Button" as const, id: `button-${n}`, title: get(`title ${n}`) }));
      return { case: kind, value: { $typeName: "intervene.v1.Buttons", ...menu, buttons } };
    }
    case "list": {
      const entries = numbers.map((n) => ({
        $typeName: "intervene.v1.ListRow" as const,
        id: `row-${n}`,
        title: get(`title ${n}`),
        description: get(`description ${n}`),
      }));
      const sections = [{ $typeName: "intervene.v1.ListSection" as const, title: "", rows: entries }];
      return { case: kind, value: { $typeName: "intervene.v1.List", ...menu, label: get("label"), sections } };
    }
    case "link":
      return { case: kind, value: { $typeName: "intervene.v1.Link", ...menu, label: get("label"), url: get("url") } };
  }
}

function cardOf(get: (name: string) => string) {
  const [first, last, phone, email, company] = ["first", "last", "phone", "email", "company"].map(get) as [string, string, string, string, string];
  return {
    $typeName: "intervene.v1.ContactCard" as const,
    name: {
      $typeName: "intervene.v1.CardName" as const,
      formattedName: [first, last].filter(Boolean).join(" "),
      firstName: first,
      lastName: last,
      middleName: "",
      prefix: "",
      suffix: "",
    },
    birthday: "",
    ...(company && { org: { $typeName: "intervene.v1.CardOrg" as const, company, department: "", title: "" } }),
    phones: phone ? [{ $typeName: "intervene.v1.CardPhone" as const, phone, type: "WORK", waId: "" }] : [],
    emails: email ? [{ $typeName: "intervene.v1.CardEmail" as const, email, type: "WORK" }] : [],
    urls: [],
    addresses: [],
  };
}

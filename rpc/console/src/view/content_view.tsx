import type { ComponentChildren } from "preact";

import type { CardAddress, ContactCard, Content, Link, List, MenuHeader, Message, Order } from "@intervene/client/wire";

import { line, safe } from "../words/safe.js";
import { t } from "../words/words.js";
import { Icon } from "./icon.js";
import type { IconName } from "./icons.js";
import { later } from "./later.js";
import { MediaView } from "./media_view.js";
import { RichText, SafeLink } from "./rich_text.js";

const SentTemplate = later(
  async () => (await import("./sent_template.js")).SentTemplate,
  ({ template }) => line(template.name),
);

/** ContentView is what a message says, of whatever kind it is. */
export function ContentView({ content, message }: { content: Content | undefined; message: Message }) {
  const kind = content?.kind;
  switch (kind?.case) {
    case "text":
      return <RichText text={kind.value.body} />;
    case "buttonReply":
      return <Choice title={kind.value.title} />;
    case "image":
    case "video":
    case "audio":
    case "document":
    case "sticker":
      return <MediaView kind={kind.case} media={kind.value} message={message} />;
    case "location":
      return <Place {...kind.value} />;
    case "contacts":
      return (
        <>
          {kind.value.contacts.map((contact, n) => (
            <Shared key={n} contact={contact} />
          ))}
        </>
      );
    case "order":
      return <Cart order={kind.value} />;
    case "flowReply":
      return <Form name={kind.value.name} body={kind.value.body} json={kind.value.responseJson} />;
    case "callPermission":
      return <Aside icon="mic">{kind.value.granted ? t("content.callGranted") : t("content.callDenied")}</Aside>;
    case "welcome":
      return <Aside icon="hand">{t("content.welcome")}</Aside>;
    case "buttons":
      return <Menu {...kind.value} message={message} choices={kind.value.buttons.map(({ title }) => title)} />;
    case "list":
      return <Rows list={kind.value} message={message} />;
    case "link":
      return <Target link={kind.value} message={message} />;
    case "template":
      return <SentTemplate template={kind.value} message={message} />;
    case "system":
      return <Aside icon="info">{t("content.system")}</Aside>;
    case "reaction":
      return <RichText text={kind.value.emoji || t("content.reactionTaken")} />;
    case "unsupported":
      return <Aside icon="alert">{t("content.unsupportedType", { type: kind.value.type || "?" })}</Aside>;
    default:
      return <Aside icon="undo">{message.revokedAt ? t("content.revoked") : t("content.unsupported")}</Aside>;
  }
}

function Aside({ icon, children }: { icon: IconName; children: ComponentChildren }) {
  return (
    <div class="aside">
      <Icon name={icon} />
      <span>{children}</span>
    </div>
  );
}

function Choice({ title }: { title: string }) {
  return (
    <div class="choice">
      <Icon name="check" />
      <RichText text={title} />
    </div>
  );
}

function Place({ latitude, longitude, name, address }: { latitude: number; longitude: number; name: string; address: string }) {
  const at = `${latitude.toFixed(5)},${longitude.toFixed(5)}`;
  return (
    <div class="file">
      <Icon name="pin" />
      <span>
        <bdi>{line(name) || t("content.location")}</bdi>
        {address !== "" && <small dir="auto">{line(address)}</small>}
        <small>
          <SafeLink url={`https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=16/${latitude}/${longitude}`}>
            {at}
          </SafeLink>
        </small>
      </span>
    </div>
  );
}

function Shared({ contact }: { contact: ContactCard }) {
  const { name, org, phones, emails, urls, addresses } = contact;
  return (
    <div class="file">
      <Icon name="person" />
      <span>
        <bdi>{line(name?.formattedName ?? "")}</bdi>
        {org && <small dir="auto">{line([org.title, org.department, org.company].filter(Boolean).join(", "))}</small>}
        {phones.map(({ phone, type }, n) => (
          <small key={n}>
            <bdi dir="ltr">{line(phone)}</bdi> {line(type)}
          </small>
        ))}
        {emails.map(({ email }, n) => (
          <small key={n}>
            <bdi>{line(email)}</bdi>
          </small>
        ))}
        {urls.map(({ url }, n) => (
          <small key={n}>
            <SafeLink url={url}>{line(url)}</SafeLink>
          </small>
        ))}
        {addresses.map((address, n) => (
          <small key={n} dir="auto">
            {line(written(address))}
          </small>
        ))}
      </span>
    </div>
  );
}

function written({ street, city, state, zip, country }: CardAddress): string {
  return [street, [zip, city].filter(Boolean).join(" "), state, country].filter(Boolean).join(", ");
}

function Cart({ order }: { order: Order }) {
  return (
    <div class="order">
      <Aside icon="cart">{t("content.order", { n: order.items.length })}</Aside>
      <ul>
        {order.items.map(({ product, quantity, price, currency }, n) => (
          <li key={n}>
            <bdi>{line(product?.retailerId ?? "")}</bdi>
            <span>
              {String(quantity)} ×{" "}
              <bdi>
                {line(price)} {line(currency)}
              </bdi>
            </span>
          </li>
        ))}
      </ul>
      {order.text !== "" && <RichText text={order.text} />}
    </div>
  );
}

/** The answers of a flow are JSON of WhatsApp's making, with values of the customer's. */
function Form({ name, body, json }: { name: string; body: string; json: string }) {
  return (
    <div class="form-reply">
      <Aside icon="template">
        <bdi>{line(body) || line(name) || t("content.flow")}</bdi>
      </Aside>
      <dl>
        {answers(json).map(([field, answer]) => (
          <div key={field}>
            <dt dir="auto">{line(field)}</dt>
            <dd dir="auto">{safe(answer).slice(0, 2000)}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

function answers(json: string): [string, string][] {
  try {
    const fields: unknown = JSON.parse(json);
    if (typeof fields === "object" && fields !== null) {
      const shown = Object.entries(fields).filter(([field]) => field !== "flow_token");
      return shown.slice(0, 50).map(([field, answer]) => [field, typeof answer === "string" ? answer : JSON.stringify(answer)]);
    }
  } catch {
    // It is shown as it came.
  }
  return [["", json]];
}

interface MenuProps {
  header?: MenuHeader | undefined;
  body: string;
  footer: string;
  message: Message;
  choices: readonly string[];
}

function Menu({ header, body, footer, message, choices }: MenuProps) {
  return (
    <div class="menu">
      {header && <Header header={header} message={message} />}
      <RichText text={body} />
      {footer !== "" && <small dir="auto">{line(footer)}</small>}
      <ul class="choices">
        {choices.map((choice, n) => (
          <li key={n}>
            <bdi>{line(choice)}</bdi>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Header({ header: { kind }, message }: { header: MenuHeader; message: Message }) {
  switch (kind.case) {
    case "text":
      return <strong dir="auto">{line(kind.value)}</strong>;
    case "image":
    case "video":
    case "document":
      return <MediaView kind={kind.case} media={kind.value} message={message} />;
    default:
      return null;
  }
}

function Rows({ list, message }: { list: List; message: Message }) {
  return (
    <div class="menu">
      <Menu header={list.header} body={list.body} footer={list.footer} message={message} choices={[]} />
      <details>
        <summary>
          <bdi>{line(list.label)}</bdi>
        </summary>
        {list.sections.map(({ title, rows }, n) => (
          <div key={n} class="menu-section">
            {title !== "" && <small dir="auto">{line(title)}</small>}
            <ul class="choices">
              {rows.map((row) => (
                <li key={row.id}>
                  <bdi>{line(row.title)}</bdi>
                  {row.description !== "" && <small dir="auto">{line(row.description)}</small>}
                </li>
              ))}
            </ul>
          </div>
        ))}
      </details>
    </div>
  );
}

function Target({ link, message }: { link: Link; message: Message }) {
  return (
    <div class="menu">
      <Menu header={link.header} body={link.body} footer={link.footer} message={message} choices={[]} />
      <SafeLink url={link.url}>{line(link.label)}</SafeLink>
    </div>
  );
}

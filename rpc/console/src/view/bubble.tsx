import { Component } from "preact";
import type { ComponentChildren } from "preact";

import { Delivery, PartyKind } from "@intervene/client/wire";
import type { Message } from "@intervene/client/wire";

import type { Names } from "../desk/directory.js";
import { line } from "../words/safe.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";
import { ContentView } from "./content_view.js";
import { partyName } from "./event_mark.js";
import { failureText } from "./failure.js";
import { Icon } from "./icon.js";
import { SafeLink } from "./rich_text.js";
import { summary } from "./summary.js";
import { Ticks } from "./ticks.js";
import { Moment } from "./waiting.js";

/** What can be done with a message. */
export interface BubbleActions {
  reply(message: Message): void;
  react(message: Message, emoji: string): void;
  resend(message: Message): void;
  jump(messageId: string): void;
}

interface Props {
  message: Message;
  /** The message that this one answers, if it is known here. */
  answered: Message | undefined;
  self: string;
  names: Names;
  customer: string;
  /** It is of the same author as the one before. */
  continued: boolean;
  /** The one of all messages that Tab reaches. */
  reached: boolean;
  mayWrite: boolean;
  mayResend: boolean;
  actions: BubbleActions;
}

const emojis = ["👍", "❤️", "😂", "😮", "😢", "🙏"];

/** Bubble is one message. It is painted anew when something became of it. */
export class Bubble extends Component<Props, { active: boolean; reacting: boolean }> {
  override state = { active: false, reacting: false };

  override shouldComponentUpdate(next: Props, state: { active: boolean; reacting: boolean }): boolean {
    const now = this.props;
    return (
      state.active !== this.state.active ||
      state.reacting !== this.state.reacting ||
      (Object.keys(next) as (keyof Props)[]).some((name) => next[name] !== now[name])
    );
  }

  override render() {
    const { message, answered, self, names, customer, continued, reached, actions } = this.props;
    const { author } = message;
    const side = sideOf(message);
    const who = side === "customer" ? customer : author?.id === self ? t("you") : partyName(author, names);
    const content = message.edit?.content ?? message.content;
    return (
      <article
        class={`bubble ${side} ${continued ? "continued" : ""}`}
        id={`message-${message.messageId}`}
        tabIndex={reached ? 0 : -1}
        aria-label={t("message.from", { who })}
        data-testid="message"
        data-side={side}
        onPointerEnter={() => this.setState({ active: true })}
        onPointerLeave={() => this.setState({ active: false, reacting: false })}
        onFocusIn={() => this.setState({ active: true })}
        onFocusOut={(event) =>
          !(event.currentTarget as Element).contains(event.relatedTarget as Node | null) &&
          this.setState({ active: false, reacting: false })
        }
      >
        {!continued && side !== "customer" && (
          <header class="bubble-who">
            {side === "bot" && <Icon name="bot" />}
            <bdi>{who}</bdi>
          </header>
        )}
        <Refers message={message} answered={answered} customer={customer} self={self} names={names} jump={actions.jump} />
        <ContentView content={content} message={message} />
        <footer class="bubble-foot">
          {message.edit && <span>{t("message.edited")}</span>}
          {message.repeated && <span>{t("message.repeated")}</span>}
          <Moment at={message.sentAt ?? message.at} />
          <Ticks delivery={message.delivery} />
        </footer>
        {message.reaction !== "" && (
          <span class="reaction" role="img" aria-label={t("message.reaction", { emoji: message.reaction })}>
            {line(message.reaction)}
          </span>
        )}
        {this.#trouble()}
        {this.state.active && this.#tools()}
      </article>
    );
  }

  #trouble(): ComponentChildren {
    const { message, mayResend, actions } = this.props;
    const { delivery, errorCode, errorDetail, resentAsMessageId } = message;
    const failed = delivery === Delivery.FAILED || delivery === Delivery.REJECTED;
    if (delivery === Delivery.DISCARDED) {
      return <p class="trouble">{t("delivery.discarded")}</p>;
    }
    if (!failed && delivery !== Delivery.UNKNOWN) {
      return null;
    }
    return (
      <div class={failed ? "trouble bad" : "trouble warn"}>
        <p>{failed ? failureText(errorCode, delivery === Delivery.REJECTED) : t("delivery.unknownMeans")}</p>
        {failed && (errorCode !== 0 || errorDetail !== "") && (
          <small dir="auto">{[errorCode === 0 ? "" : `Meta ${errorCode}`, line(errorDetail)].filter(Boolean).join(": ")}</small>
        )}
        {resentAsMessageId !== "" ? (
          <button type="button" class="more" onClick={() => actions.jump(resentAsMessageId)}>
            {t("message.resent")}
          </button>
        ) : (
          mayResend && (
            <Button
              label={failed ? t("message.resend") : t("message.resendAnyway")}
              icon="retry"
              look="quiet"
              onClick={() => actions.resend(message)}
            />
          )
        )}
      </div>
    );
  }

  #tools(): ComponentChildren {
    const { message, mayWrite, actions } = this.props;
    const known =
      message.author?.kind === PartyKind.CUSTOMER || (message.delivery >= Delivery.ACCEPTED && message.delivery <= Delivery.PLAYED);
    if (!mayWrite || !known || message.revokedAt) {
      return null;
    }
    if (this.state.reacting) {
      return (
        <div class="tools" role="group" aria-label={t("message.react")}>
          {emojis.map((emoji) => (
            <button
              key={emoji}
              type="button"
              class="emoji-button"
              aria-label={t("message.reactWith", { emoji })}
              onClick={() => {
                actions.react(message, emoji);
                this.setState({ reacting: false });
              }}
            >
              {emoji}
            </button>
          ))}
        </div>
      );
    }
    return (
      <div class="tools">
        <Button label={t("message.reply")} icon="reply" bare look="quiet" onClick={() => actions.reply(message)} />
        <Button label={t("message.react")} icon="smile" bare look="quiet" onClick={() => this.setState({ reacting: true })} />
      </div>
    );
  }
}

export type Side = "customer" | "bot" | "agent" | "outside";

export function sideOf({ author }: Message): Side {
  switch (author?.kind) {
    case PartyKind.CUSTOMER:
      return "customer";
    case PartyKind.AGENT:
    case PartyKind.SUPERVISOR:
      return "agent";
    case PartyKind.OUTSIDE:
      return "outside";
    default:
      return "bot";
  }
}

interface RefersProps {
  message: Message;
  answered: Message | undefined;
  customer: string;
  self: string;
  names: Names;
  jump(messageId: string): void;
}

/** What a message refers to: an ad, a thing of a catalogue, another message. */
function Refers({ message, answered, customer, self, names, jump }: RefersProps) {
  const { context, replyToMessageId } = message;
  const author =
    answered && (sideOf(answered) === "customer" ? customer : answered.author?.id === self ? t("you") : partyName(answered.author, names));
  return (
    <>
      {(context?.forwarded || context?.forwardedOften) && (
        <p class="refers">{context.forwardedOften ? t("message.forwardedOften") : t("message.forwarded")}</p>
      )}
      {context?.referral && (
        <div class="quote">
          <b>{t("referral")}</b>
          <span dir="auto">{line(context.referral.headline || context.referral.body)}</span>
          <SafeLink url={context.referral.sourceUrl}>{line(context.referral.sourceUrl)}</SafeLink>
        </div>
      )}
      {context?.product && (
        <div class="quote">
          <b>{t("product")}</b>
          <bdi>{line(context.product.retailerId)}</bdi>
        </div>
      )}
      {replyToMessageId !== "" && (
        <button type="button" class="quote" disabled={!answered} onClick={() => jump(replyToMessageId)}>
          <b>
            <bdi>{author ?? t("message.earlier")}</bdi>
          </b>
          {answered && <span dir="auto">{summary(answered.edit?.content ?? answered.content)}</span>}
        </button>
      )}
    </>
  );
}

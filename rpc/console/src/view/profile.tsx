import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import type { ConversationSnapshot } from "@intervene/client";
import { Cause, Column, Role } from "@intervene/client/wire";
import type { Card, Referral } from "@intervene/client/wire";

import { prefer } from "../desk/preferences.js";
import { say } from "../desk/notices.js";
import { hashOf } from "../desk/route.js";
import { instantOf, serverNow, useTicking } from "../desk/ticker.js";
import { useValue } from "../desk/value.js";
import { dateTime, phone } from "../words/format.js";
import { line } from "../words/safe.js";
import { t } from "../words/words.js";
import { Avatar } from "./avatar.js";
import { Button } from "./button.js";
import { columnName, contactName } from "./contact.js";
import { useDesk } from "./desk_context.js";
import { EraseDialog } from "./erase_dialog.js";
import { handOverText, partyName } from "./event_mark.js";
import { usePast } from "./past.js";
import { RichText, SafeLink } from "./rich_text.js";
import { TagEditor } from "./tag_editor.js";
import { Moment } from "./waiting.js";
import { WindowLeft } from "./window_left.js";

/** Profile is what is known of the customer and of the conversation. */
export function Profile({ card, snapshot }: { card: Card; snapshot: ConversationSnapshot }) {
  const desk = useDesk();
  const names = useValue(desk.directory.names);
  const [erasing, setErasing] = useState(false);
  const { contact } = card;
  const { entries } = snapshot;
  const past = usePast(card.conversationId, snapshot);
  const notes = past.all.filter(({ kind }) => kind.case === "note").reverse();
  const handOvers = past.all.filter(({ kind }) => kind.case === "handOver").reverse();
  const asked = handOvers.filter(
    ({ kind }) => kind.case === "handOver" && kind.value.column === Column.REQUESTING && kind.value.cause !== Cause.WITHDRAWN,
  ).length;
  const referral = entries.reduce<Referral | undefined>(
    (found, { kind }) => (kind.case === "message" ? (kind.value.context?.referral ?? found) : found),
    undefined,
  );
  const muted = useTicking((now) => instantOf(card.mutedUntil) > now);
  const copy = () =>
    navigator.clipboard.writeText(phone(contact?.phone ?? "")).then(
      () => say("done", t("done.copied")),
      () => say("problem", t("profile.cannotCopy")),
    );
  return (
    <aside class="profile" aria-label={t("profile")} data-testid="profile">
      <header class="profile-head">
        <Avatar contact={contact} />
        <div>
          <h2>
            <bdi>{contactName(contact)}</bdi>
          </h2>
          <p>{columnName(card.column)}</p>
        </div>
        <Button label={t("close")} icon="close" bare look="quiet" onClick={() => prefer({ profile: false })} />
      </header>
      <dl class="facts">
        {contact?.phone && (
          <Fact label={t("profile.number")}>
            <bdi dir="ltr">{phone(contact.phone)}</bdi>{" "}
            <button type="button" class="more" onClick={() => void copy()}>
              {t("copy")}
            </button>
          </Fact>
        )}
        <Fact label={t("profile.channel")}>
          <bdi>{card.channelId}</bdi>
        </Fact>
        <Fact label={t("profile.window")}>
          <WindowLeft card={card} /> {instantOf(card.windowExpiresAt) > 0 && <small>{dateTime(instantOf(card.windowExpiresAt))}</small>}
        </Fact>
        {card.optedOut && <Fact label={t("profile.marketing")}>{t("consent.stop")}</Fact>}
        {muted && <Fact label={t("party.bot")}>{t("profile.muted", { at: dateTime(instantOf(card.mutedUntil)) })}</Fact>}
        {card.requestReason && (
          <Fact label={t("profile.reason")}>
            <bdi>{line(card.requestReason)}</bdi>
          </Fact>
        )}
        <Fact label={t("profile.asked")}>
          {past.complete
            ? t("profile.times", { n: asked })
            : t("profile.timesSince", { n: asked, at: dateTime(instantOf(past.all[0]?.at) || serverNow()) })}
        </Fact>
      </dl>
      {referral && (
        <Part title={t("referral")}>
          <p dir="auto">
            <b>{line(referral.headline)}</b>
          </p>
          <p dir="auto">{line(referral.body)}</p>
          <SafeLink url={referral.sourceUrl}>{line(referral.sourceUrl)}</SafeLink>
        </Part>
      )}
      <Part title={t("tags")}>
        <TagEditor card={card} />
      </Part>
      <Part title={t("notes")}>
        {notes.length === 0 && <p class="faint">{t("notes.none")}</p>}
        {notes.map(
          ({ version, kind, by, at }) =>
            kind.case === "note" && (
              <div key={String(version)} class="profile-note">
                <small>
                  <bdi>{partyName(by, names)}</bdi> <Moment at={at} />
                </small>
                <RichText text={kind.value.body} />
              </div>
            ),
        )}
      </Part>
      <Part title={t("handOvers")}>
        {handOvers.length === 0 && <p class="faint">{t("handOvers.none")}</p>}
        <ul class="hand-overs">
          {handOvers.map(
            ({ version, kind, by, at }) =>
              kind.case === "handOver" && (
                <li key={String(version)}>
                  <span dir="auto">{handOverText(kind.value, by, names)}</span> <Moment at={at} />
                </li>
              ),
          )}
        </ul>
        {!past.complete && (
          <Button
            label={past.loading ? t("loading") : t("profile.older")}
            look="quiet"
            disabled={past.loading}
            data-command="older"
            onClick={past.older}
          />
        )}
      </Part>
      {card.linkedConversationIds.length > 0 && (
        <Part title={t("profile.linked")}>
          <ul class="hand-overs">
            {card.linkedConversationIds.map((conversationId, n) => (
              <li key={conversationId}>
                <a href={hashOf({ place: "board", conversationId })}>{t("profile.linkedOne", { n: n + 1 })}</a>
              </li>
            ))}
          </ul>
        </Part>
      )}
      {desk.session.role === Role.ADMIN && (
        <Part title={t("erase")}>
          <Button label={t("erase")} look="danger" onClick={() => setErasing(true)} />
          {erasing && <EraseDialog card={card} onClose={() => setErasing(false)} />}
        </Part>
      )}
    </aside>
  );
}

function Fact({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Part({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class="profile-part">
      <h3>{title}</h3>
      {children}
    </section>
  );
}

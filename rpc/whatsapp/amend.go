package whatsapp

import (
	"encoding/json"

	"github.com/intervenehq/intervene/engine"
)

// amend is what m does to another message; nil, if m does not say to which or
// what. A business's own reaction, in an echo, is a message that it sent.
func (m *item) amend(r *reader) (*engine.Amend, eventKind) {
	var what engine.Amendment
	var target string
	var content engine.Content
	object := m.object(string(m.kind))
	switch m.kind {
	case "reaction":
		what = engine.Reacted
		target, content = r.reaction(object)
	case "edit":
		what = engine.Edited
		target, content = r.edit(object)
	case "revoke":
		what = engine.Revoked
		target = r.revoke(object)
	}
	if target == "" || m.echo && what == engine.Reacted || what == engine.Edited && content.Kind == 0 {
		return nil, ""
	}
	return &engine.Amend{
		Channel: m.channel.ID, Contact: m.contact, External: string(m.id), SentAt: m.at,
		Target: target, What: what, Content: content, Outside: m.echo,
	}, amendEvents[what]
}

var amendEvents = map[engine.Amendment]eventKind{
	engine.Reacted: eventReaction,
	engine.Edited:  eventEdit,
	engine.Revoked: eventRevoke,
}

// reaction has no emoji when it is taken back
// (developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/reaction).
func (r *reader) reaction(raw json.RawMessage) (target string, content engine.Content) {
	var reaction struct {
		MessageID lenientString `json:"message_id"`
		Emoji     lenientString `json:"emoji"`
	}
	if !object(raw, &reaction) {
		return "", engine.Content{}
	}
	content = engine.Content{Kind: engine.ContentReaction, Text: r.clip(reaction.Emoji, MaxNameBytes)}
	return r.whole(string(reaction.MessageID), MaxExternalBytes), content
}

// edit carries the whole message as it reads now
// (developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/edit).
func (r *reader) edit(raw json.RawMessage) (target string, content engine.Content) {
	var edit struct {
		Original lenientString   `json:"original_message_id"`
		Message  json.RawMessage `json:"message"`
	}
	if !object(raw, &edit) {
		return "", engine.Content{}
	}
	if len(edit.Message) == 0 || edit.Message[0] != '{' {
		return "", engine.Content{}
	}
	kind := lenient(memberOf(edit.Message, "type"))
	content, ok := r.content(string(kind), memberOf(edit.Message, string(kind)))
	if !ok {
		content = r.unknown(kind, edit.Message, 0)
	}
	return r.whole(string(edit.Original), MaxExternalBytes), content
}

// revoke names the message that is taken back
// (developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/revoke).
func (r *reader) revoke(raw json.RawMessage) (target string) {
	var revoke struct {
		Original lenientString `json:"original_message_id"`
	}
	if !object(raw, &revoke) {
		return ""
	}
	return r.whole(string(revoke.Original), MaxExternalBytes)
}

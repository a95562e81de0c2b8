package whatsapp

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/intervenehq/intervene/engine"
)

// latestSecond is the end of the year 9999: what says to be later is no time.
const latestSecond = 253402300799

// wireMessage is a message or an echo as Meta writes it. Echoes name the customer
// in the fields that begin with to. The user ids came with business-scoped user IDs
// (developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids).
type wireMessage struct {
	id, timestamp, kind, group      lenientString
	from, fromUserID, fromParent    lenientString
	to, toUserID, toParent          lenientString
	text, context, referral, errors json.RawMessage
	others                          []member // of them is the object that kind names
}

type member struct {
	name  string
	value json.RawMessage
}

func parseMessage(raw json.RawMessage) (wireMessage, bool) {
	var m wireMessage
	ok := members(raw, func(name string, value json.RawMessage) {
		switch name {
		case "id":
			m.id = lenient(value)
		case "timestamp":
			m.timestamp = lenient(value)
		case "type":
			m.kind = lenient(value)
		case "group_id":
			m.group = lenient(value)
		case "from":
			m.from = lenient(value)
		case "from_user_id":
			m.fromUserID = lenient(value)
		case "user_id": // as Meta's first pages of it said
			if m.fromUserID == "" {
				m.fromUserID = lenient(value)
			}
		case "from_parent_user_id":
			m.fromParent = lenient(value)
		case "to":
			m.to = lenient(value)
		case "to_user_id":
			m.toUserID = lenient(value)
		case "to_parent_user_id":
			m.toParent = lenient(value)
		case "text":
			m.text = value
		case "context":
			m.context = value
		case "referral":
			m.referral = value
		case "errors":
			m.errors = value
		default:
			m.keep(name, value)
		}
	})
	return m, ok
}

// keep keeps what stands under the name of a type: there are few.
func (m *wireMessage) keep(name string, value json.RawMessage) {
	if !typeObjects[name] {
		return
	}
	for i := range m.others {
		if m.others[i].name == name {
			m.others[i].value = value // the last one counts
			return
		}
	}
	m.others = append(m.others, member{name, value})
}

// object is what stands under name; nil if nothing does.
func (m *wireMessage) object(name string) json.RawMessage {
	if name == "text" {
		return m.text
	}
	for _, other := range m.others {
		if other.name == name {
			return other.value
		}
	}
	return nil
}

// item is a message or an echo on its way to become one of [engine.Inbound]'s.
type item struct {
	wireMessage
	raw     json.RawMessage
	channel Channel
	contact engine.Contact // the customer
	at      engine.Instant
	echo    bool // the business wrote it, from elsewhere
}

// message takes in what a customer wrote or did.
func (d *delivery) message(raw json.RawMessage, channel Channel, contacts *contacts) {
	wire, ok := parseMessage(raw)
	if !ok {
		d.odd(oddMessage, notAnObject, 1)
		return
	}
	d.take(oddMessage, &item{wireMessage: wire, raw: raw, channel: channel, contact: contacts.complete(engine.Contact{
		WaID: string(wire.from), UserID: string(wire.fromUserID), ParentUserID: string(wire.fromParent),
	})})
}

// echo takes in what the business wrote from the phone that shares its number.
// from is the business itself
// (developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/smb_message_echoes).
func (d *delivery) echo(raw json.RawMessage, channel Channel, contacts *contacts) {
	wire, ok := parseMessage(raw)
	if !ok {
		d.odd(oddEcho, notAnObject, 1)
		return
	}
	d.take(oddEcho, &item{wireMessage: wire, raw: raw, channel: channel, echo: true, contact: contacts.complete(engine.Contact{
		WaID: string(wire.to), UserID: string(wire.toUserID), ParentUserID: string(wire.toParent),
	})})
}

// take makes m what it is: a change of what is known of a contact, something
// done to another message, or, when nothing else fits, a message.
func (d *delivery) take(kind oddityKind, m *item) {
	if !d.check(kind, m) {
		return
	}
	r := newReader()
	inbound := engine.Inbound{Workspace: m.channel.Workspace, Channel: m.channel.ID}
	var event eventKind
	switch m.kind {
	case "text":
	case "reaction", "edit", "revoke":
		inbound.Amend, event = m.amend(&r)
	case "system":
		event = d.system(m, &inbound)
	}
	switch {
	case event != "":
	case m.echo:
		inbound.Echo, event = m.record(&r), eventEcho
	default:
		inbound.Message = m.receive(&r)
		event = eventOf(inbound.Message.Content.Kind)
	}
	d.events[event]++
	if r.cut {
		d.odd(kind, oversizedContent, 1)
	}
	if r.lost {
		d.odd(kind, unreadablePart, 1)
	}
	d.report(kind, m.errors)
	d.items = append(d.items, inbound)
}

// check reports whether m has what every item needs: a name, a customer and a
// time.
func (d *delivery) check(kind oddityKind, m *item) bool {
	var timed bool
	m.at, timed = instant(m.timestamp)
	m.contact = d.identify(kind, m.contact)
	switch {
	case m.id == "":
		d.odd(kind, missingID, 1)
	case nobody(m.contact):
		d.odd(kind, missingIdentity, 1)
	case len(m.id) > MaxExternalBytes || oversized(m.contact):
		d.odd(kind, oversizedID, 1)
	case !timed:
		d.odd(kind, badTimestamp, 1)
	case m.group != "":
		// A conversation is a channel and one contact: to answer alone who wrote to
		// a group would tell them what others were meant to read.
		d.odd(kind, groupMessage, 1)
	default:
		return true
	}
	return false
}

func (m *item) receive(r *reader) *engine.Receive {
	message := &engine.Receive{
		Channel: m.channel.ID, Contact: m.contact, External: string(m.id), SentAt: m.at,
		Content: m.content(r),
	}
	message.ReplyTo, message.Context = m.refersTo(r)
	message.Consent = m.channel.consent(message.Content)
	return message
}

func (m *item) record(r *reader) *engine.RecordEcho {
	echo := &engine.RecordEcho{
		Channel: m.channel.ID, Contact: m.contact, External: string(m.id), SentAt: m.at,
		Content: m.content(r),
	}
	echo.ReplyTo, _ = m.refersTo(r)
	if m.kind == "reaction" {
		if target, reaction := r.reaction(m.object("reaction")); target != "" {
			echo.Content, echo.ReplyTo = reaction, target
		}
	}
	return echo
}

// content is what m says. A type that is not known, and one whose object is not
// as it should be, is kept raw: somebody may still read it.
func (m *item) content(r *reader) engine.Content {
	if content, ok := r.content(string(m.kind), m.object(string(m.kind))); ok {
		return content
	}
	return r.unsupported(m)
}

// contentReaders read the object that stands under its type's name.
var contentReaders = map[string]func(*reader, json.RawMessage) (engine.Content, bool){
	"text":            (*reader).text,
	"image":           (*reader).image,
	"video":           (*reader).video,
	"audio":           (*reader).audio,
	"voice":           (*reader).voice,
	"document":        (*reader).document,
	"sticker":         (*reader).sticker,
	"location":        (*reader).location,
	"contacts":        (*reader).cards,
	"order":           (*reader).order,
	"button":          (*reader).button,
	"interactive":     (*reader).interactive,
	"request_welcome": (*reader).welcome,
}

// typeObjects are the names of the objects that any type has.
var typeObjects = func() map[string]bool {
	names := map[string]bool{"reaction": true, "edit": true, "revoke": true, "system": true, "unsupported": true}
	for name := range contentReaders {
		names[name] = true
	}
	return names
}()

// content is what a message of the given type says, if its object can be read.
func (r *reader) content(kind string, object json.RawMessage) (engine.Content, bool) {
	read, known := contentReaders[kind]
	if !known {
		return engine.Content{}, false
	}
	return read(r, object)
}

func (r *reader) text(raw json.RawMessage) (engine.Content, bool) {
	var body string
	var isText bool
	members(raw, func(name string, value json.RawMessage) {
		if name == "body" {
			body, isText = unquote(value)
		}
	})
	return engine.Content{Kind: engine.ContentText, Text: r.clip(lenientString(body), MaxTextBytes)}, isText
}

// welcome is all that Meta says when a customer opens the chat for the first
// time and has written nothing.
func (r *reader) welcome(json.RawMessage) (engine.Content, bool) {
	return engine.Content{Kind: engine.ContentWelcome}, true
}

// unsupported keeps m raw. Where Meta itself could not deliver a message, as
// with 131051, it may say of which type it was
// (developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/unsupported).
func (r *reader) unsupported(m *item) engine.Content {
	name := m.kind
	if name == "unsupported" {
		if kind := lenient(memberOf(m.object("unsupported"), "type")); kind != "" {
			name = kind
		}
	}
	code, _ := firstError(m.errors)
	unknown := r.unknown(name, m.raw, code)
	if m.kind == "system" {
		unknown.Kind = engine.ContentSystem
	}
	return unknown
}

func (r *reader) unknown(name lenientString, raw json.RawMessage, code int32) engine.Content {
	if name == "" {
		name = "unknown"
	}
	return engine.Content{
		Kind: engine.ContentUnsupported, Text: r.clip(name, MaxNameBytes),
		Raw: r.whole(strings.ToValidUTF8(string(raw), "\uFFFD"), MaxRawBytes), Error: code,
	}
}

// either is the first that says something.
func either(a, b lenientString) string {
	if a == "" {
		return string(b)
	}
	return string(a)
}

// instant reads Unix seconds.
func instant(timestamp lenientString) (engine.Instant, bool) {
	seconds, err := strconv.ParseInt(string(timestamp), 10, 64)
	if err != nil || seconds <= 0 || seconds > latestSecond {
		return 0, false
	}
	return engine.Instant(seconds * 1000), true
}

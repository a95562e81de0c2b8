package whatsapp

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/intervenehq/intervene/engine"
)

const (
	// MaxExternalBytes bounds the IDs that are taken from Meta: wamids and the
	// identities of contacts. Real ones have at most 150.
	MaxExternalBytes = 512
	// MaxTextBytes bounds what is kept of a customer's text. WhatsApp's own
	// limit is 65,536 characters.
	MaxTextBytes = 256 << 10
	// MaxRawBytes bounds the JSON kept of a message of an unsupported type:
	// what is larger is not kept, for half an object is none.
	MaxRawBytes = 256 << 10
	// MaxNameBytes bounds a contact's name, a type's name and a button's payload.
	MaxNameBytes = 1 << 10
)

// latestSecond is the end of the year 9999: what says to be later is no time.
const latestSecond = 253402300799

// eventKind is what came, as metrics count it.
type eventKind string

const (
	eventText        eventKind = "text"
	eventButtonReply eventKind = "button_reply"
	eventUnsupported eventKind = "unsupported"
)

// wireMessage is what all messages have in common, and the objects of the types
// that are understood.
type wireMessage struct {
	ID          lenientString   `json:"id"`
	From        lenientString   `json:"from"`
	FromUserID  lenientString   `json:"from_user_id"`
	UserID      lenientString   `json:"user_id"`
	Timestamp   lenientString   `json:"timestamp"`
	Type        lenientString   `json:"type"`
	Context     json.RawMessage `json:"context"`
	Text        json.RawMessage `json:"text"`
	Button      json.RawMessage `json:"button"`
	Interactive json.RawMessage `json:"interactive"`
}

func (d *delivery) message(raw json.RawMessage, channel Channel, contacts contacts) {
	var m wireMessage
	if !object(raw, &m) {
		d.odd(oddMessage, notAnObject, 1)
		return
	}
	at, timed := instant(m.Timestamp)
	contact := contacts.sender(m)
	content := m.content(raw)
	switch {
	case m.ID == "":
		d.odd(oddMessage, missingID, 1)
		return
	case contact.WaID == "" && contact.UserID == "":
		d.odd(oddMessage, missingIdentity, 1)
		return
	case max(len(m.ID), len(contact.WaID), len(contact.UserID)) > MaxExternalBytes:
		d.odd(oddMessage, oversizedID, 1)
		return
	case !timed:
		d.odd(oddMessage, badTimestamp, 1)
		return
	}
	d.count(content.Kind)
	d.items = append(d.items, engine.Inbound{
		Workspace: channel.Workspace,
		Channel:   channel.ID,
		Message: &engine.Receive{
			Channel: channel.ID, Contact: contact, External: string(m.ID), SentAt: at,
			Content: d.bounded(content), ReplyTo: m.replyTo(),
		},
	})
}

func (d *delivery) count(kind engine.ContentKind) {
	switch kind {
	case engine.ContentText:
		d.events[eventText]++
	case engine.ContentButtonReply:
		d.events[eventButtonReply]++
	default:
		d.events[eventUnsupported]++
	}
}

// replyTo is the message that m answers. A context that cannot be read is no
// reason to lose a message.
func (m *wireMessage) replyTo() string {
	var context struct {
		ID lenientString `json:"id"`
	}
	if !object(m.Context, &context) || len(context.ID) > MaxExternalBytes {
		return ""
	}
	return string(context.ID)
}

// content is what m says. A type that is not known, and one whose object is not
// as it should be, is kept raw: somebody may still read it.
func (m *wireMessage) content(raw json.RawMessage) engine.Content {
	var content engine.Content
	var understood bool
	switch m.Type {
	case "text":
		content, understood = textContent(m.Text)
	case "button":
		content, understood = buttonContent(m.Button)
	case "interactive":
		content, understood = interactiveContent(m.Interactive)
	}
	if understood {
		return content
	}
	name := string(m.Type)
	if name == "" {
		name = "unknown"
	}
	return engine.Content{Kind: engine.ContentUnsupported, Text: name, Raw: strings.ToValidUTF8(string(raw), "\uFFFD")}
}

func textContent(raw json.RawMessage) (engine.Content, bool) {
	var text struct {
		Body *string `json:"body"`
	}
	if !object(raw, &text) || text.Body == nil {
		return engine.Content{}, false
	}
	return engine.Content{Kind: engine.ContentText, Text: *text.Body}, true
}

// buttonContent is the quick reply to a template.
func buttonContent(raw json.RawMessage) (engine.Content, bool) {
	var button struct {
		Payload string `json:"payload"`
		Text    string `json:"text"`
	}
	if !object(raw, &button) || button.Text == "" {
		return engine.Content{}, false
	}
	return engine.Content{Kind: engine.ContentButtonReply, Text: button.Text, Payload: button.Payload}, true
}

// interactiveContent is the reply to buttons or to a list.
func interactiveContent(raw json.RawMessage) (engine.Content, bool) {
	type reply struct {
		ID    string `json:"id"`
		Title string `json:"title"`
	}
	var interactive struct {
		Type        string          `json:"type"`
		ButtonReply json.RawMessage `json:"button_reply"`
		ListReply   json.RawMessage `json:"list_reply"`
	}
	if !object(raw, &interactive) {
		return engine.Content{}, false
	}
	var chosen reply
	var understood bool
	switch interactive.Type {
	case "button_reply":
		understood = object(interactive.ButtonReply, &chosen)
	case "list_reply":
		understood = object(interactive.ListReply, &chosen)
	}
	if !understood || chosen.Title == "" {
		return engine.Content{}, false
	}
	return engine.Content{Kind: engine.ContentButtonReply, Text: chosen.Title, Payload: chosen.ID}, true
}

// bounded is content within the limits of what is kept.
func (d *delivery) bounded(content engine.Content) engine.Content {
	textLimit := MaxTextBytes
	if content.Kind == engine.ContentUnsupported {
		textLimit = MaxNameBytes
	}
	kept := content
	kept.Text, kept.Payload = clip(content.Text, textLimit), clip(content.Payload, MaxNameBytes)
	if len(content.Raw) > MaxRawBytes {
		kept.Raw = ""
	}
	if kept != content {
		d.odd(oddMessage, oversizedContent, 1)
	}
	return kept
}

// clip is s, or as many of its whole runes as limit bytes hold.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// instant reads Unix seconds.
func instant(timestamp lenientString) (engine.Instant, bool) {
	seconds, err := strconv.ParseInt(string(timestamp), 10, 64)
	if err != nil || seconds <= 0 || seconds > latestSecond {
		return 0, false
	}
	return engine.Instant(seconds * 1000), true
}

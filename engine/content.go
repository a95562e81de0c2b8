package engine

import "unicode/utf8"

// ContentKind is what sort of message this is. The numbers are on disk: never
// reordered, never reused.
type ContentKind uint8

const (
	ContentText        ContentKind = 1
	ContentButtonReply ContentKind = 2
	ContentUnsupported ContentKind = 3 // a type that this version does not know, kept raw
	contentKindCount               = 4
)

var contentKindNames = [contentKindCount]string{"none", "text", "button_reply", "unsupported"}

func (k ContentKind) String() string { return nameOf(contentKindNames[:], int(k)) }

// Content is what a message says. It is comparable and never changed.
type Content struct {
	Kind ContentKind
	// Text is the body of a text, the title of a button reply, and the type's
	// name, as the sender's platform calls it, of an unsupported message.
	Text string
	// Payload is the id that the pressed button carried.
	Payload string
	// Raw is the item's JSON as it came, of an unsupported message.
	Raw string
}

// PreviewRunes bounds what a card shows of the newest message.
const PreviewRunes = 120

// Preview is what a card shows of c.
func (c Content) Preview() string {
	text := c.Text
	if c.Kind == ContentUnsupported {
		text = "[" + c.Text + "]"
	}
	if utf8.RuneCountInString(text) <= PreviewRunes {
		return text
	}
	return string([]rune(text)[:PreviewRunes-1]) + "…"
}

// MaxTextRunes is WhatsApp's limit of a text message's body
// (developers.facebook.com/docs/whatsapp/cloud-api/messages/text-messages).
const MaxTextRunes = 4096

// validate reports what would make c unsendable.
func (c Content) validate() error {
	switch {
	case c.Kind != ContentText:
		return &Error{Code: CodeInvalid, Field: "content", Problem: "only text can be sent"}
	case c.Text == "":
		return &Error{Code: CodeInvalid, Field: "text.body", Problem: "must not be empty"}
	case !utf8.ValidString(c.Text):
		return &Error{Code: CodeInvalid, Field: "text.body", Problem: "must be valid UTF-8"}
	case utf8.RuneCountInString(c.Text) > MaxTextRunes:
		return &Error{Code: CodeInvalid, Field: "text.body", Problem: "must have at most 4096 characters"}
	}
	return nil
}

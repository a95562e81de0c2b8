package engine

import (
	"iter"
	"unicode/utf8"
)

// ContentKind is what sort of message this is. The numbers are on disk: never
// reordered, never reused.
type ContentKind uint8

const (
	ContentText        ContentKind = 1
	ContentButtonReply ContentKind = 2 // a button that was pressed, or a row that was chosen
	ContentUnsupported ContentKind = 3 // a type that this version does not know, kept raw

	ContentImage    ContentKind = 4
	ContentVideo    ContentKind = 5
	ContentAudio    ContentKind = 6
	ContentDocument ContentKind = 7
	ContentSticker  ContentKind = 8
	ContentLocation ContentKind = 9
	ContentContacts ContentKind = 10
	// ContentReaction is sent only: what customers react comes as [Amend].
	ContentReaction ContentKind = 11

	// These come only.
	ContentOrder          ContentKind = 12
	ContentFlowReply      ContentKind = 13 // what a WhatsApp Flow was answered with, kept raw
	ContentCallPermission ContentKind = 14 // whether the customer may be called
	ContentWelcome        ContentKind = 15 // the customer opened the chat, and wrote nothing yet

	// These are sent only.
	ContentButtons  ContentKind = 16
	ContentList     ContentKind = 17
	ContentLink     ContentKind = 18 // a text with one button that opens a URL
	ContentTemplate ContentKind = 19

	// ContentSystem is what the platform says of the customer, who wrote nothing:
	// it is shown, kept raw, and changes nothing else.
	ContentSystem ContentKind = 20

	contentKindCount = 21
)

var contentKindNames = [contentKindCount]string{
	"none", "text", "button_reply", "unsupported", "image", "video", "audio", "document", "sticker", "location", "contacts",
	"reaction", "order", "flow_reply", "call_permission", "welcome", "buttons", "list", "link", "template", "system",
}

func (k ContentKind) String() string { return nameOf(contentKindNames[:], int(k)) }

// ContentKinds are all of them.
func ContentKinds() iter.Seq[ContentKind] { return numbered[ContentKind](contentKindCount) }

// IsMedia reports whether content of kind k carries a file.
func (k ContentKind) IsMedia() bool { return k >= ContentImage && k <= ContentSticker }

// MaxFileBytes is the largest file that WhatsApp takes with content of kind k, 0
// where there is none; of stickers that is a moving one
// (developers.facebook.com/docs/whatsapp/cloud-api/reference/media#supported-media-types).
func (k ContentKind) MaxFileBytes() int64 {
	switch k {
	case ContentImage:
		return 5 << 20
	case ContentAudio, ContentVideo:
		return 16 << 20
	case ContentDocument:
		return 100 << 20
	case ContentSticker:
		return 500 << 10
	}
	return 0
}

// Content is what a message says. Kind tells which of the other fields mean
// anything. It is never changed, nor is what it points to.
type Content struct {
	Kind ContentKind
	// Text is the body of a text, of buttons, a list or a link; the caption of
	// media; the title of a button reply; the emoji of a reaction, empty to take it
	// back; what came with an order; and the type's name, as the sender's platform
	// calls it, of an unsupported message.
	Text string
	// Payload is the id that the pressed button or the chosen row carried, the
	// name of a flow, or "accept" or "reject" of a call permission.
	Payload string
	// Raw is the item's JSON as it came, of an unsupported message, or the
	// answers of a flow.
	Raw string
	// Error is the platform's code for why a message is unsupported; 0: none.
	Error int32
	// LinkPreview asks for a preview of the first link in a text that is sent.
	LinkPreview bool

	Media    *Media        // of media
	Location *Location     // of a location
	Contacts []ContactCard // of contacts
	Order    *Order        // of an order
	Menu     *Menu         // of buttons, a list or a link
	Template *Template     // of a template
}

// PreviewRunes bounds what a card shows of the newest message.
const PreviewRunes = 120

// Preview is what a card shows of c.
func (c Content) Preview() string {
	text := c.Text
	switch {
	case c.Kind == ContentUnsupported:
		text = "[" + c.Text + "]"
	case c.Kind == ContentTemplate && c.Template != nil:
		text = "[" + c.Template.Name + "]"
	case text == "" && c.Kind != ContentText:
		text = "[" + c.Kind.String() + "]"
	}
	if utf8.RuneCountInString(text) <= PreviewRunes {
		return text
	}
	return string([]rune(text)[:PreviewRunes-1]) + "…"
}

package engine

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// WhatsApp's limits of what is sent, in characters
// (developers.facebook.com/docs/whatsapp/cloud-api/reference/messages).
const (
	MaxTextRunes        = 4096
	MaxCaptionRunes     = 1024
	MaxMenuBodyRunes    = 1024 // of buttons and links
	MaxListBodyRunes    = 4096
	MaxHeaderRunes      = 60
	MaxFooterRunes      = 60
	MaxLabelRunes       = 20
	MaxButtons          = 3
	MaxButtonTitleRunes = 20
	MaxButtonIDRunes    = 256
	MaxListRows         = 10 // over all sections
	MaxRowTitleRunes    = 24
	MaxRowIDRunes       = 200
	MaxDescriptionRunes = 72
	MaxSectionRunes     = 24
	MaxContactCards     = 257
	MaxTemplateRunes    = 512 // of its name
)

// Limits of our own, where WhatsApp names none.
const (
	MaxURLRunes           = 2000
	MaxFilenameRunes      = 240
	MaxLocationRunes      = 1000 // of a name, of an address
	MaxCardRunes          = 1000 // of each field of a contact card
	MaxCardEntries        = 50   // phones, emails, URLs, addresses of a card
	MaxLanguageRunes      = 32
	MaxTemplateComponents = 16
	MaxTemplateParameters = 100 // of one component
	MaxTemplateButtons    = 10
	MaxParameterRunes     = 1024
	MaxLoneParameterRunes = 32768 // of a body that is the only component
	MaxActionBytes        = 64 << 10
)

var errNoTarget = &Error{Code: CodeInvalid, Field: "reply_to_message_id", Problem: "must name the message that is reacted to"}

func (b SendMessage) validate() error {
	if err := b.Content.validate(); err != nil {
		return err
	}
	if b.Content.Kind == ContentReaction && b.ReplyTo == "" {
		return errNoTarget
	}
	return nil
}

// validate reports what would make c unsendable.
func (c Content) validate() error {
	var l limits
	switch name := c.Kind.String(); c.Kind {
	case ContentText:
		l.text("text.body", c.Text, 1, MaxTextRunes)
	case ContentImage, ContentVideo, ContentAudio, ContentDocument, ContentSticker:
		l.mediaMessage(name, c)
	case ContentLocation:
		l.location(name, c.Location)
	case ContentContacts:
		l.contacts(c.Contacts)
	case ContentReaction:
		l.that(c.Text == "" || isEmoji(c.Text), "reaction.emoji", "must be one emoji, or empty")
	case ContentButtons:
		l.buttons(c)
	case ContentList:
		l.list(c)
	case ContentLink:
		l.link(c)
	case ContentTemplate:
		l.template(c.Template)
	default:
		l.that(false, "content", "is of a kind that cannot be sent")
	}
	if l.first != nil {
		return l.first
	}
	return nil
}

// limits keeps the first one that something breaks.
type limits struct{ first *Error }

// that notes the problem of field unless ok.
func (l *limits) that(ok bool, field, problem string) {
	if !ok && l.first == nil {
		l.first = &Error{Code: CodeInvalid, Field: field, Problem: problem}
	}
}

// text holds value to its length in characters.
func (l *limits) text(field, value string, least, most int) {
	if l.first == nil {
		l.first = checkText(field, value, least, most)
	}
}

func (l *limits) count(field string, n, least, most int) {
	l.that(n >= least && n <= most, field, fmt.Sprintf("must be %d to %d", least, most))
}

// checkText is the problem of value, which must have least to most characters.
func checkText(field, value string, least, most int) *Error {
	problem := ""
	switch {
	case least > 0 && value == "":
		problem = "must not be empty"
	case !utf8.ValidString(value):
		problem = "must be valid UTF-8"
	case len(value) > most && utf8.RuneCountInString(value) > most:
		problem = "must have at most " + strconv.Itoa(most) + " characters"
	default:
		return nil
	}
	return &Error{Code: CodeInvalid, Field: field, Problem: problem}
}

package standin

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Meta's limits, in characters unless said otherwise: its pages "Text
// messages", "Image messages" and so on.
const (
	textLimit         = 4096
	captionLimit      = 1024
	callbackDataLimit = 512
	contactCountLimit = 257 // cards of one message; Meta's page "Contacts messages"
)

const (
	typeText        = "text"
	typeTemplate    = "template"
	typeReaction    = "reaction"
	typeInteractive = "interactive"
)

// contentChecks holds each type that can be sent. A check reads the type's
// object into the send.
var contentChecks = map[string]func(*send, json.RawMessage) *graphError{
	typeText:        readText,
	"image":         readMedia("image", true),
	"video":         readMedia("video", true),
	"document":      readMedia("document", true),
	"audio":         readMedia("audio", false),
	"sticker":       readMedia("sticker", false),
	"location":      readLocation,
	"contacts":      readContacts,
	typeReaction:    readReaction,
	typeTemplate:    readTemplate,
	typeInteractive: readInteractive,
}

func parseFields(body []byte) (map[string]json.RawMessage, *graphError) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, codeError(codeInvalidParameter, "The request body is not a JSON object")
	}
	var product string
	if refusal := readField(fields, "messaging_product", &product); refusal != nil {
		return nil, refusal
	}
	if product == "" {
		return nil, invalidParameter("The parameter messaging_product is required.")
	}
	if product != messagingProduct {
		return nil, invalidParameter("Param messaging_product must be one of {WHATSAPP}")
	}
	return fields, nil
}

func parseSend(fields map[string]json.RawMessage, body []byte) (send, *graphError) {
	s := send{raw: slices.Clone(body)}
	var recipientType string
	if refusal := readField(fields, "recipient_type", &recipientType); refusal != nil {
		return send{}, refusal
	}
	if recipientType != "" && recipientType != "individual" {
		return send{}, invalidParameter("Param recipient_type must be one of {INDIVIDUAL}")
	}
	if refusal := s.readRecipient(fields); refusal != nil {
		return send{}, refusal
	}
	if refusal := s.readContent(fields); refusal != nil {
		return send{}, refusal
	}
	if refusal := s.readContext(fields); refusal != nil {
		return send{}, refusal
	}
	if refusal := readField(fields, "biz_opaque_callback_data", &s.callbackData); refusal != nil {
		return send{}, refusal
	}
	if tooLong(s.callbackData, callbackDataLimit) {
		return send{}, invalidParameter("Param biz_opaque_callback_data must be at most 512 characters long.")
	}
	return s, nil
}

// readRecipient: a phone number in to goes before a user ID in recipient.
func (s *send) readRecipient(fields map[string]json.RawMessage) *graphError {
	var to, recipient string
	if refusal := readField(fields, "to", &to); refusal != nil {
		return refusal
	}
	if refusal := readField(fields, "recipient", &recipient); refusal != nil {
		return refusal
	}
	s.input = to
	if to == "" {
		s.input = recipient
	}
	if s.input == "" {
		return invalidParameter("The parameter to is required.")
	}
	contact, ok := ParseIdentity(s.input)
	if !ok || (to != "" && contact.IsUserID()) || (to == "" && !contact.IsUserID()) {
		return invalidValue("Recipient is not a valid phone number or user ID")
	}
	s.contact = contact
	return nil
}

func (s *send) readContent(fields map[string]json.RawMessage) *graphError {
	s.kind = impliedType(fields)
	if refusal := readField(fields, "type", &s.kind); refusal != nil {
		return refusal
	}
	check, ok := contentChecks[s.kind]
	if !ok {
		return invalidParameter("Param type must be one of {AUDIO, CONTACTS, DOCUMENT, IMAGE, INTERACTIVE," +
			" LOCATION, REACTION, STICKER, TEMPLATE, TEXT, VIDEO}")
	}
	object, ok := fields[s.kind]
	if !ok {
		return missing("Parameter '" + s.kind + "' is required for this type")
	}
	return check(s, object)
}

// impliedType is the type of a send that names none, as some of Meta's own
// examples do: a text, unless the only content is of another type.
func impliedType(fields map[string]json.RawMessage) string {
	implied := typeText
	for kind := range contentChecks {
		if _, ok := fields[kind]; !ok {
			continue
		}
		if kind == typeText || implied != typeText {
			return typeText
		}
		implied = kind
	}
	return implied
}

func (s *send) readContext(fields map[string]json.RawMessage) *graphError {
	raw, ok := fields["context"]
	if !ok {
		return nil
	}
	var context struct {
		MessageID string `json:"message_id"`
	}
	if refusal := decode(raw, "context", &context); refusal != nil {
		return refusal
	}
	if context.MessageID == "" {
		return invalidParameter("The parameter context['message_id'] is required.")
	}
	s.replyTo = WAMID(context.MessageID)
	return nil
}

func readText(s *send, raw json.RawMessage) *graphError {
	var text struct {
		Body       string `json:"body"`
		PreviewURL bool   `json:"preview_url"`
	}
	if refusal := decode(raw, "text", &text); refusal != nil {
		return refusal
	}
	if text.Body == "" {
		return invalidParameter("The parameter text['body'] is required.")
	}
	if tooLong(text.Body, textLimit) {
		return invalidParameter("Param text['body'] must be at most 4096 characters long.")
	}
	s.text = text.Body
	return nil
}

// mediaReference is media by ID or by link, as it stands in a send.
type mediaReference struct {
	ID       MediaID `json:"id"`
	Link     string  `json:"link"`
	Caption  *string `json:"caption"`
	Filename *string `json:"filename"`
}

func readMedia(kind string, captioned bool) func(*send, json.RawMessage) *graphError {
	return func(s *send, raw json.RawMessage) *graphError {
		var media mediaReference
		if refusal := decode(raw, kind, &media); refusal != nil {
			return refusal
		}
		if refusal := media.check(kind); refusal != nil {
			return refusal
		}
		s.mediaKind, s.mediaID = kind, media.ID
		if media.Filename != nil && kind != "document" {
			return invalidParameter("Unexpected key \"filename\" on param \"" + kind + "\".")
		}
		if media.Caption == nil {
			return nil
		}
		if !captioned {
			return invalidParameter("Unexpected key \"caption\" on param \"" + kind + "\".")
		}
		if tooLong(*media.Caption, captionLimit) {
			return invalidParameter("Param " + kind + "['caption'] must be at most 1024 characters long.")
		}
		s.text = *media.Caption
		return nil
	}
}

func (m mediaReference) check(kind string) *graphError {
	if (m.ID == "") == (m.Link == "") {
		return invalidParameter("Exactly one of " + kind + "['id'] and " + kind + "['link'] is required.")
	}
	if m.Link != "" && !isWebLink(m.Link) {
		return invalidParameter("Param " + kind + "['link'] is not a valid URI.")
	}
	return nil
}

func readLocation(s *send, raw json.RawMessage) *graphError {
	var location struct {
		Latitude  *float64 `json:"latitude"`
		Longitude *float64 `json:"longitude"`
		Name      string   `json:"name"`
		Address   string   `json:"address"`
	}
	if refusal := decode(raw, "location", &location); refusal != nil {
		return refusal
	}
	if location.Latitude == nil || location.Longitude == nil {
		return missing("Location needs latitude and longitude")
	}
	if math.Abs(*location.Latitude) > 90 || math.Abs(*location.Longitude) > 180 {
		return invalidValue("Location is not on Earth")
	}
	s.text = location.Name
	return nil
}

func readContacts(s *send, raw json.RawMessage) *graphError {
	var cards []struct {
		Name struct {
			Formatted string `json:"formatted_name"`
		} `json:"name"`
	}
	if refusal := decode(raw, "contacts", &cards); refusal != nil {
		return refusal
	}
	if len(cards) == 0 {
		return missing("At least one contact is required")
	}
	if len(cards) > contactCountLimit {
		return invalidValue("At most 257 contacts are allowed")
	}
	for _, card := range cards {
		if card.Name.Formatted == "" {
			return missing("Contact needs name.formatted_name")
		}
	}
	s.text = cards[0].Name.Formatted
	return nil
}

// readReaction: no emoji, or an empty one, takes the reaction back. Its target
// is what the send replies to.
func readReaction(s *send, raw json.RawMessage) *graphError {
	var reaction struct {
		MessageID string `json:"message_id"`
		Emoji     string `json:"emoji"`
	}
	if refusal := decode(raw, typeReaction, &reaction); refusal != nil {
		return refusal
	}
	if reaction.MessageID == "" {
		return missing("Reaction needs message_id")
	}
	s.text, s.replyTo = reaction.Emoji, WAMID(reaction.MessageID)
	return nil
}

func readField(fields map[string]json.RawMessage, name string, target *string) *graphError {
	raw, ok := fields[name]
	if !ok {
		return nil
	}
	if err := json.Unmarshal(raw, target); err != nil {
		return invalidParameter("Param " + name + " must be a string.")
	}
	return nil
}

func decode(raw json.RawMessage, name string, target any) *graphError {
	if err := json.Unmarshal(raw, target); err != nil {
		return codeError(codeInvalidParameter, "Parameter '"+name+"' does not have the expected shape")
	}
	return nil
}

func isWebLink(link string) bool {
	return strings.HasPrefix(link, "https://") || strings.HasPrefix(link, "http://")
}

func tooLong(s string, limit int) bool { return utf8.RuneCountInString(s) > limit }

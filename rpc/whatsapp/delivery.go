package whatsapp

import (
	"encoding/json"
	"errors"

	"github.com/intervenehq/intervene/engine"
)

// errNotDelivery is a signed body that is no webhook delivery at all.
var errNotDelivery = errors.New("body is not a webhook delivery")

// delivery is what one POST holds for the channels of its app. Everything in it
// but items is counts under a bounded set of names, however large the body.
type delivery struct {
	items    []engine.Inbound
	events   map[eventKind]int
	oddities map[oddity]int
	fields   map[string]int // changes of other fields than messages
	codes    map[int32]int  // of the errors that Meta reports, the first MaxReportedCodes
	channels map[engine.ChannelID]bool
}

// oddity says of what kind something was that could not be taken in, and why.
// Neither comes from the input.
type oddity struct {
	kind   oddityKind
	reason oddityReason
}

type (
	oddityKind   string
	oddityReason string
)

const (
	oddObject  oddityKind = "object"
	oddEntry   oddityKind = "entry"
	oddChange  oddityKind = "change"
	oddContact oddityKind = "contact"
	oddMessage oddityKind = "message"
	oddStatus  oddityKind = "status"
	oddEcho    oddityKind = "echo"
	oddConsent oddityKind = "consent"

	notAnObject      oddityReason = "not_an_object"
	notAList         oddityReason = "not_a_list"
	otherObject      oddityReason = "other_object"
	unknownChannel   oddityReason = "unknown_channel"
	missingID        oddityReason = "missing_id"
	missingIdentity  oddityReason = "missing_identity"
	badUserID        oddityReason = "bad_user_id"
	badTimestamp     oddityReason = "bad_timestamp"
	unknownStatus    oddityReason = "unknown_status"
	unknownConsent   oddityReason = "unknown_consent"
	groupMessage     oddityReason = "group_message"
	oversizedID      oddityReason = "oversized_id"
	oversizedContent oddityReason = "oversized_content" // taken in, but cut
	unreadablePart   oddityReason = "unreadable_part"   // taken in, but for that
	reportedError    oddityReason = "reported_error"    // Meta's own, of a change or a message
)

var oddityKinds = [...]oddityKind{
	oddObject, oddEntry, oddChange, oddContact, oddMessage, oddStatus, oddEcho, oddConsent,
}

var oddityReasons = [...]oddityReason{
	notAnObject, notAList, otherObject, unknownChannel, missingID, missingIdentity, badUserID, badTimestamp,
	unknownStatus, unknownConsent, groupMessage, oversizedID, oversizedContent, unreadablePart, reportedError,
}

// The fields that are acted on.
const (
	fieldMessages    = "messages"
	fieldPreferences = "user_preferences"
	fieldEchoes      = "message_echoes"
	fieldPhoneEchoes = "smb_message_echoes"
)

// otherField stands for every field that otherFields does not name.
const otherField = "other"

// otherFields are what Meta delivers besides messages. They are recorded, and but
// for those above not acted on. What comes on standby is another's to answer
// (developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/standby),
// history is past, and user_id_update never comes: a system message does.
var otherFields = map[string]bool{
	"account_alerts": true, "account_review_update": true, "account_settings_update": true, "account_update": true,
	"automatic_events": true, "business_capability_update": true, "business_status_update": true, "calls": true, "flows": true,
	"group_lifecycle_update": true, "group_participants_update": true, "group_settings_update": true, "group_status_update": true,
	"history": true, "message_echoes": true, "message_template_components_update": true, "message_template_quality_update": true,
	"message_template_status_update": true, "messaging_handovers": true, "partner_solutions": true,
	"payment_configuration_update": true, "phone_number_name_update": true, "phone_number_quality_update": true, "security": true,
	"smb_app_state_sync": true, "smb_message_echoes": true, "standby": true, "template_category_update": true,
	"tracking_events": true, "user_id_update": true, "user_preferences": true,
}

// businessAccount is the object that WhatsApp's webhooks are about.
const businessAccount = "whatsapp_business_account"

// parse walks every entry, change, message and status of body. Each is decoded
// on its own, so that a rotten one takes nobody with it; only a body that is
// not a JSON object with a list of entries is an error.
//
// encoding/json bounds the depth of nesting (10,000) and turns invalid UTF-8 into
// U+FFFD, so that every string in items is valid UTF-8. U+0000 is kept: it is valid,
// and a customer's. Of members of one name the last counts.
func parse(body []byte, channels map[PhoneNumberID]Channel) (delivery, error) {
	d := delivery{
		events:   make(map[eventKind]int),
		oddities: make(map[oddity]int),
		fields:   make(map[string]int),
		channels: make(map[engine.ChannelID]bool),
	}
	if !json.Valid(body) {
		return delivery{}, errNotDelivery
	}
	var about lenientString
	var rawEntries json.RawMessage
	if !members(body[space(body, 0):], func(name string, value json.RawMessage) {
		switch name {
		case "object":
			about = lenient(value)
		case "entry":
			rawEntries = value
		}
	}) {
		return delivery{}, errNotDelivery
	}
	entries, ok := elements(rawEntries) // absent and null are no list here
	if !ok {
		return delivery{}, errNotDelivery
	}
	if about != businessAccount {
		d.odd(oddObject, otherObject, 1)
		return d, nil
	}
	for _, raw := range entries {
		d.entry(raw, channels)
	}
	return d, nil
}

func (d *delivery) odd(kind oddityKind, reason oddityReason, n int) {
	if n > 0 {
		d.oddities[oddity{kind, reason}] += n
	}
}

func (d *delivery) entry(raw json.RawMessage, channels map[PhoneNumberID]Channel) {
	var changes json.RawMessage
	if !members(raw, func(name string, value json.RawMessage) {
		if name == "changes" {
			changes = value
		}
	}) {
		d.odd(oddEntry, notAnObject, 1)
		return
	}
	for _, change := range d.list(oddChange, changes) {
		d.change(change, channels)
	}
}

func (d *delivery) change(raw json.RawMessage, channels map[PhoneNumberID]Channel) {
	var field string
	var content json.RawMessage
	if !members(raw, func(name string, value json.RawMessage) {
		switch name {
		case "field":
			field = string(lenient(value))
		case "value":
			content = value
		}
	}) {
		d.odd(oddChange, notAnObject, 1)
		return
	}
	switch {
	case field == fieldMessages:
	case otherFields[field]:
		d.fields[field]++
	default:
		d.fields[otherField]++
	}
	switch field {
	case fieldMessages, fieldPreferences, fieldEchoes, fieldPhoneEchoes:
		d.value(field, content, channels)
	}
}

// value is one change of a field that is acted on: what came for one number.
func (d *delivery) value(field string, raw json.RawMessage, channels map[PhoneNumberID]Channel) {
	var in struct{ metadata, contacts, messages, statuses, echoes, preferences, errors json.RawMessage }
	if !members(raw, func(name string, value json.RawMessage) {
		switch name {
		case "metadata":
			in.metadata = value
		case "contacts":
			in.contacts = value
		case "messages":
			in.messages = value
		case "statuses":
			in.statuses = value
		case "message_echoes":
			in.echoes = value
		case "user_preferences":
			in.preferences = value
		case "errors":
			in.errors = value
		}
	}) {
		d.odd(oddChange, notAnObject, 1)
		return
	}
	var messages, statuses, echoes, preferences []json.RawMessage
	switch field {
	case fieldMessages:
		messages, statuses = d.list(oddMessage, in.messages), d.list(oddStatus, in.statuses)
	case fieldPreferences:
		preferences = d.list(oddConsent, in.preferences)
	default:
		echoes = d.list(oddEcho, in.echoes)
	}
	var number PhoneNumberID
	known := members(in.metadata, func(name string, value json.RawMessage) {
		if name == "phone_number_id" {
			number = PhoneNumberID(lenient(value))
		}
	})
	channel, configured := channels[number]
	if !known || !configured {
		d.odd(oddMessage, unknownChannel, len(messages))
		d.odd(oddStatus, unknownChannel, len(statuses))
		d.odd(oddEcho, unknownChannel, len(echoes))
		d.odd(oddConsent, unknownChannel, len(preferences))
		if len(messages)+len(statuses)+len(echoes)+len(preferences) == 0 {
			d.odd(oddChange, unknownChannel, 1)
		}
		return
	}
	d.channels[channel.ID] = true
	d.report(oddChange, in.errors)
	contacts := d.contacts(in.contacts)
	for _, message := range messages {
		d.message(message, channel, &contacts)
	}
	for _, status := range statuses {
		d.status(status, channel)
	}
	for _, echo := range echoes {
		d.echo(echo, channel, &contacts)
	}
	for _, preference := range preferences {
		d.preference(preference, channel, &contacts)
	}
}

// list is raw taken apart; what is not a list counts as one odd thing of kind.
func (d *delivery) list(kind oddityKind, raw json.RawMessage) []json.RawMessage {
	elements, ok := list(raw)
	if !ok {
		d.odd(kind, notAList, 1)
	}
	return elements
}

// list is raw taken apart; absent and null are empty lists.
func list(raw json.RawMessage) ([]json.RawMessage, bool) {
	if raw == nil || string(raw) == "null" {
		return nil, true
	}
	return elements(raw)
}

// object decodes raw into the struct that into points to, and reports whether
// raw is an object whose fields fit.
func object(raw json.RawMessage, into any) bool {
	return len(raw) > 0 && raw[0] == '{' && json.Unmarshal(raw, into) == nil
}

// lenientString takes a string, or a number as it is written: Meta's examples
// have both for IDs. Anything else is as good as absent, and fails nothing
// beside it.
type lenientString string

func (s *lenientString) UnmarshalJSON(raw []byte) error {
	*s = lenient(raw)
	return nil
}

func lenient(raw json.RawMessage) lenientString {
	if len(raw) == 0 {
		return ""
	}
	switch c := raw[0]; {
	case c == '"':
		text, _ := unquote(raw)
		return lenientString(text)
	case c == '-' || c >= '0' && c <= '9':
		return lenientString(raw)
	}
	return ""
}

// lenientBool takes true, and the string; anything else is false.
type lenientBool bool

func (b *lenientBool) UnmarshalJSON(raw []byte) error {
	*b = string(raw) == "true" || string(raw) == `"true"`
	return nil
}

// memberOf is the member of raw that has this name; nil if there is none.
func memberOf(raw json.RawMessage, name string) json.RawMessage {
	var found json.RawMessage
	members(raw, func(other string, value json.RawMessage) {
		if other == name {
			found = value
		}
	})
	return found
}

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

	notAnObject      oddityReason = "not_an_object"
	notAList         oddityReason = "not_a_list"
	otherObject      oddityReason = "other_object"
	unknownChannel   oddityReason = "unknown_channel"
	missingID        oddityReason = "missing_id"
	missingIdentity  oddityReason = "missing_identity"
	badTimestamp     oddityReason = "bad_timestamp"
	unknownStatus    oddityReason = "unknown_status"
	oversizedID      oddityReason = "oversized_id"
	oversizedContent oddityReason = "oversized_content" // taken in, but cut
	reportedError    oddityReason = "reported_error"    // Meta's own, in value.errors
)

// otherField stands for every field that otherFields does not name.
const otherField = "other"

// otherFields are what Meta delivers besides messages. They are recorded, not
// acted on.
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
// encoding/json bounds the depth of nesting (10,000), lets the last of
// duplicate keys win and turns invalid UTF-8 into U+FFFD, so that every string
// in items is valid UTF-8. U+0000 is kept: it is valid, and a customer's.
func parse(body []byte, channels map[PhoneNumberID]Channel) (delivery, error) {
	d := delivery{
		events:   make(map[eventKind]int),
		oddities: make(map[oddity]int),
		fields:   make(map[string]int),
		channels: make(map[engine.ChannelID]bool),
	}
	var envelope struct {
		Object lenientString   `json:"object"`
		Entry  json.RawMessage `json:"entry"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return delivery{}, errNotDelivery // the decoder's own text repeats the input
	}
	entries, ok := list(envelope.Entry)
	if !ok || entries == nil { // absent and null are no list here
		return delivery{}, errNotDelivery
	}
	if envelope.Object != businessAccount {
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
	var entry struct {
		Changes json.RawMessage `json:"changes"`
	}
	if !object(raw, &entry) {
		d.odd(oddEntry, notAnObject, 1)
		return
	}
	for _, change := range d.list(oddChange, entry.Changes) {
		d.change(change, channels)
	}
}

func (d *delivery) change(raw json.RawMessage, channels map[PhoneNumberID]Channel) {
	var change struct {
		Field lenientString   `json:"field"`
		Value json.RawMessage `json:"value"`
	}
	if !object(raw, &change) {
		d.odd(oddChange, notAnObject, 1)
		return
	}
	field := string(change.Field)
	switch {
	case field == "messages":
		d.value(change.Value, channels)
	case otherFields[field]:
		d.fields[field]++
	default:
		d.fields[otherField]++
	}
}

// value is one change of the field messages: what came for one number.
func (d *delivery) value(raw json.RawMessage, channels map[PhoneNumberID]Channel) {
	var value struct {
		Metadata json.RawMessage `json:"metadata"`
		Contacts json.RawMessage `json:"contacts"`
		Messages json.RawMessage `json:"messages"`
		Statuses json.RawMessage `json:"statuses"`
		Errors   json.RawMessage `json:"errors"`
	}
	if !object(raw, &value) {
		d.odd(oddChange, notAnObject, 1)
		return
	}
	messages, statuses := d.list(oddMessage, value.Messages), d.list(oddStatus, value.Statuses)
	var metadata struct {
		PhoneNumberID lenientString `json:"phone_number_id"`
	}
	known := object(value.Metadata, &metadata)
	channel, configured := channels[PhoneNumberID(metadata.PhoneNumberID)]
	if !known || !configured {
		d.odd(oddMessage, unknownChannel, len(messages))
		d.odd(oddStatus, unknownChannel, len(statuses))
		if len(messages)+len(statuses) == 0 {
			d.odd(oddChange, unknownChannel, 1)
		}
		return
	}
	d.channels[channel.ID] = true
	d.odd(oddChange, reportedError, len(d.list(oddChange, value.Errors)))
	contacts := d.contacts(value.Contacts)
	for _, message := range messages {
		d.message(message, channel, contacts)
	}
	for _, status := range statuses {
		d.status(status, channel)
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
	if raw == nil {
		return nil, true
	}
	var elements []json.RawMessage
	if json.Unmarshal(raw, &elements) != nil {
		return nil, false
	}
	return elements, true
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
	*s = ""
	switch c := raw[0]; {
	case c == '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		*s = lenientString(text)
	case c == '-' || c >= '0' && c <= '9':
		*s = lenientString(raw)
	}
	return nil
}

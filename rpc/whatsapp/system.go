package whatsapp

import (
	"regexp"

	"github.com/intervenehq/intervene/engine"
)

// wireSystem is all that system messages ever said of a customer who changes.
// wa_id is the new number since version 12 of the API and new_wa_id was it
// before; the user ids and the previous ones are of 2026
// (developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/system,
// and its changelog of 2026-08-11).
type wireSystem struct {
	Type                 lenientString `json:"type"`
	Body                 lenientString `json:"body"`
	WaID                 lenientString `json:"wa_id"`
	NewWaID              lenientString `json:"new_wa_id"`
	Customer             lenientString `json:"customer"`
	PreviousWaID         lenientString `json:"previous_wa_id"`
	UserID               lenientString `json:"user_id"`
	PreviousUserID       lenientString `json:"previous_user_id"`
	ParentUserID         lenientString `json:"parent_user_id"`
	PreviousParentUserID lenientString `json:"previous_parent_user_id"`
	Marketing            lenientString `json:"marketing"`
}

// system takes in what Meta says of a customer, not they themselves. What is no
// change of number, id or consent becomes a message of an unsupported type: then
// there is no event.
func (d *delivery) system(m *item, inbound *engine.Inbound) eventKind {
	var wire wireSystem
	if m.echo || !object(m.object("system"), &wire) {
		return ""
	}
	switch wire.Type {
	case "user_changed_number", "user_changed_user_id", "customer_changed_number":
		known, changed := d.changed(m, &wire)
		if nobody(changed) || oversized(changed) || oversized(known) {
			return ""
		}
		inbound.Change = &engine.ChangeContact{
			Channel: m.channel.ID, Contact: known, Changed: changed, External: string(m.id), SentAt: m.at,
		}
		return eventContactChanged
	case "user_preference_changed": // as the On-Premises API said it
		consent := consents[string(wire.Marketing)]
		if consent == 0 {
			return ""
		}
		inbound.Consent = &engine.SetConsent{Channel: m.channel.ID, Contact: m.contact, Consent: consent, At: m.at}
		return consentEvents[consent]
	}
	return ""
}

// changedFrom is how the body of user_changed_user_id ended before the previous
// id had a field of its own.
var changedFrom = regexp.MustCompile(` changed from (\S+) to (\S+)$`)

// changed is whom the customer was known as, and whom they are known as now. The
// message itself may name either: what it says is the old identity, unless it is
// the new one.
func (d *delivery) changed(m *item, wire *wireSystem) (known, changed engine.Contact) {
	changed = d.identify(oddMessage, engine.Contact{
		WaID: either(wire.WaID, wire.NewWaID), UserID: string(wire.UserID), ParentUserID: string(wire.ParentUserID),
	})
	known = engine.Contact{
		WaID: either(wire.Customer, wire.PreviousWaID), UserID: string(wire.PreviousUserID), ParentUserID: string(wire.PreviousParentUserID),
	}
	if said := changedFrom.FindStringSubmatch(string(wire.Body)); said != nil && known.UserID == "" && isUserID(said[1]) {
		known.UserID = said[1]
	}
	known = d.identify(oddMessage, known)
	if known.WaID == "" && m.contact.WaID != changed.WaID {
		known.WaID = m.contact.WaID
	}
	if known.UserID == "" && m.contact.UserID != changed.UserID {
		known.UserID = m.contact.UserID
	}
	if known.ParentUserID == "" && m.contact.ParentUserID != changed.ParentUserID {
		known.ParentUserID = m.contact.ParentUserID
	}
	if nobody(known) {
		known = m.contact
	}
	return known, changed
}

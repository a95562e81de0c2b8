package whatsapp

import (
	"encoding/json"

	"github.com/intervenehq/intervene/engine"
)

// contacts are those of one change, under each of their identities. Meta lists
// them beside the messages and leaves it to the reader to match the two.
type contacts struct {
	byWaID   map[string]engine.Contact
	byUserID map[string]engine.Contact
	// only is the one contact of a change that has no other.
	only *engine.Contact
}

func (d *delivery) contacts(raw json.RawMessage) contacts {
	all := contacts{byWaID: make(map[string]engine.Contact), byUserID: make(map[string]engine.Contact)}
	listed := d.list(oddContact, raw)
	for _, raw := range listed {
		contact, ok := parseContact(raw)
		if !ok {
			d.odd(oddContact, notAnObject, 1)
			continue
		}
		if contact.WaID != "" {
			all.byWaID[contact.WaID] = contact
		}
		if contact.UserID != "" {
			all.byUserID[contact.UserID] = contact
		}
		if len(listed) == 1 {
			all.only = &contact
		}
	}
	return all
}

func parseContact(raw json.RawMessage) (engine.Contact, bool) {
	var contact struct {
		Profile json.RawMessage `json:"profile"`
		WaID    lenientString   `json:"wa_id"`
		UserID  lenientString   `json:"user_id"`
	}
	if !object(raw, &contact) {
		return engine.Contact{}, false
	}
	var profile struct {
		Name lenientString `json:"name"`
	}
	// A profile that cannot be read leaves the contact without a name.
	name := ""
	if object(contact.Profile, &profile) {
		name = clip(string(profile.Name), MaxNameBytes)
	}
	return engine.Contact{Name: name, WaID: string(contact.WaID), UserID: string(contact.UserID)}, true
}

// sender is who wrote m: its own identities, completed from the contact that
// shares one. Customers with a username may have no number, in m and in the
// contact alike. A message that names nobody is the only contact's, if there is
// just one.
func (c contacts) sender(m wireMessage) engine.Contact {
	sender := engine.Contact{WaID: string(m.From), UserID: string(m.FromUserID)}
	if sender.UserID == "" {
		sender.UserID = string(m.UserID)
	}
	if sender.WaID == "" && sender.UserID == "" {
		if c.only == nil {
			return engine.Contact{}
		}
		return *c.only
	}
	listed, ok := c.byUserID[sender.UserID]
	if !ok {
		listed = c.byWaID[sender.WaID]
	}
	sender.Name = listed.Name
	if sender.WaID == "" {
		sender.WaID = listed.WaID
	}
	if sender.UserID == "" {
		sender.UserID = listed.UserID
	}
	return sender
}

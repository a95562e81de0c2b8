package whatsapp

import (
	"encoding/json"

	"github.com/intervenehq/intervene/engine"
)

// fewContacts is how many are looked through one by one: mostly there is one.
const fewContacts = 8

// contacts are those of one change. Meta lists them beside the messages and
// leaves it to the reader to match the two.
type contacts struct {
	listed []engine.Contact
	// places is where each identity stands in listed, if there are many.
	places map[engine.Identity]int
}

func (d *delivery) contacts(raw json.RawMessage) contacts {
	listed := d.list(oddContact, raw)
	all := contacts{listed: make([]engine.Contact, 0, len(listed))}
	for _, raw := range listed {
		contact, ok := parseContact(raw)
		if !ok {
			d.odd(oddContact, notAnObject, 1)
			continue
		}
		all.listed = append(all.listed, contact)
	}
	if len(all.listed) <= fewContacts {
		return all
	}
	all.places = make(map[engine.Identity]int, 2*len(all.listed))
	for place, contact := range all.listed {
		for _, identity := range contact.Identities() {
			all.places[identity] = place
		}
	}
	return all
}

func parseContact(raw json.RawMessage) (engine.Contact, bool) {
	var contact engine.Contact
	var profile json.RawMessage
	if !members(raw, func(name string, value json.RawMessage) {
		switch name {
		case "profile":
			profile = value
		case "wa_id":
			contact.WaID = string(lenient(value))
		case "user_id":
			contact.UserID = string(lenient(value))
		case "parent_user_id":
			contact.ParentUserID = string(lenient(value))
		}
	}) {
		return engine.Contact{}, false
	}
	// A profile that cannot be read leaves the contact without a name.
	var name, username lenientString
	members(profile, func(field string, value json.RawMessage) {
		switch field {
		case "name":
			name = lenient(value)
		case "username":
			username = lenient(value)
		}
	})
	contact.Name = clip(either(name, username), MaxNameBytes)
	return contact, true
}

// complete is named with what the list says of the same customer. Customers with
// a username may have no number, in the message and in the list alike. An item
// that names nobody is the only contact's, if there is just one.
func (c *contacts) complete(named engine.Contact) engine.Contact {
	listed := c.find(named)
	if listed == nil {
		return named
	}
	named.Name = listed.Name
	if named.WaID == "" {
		named.WaID = listed.WaID
	}
	if named.UserID == "" {
		named.UserID = listed.UserID
	}
	if named.ParentUserID == "" {
		named.ParentUserID = listed.ParentUserID
	}
	return named
}

// find is the listed contact that shares an identity with named, the steadier
// ones first; nil if there is none.
func (c *contacts) find(named engine.Contact) *engine.Contact {
	if nobody(named) {
		if len(c.listed) == 1 {
			return &c.listed[0]
		}
		return nil
	}
	if c.places != nil {
		for _, identity := range named.Identities() {
			if place, ok := c.places[identity]; ok {
				return &c.listed[place]
			}
		}
		return nil
	}
	for _, same := range []func(a, b *engine.Contact) bool{sameUserID, sameParent, sameWaID} {
		for i := range c.listed {
			if same(&named, &c.listed[i]) {
				return &c.listed[i]
			}
		}
	}
	return nil
}

func sameUserID(a, b *engine.Contact) bool { return a.UserID != "" && a.UserID == b.UserID }

func sameParent(a, b *engine.Contact) bool {
	return a.ParentUserID != "" && a.ParentUserID == b.ParentUserID
}

func sameWaID(a, b *engine.Contact) bool { return a.WaID != "" && a.WaID == b.WaID }

// identify is contact without what cannot be an identity of it. A user id that
// is not as Meta describes them could be anybody's, and would bring two people
// together; but where there is no other, it is kept: to lose the message of
// somebody whose ids look new would be worse.
func (d *delivery) identify(kind oddityKind, contact engine.Contact) engine.Contact {
	if contact.UserID == "" && isUserID(contact.WaID) {
		contact.UserID, contact.WaID = contact.WaID, ""
	}
	known := contact.WaID != "" || isUserID(contact.UserID) || isUserID(contact.ParentUserID)
	if contact.UserID != "" && !isUserID(contact.UserID) {
		if known {
			contact.UserID = ""
		}
		d.odd(kind, badUserID, 1)
	}
	if contact.ParentUserID != "" && !isUserID(contact.ParentUserID) {
		if known || contact.UserID != "" {
			contact.ParentUserID = ""
		}
		d.odd(kind, badUserID, 1)
	}
	if len(contact.WaID) > MaxExternalBytes && (contact.UserID != "" || contact.ParentUserID != "") {
		contact.WaID = ""
		d.odd(kind, oversizedID, 1)
	}
	return contact
}

// nobody reports that contact has no identity.
func nobody(contact engine.Contact) bool {
	return contact.WaID == "" && contact.UserID == "" && contact.ParentUserID == ""
}

// oversized reports that contact has an identity that is larger than any is.
func oversized(contact engine.Contact) bool {
	return max(len(contact.WaID), len(contact.UserID), len(contact.ParentUserID)) > MaxExternalBytes
}

// maxUserIDBytes bounds the last part of a user id.
const maxUserIDBytes = 128

// isUserID reports whether id is one within a business, or within its parent:
// a country, ENT for a parent's, and letters and digits, set apart by dots
// (developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids).
func isUserID(id string) bool {
	if len(id) < 4 || !isUpper(id[0]) || !isUpper(id[1]) || id[2] != '.' {
		return false
	}
	last := id[3:]
	if len(last) > 4 && last[:4] == "ENT." {
		last = last[4:]
	}
	for i := range len(last) {
		if c := last[i]; !isUpper(c) && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return len(last) <= maxUserIDBytes
}

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }

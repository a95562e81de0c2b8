package standin

import (
	"bytes"
	"encoding/json"
	"time"
)

// ItemKind says what a webhook item is.
type ItemKind string

const (
	ItemMessage ItemKind = "message"
	ItemStatus  ItemKind = "status"
	ItemChange  ItemKind = "change" // any field other than messages
)

// item is one thing that a webhook tells. It is encoded once and offered as
// often as it takes.
type item struct {
	kind   ItemKind
	number *number
	key    string // names the item in every draw
	lot    uint64 // drawn once: its place among others, and how they are grouped

	contact []byte // of a message: the entry of the contacts array, or none
	object  []byte // the message, the status, or the value of the change
	field   string // of a change

	record *Offer // in the delivery log, which locks it
}

func (it *item) size() int { return len(it.object) + len(it.contact) }

func (g *Graph) newItem(kind ItemKind, n *number, key string, offer Offer) *item {
	offer.Kind = kind
	offer.PhoneNumberID = n.ID
	return &item{
		kind:   kind,
		number: n,
		key:    key,
		lot:    g.seed.draw("item", key),
		record: &offer,
	}
}

func (g *Graph) newMessageItem(n *number, customer Customer, wamid WAMID, object []byte) *item {
	it := g.newItem(ItemMessage, n, "message/"+wamid.String(), Offer{
		WAMID:   wamid,
		Contact: customer.identities()[0],
	})
	it.object = escapeObject(object)
	it.contact = appendContact(nil, customer)
	return it
}

func (g *Graph) newStatusItem(n *number, delivery Delivery, status Status, at time.Time) *item {
	it := g.newItem(ItemStatus, n, "status/"+delivery.WAMID.String()+"/"+status.String(), Offer{
		WAMID:   delivery.WAMID,
		Status:  status,
		Contact: delivery.To,
	})
	it.object = g.appendStatus(nil, delivery.WAMID, delivery, status, at)
	return it
}

func (g *Graph) newChangeItem(n *number, name string, offer Offer, value json.RawMessage) *item {
	it := g.newItem(ItemChange, n, "change/"+n.ID.String()+"/"+name, offer)
	it.object = escapeObject(value)
	it.field = offer.Field
	return it
}

// forgedTwin is the item under a WAMID of its own, so that a receiver which
// believes a wrong signature betrays itself.
func (g *Graph) forgedTwin(it *item, copyNo int) *item {
	original := it.record.WAMID
	forgedID := g.seed.newWAMID("forged", it.number.ID, Identity(it.key), copyNo)
	offer := Offer{
		WAMID:   forgedID,
		Status:  it.record.Status,
		Contact: it.record.Contact,
		Field:   it.record.Field,
		Forged:  true,
	}
	twin := g.newItem(it.kind, it.number, "forged/"+itoa(copyNo)+"/"+it.key, offer)
	twin.contact, twin.field = it.contact, it.field
	twin.object = it.object
	if original != "" {
		// Both IDs are escaped, as both stand in an escaped object.
		twin.object = bytes.ReplaceAll(it.object, quoted(original), quoted(forgedID))
	}
	return twin
}

func quoted(wamid WAMID) []byte { return appendString(nil, wamid.String()) }

// appendContact writes the entry of the contacts array.
func appendContact(dst []byte, customer Customer) []byte {
	dst = append(dst, '{')
	if customer.Name != "" || customer.Username != "" {
		dst = appendMembers(append(dst, `"profile":{`...), []member{
			{"name", customer.Name}, {"username", customer.Username},
		})
		dst = append(dst, `},`...)
	}
	dst = appendMembers(dst, []member{
		{"wa_id", customer.WAID.String()},
		{"user_id", customer.UserID.String()},
		{"parent_user_id", customer.ParentUserID.String()},
	})
	return append(dst, '}')
}

type member struct{ name, value string }

// appendMembers writes those that are not empty.
func appendMembers(dst []byte, members []member) []byte {
	first := true
	for _, m := range members {
		if m.value == "" {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = appendField(dst, m.name, m.value)
	}
	return dst
}

// escapeObject takes JSON that was checked to be valid.
func escapeObject(valid []byte) []byte {
	var compact bytes.Buffer
	if err := json.Compact(&compact, valid); err != nil {
		panic("standin: webhook object is not JSON: " + err.Error())
	}
	return appendEscaped(make([]byte, 0, compact.Len()+64), compact.Bytes())
}

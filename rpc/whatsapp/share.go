package whatsapp

import (
	"sync"

	"github.com/intervenehq/intervene/engine"
)

// MaxInflightEach bounds the deliveries that wait for one contact's messages: a
// conversation takes them one fsync after the other, and a customer who writes
// faster must not use up MaxInflightDeliveries.
const MaxInflightEach = 32

// shares counts the deliveries in flight of each contact.
type shares struct {
	mu   sync.Mutex
	used map[sharer]int
}

// sharer is a contact as an item names it.
type sharer struct {
	channel  engine.ChannelID
	identity string
}

func sharerOf(item *engine.Inbound) (sharer, bool) {
	contact, ok := contactOf(item)
	if !ok {
		return sharer{}, false
	}
	for _, identity := range []string{contact.WaID, contact.UserID, contact.ParentUserID} {
		if identity != "" {
			return sharer{item.Channel, identity}, true
		}
	}
	return sharer{}, false
}

// contactOf is whom an item is of. A status names its send alone.
func contactOf(item *engine.Inbound) (engine.Contact, bool) {
	switch {
	case item.Message != nil:
		return item.Message.Contact, true
	case item.Amend != nil:
		return item.Amend.Contact, true
	case item.Echo != nil:
		return item.Echo.Contact, true
	case item.Change != nil:
		return item.Change.Contact, true
	case item.Consent != nil:
		return item.Consent.Contact, true
	default:
		return engine.Contact{}, false
	}
}

// take takes a share for each contact of one delivery and answers the items that
// may go on, in their order. Those of a contact who has no room left stay behind,
// all of them, so that they come again in their order. What was taken is given
// back.
func (s *shares) take(items []engine.Inbound) (admitted []engine.Inbound, taken []sharer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var here map[sharer]bool // whether they have room, of a delivery of several items
	if len(items) > 1 {
		here = make(map[sharer]bool, len(items))
	}
	crowded := false
	for i := range items {
		room := s.room(&items[i], here, &taken)
		if !room && !crowded {
			crowded = true
			admitted = append(make([]engine.Inbound, 0, len(items)), items[:i]...)
		}
		if room && crowded {
			admitted = append(admitted, items[i])
		}
	}
	if !crowded {
		return items, taken
	}
	return admitted, taken
}

// room reports whether item may go on, and takes its contact's share if it is
// the delivery's first of them.
func (s *shares) room(item *engine.Inbound, here map[sharer]bool, taken *[]sharer) bool {
	who, counts := sharerOf(item)
	if !counts {
		return true
	}
	if room, seen := here[who]; seen {
		return room
	}
	room := s.used[who] < MaxInflightEach
	if room {
		s.used[who]++
		*taken = append(*taken, who)
	}
	if here != nil {
		here[who] = room
	}
	return room
}

func (s *shares) give(taken []sharer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, who := range taken {
		if s.used[who]--; s.used[who] == 0 {
			delete(s.used, who)
		}
	}
}

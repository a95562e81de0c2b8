package standin

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// Offer is what became of one webhook item.
type Offer struct {
	Kind          ItemKind      `json:"kind"`
	PhoneNumberID PhoneNumberID `json:"phone_number_id"`
	WAMID         WAMID         `json:"wamid,omitempty"`
	Status        Status        `json:"status,omitempty"`
	Contact       Identity      `json:"contact,omitempty"`
	Field         string        `json:"field,omitempty"`
	// Forged: offered once, under a wrong signature and a WAMID of its own.
	Forged bool `json:"forged,omitempty"`

	Offers         int       `json:"offers"`
	FirstOfferedAt time.Time `json:"first_offered_at,omitzero"`
	AcknowledgedAt time.Time `json:"acknowledged_at,omitzero"` // first answer of 200
	LastAnswer     int       `json:"last_answer,omitempty"`    // 0: none
	GivenUp        bool      `json:"given_up,omitempty"`
}

// deliveryLog is the truth that a receiver is compared with. Each of its lists
// keeps the newest limit entries; dropped counts what is no longer there.
type deliveryLog struct {
	limit int

	mu         sync.Mutex
	seq        uint64
	deliveries []Delivery
	offers     []*Offer
	receipts   []Receipt
	dropped    uint64
}

func newDeliveryLog(limit int) *deliveryLog { return &deliveryLog{limit: limit} }

// accept gives the delivery its place in the order of acceptance.
func (l *deliveryLog) accept(delivery Delivery) Delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	delivery.Seq = l.seq
	l.deliveries = keep(l, append(l.deliveries, delivery))
	return delivery
}

func (l *deliveryLog) receipt(receipt Receipt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.receipts = keep(l, append(l.receipts, receipt))
}

func (l *deliveryLog) queue(it *item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.offers = keep(l, append(l.offers, it.record))
}

func (l *deliveryLog) offered(items []*item, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, it := range items {
		if it.record.Offers == 0 {
			it.record.FirstOfferedAt = at
		}
		it.record.Offers++
	}
}

func (l *deliveryLog) answered(items []*item, status int, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, it := range items {
		it.record.LastAnswer = status
		if status == http.StatusOK && it.record.AcknowledgedAt.IsZero() {
			it.record.AcknowledgedAt = at
		}
	}
}

func (l *deliveryLog) giveUp(items []*item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, it := range items {
		it.record.GivenUp = true
	}
}

// keep drops the oldest entries a quarter at a time, so that a full log costs
// no copy for each new entry. Called with mu held.
func keep[T any](l *deliveryLog, entries []T) []T {
	if len(entries) <= l.limit+l.limit/4 {
		return entries
	}
	over := len(entries) - l.limit
	l.dropped += uint64(over)
	return slices.Delete(entries, 0, over)
}

// Deliveries lists the accepted sends in order of acceptance.
func (g *Graph) Deliveries() []Delivery {
	g.log.mu.Lock()
	defer g.log.mu.Unlock()
	return slices.Clone(g.log.deliveries)
}

// DeliveriesTo lists the accepted sends to one contact, over all numbers. It
// reads the whole log.
func (g *Graph) DeliveriesTo(contact Identity) []Delivery {
	g.log.mu.Lock()
	defer g.log.mu.Unlock()
	var found []Delivery
	for _, delivery := range g.log.deliveries {
		if delivery.To == contact {
			found = append(found, delivery)
		}
	}
	return found
}

// Offers lists the webhook items in the order in which they were queued.
func (g *Graph) Offers() []Offer {
	g.log.mu.Lock()
	defer g.log.mu.Unlock()
	offers := make([]Offer, len(g.log.offers))
	for i, offer := range g.log.offers {
		offers[i] = *offer
	}
	return offers
}

// Receipts lists the read receipts in the order in which they came.
func (g *Graph) Receipts() []Receipt {
	g.log.mu.Lock()
	defer g.log.mu.Unlock()
	return slices.Clone(g.log.receipts)
}

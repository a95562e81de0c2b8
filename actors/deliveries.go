package actors

import "github.com/intervenehq/intervene/engine"

// KnownDeliveries bounds the sends of which a conversation in memory remembers
// how far they have come. Of any other the journal is asked.
const KnownDeliveries = 4

// deliveries are what a conversation knows of the sends that it heard of last,
// newest last. Each is what the journal has.
type deliveries []engine.KnownDelivery

func (d deliveries) of(send uint64) (engine.Delivery, bool) {
	for i := range d {
		if d[i].Send == send {
			return d[i].Delivery, true
		}
	}
	return engine.Delivery{}, false
}

// learn takes over how far a send has come, and forgets the one that nothing
// was heard of for longest.
func (d deliveries) learn(send uint64, delivery engine.Delivery) deliveries {
	for i := range d {
		if d[i].Send == send {
			copy(d[i:], d[i+1:])
			d = d[:len(d)-1]
			break
		}
	}
	if len(d) == KnownDeliveries {
		copy(d, d[1:])
		d = d[:len(d)-1]
	}
	return append(d, engine.KnownDelivery{Send: send, Delivery: delivery})
}

// expect learns what the state tells of the sends that events are about: one
// that was queued and never attempted has no delivery.
func (d deliveries) expect(state *engine.Conversation, events []engine.Event) deliveries {
	for i := range events {
		change, ok := events[i].Body.(engine.DeliveryChanged)
		if !ok {
			continue
		}
		if _, known := d.of(change.Send); !known && state.Unattempted(change.Send) {
			d = d.learn(change.Send, engine.Delivery{})
		}
	}
	return d
}

// fold brings what is known up to date with events that became durable.
func (d deliveries) fold(events []engine.Event) deliveries {
	for i := range events {
		switch b := events[i].Body.(type) {
		case engine.DeliveryChanged:
			if known, ok := d.of(b.Send); ok {
				d = d.learn(b.Send, known.Fold(b, events[i].At))
			}
		case engine.MessageQueued:
			if known, ok := d.of(b.ResendOf); ok {
				known.ResentAs = events[i].Version
				d = d.learn(b.ResendOf, known)
			}
		}
	}
	return d
}

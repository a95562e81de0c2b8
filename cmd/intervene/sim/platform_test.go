package sim

import (
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// platform compares what the platform was sent with what the journal says of it.
func (s *sim) platform(chronicles map[engine.ConversationID]*chronicle) {
	l := s.ledger
	taken := make(map[engine.MessageID]standin.Delivery)
	newest := make(map[engine.ConversationID]uint64)
	for _, d := range s.meta.Deliveries() {
		id, err := engine.ParseMessageID(d.CallbackData)
		c := chronicles[id.Conversation]
		if err != nil || c == nil || c.sends[id.Version] == nil {
			l.violateLocked("nothing is invented: the platform was sent %q, which is no send", d.CallbackData)
			continue
		}
		if _, twice := taken[id]; twice {
			l.violateLocked("effects once: the platform was sent %s twice", id)
		}
		taken[id] = d
		if id.Version < newest[id.Conversation] {
			l.violateLocked("one order: the platform was sent %s after version %d", id, newest[id.Conversation])
		}
		newest[id.Conversation] = id.Version
		s.addressed(c, c.sends[id.Version], &d)
	}
	s.calls(chronicles)
	statuses := s.statuses()
	for _, c := range chronicles {
		for _, version := range c.order {
			d, sent := taken[engine.MessageID{Conversation: c.id, Version: version}]
			s.settled(c, c.sends[version], &d, sent, statuses[d.WAMID])
		}
	}
}

// addressed: a send went to its contact, from its number, as it was written.
func (s *sim) addressed(c *chronicle, send *sending, d *standin.Delivery) {
	to := c.contact.WaID
	if d.To.IsUserID() {
		to = c.contact.UserID
	}
	if string(d.To) != to || d.PhoneNumberID != s.plan.numberOf(c.channel).id || d.Body != send.text {
		s.ledger.violateLocked("workspaces: send %d of %s went out with another number, contact or text", send.version, c.id)
	}
}

// calls: each request to the platform has an Attempted of its own that was
// durable before; two of one conversation never overlap.
func (s *sim) calls(chronicles map[engine.ConversationID]*chronicle) {
	l := s.ledger
	used := make(map[engine.MessageID]int)
	latest := make(map[engine.ConversationID]*call)
	for _, call := range l.calls {
		c := chronicles[call.op.Conversation]
		if c == nil || c.sends[call.op.Version] == nil {
			l.violateLocked("effects once: the platform was called for %s, which is no send", call.op)
			continue
		}
		send := c.sends[call.op.Version]
		// An Attempted that a crash left without a call is passed over.
		n := used[call.op]
		for n+1 < len(send.attempts) && send.attempts[n+1] <= call.begin {
			n++
		}
		if n >= len(send.attempts) || send.attempts[n] > call.begin {
			l.violateLocked("effects once: the platform was called for %s at %d, before it was Attempted (%v)", call.op, call.begin, send.attempts)
		}
		used[call.op] = n + 1
		if send.unknown != 0 && call.begin > send.unknown {
			l.violateLocked("effects once: the platform was called for %s again after its outcome was unknown", call.op)
		}
		before := latest[call.op.Conversation]
		if before != nil && before.life == call.life && (before.end == 0 || before.end > call.begin) {
			l.violateLocked("one order: the platform was called for %s while it was called for %s", call.op, before.op)
		}
		latest[call.op.Conversation] = call
	}
}

// statuses are what the platform reported of each message and was answered 200 for.
func (s *sim) statuses() map[standin.WAMID][]standin.Status {
	statuses := make(map[standin.WAMID][]standin.Status)
	for _, offer := range s.meta.Offers() {
		if offer.Kind == standin.ItemStatus && !offer.Forged && !offer.AcknowledgedAt.IsZero() {
			statuses[offer.WAMID] = append(statuses[offer.WAMID], offer.Status)
		}
	}
	return statuses
}

var statusStates = map[standin.Status]engine.DeliveryState{
	standin.StatusSent: engine.Sent, standin.StatusDelivered: engine.Delivered,
	standin.StatusRead: engine.Read, standin.StatusFailed: engine.Failed,
}

// settled: the journal says of a send what the platform says.
func (s *sim) settled(c *chronicle, send *sending, d *standin.Delivery, sent bool, statuses []standin.Status) {
	l := s.ledger
	reached := send.state >= engine.Accepted && send.state <= engine.Failed
	switch {
	case !sent && reached:
		l.violateLocked("effects once: send %d of %s is %s, and the platform never had it", send.version, c.id, send.state)
	case sent && (send.state == engine.Rejected || send.state == engine.Discarded || send.state == engine.Queued):
		l.violateLocked("effects once: send %d of %s is %s, and the platform had it", send.version, c.id, send.state)
	case sent && send.external != "" && send.external != string(d.WAMID):
		l.violateLocked("effects once: send %d of %s has another name than the platform gave it", send.version, c.id)
	}
	for _, status := range statuses {
		if state := statusStates[status]; standing(send.state) < standing(state) {
			l.violateLocked("statuses: send %d of %s is %s, and the platform reported %s", send.version, c.id, send.state, status)
		}
	}
}

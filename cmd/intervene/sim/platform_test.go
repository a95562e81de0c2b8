package sim

import (
	"bytes"
	"slices"
	"time"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// platform compares what the platform was sent with what the journal says of it.
func (s *sim) platform(chronicles map[engine.ConversationID]*chronicle) {
	l := s.ledger
	taken := make(map[engine.MessageID][]standin.Delivery)
	type story struct {
		id  engine.ConversationID
		era int
	}
	newest := make(map[story]uint64)
	for _, d := range s.meta.Deliveries() {
		op, err := engine.ParseMessageID(d.CallbackData)
		id, era, ok := l.resolve(op)
		if !ok {
			continue // of a time that was lost
		}
		c := chronicles[id.Conversation]
		if err != nil || !l.isGone(id.Conversation) && (c == nil || c.sends[id.Version] == nil) {
			l.violateLocked("nothing is invented: the platform was sent %q, which is no send", d.CallbackData)
			continue
		}
		if at := (story{id.Conversation, era}); id.Version < newest[at] {
			l.violateLocked("one order: the platform was sent %s after version %d", id, newest[at])
		} else {
			newest[at] = id.Version
		}
		taken[id] = append(taken[id], d)
		if c == nil {
			continue
		}
		s.once(c.sends[id.Version], id, era, len(taken[id]))
		if era == len(l.restores) { // what changed of a contact may be lost
			s.addressed(c, c.sends[id.Version], &d)
		}
	}
	s.calls(chronicles)
	s.pace(chronicles)
	statuses := s.statuses()
	for _, c := range chronicles {
		for _, version := range c.order {
			s.settled(c, c.sends[version], taken[engine.MessageID{Conversation: c.id, Version: version}], statuses)
		}
	}
}

// once: nothing is sent twice, but what is marked so; and what a restore held is
// not sent after it, unless an operator said so. The ledger is held.
func (s *sim) once(send *sending, id engine.MessageID, era, times int) {
	l := s.ledger
	r, held := l.wasHeld(id)
	switch {
	case !held && (times > 2 || times == 2 && !send.repeated):
		l.violateLocked("effects once: the platform was sent %s %d times, repeated: %v", id, times, send.repeated)
	case held && era > r.era && !slices.Contains(r.sent, id.Conversation):
		l.violateLocked("restore: the platform was sent %s, which was held and given up", id)
	}
}

// addressed: a send went to its contact, from its number, as it was written.
func (s *sim) addressed(c *chronicle, send *sending, d *standin.Delivery) {
	identity := engine.Identity{Kind: engine.IdentityWaID, Value: string(d.To)}
	if d.To.IsUserID() {
		identity.Kind = engine.IdentityUserID
	}
	said := d.Body == send.text
	if send.content.Template != nil {
		said = d.Template == send.content.Template.Name && bytes.Contains(d.Content, []byte(send.text))
	}
	if !slices.Contains(c.ever, identity) || d.PhoneNumberID != s.plan.numberOf(c.channel).id || !said || !s.carries(send, d) {
		s.ledger.violateLocked("workspaces: send %d of %s went out with another number, contact, text or file", send.version, c.id)
	}
}

// calls: each request to the platform has an Attempted of its own that was
// durable before; two of one conversation never overlap.
func (s *sim) calls(chronicles map[engine.ConversationID]*chronicle) {
	l := s.ledger
	used := make(map[engine.MessageID]int)
	latest := make(map[engine.ConversationID]*call)
	for _, call := range l.calls {
		op, _, ok := l.resolve(call.op)
		c := chronicles[call.op.Conversation]
		if l.isGone(call.op.Conversation) || call.lost || !ok {
			continue
		}
		if c == nil || c.sends[op.Version] == nil {
			l.violateLocked("effects once: the platform was called for %s, which is no send", call.op)
			continue
		}
		send := c.sends[op.Version]
		// An Attempted that a crash left without a call is passed over.
		n := used[op]
		for n+1 < len(send.attempts) && send.attempts[n+1] <= call.begin {
			n++
		}
		if n >= len(send.attempts) || send.attempts[n] > call.begin {
			l.violateLocked("effects once: the platform was called for %s at %d, before it was Attempted (%v)", call.op, call.begin, send.attempts)
		}
		used[op] = n + 1
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

// paceSlack is how long a send may take from its turn to its call.
const paceSlack = 15 * time.Second

// pace: a number sends no faster than it may.
func (s *sim) pace(chronicles map[engine.ConversationID]*chronicle) {
	perSecond := s.plan.perSecond
	if perSecond == 0 {
		return
	}
	type source struct {
		channel engine.ChannelID
		life    int
	}
	made := make(map[source][]engine.Instant)
	for _, call := range s.ledger.calls {
		if c := chronicles[call.op.Conversation]; c != nil {
			from := source{c.channel, call.life}
			made[from] = append(made[from], call.begin)
		}
	}
	for from, calls := range made {
		for i := range calls {
			for j := i; j < len(calls); j++ {
				allowed := perSecond + 1 + int(float64(perSecond)*(calls[j].Sub(calls[i])+paceSlack).Seconds())
				if j-i+1 > allowed {
					s.ledger.violateLocked("pace: %s sends %d in %s, want at most %d", from.channel, j-i+1, calls[j].Sub(calls[i]), allowed)
					return
				}
			}
		}
	}
}

// statuses are what the platform reported of each message and was answered 200 for.
func (s *sim) statuses() map[standin.WAMID][]standin.Status {
	statuses := make(map[standin.WAMID][]standin.Status)
	for _, offer := range s.meta.Offers() {
		if offer.Kind == standin.ItemStatus && !offer.Forged && !offer.AcknowledgedAt.IsZero() && !s.ledger.lost[itemOf(&offer)] {
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
func (s *sim) settled(c *chronicle, send *sending, sent []standin.Delivery, statuses map[standin.WAMID][]standin.Status) {
	l := s.ledger
	reached := send.state >= engine.Accepted && send.state <= engine.Failed
	named := send.external == ""
	for i := range sent {
		named = named || send.external == string(sent[i].WAMID)
	}
	_, held := l.wasHeld(engine.MessageID{Conversation: c.id, Version: send.version})
	switch {
	case len(sent) == 0 && reached:
		l.violateLocked("effects once: send %d of %s is %s, and the platform never had it", send.version, c.id, send.state)
	case len(sent) > 0 && !held && (send.state == engine.Rejected && !send.repeated || send.state == engine.Discarded && !send.repeated || send.state == engine.Queued):
		l.violateLocked("effects once: send %d of %s is %s, and the platform had it", send.version, c.id, send.state)
	case len(sent) > 0 && !named:
		l.violateLocked("effects once: send %d of %s has another name than the platform gave it", send.version, c.id)
	}
	for i := range sent {
		// A status without an op id waits for the platform's answer to tell whose it is.
		if string(sent[i].WAMID) != send.external || !send.answered && s.ledger.stripped[send.external] {
			continue
		}
		for _, status := range statuses[sent[i].WAMID] {
			if state := statusStates[status]; standing(send.state) < standing(state) {
				l.violateLocked("statuses: send %d of %s is %s, and the platform reported %s", send.version, c.id, send.state, status)
			}
		}
	}
}

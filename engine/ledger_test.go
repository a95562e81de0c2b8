package engine_test

import (
	"slices"

	"github.com/intervenehq/intervene/engine"
)

// watch holds events to the guarantees that are about what goes out: the bot's
// silence, one order, one in flight, and states that only move forward.
func (m *model) watch(cmd engine.Command, events []engine.Event) {
	m.t.Helper()
	for _, e := range events {
		switch b := e.Body.(type) {
		case engine.MessageQueued:
			m.watchQueued(cmd, e, b)
		case engine.DeliveryChanged:
			m.watchDelivery(b)
		case engine.Moved:
			m.watchHandOver(b, events)
		}
	}
}

func (m *model) watchQueued(cmd engine.Command, e engine.Event, b engine.MessageQueued) {
	m.t.Helper()
	if b.Epoch != max(m.epoch, 1) || (cmd.Epoch != 0 && cmd.Epoch != m.epoch) {
		m.t.Fatalf("got a message of epoch %d queued by a command of %d, want %d", b.Epoch, cmd.Epoch, m.epoch)
	}
	switch {
	case e.By.Kind == engine.Bot && m.column == engine.Intervened:
		m.t.Fatalf("got the bot's message queued while %s holds, want it discarded", m.holder)
	case e.By.Kind == engine.Bot && m.mutes():
		m.t.Fatalf("got the bot's message queued while it is muted until %v, want it discarded", m.mutedUntil)
	case e.By.Kind == engine.Agent && !m.holds(e.By) && (m.version > 0 && m.column != engine.History):
		m.t.Fatalf("got a message of %q queued while %q holds, want the holder's alone", e.By.ID, m.holder)
	case !isTemplate(b.Content) && (!m.open() || m.column == engine.History):
		m.t.Fatalf("got a message queued in %s after the window closed, want it refused", m.column)
	case m.unwanted(b.Content):
		m.t.Fatalf("got marketing queued to somebody who opted out, want it refused")
	case b.Repeatable && e.By.Kind != engine.Bot:
		m.t.Fatalf("got a person's message repeatable, want only the bot's")
	}
	m.sends[e.Version] = &modelSend{by: e.By.Kind, content: b.Content, state: engine.Queued, due: m.now, repeats: b.Repeatable}
	m.order = append(m.order, e.Version)
	if b.ResendOf != 0 {
		m.sends[b.ResendOf].resent = true
	}
}

// onward are the states that may follow: whatever follows in time stands to the
// right of what was. Only a deferral goes back, from Attempted to Queued.
var onward = map[engine.DeliveryState][]engine.DeliveryState{
	engine.Queued:    {engine.Attempted, engine.Discarded, engine.Rejected, engine.Sent, engine.Delivered, engine.Read, engine.Played, engine.Failed},
	engine.Attempted: {engine.Queued, engine.Unknown, engine.Accepted, engine.Discarded, engine.Rejected, engine.Sent, engine.Delivered, engine.Read, engine.Played, engine.Failed},
	engine.Unknown:   {engine.Attempted, engine.Unknown, engine.Accepted, engine.Rejected, engine.Sent, engine.Delivered, engine.Read, engine.Played, engine.Failed},
	engine.Accepted:  {engine.Sent, engine.Delivered, engine.Read, engine.Played, engine.Failed},
	engine.Sent:      {engine.Delivered, engine.Read, engine.Played, engine.Failed},
	engine.Delivered: {engine.Read, engine.Played},
	engine.Read:      {engine.Played},
}

func (m *model) watchDelivery(b engine.DeliveryChanged) {
	m.t.Helper()
	s := m.sends[b.Send]
	if s == nil {
		m.t.Fatalf("got delivery of %d, want of a queued message", b.Send)
		return
	}
	if !slices.Contains(onward[s.state], b.State) {
		m.t.Fatalf("got send %d in %s after %s, want states to move forward", b.Send, b.State, s.state)
	}
	if b.State == engine.Discarded && s.by != engine.Bot {
		m.t.Fatalf("got a person's send %d discarded, want it kept", b.Send)
	}
	switch b.State {
	case engine.Attempted:
		m.watchAttempt(b, s)
	case engine.Accepted:
		if s.waits() {
			m.gate, m.gateSend = m.now.Add(engine.SentWait), b.Send
		}
	case engine.Unknown:
		if s.state == engine.Unknown {
			m.watchGivenUp(b, s)
			break
		}
		m.gate, m.gateSend = m.now.Add(engine.UnknownWait), b.Send
		s.repeats = s.repeats && b.Send >= m.heldFrom && m.now >= m.mutedUntil
	case engine.Queued:
		s.due = b.NotBefore
		if b.Held {
			s.held++
		}
	default:
		if m.gateSend == b.Send {
			m.gate = 0
		}
	}
	s.state, s.attempt = b.State, b.Attempt
}

func (m *model) watchAttempt(b engine.DeliveryChanged, s *modelSend) {
	m.t.Helper()
	for _, version := range m.order {
		other := m.sends[version]
		if other.state == engine.Attempted || (version < b.Send && other.waits()) {
			m.t.Fatalf("got send %d attempted while %d is %s, want one in flight, the oldest first", b.Send, version, other.state)
		}
	}
	switch {
	case s.by == engine.Bot && (m.column == engine.Intervened || b.Send < m.heldFrom):
		m.t.Fatalf("got the bot's send %d attempted after the hand-over at %d, want it discarded", b.Send, m.heldFrom)
	case m.now < m.gate || m.now < s.due:
		m.t.Fatalf("got send %d attempted at %v, want not before %v and %v", b.Send, m.now, m.gate, s.due)
	case s.by == engine.Bot && m.now < m.mutedUntil:
		m.t.Fatalf("got the bot's send %d attempted while it is muted until %v, want it discarded", b.Send, m.mutedUntil)
	case !m.open() && !isTemplate(s.content):
		m.t.Fatalf("got send %d attempted after the window closed, want it rejected", b.Send)
	case m.unwanted(s.content):
		m.t.Fatalf("got marketing attempted to somebody who opted out, want it rejected")
	case b.Attempt != s.attempt+1 || b.Attempt-s.held > engine.MaxAttempts:
		m.t.Fatalf("got attempt %d of send %d after %d, want one more and at most %d", b.Attempt, b.Send, s.attempt, engine.MaxAttempts)
	case b.Repeated != (s.state == engine.Unknown), b.Repeated && !s.repeats:
		m.t.Fatalf("got attempt %+v of a send in %s, want only the unknown and repeatable repeated, once", b, s.state)
	}
	if b.Repeated {
		s.repeats = false
	}
}

// watchGivenUp: what was to be repeated is not any more.
func (m *model) watchGivenUp(b engine.DeliveryChanged, s *modelSend) {
	m.t.Helper()
	if !s.repeats {
		m.t.Fatalf("got send %d unknown once more, want that of a repeatable one alone", b.Send)
	}
	s.repeats = false
}

// watchHandOver: the append that hands the word to a person discards what the
// bot has queued and not attempted.
func (m *model) watchHandOver(b engine.Moved, events []engine.Event) {
	m.t.Helper()
	if b.To != engine.Intervened || m.column == engine.Intervened {
		return
	}
	for version, s := range m.sends {
		if s.by != engine.Bot || s.state != engine.Queued {
			continue
		}
		discarded := slices.ContainsFunc(events, func(e engine.Event) bool {
			change, ok := e.Body.(engine.DeliveryChanged)
			return ok && change.Send == version && change.State == engine.Discarded
		})
		if !discarded {
			m.t.Fatalf("got the bot's send %d queued after the hand-over, want it discarded in the same append", version)
		}
	}
}

package sim

import (
	"reflect"
	"slices"

	"github.com/intervenehq/intervene/engine"
)

// sending is one message of ours.
type sending struct {
	version  uint64
	by       engine.PartyKind
	at       engine.Instant
	text     string
	state    engine.DeliveryState
	external string
	attempts []engine.Instant // when it was Attempted
	unknown  engine.Instant   // since when nobody knows what became of it

	content    engine.Content
	answered   bool // the platform's answer brought its name
	repeatable bool
	waiting    bool // for its repetition
	repeated   bool
	resentAs   uint64
	closed     bool // the window was, when it was queued
}

// discard is what becomes of a send of the bot when somebody else takes the word.
type discard struct {
	send  uint64
	state engine.DeliveryState
}

func (c *chronicle) botWord(text string) {
	if !c.ledger.said[c.id][text] {
		c.wrong("nothing is invented", "the bot never said that")
	}
}

func (c *chronicle) queued(e *engine.Event, b engine.MessageQueued) {
	template := b.Content.Kind == engine.ContentTemplate
	switch e.By.Kind {
	case engine.Bot:
		c.botWord(b.Content.Text)
		if c.column != engine.Active && c.column != engine.Requesting || b.Epoch != c.epoch || e.At < c.mutedUntil {
			c.wrong("the bot is silent", "it speaks in %s, in epoch %d of %d, muted until %d", c.column, b.Epoch, c.epoch, c.mutedUntil)
		}
	default:
		c.personSpeaks(e, &b, template)
	}
	switch {
	case !c.open(e.At) && !template:
		c.wrong("the columns", "a message is queued after the window has closed")
	case c.optedOut && isMarketing(b.Content):
		c.wrong("opted out", "marketing is queued")
	}
	c.activity = e.At
	c.sends[e.Version] = &sending{
		version: e.Version, by: e.By.Kind, at: e.At, text: wordsOf(b.Content), state: engine.Queued, content: b.Content, repeatable: b.Repeatable,
		closed: !c.open(e.At),
	}
	c.order = append(c.order, e.Version)
}

// personSpeaks: the holder writes, or in History whoever may write first.
func (c *chronicle) personSpeaks(e *engine.Event, b *engine.MessageQueued, template bool) {
	o := c.ledger.ops[e.Command]
	first := c.column == engine.History && template && c.plan.policies[c.workspace].WriteFirst
	holds := c.column == engine.Intervened && e.By.ID == c.holder
	if b.ResendOf != 0 {
		first = e.By.Kind == engine.Supervisor && (c.column != engine.History || template)
		c.resends(e, b, o)
	} else if o == nil || textOf(o.body) != wordsOf(b.Content) {
		c.wrong("nothing is invented", "no agent said that")
	}
	if !holds && !first {
		c.wrong("one holder", "%s speaks in %s, held by %q", e.By.ID, c.column, c.holder)
	}
}

func (c *chronicle) resends(e *engine.Event, b *engine.MessageQueued, o *op) {
	s := c.sends[b.ResendOf]
	if s == nil || !reflect.DeepEqual(s.content, b.Content) {
		c.wrong("effects once", "there is no send %d with that content", b.ResendOf)
		return
	}
	body, ok := engine.ResendMessage{}, false
	if o != nil {
		body, ok = o.body.(engine.ResendMessage)
	}
	if !ok || body.Send != b.ResendOf {
		c.wrong("nothing is invented", "nobody asked to send %d again", b.ResendOf)
	}
	if s.waiting || s.resentAs != 0 || s.state != engine.Rejected && s.state != engine.Failed && s.state != engine.Unknown {
		c.wrong("effects once", "send %d is sent again: it is %s, resent as %d", b.ResendOf, s.state, s.resentAs)
	}
	s.resentAs = e.Version
}

func textOf(body engine.CommandBody) string {
	switch b := body.(type) {
	case engine.SendMessage:
		return wordsOf(b.Content)
	case engine.StartConversation:
		return wordsOf(b.Content)
	case engine.AddNote:
		return b.Body
	}
	return ""
}

// textsOf are all that body says.
func textsOf(body engine.CommandBody) []string {
	answer, ok := body.(engine.AnswerTurn)
	if !ok {
		return []string{textOf(body)}
	}
	var texts []string
	for _, content := range answer.Say {
		texts = append(texts, wordsOf(content))
	}
	return texts
}

// expectDiscard: what the bot queued is discarded in the append of the hand-over.
func (c *chronicle) expectDiscard(e *engine.Event) {
	if len(c.discards) == 0 {
		return
	}
	if _, ended := e.Body.(engine.TurnEnded); ended && e.By.Kind == engine.Outside {
		return // with the turn that it owes
	}
	want := c.discards[0]
	d, ok := e.Body.(engine.DeliveryChanged)
	if !ok || d.State != want.state || d.Send != want.send {
		c.wrong("the bot is silent", "its queued send %d is not %s with the hand-over", want.send, want.state)
		c.discards = nil
		return
	}
	c.discards = c.discards[1:]
}

// silences takes the word from the bot.
func (c *chronicle) silences() {
	for _, version := range c.order {
		switch s := c.sends[version]; {
		case s.by != engine.Bot:
		case s.state == engine.Queued:
			c.discards = append(c.discards, discard{version, engine.Discarded})
		case s.waiting:
			c.discards = append(c.discards, discard{version, engine.Unknown})
		}
	}
}

func (c *chronicle) delivery(e *engine.Event, b engine.DeliveryChanged) {
	s, ok := c.sends[b.Send]
	if !ok {
		c.wrong("effects once", "there is no send %d", b.Send)
		return
	}
	// A repetition that waits to be tried again may hear of the attempt before it.
	late := s.repeated && s.state == engine.Queued && b.State >= engine.Sent
	if _, held := c.ledger.wasHeld(engine.MessageID{Conversation: c.id, Version: s.version}); held && s.state <= engine.Unknown {
		// The lost engine may have sent it, which a status tells; or it is given up.
		late = late || b.State == engine.Unknown || b.State >= engine.Sent && b.State <= engine.Failed
	}
	if !follows(s.state, b.State) && !late && (!s.waiting || b.State != engine.Attempted && b.State != engine.Unknown) {
		c.wrong("statuses", "send %d goes from %s to %s", b.Send, s.state, b.State)
	}
	waited := s.waiting
	s.waiting = false
	switch b.State {
	case engine.Attempted:
		c.attempted(e, s, b, waited)
	case engine.Unknown:
		s.unknown = e.At
		s.waiting = !waited && s.repeatable && !s.repeated && !c.overtaken(s, e.At)
	}
	if b.External != "" {
		r, held := c.ledger.wasHeld(engine.MessageID{Conversation: c.id, Version: s.version})
		again := s.repeated || held && slices.Contains(r.sent, c.id)
		if s.external != "" && s.external != b.External && !again {
			c.wrong("effects once", "send %d has two names", b.Send)
		}
		s.answered = s.answered || b.State == engine.Accepted
		s.external = b.External
	}
	s.state = b.State
}

// overtaken: a person took the word after the bot said s.
func (c *chronicle) overtaken(s *sending, at engine.Instant) bool {
	return s.by == engine.Bot && (s.version < c.heldFrom || at < c.mutedUntil)
}

func (c *chronicle) attempted(e *engine.Event, s *sending, b engine.DeliveryChanged, waited bool) {
	if s.by == engine.Bot && c.column == engine.Intervened || c.overtaken(s, e.At) {
		c.wrong("the bot is silent", "its send %d is attempted in %s, held from %d, muted until %d", s.version, c.column, c.heldFrom, c.mutedUntil)
	}
	for _, version := range c.order {
		if other := c.sends[version]; version < s.version && (other.state <= engine.Attempted || other.waiting) {
			c.wrong("one order", "send %d is attempted before send %d, which is %s", s.version, version, other.state)
		}
	}
	switch {
	case !c.open(e.At) && s.content.Kind != engine.ContentTemplate:
		c.wrong("the columns", "send %d is attempted after the window has closed", s.version)
	case c.optedOut && isMarketing(s.content):
		c.wrong("opted out", "the marketing of send %d is attempted", s.version)
	case waited != b.Repeated || waited && e.At < s.unknown.Add(engine.UnknownWait):
		c.wrong("effects once", "send %d is attempted, repeated: %v, flagged so: %v, unknown since %d", s.version, waited, b.Repeated, s.unknown)
	}
	if waited {
		s.repeated, s.unknown = true, 0
	}
	s.attempts = append(s.attempts, e.At)
}

// follows are the steps that a send may take.
func follows(from, to engine.DeliveryState) bool {
	switch to {
	case engine.Attempted:
		return from == engine.Queued
	case engine.Queued, engine.Unknown:
		return from == engine.Attempted
	case engine.Accepted:
		return from == engine.Attempted || from == engine.Unknown
	case engine.Rejected, engine.Discarded:
		return from == engine.Queued || from == engine.Attempted
	case engine.Failed:
		return from >= engine.Attempted && from <= engine.Sent
	case engine.Sent, engine.Delivered, engine.Read:
		return from >= engine.Attempted && from < to
	}
	return false
}

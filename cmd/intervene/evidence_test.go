package main

import (
	"fmt"
	"slices"
	"strings"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// evidence is what judge looks at: what was done and answered, what WhatsApp
// offered and got, what the engine shows, and what WhatsApp got by then. It is
// taken in this order, with no command under way: what was acknowledged before
// must show, and what shows must have happened.
type evidence struct {
	written       map[standin.WAMID]written
	commands      []*command
	problems      []string
	offers        []standin.Offer
	deliveries    []standin.Delivery
	conversations map[string]*seen
	deliveredNow  []standin.Delivery
}

// maxTold bounds how many violations are told one by one.
const maxTold = 25

// judge answers everything that contradicts the promises. What it tells names
// conversations, never people or words.
func judge(e *evidence) []string {
	j := &judgement{evidence: e}
	j.index()
	j.offered()
	j.statuses()
	j.effects()
	j.states()
	j.sends()
	j.turns()
	return append(slices.Clone(e.problems), j.found...)
}

type judgement struct {
	*evidence
	found []string

	byPhone   map[string]string               // conversation
	sent      map[string]*intervenev1.Message // by message_id, what was not the customer's
	state     map[string]intervenev1.Delivery // how far each came
	delivered map[string]int                  // by message_id
	before    map[string]int                  // the same, before the engine was looked at
	accepted  map[string]map[uint64]*command  // by conversation and version
	received  map[written]int                 // in the journal
}

func (j *judgement) violation(format string, args ...any) {
	j.found = append(j.found, fmt.Sprintf(format, args...))
}

func (j *judgement) index() {
	j.byPhone, j.sent = make(map[string]string), make(map[string]*intervenev1.Message)
	j.state, j.delivered = make(map[string]intervenev1.Delivery), make(map[string]int)
	j.before = make(map[string]int)
	j.received = make(map[written]int)
	for id, s := range j.conversations {
		phone := s.card.GetContact().GetPhone()
		if other, ok := j.byPhone[phone]; ok {
			j.violation("conversations %s and %s are of one customer", other, id)
		}
		j.byPhone[phone] = id
		for _, e := range s.events {
			switch m := e.GetMessage(); {
			case m == nil:
			case isCustomer(m.GetAuthor()):
				j.received[written{phone, m.GetContent().GetText().GetBody()}]++
			default:
				j.sent[m.GetMessageId()] = m
				j.state[m.GetMessageId()] = m.GetDelivery()
			}
			if c := e.GetDeliveryChange(); c != nil {
				j.state[c.GetMessageId()] = c.GetDelivery()
			}
		}
	}
	for _, d := range j.deliveries {
		j.before[d.CallbackData]++
	}
	for _, d := range j.deliveredNow {
		j.delivered[d.CallbackData]++
	}
}

// offered: what was answered 200 is there, nothing is there twice, and nothing
// that nobody wrote.
func (j *judgement) offered() {
	known := make(map[written]bool, len(j.written))
	for _, w := range j.written {
		known[w] = true
	}
	for _, o := range j.offers {
		switch {
		case o.Forged && o.LastAnswer/100 == 2:
			j.violation("a forged item was answered %d", o.LastAnswer)
		case o.Forged || o.Kind != standin.ItemMessage:
		case o.GivenUp:
			j.violation("message %s was given up: the test is too short for what it wants", o.WAMID)
		case !o.AcknowledgedAt.IsZero() && j.received[j.written[o.WAMID]] == 0:
			j.violation("message %s was answered 200 and is lost", o.WAMID)
		}
	}
	for w, n := range j.received {
		if n > 1 {
			j.violation("conversation %s has a message %d times that was written once", j.byPhone[w.phone], n)
		}
		if !known[w] {
			j.violation("conversation %s has a message that nobody wrote", j.byPhone[w.phone])
		}
	}
}

// statuses: what was answered 200 shows.
func (j *judgement) statuses() {
	sends := make(map[standin.WAMID]string, len(j.deliveries))
	for _, d := range j.deliveries {
		sends[d.WAMID] = d.CallbackData
	}
	reached := map[standin.Status]intervenev1.Delivery{
		standin.StatusSent: intervenev1.Delivery_DELIVERY_SENT, standin.StatusDelivered: intervenev1.Delivery_DELIVERY_DELIVERED,
		standin.StatusRead: intervenev1.Delivery_DELIVERY_READ,
	}
	for _, o := range j.offers {
		if o.Forged || o.Kind != standin.ItemStatus || o.AcknowledgedAt.IsZero() {
			continue
		}
		if got, want := j.state[sends[o.WAMID]], reached[o.Status]; got < want {
			j.violation("message %s is %v, though its status %s was answered 200", sends[o.WAMID], got, o.Status)
		}
	}
}

// effects: each accepted command has its one effect, at the version that its
// answer named, and nobody who calls the API did anything else.
func (j *judgement) effects() {
	j.accepted = make(map[string]map[uint64]*command)
	for _, c := range j.commands {
		if !c.answer.accepted() {
			continue
		}
		version := c.answer.card.GetVersion()
		s := j.conversations[c.conversation]
		if s == nil || uint64(len(s.events)) < version || version == 0 {
			j.violation("%s by %s was accepted as version %d of conversation %s and is lost", c.kind, c.by, version, c.conversation)
			continue
		}
		if e := s.events[version-1]; e.GetBy().GetId() != c.by || !c.made(e) {
			j.violation("%s by %s was accepted as version %d of conversation %s, which is %T by %q",
				c.kind, c.by, version, c.conversation, e.GetKind(), e.GetBy().GetId())
		}
		if j.accepted[c.conversation] == nil {
			j.accepted[c.conversation] = make(map[uint64]*command)
		}
		if other := j.accepted[c.conversation][version]; other != nil {
			j.violation("%s by %s and %s by %s are both version %d of conversation %s", c.kind, c.by, other.kind, other.by, version, c.conversation)
		}
		j.accepted[c.conversation][version] = c
	}
	for id, s := range j.conversations {
		j.explained(id, s)
	}
}

// made reports whether e is what the command leaves behind as its last event.
// One that changed nothing leaves an event without a meaning on the wire.
func (c *command) made(e *intervenev1.ConversationEvent) bool {
	switch c.kind {
	case doSend:
		m := e.GetMessage()
		return m.GetMessageId() == c.answer.message.GetMessageId() && m.GetContent().GetText().GetBody() == c.text
	case doNote:
		return e.GetNote().GetBody() == c.text
	case doTags:
		return e.GetTagsChange() != nil || e.GetOther() != nil
	case doMarkRead:
		return e.GetReadMark() != nil || e.GetOther() != nil
	case doIntervene:
		return e.GetHandOver() != nil || e.GetOther() != nil || isDiscard(e)
	default:
		return e.GetHandOver() != nil || e.GetOther() != nil
	}
}

func isDiscard(e *intervenev1.ConversationEvent) bool {
	return e.GetDeliveryChange().GetDelivery() == intervenev1.Delivery_DELIVERY_DISCARDED
}

// explained finds what callers did without a command that says so. An
// intervention is followed by what it discards; all else is one event. What a
// bot was refused is kept as an event of its own.
func (j *judgement) explained(id string, s *seen) {
	var after *command // of the events behind, if they may belong to one before them
	for n, e := range slices.Backward(s.events) {
		by := e.GetBy().GetId()
		switch c := j.accepted[id][uint64(n)+1]; {
		case by == "":
			after = nil
		case c != nil:
			after = nil
			if isDiscard(e) {
				after = c
			}
		case after != nil && after.by == by && isDiscard(e):
		case after != nil && after.by == by && e.GetHandOver() != nil:
			after = nil
		case by == botName && e.GetOther() != nil:
			after = nil
		default:
			j.violation("version %d of conversation %s, %T by %s, is the effect of no accepted command", n+1, id, e.GetKind(), by)
			after = nil
		}
	}
}

// state is what the events of a conversation make of it.
type state struct {
	column intervenev1.Column
	holder string
	epoch  uint64
	unread uint32
	tags   []string
}

func (s state) String() string {
	return fmt.Sprintf("%v, holder %q, epoch %d, %d unread, tags %v", s.column, s.holder, s.epoch, s.unread, s.tags)
}

func (s *state) apply(e *intervenev1.ConversationEvent) {
	switch {
	case e.GetVersion() == 1:
		s.column, s.epoch = columnHistory, 1
	case e.GetHandOver() != nil:
		h := e.GetHandOver()
		if h.GetHolderAgentId() != s.holder {
			s.epoch++
		}
		s.column, s.holder = h.GetColumn(), h.GetHolderAgentId()
		if s.column == columnActive || s.column == columnHistory {
			s.unread = 0
		}
	case e.GetTagsChange() != nil:
		s.tags = e.GetTagsChange().GetTags()
	case e.GetReadMark() != nil:
		s.unread = 0
	case e.GetMessage() != nil:
		if isCustomer(e.GetBy()) && (s.column == columnRequesting || s.column == columnIntervened) {
			s.unread++
		}
	}
}

func (s state) equal(c *intervenev1.Card) bool {
	return s.column == c.GetColumn() && s.holder == c.GetHolderAgentId() && s.epoch == c.GetEpoch() &&
		s.unread == c.GetUnreadCount() && slices.Equal(s.tags, c.GetTags())
}

// states: the card of each conversation, and of each answer, is what the
// events up to its version make.
func (j *judgement) states() {
	for id, s := range j.conversations {
		var at state
		for n, e := range s.events {
			at.apply(e)
			version := uint64(n) + 1
			if c := j.accepted[id][version]; c != nil && !at.equal(c.answer.card) {
				j.violation("%s by %s was answered with %s, but version %d of conversation %s is %s",
					c.kind, c.by, stateOf(c.answer.card), version, id, at)
			}
			if s.card.GetVersion() == version && !at.equal(s.card) {
				j.violation("conversation %s shows %s, but its events make %s", id, stateOf(s.card), at)
			}
		}
	}
}

func stateOf(c *intervenev1.Card) state {
	return state{c.GetColumn(), c.GetHolderAgentId(), c.GetEpoch(), c.GetUnreadCount(), c.GetTags()}
}

// sends: WhatsApp got only what stands in the journal, once, in its order, and
// nothing counts as sent that it did not get.
func (j *judgement) sends() {
	newest := make(map[string]uint64)
	for _, d := range j.deliveries {
		m := j.sent[d.CallbackData]
		if m == nil {
			j.violation("delivery %d is of a message that is in no conversation", d.Seq)
			continue
		}
		id := m.GetConversationId()
		if j.conversations[id].card.GetContact().GetPhone() != d.To.String() || m.GetContent().GetText().GetBody() != d.Body {
			j.violation("message %s reached WhatsApp as another", m.GetMessageId())
		}
		if m.GetVersion() < newest[id] {
			j.violation("message %s was sent after one that was written later", m.GetMessageId())
		}
		newest[id] = max(newest[id], m.GetVersion())
	}
	for id, state := range j.state {
		switch n := j.delivered[id]; {
		case n > 1:
			j.violation("message %s was sent %d times", id, n)
		case n == 0 && wasAccepted(state):
			j.violation("message %s is %v and was never sent", id, state)
		case j.before[id] > 0 && (state == intervenev1.Delivery_DELIVERY_QUEUED || state == intervenev1.Delivery_DELIVERY_DISCARDED ||
			state == intervenev1.Delivery_DELIVERY_REJECTED):
			j.violation("message %s is %v and was sent", id, state)
		}
	}
}

func wasAccepted(d intervenev1.Delivery) bool {
	return d >= intervenev1.Delivery_DELIVERY_ACCEPTED && d <= intervenev1.Delivery_DELIVERY_FAILED
}

// turns: the embedded bot answers once, and is silent while somebody holds the
// conversation. Of what came between two of its messages it may have seen any
// part at the time of the second: that much it may answer again.
func (j *judgement) turns() {
	for id, s := range j.conversations {
		var at state
		carried, fresh := 0, 0 // unanswered: from before the bot's newest message, and since
		for _, e := range s.events {
			at.apply(e)
			held := at.column == columnIntervened
			if held {
				carried, fresh = 0, 0
			}
			if e.GetMessage() == nil {
				continue
			}
			switch by := e.GetBy(); {
			case isBot(by) && held:
				j.violation("conversation %s: the bot spoke at version %d, while %s holds it", id, e.GetVersion(), at.holder)
			case isCustomer(by) && !held:
				fresh++
			case !isEmbeddedBot(by):
			case carried > 0:
				carried, fresh = fresh, 0
			case fresh > 0:
				carried, fresh = fresh-1, 0
			default:
				j.violation("conversation %s: the bot answered at version %d what it had answered before", id, e.GetVersion())
			}
		}
	}
}

func isCustomer(p *intervenev1.Party) bool {
	return p.GetKind() == intervenev1.PartyKind_PARTY_KIND_CUSTOMER
}

func isBot(p *intervenev1.Party) bool { return p.GetKind() == intervenev1.PartyKind_PARTY_KIND_BOT }

// isEmbeddedBot tells the bot that owes answers from one that calls the API.
func isEmbeddedBot(p *intervenev1.Party) bool { return isBot(p) && p.GetId() == "" }

// told is a list of violations as a person reads it.
func told(violations []string) string {
	if more := len(violations) - maxTold; more > 0 {
		violations = append(violations[:maxTold:maxTold], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(violations, "\n")
}

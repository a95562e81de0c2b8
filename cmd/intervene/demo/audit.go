package demo

import (
	"fmt"
	"net/http"
	"time"

	"google.golang.org/protobuf/proto"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// maxTold bounds how many violations of one kind are told one by one.
const maxTold = 20

// evidence is everything that an audit looks at. It holds nothing of the
// engine's own but what the public API told.
type evidence struct {
	offers     []offered
	sends      []accepted
	races      []race
	holds      []hold
	told       []string
	items      []standin.Offer    // what was offered to the webhook
	deliveries []standin.Delivery // what WhatsApp took, in order

	conversations []*observation
	// boards are what the streams showed at the end, by whose they are; columns
	// what ListConversations said at the same time, and counters with it.
	boards   map[string]face
	columns  map[intervenev1.Column][]*intervenev1.Card
	counters *intervenev1.Counters
	at       time.Time
}

// audit holds the evidence against what was promised and fills in the report.
type audit struct {
	*evidence
	report Report
	counts map[string]int // violations by kind

	byPhone map[string]*observation
	byID    map[string]*observation
	sentAs  map[string]*intervenev1.Message // by message_id
	arrived map[string]int                  // deliveries by message_id
}

// judge runs every check.
func judge(e *evidence) Report {
	a := &audit{
		evidence: e, counts: make(map[string]int),
		byPhone: make(map[string]*observation), byID: make(map[string]*observation),
		sentAs: make(map[string]*intervenev1.Message), arrived: make(map[string]int),
	}
	a.index()
	a.messages()
	a.forgeries()
	a.histories()
	a.accepted()
	a.delivered()
	a.silence()
	a.interruptions()
	a.turns()
	a.interventions()
	a.streams()
	for _, text := range e.told {
		a.violation("answer", "%s", text)
	}
	a.summary()
	return a.report
}

// violation tells one. Its text names conversations, never people or words.
func (a *audit) violation(kind, format string, args ...any) {
	a.counts[kind]++
	if a.counts[kind] <= maxTold {
		a.report.Violations = append(a.report.Violations, kind+": "+fmt.Sprintf(format, args...))
	}
}

// summary tells how many were not told one by one.
func (a *audit) summary() {
	for _, kind := range sortedKeys(a.counts) {
		if more := a.counts[kind] - maxTold; more > 0 {
			a.report.Violations = append(a.report.Violations, fmt.Sprintf("%s: and %d more", kind, more))
		}
	}
}

func (a *audit) index() {
	a.report.Conversations = len(a.conversations)
	for _, o := range a.conversations {
		phone := o.card.GetContact().GetPhone()
		if other, ok := a.byPhone[phone]; ok {
			a.violation("contact", "conversations %s and %s are of one customer", other.id(), o.id())
		}
		if _, ok := a.byID[o.id()]; ok {
			a.violation("listing", "conversation %s is listed twice", o.id())
		}
		a.byPhone[phone], a.byID[o.id()] = o, o
		for _, m := range o.messages {
			if !isCustomer(m.GetAuthor()) {
				a.sentAs[m.GetMessageId()] = m
			}
		}
	}
	for _, d := range a.deliveries {
		a.arrived[d.CallbackData]++
	}
	a.report.SendsAccepted = len(a.deliveries)
}

// messages compares what customers wrote with what stands in the journal.
func (a *audit) messages() {
	type place struct{ phone, text string }
	written := make(map[place]bool, len(a.offers))
	journaled := make(map[place]int)
	for _, o := range a.conversations {
		for _, m := range o.messages {
			if isCustomer(m.GetAuthor()) {
				journaled[place{o.card.GetContact().GetPhone(), m.GetContent().GetText().GetBody()}]++
			}
		}
	}
	a.report.MessagesOffered = len(a.offers)
	for _, o := range a.offers {
		key := place{o.phone.String(), o.text}
		written[key] = true
		switch n := journaled[key]; {
		case n == 0:
			a.report.Lost++
			a.violation("lost", "message %s is in no conversation of its customer", o.wamid)
		default:
			a.report.MessagesJournaled++
			if n > 1 {
				a.report.DuplicatesApplied += n - 1
				a.violation("duplicate", "message %s stands in its conversation %d times", o.wamid, n)
			}
		}
	}
	for key, n := range journaled {
		if !written[key] {
			a.violation("invented", "conversation %s has %d times a message that its customer never wrote", a.byPhone[key.phone].id(), n)
		}
	}
}

// forgeries counts offers, and finds those under a wrong signature that were
// not refused as such.
func (a *audit) forgeries() {
	for _, item := range a.items {
		a.report.WebhookEvents += item.Offers
		switch {
		case !item.Forged && item.GivenUp:
			a.violation("webhook", "item %s %s was never acknowledged", item.WAMID, item.Status)
		case !item.Forged:
			a.report.DuplicatesOffered += max(item.Offers-1, 0)
		default:
			a.report.BadSignaturesOffered++
			if item.LastAnswer != http.StatusUnauthorized {
				a.report.BadSignaturesAccepted++
				a.violation("signature", "a wrong one was answered %d, not 401", item.LastAnswer)
			}
		}
	}
}

// histories checks that each conversation's events have no gap, end where the
// card stands, and bring the messages that the list has.
func (a *audit) histories() {
	for _, o := range a.conversations {
		for n, e := range o.events {
			if e.GetVersion() != uint64(n)+1 {
				a.violation("history", "conversation %s: event %d has version %d", o.id(), n+1, e.GetVersion())
				break
			}
		}
		if n := len(o.events); uint64(n) < o.card.GetVersion() {
			a.violation("history", "conversation %s: %d events, but its card is of version %d", o.id(), n, o.card.GetVersion())
		}
		listed := make(map[string]bool, len(o.messages))
		for n, m := range o.messages {
			listed[m.GetMessageId()] = true
			if n > 0 && m.GetVersion() <= o.messages[n-1].GetVersion() {
				a.violation("history", "conversation %s: messages are not listed in order", o.id())
			}
		}
		for _, e := range o.events {
			if m := e.GetMessage(); m != nil && !listed[m.GetMessageId()] {
				a.violation("history", "conversation %s: message of version %d is in the stream and not in the list", o.id(), e.GetVersion())
			}
		}
		if what := o.unsettled(a.at); what != "" {
			a.violation("unsettled", "conversation %s: %s", o.id(), what)
		}
	}
}

// streams compares each board with the listing.
func (a *audit) streams() {
	for _, who := range sortedKeys(a.boards) {
		shown := a.boards[who]
		left := make(map[string]*intervenev1.Card, len(shown.cards))
		for id, card := range shown.cards {
			left[id] = card
		}
		for column, cards := range a.columns {
			if column == columnHistory {
				continue
			}
			for _, want := range cards[:min(len(cards), boardWindow)] {
				got, ok := left[want.GetConversationId()]
				delete(left, want.GetConversationId())
				if !ok {
					a.violation("board", "%s does not see conversation %s in %v", who, want.GetConversationId(), column)
				} else if !sameFace(got, want) {
					a.violation("board", "%s sees conversation %s as it was at version %d, not %d", who, want.GetConversationId(), got.GetVersion(), want.GetVersion())
				}
			}
		}
		for _, id := range sortedKeys(left) {
			a.violation("board", "%s still sees conversation %s, which left", who, id)
		}
		for _, want := range a.counters.GetColumns() {
			if got := shown.counters[want.GetColumn()]; !proto.Equal(got, want) {
				a.violation("board", "%s counts %d in %v, want %d", who, got.GetConversations(), want.GetColumn(), want.GetConversations())
			}
		}
	}
}

// sameFace ignores the version: a board is not told of a change that it would
// not show.
func sameFace(got, want *intervenev1.Card) bool {
	x, y := proto.CloneOf(got), proto.CloneOf(want)
	x.Version, y.Version = 0, 0
	return proto.Equal(x, y)
}

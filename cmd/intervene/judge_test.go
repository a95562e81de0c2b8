package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// story is a conversation as the API would tell it, for judge to find what is
// wrong with it.
type story struct {
	evidence
	at time.Time
}

const storyID = "c"

var (
	customer = &intervenev1.Party{Kind: intervenev1.PartyKind_PARTY_KIND_CUSTOMER}
	theBot   = &intervenev1.Party{Kind: intervenev1.PartyKind_PARTY_KIND_BOT}
	asha     = &intervenev1.Party{Kind: intervenev1.PartyKind_PARTY_KIND_AGENT, Id: "asha"}
	engineIs = &intervenev1.Party{Kind: intervenev1.PartyKind_PARTY_KIND_ENGINE}
)

// tell appends an event and answers its version.
func (s *story) tell(by *intervenev1.Party, e *intervenev1.ConversationEvent) uint64 {
	c := s.conversations[storyID]
	e.Version, e.By, e.At = uint64(len(c.events))+1, by, timestamppb.New(s.at)
	c.events = append(c.events, e)
	return e.Version
}

func (s *story) message(by *intervenev1.Party, text string) uint64 {
	version := uint64(len(s.conversations[storyID].events)) + 1
	return s.tell(by, &intervenev1.ConversationEvent{Kind: &intervenev1.ConversationEvent_Message{Message: &intervenev1.Message{
		MessageId: messageID(version), ConversationId: storyID, Version: version, Author: by, Delivery: intervenev1.Delivery_DELIVERY_QUEUED,
		Content: &intervenev1.Content{Kind: &intervenev1.Content_Text{Text: &intervenev1.Text{Body: text}}},
	}}})
}

func messageID(version uint64) string { return fmt.Sprintf("%s.%d", storyID, version) }

func (s *story) handOver(by *intervenev1.Party, to intervenev1.Column, holder string) uint64 {
	return s.tell(by, &intervenev1.ConversationEvent{Kind: &intervenev1.ConversationEvent_HandOver{
		HandOver: &intervenev1.HandOver{Column: to, HolderAgentId: holder},
	}})
}

func (s *story) delivery(by *intervenev1.Party, message uint64, d intervenev1.Delivery) uint64 {
	return s.tell(by, &intervenev1.ConversationEvent{Kind: &intervenev1.ConversationEvent_DeliveryChange{
		DeliveryChange: &intervenev1.DeliveryChange{MessageId: messageID(message), Delivery: d},
	}})
}

func (s *story) note(text string) uint64 {
	return s.tell(asha, &intervenev1.ConversationEvent{Kind: &intervenev1.ConversationEvent_Note{Note: &intervenev1.Note{Body: text}}})
}

// commanded writes a command into the ledger, answered with what there is now.
func (s *story) commanded(kind commandKind, version uint64, text string) *command {
	c := &command{kind: kind, by: "asha", conversation: storyID, text: text, answer: answer{card: s.card()}}
	c.answer.card.Version = version
	if kind == doSend {
		c.answer.message = &intervenev1.Message{MessageId: messageID(version)}
	}
	s.commands = append(s.commands, c)
	return c
}

// card is the conversation's as its events make it.
func (s *story) card() *intervenev1.Card {
	var at state
	c := s.conversations[storyID]
	for _, e := range c.events {
		at.apply(e)
	}
	return &intervenev1.Card{
		ConversationId: storyID, Version: uint64(len(c.events)), Contact: &intervenev1.Contact{Phone: "15550001"},
		Column: at.column, HolderAgentId: at.holder, Epoch: at.epoch, UnreadCount: at.unread, Tags: at.tags,
	}
}

func (s *story) write(wamid standin.WAMID, text string) {
	s.written[wamid] = written{"15550001", text}
	s.offers = append(s.offers, standin.Offer{Kind: standin.ItemMessage, WAMID: wamid, AcknowledgedAt: s.at, LastAnswer: 200})
}

func (s *story) deliver(version uint64, text string) {
	d := standin.Delivery{
		Seq: uint64(len(s.deliveries)) + 1, WAMID: standin.WAMID(fmt.Sprintf("out-%d", version)),
		To: "15550001", Body: text, CallbackData: messageID(version),
	}
	s.deliveries = append(s.deliveries, d)
	s.deliveredNow = slices.Clone(s.deliveries)
}

// Versions of what happens in the story.
const (
	greetingAt   = 4
	discardAt    = 8
	sendAt       = 9
	storyEventCt = 14
)

// newStory is one in which everything is as promised.
func newStory() *story {
	s := &story{at: time.Now()}
	s.written, s.conversations = make(map[standin.WAMID]written), map[string]*seen{storyID: {}}
	other := func(by *intervenev1.Party) {
		s.tell(by, &intervenev1.ConversationEvent{Kind: &intervenev1.ConversationEvent_Other{Other: &intervenev1.Other{}}})
	}
	s.write("in-1", "Hello")
	other(customer)
	s.handOver(customer, columnActive, "")
	s.message(customer, "Hello")
	s.message(theBot, "Welcome")
	other(theBot)
	s.handOver(theBot, columnRequesting, "")
	s.handOver(asha, columnIntervened, "asha")
	s.commanded(doIntervene, s.delivery(asha, greetingAt, intervenev1.Delivery_DELIVERY_DISCARDED), "")
	s.commanded(doSend, s.message(asha, "Let me see"), "Let me see")
	s.delivery(engineIs, sendAt, intervenev1.Delivery_DELIVERY_ATTEMPTED)
	s.deliver(sendAt, "Let me see")
	s.delivery(engineIs, sendAt, intervenev1.Delivery_DELIVERY_ACCEPTED)
	s.delivery(customer, sendAt, intervenev1.Delivery_DELIVERY_SENT)
	s.offers = append(s.offers, standin.Offer{Kind: standin.ItemStatus, Status: standin.StatusSent, WAMID: "out-9", AcknowledgedAt: s.at, LastAnswer: 200})
	s.commanded(doNote, s.note("Looked into it"), "Looked into it")
	s.commanded(doResolve, s.handOver(asha, columnActive, ""), "")
	s.conversations[storyID].card = s.card()
	return s
}

// TestJudge spoils a story in each way that matters: a check that cannot fail
// checks nothing.
func TestJudge(t *testing.T) {
	if got := judge(&newStory().evidence); len(got) > 0 || len(newStory().conversations[storyID].events) != storyEventCt {
		t.Fatalf("an unspoilt story: got violations, want none:\n%s", told(got))
	}
	tests := []struct {
		name  string
		spoil func(*story)
		want  string
	}{
		{"acknowledged message lost", func(s *story) { s.write("in-2", "Anybody?") }, "answered 200 and is lost"},
		{"message twice", func(s *story) { s.message(customer, "Hello") }, "2 times"},
		{"message that nobody wrote", func(s *story) { s.message(customer, "Boo") }, "nobody wrote"},
		{"forged item taken", func(s *story) { s.offers = append(s.offers, standin.Offer{Forged: true, LastAnswer: 200}) }, "forged"},
		{"item given up", func(s *story) { s.offers[0].GivenUp = true }, "given up"},
		{"customer in two conversations", func(s *story) {
			s.conversations["d"] = &seen{card: &intervenev1.Card{Contact: &intervenev1.Contact{Phone: "15550001"}}}
		}, "of one customer"},
		{"acknowledged status lost", func(s *story) { s.offers[1].Status = standin.StatusRead }, "status read was answered 200"},

		{"accepted command lost", func(s *story) { s.commanded(doNote, 15, "Lost") }, "and is lost"},
		{"accepted command is another", func(s *story) { s.commands[2].text = "Another" }, "was accepted as version"},
		{"accepted command is another's", func(s *story) { s.commands[2].by = "ben" }, "was accepted as version"},
		{"two commands, one effect", func(s *story) { s.commands = append(s.commands, s.commands[2]) }, "are both version"},
		{"one command, two effects", func(s *story) { s.note("Looked into it") }, "is the effect of no accepted command"},
		{"refused command with an effect", func(s *story) { s.commands[1].answer.refusal.reason = "NOT_HOLDER" }, "is the effect of no accepted command"},
		{"answer that was not so", func(s *story) { s.commands[0].answer.card.HolderAgentId = "ben" }, "was answered with"},
		{"card that is not so", func(s *story) { s.conversations[storyID].card.UnreadCount = 3 }, "but its events make"},
		{"problem of the ledger", func(s *story) { s.problems = append(s.problems, "told before") }, "told before"},

		{"sent twice", func(s *story) { s.deliver(sendAt, "Let me see") }, "was sent 2 times"},
		{"never sent", func(s *story) { s.deliveries, s.deliveredNow = nil, nil }, "was never sent"},
		{"sent though discarded", func(s *story) { s.deliver(greetingAt, "Welcome") }, "DELIVERY_DISCARDED and was sent"},
		{"sent in another order", func(s *story) { s.deliver(greetingAt, "Welcome") }, "written later"},
		{"sent before it was durable", func(s *story) { s.deliver(99, "Too soon") }, "in no conversation"},
		{"sent as another", func(s *story) { s.deliveries[0].Body = "Something else" }, "as another"},

		{"bot answers twice", func(s *story) { s.message(theBot, "Welcome") }, "what it had answered before"},
		{"bot speaks while held", func(s *story) {
			s.commanded(doIntervene, s.handOver(asha, columnIntervened, "asha"), "")
			s.message(theBot, "Me too")
		}, "the bot spoke"},
	}
	for _, test := range tests {
		s := newStory()
		test.spoil(s)
		got := judge(&s.evidence)
		if !slices.ContainsFunc(got, func(v string) bool { return strings.Contains(v, test.want) }) {
			t.Errorf("%s: got violations %q, want one with %q", test.name, got, test.want)
		}
	}
}

// TestWaiting: what is owed is seen, and a send in doubt keeps those behind it
// only for its time.
func TestWaiting(t *testing.T) {
	attempted := func(s *story) {
		s.delivery(engineIs, s.message(theBot, "One moment"), intervenev1.Delivery_DELIVERY_ATTEMPTED)
		s.message(theBot, "Here it is")
	}
	tests := []struct {
		name          string
		happens       func(*story)
		after         time.Duration
		wantUnsettled int
		wantDoubtful  int
	}{
		{"nothing", func(*story) {}, 0, 0, 0},
		{"a message", func(s *story) { s.message(customer, "Still there?") }, 0, 1, 0},
		{"a message that a person saw", func(s *story) {
			s.message(customer, "Still there?")
			s.handOver(asha, columnIntervened, "asha")
		}, 0, 0, 0},
		{"a queued send", func(s *story) { s.message(theBot, "One moment") }, 0, 1, 0},
		{"an attempted send", attempted, time.Minute, 0, 1},
		{"an attempted send for too long", attempted, doubt, 1, 0},
		{"an attempted send that arrived", func(s *story) {
			attempted(s)
			s.deliver(storyEventCt+1, "One moment")
		}, time.Minute, 1, 0},
		{"an unknown send that arrived", func(s *story) {
			attempted(s)
			s.delivery(engineIs, storyEventCt+1, intervenev1.Delivery_DELIVERY_UNKNOWN)
			s.deliver(storyEventCt+1, "One moment")
		}, time.Minute, 1, 0},
	}
	for _, test := range tests {
		s := newStory()
		test.happens(s)
		unsettled, doubtful := s.waiting(s.at.Add(test.after))
		if len(unsettled) != test.wantUnsettled || doubtful != test.wantDoubtful {
			t.Errorf("%s: got %q and %d doubtful, want %d and %d", test.name, unsettled, doubtful, test.wantUnsettled, test.wantDoubtful)
		}
	}
}

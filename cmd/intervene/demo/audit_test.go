package demo

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

const phone = "15550000001"

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// TestJudgeAcceptsACleanDay is what makes the planted violations below mean
// something.
func TestJudgeAcceptsACleanDay(t *testing.T) {
	got := judge(cleanDay())
	if len(got.Violations) != 0 {
		t.Errorf("got violations %q, want none", got.Violations)
	}
	want := Report{
		Conversations: 1, WebhookEvents: 4, MessagesOffered: 2, MessagesJournaled: 2, DuplicatesOffered: 1,
		SendsAccepted: 3, InterveneRaces: 1, BadSignaturesOffered: 1,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got report  %+v\nwant %+v", got, want)
	}
}

// TestJudgeFindsViolations plants one of each kind: an audit that cannot fail
// audits nothing.
func TestJudgeFindsViolations(t *testing.T) {
	none := func(Report) int { return 1 }
	tests := []struct {
		name  string
		plant func(*evidence)
		count func(Report) int // must be 1
		want  string           // begins a violation
	}{
		{"lost message", func(e *evidence) {
			e.offers = append(e.offers, offered{ordinal: 1, phone: phone, wamid: "wamid.3", text: "third"})
		}, func(r Report) int { return r.Lost }, "lost"},
		{"doubled message", func(e *evidence) {
			o := e.conversations[0]
			o.messages = append(o.messages, o.messages[0])
		}, func(r Report) int { return r.DuplicatesApplied }, "duplicate"},
		{"invented message", func(e *evidence) { e.offers = e.offers[1:] }, none, "invented"},
		{"two conversations of one customer", func(e *evidence) {
			other := *e.conversations[0]
			other.card = proto.CloneOf(other.card)
			other.card.ConversationId = "other"
			e.conversations = append(e.conversations, &other)
		}, none, "contact"},
		{
			"accepted bad signature", func(e *evidence) { e.items[2].LastAnswer = http.StatusOK },
			func(r Report) int { return r.BadSignaturesAccepted }, "signature",
		},
		{
			"bad signature that was no reason", func(e *evidence) { e.items[2].LastAnswer = http.StatusBadRequest },
			func(r Report) int { return r.BadSignaturesAccepted }, "signature",
		},
		{"webhook item given up", func(e *evidence) { e.items[0].GivenUp = true }, none, "webhook"},
		{"gap in the history", func(e *evidence) {
			o := e.conversations[0]
			o.events = slices.Delete(o.events, 1, 2)
		}, none, "history"},
		{"history that ends early", func(e *evidence) { e.conversations[0].card.Version++ }, none, "history"},
		{"message in the stream alone", func(e *evidence) {
			o := e.conversations[0]
			o.messages = slices.Delete(o.messages, 2, 3)
		}, none, "history"},
		{"messages out of order", func(e *evidence) { slices.Reverse(e.conversations[0].messages) }, none, "history"},
		{"accepted send that vanished", func(e *evidence) {
			e.sends = append(e.sends, accepted{conversation: "c1", message: "c1.99", by: "asha", text: "gone"})
		}, none, "send"},
		{"send applied twice", func(e *evidence) {
			o := e.conversations[0]
			again := proto.CloneOf(o.messages[4])
			again.MessageId, again.Version, again.Delivery = "c1.14", 14, intervenev1.Delivery_DELIVERY_DISCARDED
			o.messages = append(o.messages, again)
		}, none, "send"},
		{"send delivered twice", func(e *evidence) {
			again := e.deliveries[2]
			again.Seq++
			e.deliveries = append(e.deliveries, again)
		}, none, "send"},
		{"send that was never made", func(e *evidence) { e.deliveries = e.deliveries[:2] }, none, "send"},
		{"discarded send that was made", func(e *evidence) {
			e.conversations[0].messages[1].Delivery = intervenev1.Delivery_DELIVERY_DISCARDED
		}, none, "send"},
		{"unknown send whose status was told", func(e *evidence) {
			e.conversations[0].messages[1].Delivery = intervenev1.Delivery_DELIVERY_UNKNOWN
		}, none, "send"},
		{"send to somebody else", func(e *evidence) { e.deliveries[0].To = "15550000002" }, none, "send"},
		{"send with other words", func(e *evidence) { e.deliveries[0].Body = "nothing of the kind" }, none, "send"},
		{"send of no message", func(e *evidence) { e.deliveries[0].CallbackData = "c1.98" }, none, "send"},
		{"reordered sends", func(e *evidence) {
			e.deliveries[1], e.deliveries[2] = e.deliveries[2], e.deliveries[1]
		}, func(r Report) int { return r.SendsOutOfOrder }, "order"},
		{"bot speaks while a person holds", func(e *evidence) {
			e.conversations[0].events[9].GetMessage().Author = party(intervenev1.PartyKind_PARTY_KIND_BOT, "")
		}, func(r Report) int { return r.BotSendsWhileIntervened }, "bot"},
		{"bot's send attempted after the hand-over", func(e *evidence) {
			e.conversations[0].events[12] = delivery(13, "c1.6", intervenev1.Delivery_DELIVERY_ATTEMPTED)
		}, func(r Report) int { return r.BotSendsWhileIntervened }, "bot"},
		{"bot's sends arrive while a person holds", func(e *evidence) {
			o := e.conversations[0]
			o.messages[4].Author = party(intervenev1.PartyKind_PARTY_KIND_BOT, "")
			e.deliveries[0].AcceptedAt = e.holds[0].from.Add(time.Millisecond)
			e.deliveries[2].AcceptedAt = e.deliveries[0].AcceptedAt
		}, func(r Report) int { return r.BotSendsWhileIntervened }, "bot"},
		{"attempt that is no event", func(e *evidence) {
			e.conversations[0].events[3] = other(4)
		}, none, "bot"},
		{"bot answers twice", func(e *evidence) {
			o := e.conversations[0] // that it was given back may be answered, once
			o.events[12] = says(13, intervenev1.PartyKind_PARTY_KIND_BOT, "", "an answer")
			o.events = append(o.events, other(14), says(15, intervenev1.PartyKind_PARTY_KIND_BOT, "", "an answer"))
		}, none, "turn"},
		{"customer without an answer", func(e *evidence) {
			o := e.conversations[0]
			e.offers = append(e.offers, offered{phone: phone, text: "third"})
			o.events[12] = says(13, intervenev1.PartyKind_PARTY_KIND_CUSTOMER, "", "third")
			o.messages = append(o.messages, o.events[12].GetMessage())
		}, none, "unsettled"},
		{"send that goes nowhere", func(e *evidence) {
			e.conversations[0].messages[1].Delivery = intervenev1.Delivery_DELIVERY_QUEUED
		}, none, "unsettled"},
		{
			"two winners", func(e *evidence) { e.races[0].runs[1].refusal = refusal{} },
			func(r Report) int { return r.InterveneDoubleWinners }, "race",
		},
		{"no winner", func(e *evidence) { e.races[0].runs[0].refusal = e.races[0].runs[1].refusal }, none, "race"},
		{"loser told of another holder", func(e *evidence) { e.races[0].runs[1].refusal.holder = "dana" }, none, "race"},
		{"loser told of another epoch", func(e *evidence) { e.races[0].runs[1].refusal.epoch++ }, none, "race"},
		{"loser refused for another reason", func(e *evidence) { e.races[0].runs[1].refusal.reason = "NOT_REQUESTING" }, none, "race"},
		{"intervention without a trace", func(e *evidence) { e.holds = append(e.holds, e.holds[0]) }, none, "race"},
		{"board that misses a card", func(e *evidence) { clear(e.boards["asha"].cards) }, none, "board"},
		{"board that keeps a card", func(e *evidence) { e.columns[columnActive] = nil }, none, "board"},
		{"board that is behind", func(e *evidence) { e.boards["asha"].cards["c1"].UnreadCount++ }, none, "board"},
		{"board that counts wrong", func(e *evidence) { e.boards["asha"].counters[columnActive].Conversations++ }, none, "board"},
		{"answer that contradicts itself", func(e *evidence) { e.told = []string{"Resolve: got refused"} }, none, "answer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := cleanDay()
			tt.plant(e)
			got := judge(e)
			if !slices.ContainsFunc(got.Violations, func(v string) bool { return strings.HasPrefix(v, tt.want+": ") }) {
				t.Errorf("got violations %q, want one of kind %q", got.Violations, tt.want)
			}
			if n := tt.count(got); n != 1 {
				t.Errorf("got %d counted, want 1; report %+v", n, got)
			}
			for _, v := range got.Violations {
				if strings.Contains(v, phone) || strings.Contains(v, "first") {
					t.Errorf("got violation %q, want none that names a number or quotes a message", v)
				}
			}
		})
	}
}

// TestJudgeAllowsCoalescing: what came while the bot was busy may be answered
// together or by itself, and each answer may have several messages (B: one more).
func TestJudgeAllowsCoalescing(t *testing.T) {
	for _, tt := range []struct {
		order string
		want  int
	}{
		{"cb", 0},
		{"ccb", 0},
		{"ccbb", 0},
		{"cbcb", 0},
		{"ccbcbb", 0},
		{"cbB", 0},
		{"ccbBBb", 0},
		{"b", 1},
		{"cbb", 1},
		{"cbBb", 1},
		{"bBb", 2},
		{"ccbbb", 1},
		{"ccbcbbb", 1},
	} {
		t.Run(tt.order, func(t *testing.T) {
			o := &observation{card: &intervenev1.Card{ConversationId: "c1"}}
			version := uint64(0)
			for _, who := range tt.order {
				kind := intervenev1.PartyKind_PARTY_KIND_CUSTOMER
				if who != 'c' {
					kind = intervenev1.PartyKind_PARTY_KIND_BOT
				}
				if version++; who != 'B' {
					version++ // that the turn ended is an event, too
				}
				o.events = append(o.events, says(version, kind, "", "something"))
			}
			a := audit{evidence: &evidence{conversations: []*observation{o}}, counts: make(map[string]int)}
			a.turns()
			if got := a.counts["turn"]; got != tt.want {
				t.Errorf("got %d violations, want %d: %q", got, tt.want, a.report.Violations)
			}
		})
	}
}

func TestReportRequiresLoad(t *testing.T) {
	for _, tt := range []struct {
		length        time.Duration
		conversations int
		races         int
		want          int
	}{
		{30 * time.Second, 2000, 500, 0},
		{30 * time.Second, 1999, 500, 1},
		{30 * time.Second, 2000, 499, 1},
		{3 * time.Second, 200, 50, 0},
		{time.Minute, 2000, 500, 2},
	} {
		r := Report{Conversations: tt.conversations, InterveneRaces: tt.races}
		r.requireLoad(tt.length)
		if got := len(r.Violations); got != tt.want {
			t.Errorf("%v with %d conversations and %d races: got violations %q, want %d",
				tt.length, tt.conversations, tt.races, r.Violations, tt.want)
		}
	}
}

// cleanDay is one conversation: two questions and their answers, a request, an
// intervention that two agents raced for, an agent's answer, and the way back.
func cleanDay() *evidence {
	const customer, bot, agent = intervenev1.PartyKind_PARTY_KIND_CUSTOMER, intervenev1.PartyKind_PARTY_KIND_BOT, intervenev1.PartyKind_PARTY_KIND_AGENT
	const attempted = intervenev1.Delivery_DELIVERY_ATTEMPTED
	events := []*intervenev1.ConversationEvent{
		handOver(1, columnActive, intervenev1.Cause_CAUSE_CUSTOMER_MESSAGE, ""),
		says(2, customer, "", "first"),
		says(3, bot, "", "an answer"),
		delivery(4, "c1.3", attempted),
		says(5, customer, "", "second"),
		says(6, bot, "", "somebody comes"),
		delivery(7, "c1.6", attempted),
		handOver(8, columnRequesting, intervenev1.Cause_CAUSE_REQUESTED, ""),
		handOver(9, columnIntervened, intervenev1.Cause_CAUSE_INTERVENED, "asha"),
		says(10, agent, "asha", "here I am"),
		delivery(11, "c1.10", attempted),
		handOver(12, columnActive, intervenev1.Cause_CAUSE_RESOLVED, ""),
		other(13),
	}
	card := &intervenev1.Card{
		ConversationId: "c1", Column: columnActive, Epoch: 3, Version: 13,
		Contact: &intervenev1.Contact{Id: "c1", Phone: phone}, WindowExpiresAt: timestamppb.New(noon.Add(24 * time.Hour)),
	}
	counter := &intervenev1.ColumnCounter{Column: columnActive, Conversations: 1}
	e := &evidence{
		offers: []offered{{ordinal: 1, phone: phone, wamid: "wamid.1", text: "first"}, {ordinal: 1, phone: phone, wamid: "wamid.2", text: "second"}},
		sends:  []accepted{{conversation: "c1", message: "c1.10", by: "asha", text: "here I am"}},
		races: []race{{conversation: "c1", runs: []run{
			{agent: "asha", epoch: 2},
			{agent: "ben", refusal: refusal{code: connect.CodeFailedPrecondition, reason: reasonHeldByOther, holder: "asha", epoch: 2}},
		}}},
		holds: []hold{{conversation: "c1", from: noon.Add(time.Minute), to: noon.Add(2 * time.Minute)}},
		items: []standin.Offer{
			{Kind: standin.ItemMessage, WAMID: "wamid.1", Offers: 2, LastAnswer: http.StatusOK},
			{Kind: standin.ItemMessage, WAMID: "wamid.2", Offers: 1, LastAnswer: http.StatusOK},
			{Kind: standin.ItemMessage, WAMID: "wamid.forged", Forged: true, Offers: 1, LastAnswer: http.StatusUnauthorized},
		},
		conversations: []*observation{{card: card, events: events}},
		boards: map[string]face{"asha": {
			cards:    map[string]*intervenev1.Card{"c1": proto.CloneOf(card)},
			counters: map[intervenev1.Column]*intervenev1.ColumnCounter{columnActive: proto.CloneOf(counter)},
		}},
		columns:  map[intervenev1.Column][]*intervenev1.Card{columnActive: {card}},
		counters: &intervenev1.Counters{Columns: []*intervenev1.ColumnCounter{counter}},
		at:       noon.Add(time.Hour),
	}
	for _, told := range events {
		m := told.GetMessage()
		if m == nil {
			continue
		}
		listed := proto.CloneOf(m)
		e.conversations[0].messages = append(e.conversations[0].messages, listed)
		if isCustomer(m.GetAuthor()) {
			continue
		}
		listed.Delivery = intervenev1.Delivery_DELIVERY_SENT
		e.deliveries = append(e.deliveries, standin.Delivery{
			Seq: uint64(len(e.deliveries)) + 1, To: phone, Body: m.GetContent().GetText().GetBody(),
			CallbackData: m.GetMessageId(), AcceptedAt: noon,
		})
	}
	return e
}

func party(kind intervenev1.PartyKind, id string) *intervenev1.Party {
	return &intervenev1.Party{Kind: kind, Id: id}
}

func says(version uint64, kind intervenev1.PartyKind, id, text string) *intervenev1.ConversationEvent {
	m := &intervenev1.Message{
		MessageId: fmt.Sprintf("c1.%d", version), ConversationId: "c1", Version: version, Author: party(kind, id),
		Content: &intervenev1.Content{Kind: &intervenev1.Content_Text{Text: &intervenev1.Text{Body: text}}},
	}
	if kind != intervenev1.PartyKind_PARTY_KIND_CUSTOMER {
		m.Delivery = intervenev1.Delivery_DELIVERY_QUEUED
	}
	return &intervenev1.ConversationEvent{Version: version, Kind: &intervenev1.ConversationEvent_Message{Message: m}}
}

func delivery(version uint64, message string, state intervenev1.Delivery) *intervenev1.ConversationEvent {
	change := &intervenev1.DeliveryChange{MessageId: message, Delivery: state}
	return &intervenev1.ConversationEvent{Version: version, Kind: &intervenev1.ConversationEvent_DeliveryChange{DeliveryChange: change}}
}

func handOver(version uint64, to intervenev1.Column, cause intervenev1.Cause, holder string) *intervenev1.ConversationEvent {
	change := &intervenev1.HandOver{Column: to, Cause: cause, HolderAgentId: holder}
	return &intervenev1.ConversationEvent{Version: version, Kind: &intervenev1.ConversationEvent_HandOver{HandOver: change}}
}

func other(version uint64) *intervenev1.ConversationEvent {
	return &intervenev1.ConversationEvent{Version: version, Kind: &intervenev1.ConversationEvent_Other{Other: &intervenev1.Other{}}}
}

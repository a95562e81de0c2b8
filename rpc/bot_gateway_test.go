package rpc

import (
	"slices"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// accepted makes a conversation of acme whose turn the bot has accepted, and the
// submission that answers it.
func (e *edge) accepted() (engine.ConversationID, *intervenev1.SubmitRequest) {
	id := e.open("acme")
	c := e.conversations[id]
	turn := engine.TurnRequest{ID: engine.MessageID{Conversation: id, Version: c.Turn.From}, Through: c.Version, Epoch: c.Epoch, Workspace: "acme"}
	e.must(id, turn.Command(turn.Accept(engine.TurnAnswer{Within: time.Minute})))
	return id, &intervenev1.SubmitRequest{
		TurnId: turn.ID.String(), Epoch: turn.Epoch, ThroughVersion: turn.Through, Actions: append(said("hello"), asksAgent("billing", "")),
	}
}

func (e *edge) gateway(token string) intervenev1connect.BotGatewayServiceClient {
	return intervenev1connect.NewBotGatewayServiceClient(e.as(token), edgeURL)
}

func (e *edge) queued(id engine.ConversationID) int {
	return count(e.memory, id, engine.KindMessageQueued)
}

func count(m *memory, id engine.ConversationID, kind engine.EventKind) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, event := range m.events[id] {
		if event.Body.Kind() == kind {
			n++
		}
	}
	return n
}

// TestSubmitOnce: the same submission has one effect, another one for the same turn
// is refused.
func TestSubmitOnce(t *testing.T) {
	e := newEdge(t)
	id, submission := e.accepted()
	for range 3 {
		if _, err := e.gateway(robotToken).Submit(t.Context(), submission); err != nil {
			t.Fatalf("Submit: %v", err)
		}
	}
	if n := e.queued(id); n != 1 {
		t.Errorf("got %d messages, want 1", n)
	}
	card, err := e.Card(id)
	if err != nil || card.Column != engine.Requesting || card.Reason != "billing" {
		t.Errorf("got %v because of %q, error %v; want requesting because of billing", card.Column, card.Reason, err)
	}
	submission.Actions = said("something else")
	_, err = e.gateway(robotToken).Submit(t.Context(), submission)
	wantRefusal(t, err, connect.CodeAlreadyExists, "COMMAND_REUSED")
}

// TestSubmitIsFenced: an agent came in between.
func TestSubmitIsFenced(t *testing.T) {
	e := newEdge(t)
	id, submission := e.accepted()
	e.move("acme", id, engine.RequestAgent{}, engine.Intervene{})
	_, err := e.gateway(robotToken).Submit(t.Context(), submission)
	if held := wantRefusal(t, err, connect.CodeFailedPrecondition, "BOT_FENCED"); held["holder"] != "sam" || held["epoch"] != "2" {
		t.Errorf("got metadata %v, want who holds it since when", held)
	}
	if e.queued(id) != 0 || count(e.memory, id, engine.KindBotDiscarded) != 1 {
		t.Errorf("got %d messages, want none, and what the bot said kept", e.queued(id))
	}
}

// TestSubmitBeforeAccepted: a bot may be quicker than its own acceptance is durable.
func TestSubmitBeforeAccepted(t *testing.T) {
	e := newEdge(t)
	id := e.open("acme")
	c := e.conversations[id]
	submission := &intervenev1.SubmitRequest{
		TurnId: engine.MessageID{Conversation: id, Version: c.Turn.From}.String(), Epoch: 1, ThroughVersion: c.Version, Actions: said("hello"),
	}
	if _, err := e.gateway(robotToken).Submit(t.Context(), submission); err != nil {
		t.Fatalf("Submit: %v", err)
	}
	if e.queued(id) != 1 || e.conversations[id].Turn.Owed() {
		t.Errorf("got %d messages, turn owed: %t; want one, and none", e.queued(id), e.conversations[id].Turn.Owed())
	}
}

func TestSubmitViolations(t *testing.T) {
	e := newEdge(t)
	tests := []struct {
		field  string
		change func(*intervenev1.SubmitRequest)
	}{
		{"turn_id", func(r *intervenev1.SubmitRequest) { r.TurnId = "" }},
		{"turn_id", func(r *intervenev1.SubmitRequest) { r.TurnId = "nonsense" }},
		{"epoch", func(r *intervenev1.SubmitRequest) { r.Epoch = 0 }},
		{"through_version", func(r *intervenev1.SubmitRequest) { r.ThroughVersion = 0 }},
		{"through", func(r *intervenev1.SubmitRequest) { r.ThroughVersion = 1000 }},
		{"actions[0].kind", func(r *intervenev1.SubmitRequest) { r.Actions = []*intervenev1.BotAction{{}} }},
		{"actions[1]", func(r *intervenev1.SubmitRequest) { slices.Reverse(r.Actions) }},
		{"actions", func(r *intervenev1.SubmitRequest) { r.Actions = slices.Repeat(said("x"), 33) }},
	}
	for _, tt := range tests {
		id, submission := e.accepted()
		tt.change(submission)
		_, err := e.gateway(robotToken).Submit(t.Context(), submission)
		wantViolation(t, err, tt.field)
		if e.queued(id) != 0 {
			t.Errorf("%s: got a message queued, want none", tt.field)
		}
	}
	_, submission := e.accepted()
	submission.TurnId = engine.MessageID{Conversation: e.open("other"), Version: 3}.String()
	_, err := e.gateway(robotToken).Submit(t.Context(), submission)
	wantRefusal(t, err, connect.CodeNotFound, "NOT_FOUND")
}

// TestTokensBot: a bot's token is known, and nobody else's.
func TestTokensBot(t *testing.T) {
	tokens, err := NewTokens(testTokens())
	if err != nil {
		t.Fatalf("NewTokens: %v", err)
	}
	want := engine.Party{Kind: engine.Bot, ID: "robot"}
	if ws, by, ok := tokens.Bot(robotToken); !ok || ws != "acme" || by != want {
		t.Errorf("got %q, %+v, %t; want acme's robot", ws, by, ok)
	}
	for _, token := range []string{"", "nobody's", samToken, oliToken} {
		if ws, by, ok := tokens.Bot(token); ok || ws != "" || by != (engine.Party{}) {
			t.Errorf("%q: got %q, %+v, %t; want nobody", token, ws, by, ok)
		}
	}
}

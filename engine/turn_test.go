package engine_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/intervenehq/intervene/engine"
)

func TestTurnOfNothingOwed(t *testing.T) {
	w := newWorld(t)
	reachActive(w)
	if _, err := engine.TurnOf(&w.c, w.log); !errors.Is(err, &engine.Error{Code: engine.CodeBotFenced}) {
		t.Errorf("got %v, want bot fenced", err)
	}
}

// TestTurnOfWantsEveryEvent: a turn that lacks a message would leave it unanswered.
func TestTurnOfWantsEveryEvent(t *testing.T) {
	w := newWorld(t)
	w.mustDo(customer, w.writes("hi", 0))
	w.mustDo(customer, w.writes("hello?", 0))
	from := w.log[w.c.TurnStart()-1:]
	for name, events := range map[string][]engine.Event{
		"none": nil, "the first is missing": from[1:], "the last is missing": from[:1], "one too many": w.log,
	} {
		if r, err := engine.TurnOf(&w.c, events); err == nil {
			t.Errorf("%s: got %+v, want an error", name, r)
		}
	}
}

func TestTurnOfTellsWhereItStands(t *testing.T) {
	w := newWorld(t)
	w.mustDo(customer, w.writes("hi", time.Hour))
	r := w.owed()
	if r.ID != (engine.MessageID{Conversation: w.c.ID, Version: 3}) || r.Workspace != workspace || r.Channel != channel ||
		r.Contact != w.c.Contact || r.WindowEnd != start.Add(23*time.Hour) || r.Column != engine.Active || r.Epoch != 1 {
		t.Errorf("got %+v, want it to say whose turn it is, and where", r)
	}
	if m := r.Messages; len(m) != 1 || m[0].Version != 3 || m[0].At != start || m[0].By != customer || !reflect.DeepEqual(m[0].Content, textOf("hi")) {
		t.Errorf("got messages %+v, want the customer's one", m)
	}
	cmd := r.Command(r.Answer(engine.TurnAnswer{Request: true, Reason: "billing"}))
	if body := cmd.Body.(engine.AnswerTurn); cmd.By.Kind != engine.Bot || cmd.Epoch != 1 || body.From != 3 || body.Through != 3 || !body.Request || body.Reason != "billing" {
		t.Errorf("got command %+v, want the bot's answer in the turn's epoch", cmd)
	}
}

// TestTurnStartIsBounded: of a long hold the newest is told.
func TestTurnStartIsBounded(t *testing.T) {
	tests := []struct {
		held, resolved, want uint64
	}{
		{5, 9, 5},
		{5, engine.MaxTranscriptEvents + 5, 5},
		{5, engine.MaxTranscriptEvents + 6, 6},
		{0, 9, 1},
	}
	for _, tt := range tests {
		c := engine.Conversation{HeldFrom: tt.held, Turn: engine.Turn{From: tt.resolved, Returned: tt.resolved}}
		if got := c.TurnStart(); got != tt.want {
			t.Errorf("held from %d to %d: got %d, want %d", tt.held, tt.resolved, got, tt.want)
		}
	}
}

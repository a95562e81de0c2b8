package engine_test

import (
	"testing"

	"github.com/intervenehq/intervene/engine"
)

// TestTrace: every event of a command carries its trace, and a turn that of the
// newest message that it is to answer.
func TestTrace(t *testing.T) {
	c := &engine.Conversation{}
	var all []engine.Event
	give := func(trace engine.Trace, by engine.PartyKind, body engine.CommandBody) {
		t.Helper()
		events, err := engine.Decide(c, engine.Command{Workspace: "acme", By: engine.Party{Kind: by}, Trace: trace, Body: body}, engine.Policy{}, 1)
		if err != nil || len(events) == 0 {
			t.Fatalf("%T: got %d events, error %v, want some", body, len(events), err)
		}
		for i := range events {
			if events[i].Trace != trace {
				t.Errorf("%T: got trace %q of event %s, want %q", body, events[i].Trace, events[i].Body.Kind(), trace)
			}
			c.Apply(&events[i])
		}
		all = append(all, events...)
	}
	says := func(external string) engine.Receive {
		return engine.Receive{
			Channel: "main", Contact: engine.Contact{WaID: "99900000001"}, External: external, SentAt: 1,
			Content: engine.Content{Kind: engine.ContentText, Text: "hello"},
		}
	}
	give("first", engine.Customer, says("wamid.1"))
	give("second", engine.Customer, says("wamid.2"))
	give("note", engine.Agent, engine.AddNote{Body: "not to the bot"})
	turn, err := engine.TurnOf(c, all[c.TurnStart()-1:])
	if err != nil || turn.Trace != "second" {
		t.Errorf("turn: got trace %q, error %v, want that of the second message", turn.Trace, err)
	}
}

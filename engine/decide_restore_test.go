package engine_test

import (
	"testing"

	"github.com/intervenehq/intervene/engine"
)

// TestGiveUpSends ends what was queued up to a version for good, also what may be
// repeated, and leaves the rest.
func TestGiveUpSends(t *testing.T) {
	now := engine.Instant(1_760_000_000_000)
	c := engine.Conversation{ID: engine.NewConversationID(0, [14]byte{1})}
	give := func(by engine.Party, body engine.CommandBody) {
		t.Helper()
		events, err := engine.Decide(&c, engine.Command{Workspace: "acme", By: by, Body: body}, engine.Policy{}, now)
		if err != nil {
			t.Fatalf("%T: got error %v, want none", body, err)
		}
		for i := range events {
			c.Apply(&events[i])
		}
	}
	say := func(text string, repeatable bool) {
		content := engine.Content{Kind: engine.ContentText, Text: text}
		give(engine.Party{Kind: engine.Bot}, engine.SendMessage{Content: content, Repeatable: repeatable})
	}
	give(engine.Party{Kind: engine.Customer}, engine.Receive{
		Channel: "acme-main", Contact: engine.Contact{WaID: "15550100"}, External: "wamid.1", SentAt: now,
		Content: engine.Content{Kind: engine.ContentText, Text: "hello"},
	})
	say("once", false)
	say("maybe twice", true)
	through := c.Version
	say("later", true)

	give(engine.Party{Kind: engine.Engine}, engine.GiveUpSends{Through: through})
	if len(c.Sends) != 1 || c.Sends[0].Version <= through || c.Sends[0].State != engine.Queued {
		t.Errorf("sends: got %+v, want the last one alone", c.Sends)
	}
	before := c.Version
	give(engine.Party{Kind: engine.Engine}, engine.GiveUpSends{Through: through})
	if c.Version != before {
		t.Errorf("again: got %d events, want none", c.Version-before)
	}
	_, err := engine.Decide(&c, engine.Command{Workspace: "acme", By: engine.Party{Kind: engine.Bot}, Body: engine.GiveUpSends{Through: c.Version}}, engine.Policy{}, now)
	if engine.CodeOf(err) != engine.CodeForbidden {
		t.Errorf("by a bot: got error %v, want code forbidden", err)
	}
}

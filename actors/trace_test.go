package actors_test

import (
	"context"
	"testing"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
)

// silent is a tracer of which nothing is drawn.
type silent struct{}

func (silent) Within(ctx context.Context, _ string) (context.Context, actors.Span) { return ctx, nil }

func (silent) After(ctx context.Context, _ string, _ engine.Trace) (context.Context, actors.Span) {
	return ctx, nil
}

func (silent) Begin(ctx context.Context, _ string) (context.Context, actors.Span) { return ctx, nil }

// TestWhatIsNotRecordedCostsNothing: a command that is not recorded allocates as if
// nobody could.
func TestWhatIsNotRecordedCostsNothing(t *testing.T) {
	allocations := func(tracer actors.Tracer) float64 {
		router := actors.NewRouter(actors.RouterOptions{Store: instant{}, Tracer: tracer})
		defer router.Stop()
		id := actors.NewConversationID(0)
		give := func(body engine.CommandBody) {
			cmd := engine.Command{Workspace: acme, By: engine.Party{Kind: engine.Customer}, Body: body}
			if _, err := router.Do(t.Context(), id, cmd); err != nil {
				t.Fatalf("%T: got error %v, want none", body, err)
			}
		}
		give(engine.Receive{
			Channel: channel, Contact: engine.Contact{WaID: "99900000001"}, External: "wamid.1", SentAt: 1,
			Content: engine.Content{Kind: engine.ContentText, Text: "hello"},
		})
		note := engine.CommandBody(engine.AddNote{Body: "a note"})
		return testing.AllocsPerRun(1000, func() { give(note) })
	}
	if off, silent := allocations(nil), allocations(silent{}); silent > off {
		t.Errorf("got %v allocations a command with a tracer that draws nothing, want the %v without one", silent, off)
	}
}

package actors_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
)

// TestStopLeavesTurnsOwed: a turn that the end of a drain cuts off is no failure of the
// bot: it is asked again after the start, and nobody waits for a person.
func TestStopLeavesTurnsOwed(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		w.acmes(func(ctx context.Context, _ engine.TurnRequest) (engine.TurnAnswer, error) {
			<-ctx.Done()
			return engine.TurnAnswer{}, ctx.Err()
		})
		w.says("ravi", "hello")
		w.settle()
		limit, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w.turns.Stop(limit)
		w.turns = actors.StartTurns(actors.TurnsOptions{
			Router: w.router, Agenda: w.journal, Bots: map[engine.WorkspaceID]actors.Bot{
				acme: botFunc(func(context.Context, engine.TurnRequest) (engine.TurnAnswer, error) { return saying("here I am"), nil }),
			},
		})
		w.settle()
		if diff := cmp.Diff([]string{"here I am"}, w.platform.texts("ravi")); diff != "" {
			t.Errorf("sent (-want +got):\n%s", diff)
		}
	})
}

// TestSetBots: what waits for a hand goes to the new bot, what has one ends with the old.
func TestSetBots(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		release := make(chan struct{})
		w.acmes(func(context.Context, engine.TurnRequest) (engine.TurnAnswer, error) {
			<-release
			return saying("old"), nil
		})
		w.says("ravi", "hello")
		w.settle()
		w.turns.SetBots(map[engine.WorkspaceID]actors.Bot{
			acme: botFunc(func(context.Context, engine.TurnRequest) (engine.TurnAnswer, error) { return saying("new"), nil }),
		}, nil)
		w.says("nora", "hello")
		w.settle()
		close(release)
		w.settle()
		w.says("ravi", "and now?")
		time.Sleep(10 * time.Second) // the send before has told nothing of its status
		w.settle()
		for customer, want := range map[string][]string{"ravi": {"old", "new"}, "nora": {"new"}} {
			if diff := cmp.Diff(want, w.platform.texts(customer)); diff != "" {
				t.Errorf("sent to %s (-want +got):\n%s", customer, diff)
			}
		}
	})
}

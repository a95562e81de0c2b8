package actors_test

import (
	"slices"
	"testing"
	"time"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
)

// restore brings back what the journal is now, after the engine went on for a while.
func (w *world) restore(lost time.Duration) {
	w.t.Helper()
	if err := w.journal.Checkpoint("copy"); err != nil {
		w.t.Fatalf("checkpoint: %v", err)
	}
	time.Sleep(lost)
	w.stop()
	if err := w.fs.RemoveAll("data"); err != nil {
		w.t.Fatalf("remove: %v", err)
	}
	if err := w.fs.Rename("copy", "data"); err != nil {
		w.t.Fatalf("rename: %v", err)
	}
	if _, err := journal.Adopt("data", journal.Options{FS: w.fs}); err != nil {
		w.t.Fatalf("adopt: %v", err)
	}
	w.platform.pace(0)
	w.bot.set(nil, nil)
	w.start()
	w.settle()
}

// held is a restored world in which an agent's message to Asha waits, and what Bo
// wrote is not answered.
func held(t *testing.T, w *world) (one engine.MessageID) {
	t.Helper()
	for _, customer := range []string{"Asha", "Cy"} {
		w.says(customer, "person")
		w.settle()
		w.must(customer, agent("ann"), engine.Intervene{})
	}
	hold := make(chan struct{})
	w.platform.pace(time.Hour)
	w.bot.set(nil, hold)
	w.says("Bo", "hello")
	receipt := w.must("Asha", agent("ann"), text("one"))
	w.restore(time.Second)
	close(hold)
	return engine.MessageID{Conversation: w.of("Asha"), Version: receipt.Version}
}

// wantHeld wants that nothing of before the restore is done, and what comes now is.
func wantHeld(t *testing.T, w *world) {
	t.Helper()
	asked := len(w.bot.asked())
	w.says("Bo", "are you there?")
	w.must("Asha", agent("ann"), text("two"))
	w.must("Cy", agent("ann"), text("new"))
	w.settle()
	if got := w.platform.texts("Asha"); slices.Contains(got, "one") || slices.Contains(got, "two") {
		t.Errorf("sent: got %q, want neither what is held nor what is behind it", got)
	}
	if got := len(w.bot.asked()); got != asked {
		t.Errorf("asked: got %d turns, want %d: the turn is held", got, asked)
	}
	if got := w.platform.texts("Cy"); !slices.Contains(got, "new") {
		t.Errorf("sent: got %q, want what is new", got)
	}
}

func TestWhatARestoreHoldsIsReleased(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		held(t, w)
		wantHeld(t, w)
		for kind, customer := range map[engine.DueKind]string{engine.DueSend: "Asha", engine.DueTurn: "Bo"} {
			if err := w.journal.Release(kind, []engine.ConversationID{w.of(customer)}); err != nil {
				t.Fatalf("release: %v", err)
			}
		}
		w.courier.Look()
		w.turns.Look()
		time.Sleep(engine.SentWait) // no status comes of the first
		w.settle()
		if got := w.platform.texts("Asha"); len(got) < 2 || !slices.Equal(got[len(got)-2:], []string{"one", "two"}) {
			t.Errorf("sent: got %q, want one and then two", got)
		}
		if got := w.platform.texts("Bo"); !slices.Equal(got, []string{"bot: are you there?"}) {
			t.Errorf("sent: got %q, want the answer to all that Bo wrote", got)
		}
	})
}

func TestWhatARestoreHoldsIsGivenUp(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		one := held(t, w)
		wantHeld(t, w)
		asked := len(w.bot.asked())
		for _, hold := range w.journal.Holds(engine.DueSend) {
			if err := w.courier.GiveUp(t.Context(), hold.Conversation, hold.Through); err != nil {
				t.Fatalf("give up: %v", err)
			}
		}
		for _, hold := range w.journal.Holds(engine.DueTurn) {
			if err := w.turns.GiveUp(t.Context(), hold.Conversation, hold.Through); err != nil {
				t.Fatalf("give up: %v", err)
			}
		}
		if s, u := w.journal.Holds(engine.DueSend), w.journal.Holds(engine.DueTurn); len(s)+len(u) > 0 {
			t.Errorf("holds: got %v and %v, want none", s, u)
		}
		if got, err := w.journal.Delivery(one); err != nil || got.State != engine.Unknown {
			t.Errorf("delivery: got %s, error %v, want unknown", got.State, err)
		}
		if got := w.card("Bo"); got.Column != engine.Requesting || got.Cause != engine.CauseBotUnavailable {
			t.Errorf("Bo: got %s, %s, want Requesting: a person must see it", got.Column, got.Cause)
		}
		time.Sleep(engine.UnknownWait)
		w.settle()
		if got := w.platform.texts("Asha"); slices.Contains(got, "one") || !slices.Contains(got, "two") {
			t.Errorf("sent: got %q, want two and not one", got)
		}
		if got := len(w.bot.asked()); got != asked {
			t.Errorf("asked: got %d turns, want %d", got, asked)
		}
	})
}

// TestAStatusSettlesWhatARestoreHolds: the engine that was lost has sent it.
func TestAStatusSettlesWhatARestoreHolds(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		one := held(t, w)
		w.deliver(engine.Inbound{Workspace: acme, Channel: channel, Status: &engine.Status{
			Op: one, External: "out-lost", State: engine.Delivered, At: engine.InstantOf(time.Now()),
		}})
		if got, err := w.journal.Delivery(one); err != nil || got.State != engine.Delivered {
			t.Errorf("delivery: got %s, error %v, want delivered", got.State, err)
		}
		w.must("Asha", agent("ann"), text("two"))
		w.settle()
		if got := w.platform.texts("Asha"); slices.Contains(got, "one") || !slices.Contains(got, "two") {
			t.Errorf("sent: got %q, want two and not one", got)
		}
	})
}

// TestGivingUpWhatIsNoMore finds nothing to do.
func TestGivingUpWhatIsNoMore(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		held(t, w)
		for _, customer := range []string{"Asha", "Bo"} {
			id := w.of(customer)
			w.must(customer, engine.Party{Kind: engine.Engine}, engine.Erase{})
			for name, giveUp := range map[string]func() error{
				"sends": func() error { return w.courier.GiveUp(t.Context(), id, 100) },
				"turn":  func() error { return w.turns.GiveUp(t.Context(), id, 100) },
			} {
				if err := giveUp(); err != nil {
					t.Errorf("give up %s of %s: got error %v, want none", name, customer, err)
				}
			}
		}
	})
}

var _ actors.Holds = (*journal.Journal)(nil)

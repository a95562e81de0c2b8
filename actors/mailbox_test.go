package actors_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
)

// slowStore takes a minute for each append and remembers in which order they came.
func slowStore() (s *store, appended func() []string) {
	var mu sync.Mutex
	var order []string
	s = newStore()
	s.before = func(a engine.Append) error {
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		for _, e := range a.Events {
			if b, ok := e.Body.(engine.MessageReceived); ok {
				order = append(order, b.External)
			}
		}
		return nil
	}
	return s, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(order)
	}
}

func TestRequestsOfOneConversationRunInTheOrderTheyCame(t *testing.T) {
	s, appended := slowStore()
	onStore(t, s, func(t *testing.T, r *actors.Router) {
		id := actors.NewConversationID(0)
		var group sync.WaitGroup
		var want []string
		for n := range 20 {
			external := fmt.Sprint("item ", n)
			want = append(want, external)
			group.Go(func() {
				if _, err := r.Do(context.Background(), id, receive(external)); err != nil {
					t.Errorf("%s: got error %v, want none", external, err)
				}
			})
			synctest.Wait()
		}
		group.Wait()
		if got := appended(); !slices.Equal(got, want) {
			t.Errorf("order: got %v, want %v", got, want)
		}
	})
}

func TestRequestThatIsGivenUpBeforeItsTurnHasNoEffect(t *testing.T) {
	s, appended := slowStore()
	onStore(t, s, func(t *testing.T, r *actors.Router) {
		id := actors.NewConversationID(0)
		var group sync.WaitGroup
		ask := func(ctx context.Context, external string, want engine.Code) {
			group.Go(func() {
				if _, err := r.Do(ctx, id, receive(external)); engine.CodeOf(err) != want {
					t.Errorf("%s: got error %v, want code %d", external, err, want)
				}
			})
			synctest.Wait()
		}
		short, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		// Its turn comes in the very instant in which it is given up: either is right,
		// but whoever waits behind it must get theirs.
		until, cancelUntil := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancelUntil()

		ask(short, "runs", 0) // at once, so that it is answered whatever ctx says
		ask(short, "given up", engine.CodeUnavailable)
		ask(context.Background(), "waits", 0)
		ask(short, "given up last", engine.CodeUnavailable)
		group.Go(func() { _, _ = r.Do(until, id, receive("either")) })
		synctest.Wait()
		ask(context.Background(), "behind", 0)
		group.Wait()

		got := slices.DeleteFunc(appended(), func(external string) bool { return external == "either" })
		if want := []string{"runs", "waits", "behind"}; !slices.Equal(got, want) {
			t.Errorf("appended: got %v, want %v", got, want)
		}
		ctx, cancelDrain := context.WithTimeout(context.Background(), time.Second)
		defer cancelDrain()
		if err := r.Drain(ctx); err != nil {
			t.Errorf("drain: got error %v, want none: nothing waits", err)
		}
		time.Sleep(actors.PassivateAfter + 2*actors.SweepInterval)
		if got := r.Resident(); got != 0 {
			t.Errorf("resident: got %d, want 0", got)
		}
	})
}

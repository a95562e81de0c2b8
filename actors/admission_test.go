package actors_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
)

// store is a store in memory whose appends the test holds, breaks or makes panic.
type store struct {
	mu     sync.Mutex
	states map[engine.ConversationID]engine.Conversation
	loads  atomic.Int64
	before func(engine.Append) error
}

func newStore() *store {
	return &store{states: make(map[engine.ConversationID]engine.Conversation)}
}

func (s *store) Append(a engine.Append) (engine.Change, error) {
	if s.before != nil {
		if err := s.before(a); err != nil {
			return engine.Change{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if before := s.states[a.Conversation]; before.Version != a.Expected {
		return engine.Change{}, engine.ConflictError(engine.ConversationID{}, false)
	}
	s.states[a.Conversation] = a.After.Clone()
	return engine.Change{Conversation: a.Conversation, Version: a.After.Version, Before: a.Before, After: a.After.Index()}, nil
}

func (s *store) Load(id engine.ConversationID) (engine.Conversation, error) {
	s.loads.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.states[id]
	state.ID = id
	return state.Clone(), nil
}

func (s *store) LoadAt(id engine.ConversationID, _ uint64) (engine.Conversation, error) {
	return s.Load(id)
}

func (s *store) Events(engine.ConversationID, uint64, int) ([]engine.Event, error) { return nil, nil }

func (s *store) Delivery(engine.MessageID) (engine.Delivery, error) { return engine.Delivery{}, nil }

func (s *store) Message(engine.MessageID) (engine.Message, error) { return engine.Message{}, nil }

func (s *store) OldestSince(engine.ConversationID, engine.Instant) (uint64, error) { return 0, nil }

// onStore runs scenario on a router over s, within a synctest bubble.
func onStore(t *testing.T, s *store, scenario func(t *testing.T, r *actors.Router)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := actors.NewRouter(actors.RouterOptions{Store: s, Log: slog.New(slog.DiscardHandler)})
		defer r.Stop()
		scenario(t, r)
	})
}

func receive(external string) engine.Command {
	return engine.Command{
		Workspace: acme, By: engine.Party{Kind: engine.Customer},
		Body: engine.Receive{
			Channel: channel, Contact: engine.Contact{WaID: "wa-ravi"}, External: external,
			SentAt: engine.InstantOf(time.Now()), Content: engine.Content{Kind: engine.ContentText, Text: "hi"},
		},
	}
}

func TestCrowdedConversationRefusesAndItsNeighbourDoesNot(t *testing.T) {
	hold := make(chan struct{})
	crowded, neighbour := actors.NewConversationID(0), actors.NewConversationID(0)
	s := newStore()
	s.before = func(a engine.Append) error {
		if a.Conversation == crowded {
			<-hold
		}
		return nil
	}
	onStore(t, s, func(t *testing.T, r *actors.Router) {
		hold = make(chan struct{}) // of this bubble
		var refused, done atomic.Int64
		var group sync.WaitGroup
		for range actors.MaxWaitingEach + 10 {
			group.Go(func() {
				_, err := r.Do(context.Background(), crowded, receive("x"))
				switch {
				case engine.CodeOf(err) == engine.CodeOverloaded:
					refused.Add(1)
				case err == nil:
					done.Add(1)
				default:
					t.Errorf("crowded: %v", err)
				}
			})
		}
		synctest.Wait()
		if got := refused.Load(); got != 10 {
			t.Errorf("refused: %d, want 10", got)
		}
		if _, err := r.Do(context.Background(), neighbour, receive("y")); err != nil {
			t.Errorf("neighbour: %v, want no error", err)
		}
		close(hold)
		group.Wait()
		if got := done.Load(); got != actors.MaxWaitingEach {
			t.Errorf("done: %d, want %d", got, actors.MaxWaitingEach)
		}
	})
}

func TestFailedAppendIsNeverSeen(t *testing.T) {
	s := newStore()
	broken := false
	s.before = func(engine.Append) error {
		if broken {
			return &engine.Error{Code: engine.CodeUnavailable}
		}
		return nil
	}
	onStore(t, s, func(t *testing.T, r *actors.Router) {
		id := actors.NewConversationID(0)
		first, err := r.Do(t.Context(), id, receive("a"))
		if err != nil {
			t.Fatal(err)
		}
		broken = true
		if _, err := r.Do(t.Context(), id, receive("b")); engine.CodeOf(err) != engine.CodeUnavailable {
			t.Errorf("append that failed: %v, want unavailable", err)
		}
		broken = false
		note := engine.Command{Workspace: acme, By: agent("asha"), Body: engine.AddNote{Body: "n"}}
		second, err := r.Do(t.Context(), id, note)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := second.Version, first.Version+1; got != want {
			t.Errorf("version after the failed append: %d, want %d", got, want)
		}
		if got := s.loads.Load(); got != 2 {
			t.Errorf("loads: %d, want 2: what failed was dropped", got)
		}
	})
}

func TestPanicAnswersEvictsAndReloads(t *testing.T) {
	s := newStore()
	poison := true
	s.before = func(engine.Append) error {
		if poison {
			panic("poison")
		}
		return nil
	}
	onStore(t, s, func(t *testing.T, r *actors.Router) {
		id := actors.NewConversationID(0)
		_, err := r.Do(t.Context(), id, receive("a"))
		if engine.CodeOf(err) != engine.CodeUnavailable {
			t.Errorf("command that panicked: %v, want unavailable", err)
		}
		poison = false
		if _, err := r.Do(t.Context(), id, receive("a")); err != nil {
			t.Errorf("command after the panic: %v, want no error", err)
		}
		if got := s.loads.Load(); got != 2 {
			t.Errorf("loads: %d, want 2", got)
		}
	})
}

func TestDrainAnswersWhatWasTakenAndRefusesTheRest(t *testing.T) {
	s := newStore()
	onStore(t, s, func(t *testing.T, r *actors.Router) {
		s.before = func(engine.Append) error { time.Sleep(time.Second); return nil }
		taken := make(chan error, 1)
		go func() {
			_, err := r.Do(context.Background(), actors.NewConversationID(0), receive("a"))
			taken <- err
		}()
		synctest.Wait()
		drained := make(chan error, 1)
		go func() { drained <- r.Drain(context.Background()) }()
		synctest.Wait()
		if _, err := r.Do(t.Context(), actors.NewConversationID(0), receive("b")); engine.CodeOf(err) != engine.CodeUnavailable {
			t.Errorf("command while draining: %v, want unavailable", err)
		}
		if err := <-taken; err != nil {
			t.Errorf("command taken before: %v, want no error", err)
		}
		if err := <-drained; err != nil {
			t.Errorf("drain: %v", err)
		}
	})
}

func TestAbandonedDrainSaysSo(t *testing.T) {
	s := newStore()
	onStore(t, s, func(t *testing.T, r *actors.Router) {
		s.before = func(engine.Append) error { time.Sleep(time.Minute); return nil }
		go func() { _, _ = r.Do(context.Background(), actors.NewConversationID(0), receive("a")) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := r.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("drain that takes too long: %v, want deadline exceeded", err)
		}
		time.Sleep(time.Minute)
	})
}

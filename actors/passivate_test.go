package actors_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
)

// TestResidentsAreBounded: whoever is not at work goes to make room, and is loaded
// again when something comes for them.
func TestResidentsAreBounded(t *testing.T) {
	const most, people = 128, 2000
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		registry := prometheus.NewRegistry()
		r := actors.NewRouter(actors.RouterOptions{Store: s, MaxResident: most, Registerer: registry})
		defer r.Stop()
		ids := make([]engine.ConversationID, people)
		for n := range ids {
			ids[n] = actors.NewConversationID(0)
			if _, err := r.Do(t.Context(), ids[n], receive("first")); err != nil {
				t.Fatal(err)
			}
		}
		got := r.Resident()
		if got > most || got < most/2 {
			t.Errorf("resident: got %d, want about %d and no more", got, most)
		}
		if evicted := evictions(t, registry, "resident"); evicted != float64(people-got) {
			t.Errorf("evicted: got %v, want %d", evicted, people-got)
		}
		for _, id := range ids {
			receipt, err := r.Do(t.Context(), id, receive("second"))
			if err != nil || receipt.Version == 0 {
				t.Fatalf("a conversation that was let go of: got version %d and %v", receipt.Version, err)
			}
		}
	})
}

// TestConversationsAtWorkStay: nobody is let go of who has something waiting,
// however many there are.
func TestConversationsAtWorkStay(t *testing.T) {
	const most, people = 64, 300
	synctest.Test(t, func(t *testing.T) {
		s, hold := newStore(), make(chan struct{})
		s.before = func(engine.Append) error {
			<-hold
			return nil
		}
		r := actors.NewRouter(actors.RouterOptions{Store: s, MaxResident: most})
		defer r.Stop()
		var group sync.WaitGroup
		for range people {
			group.Go(func() {
				if _, err := r.Do(context.Background(), actors.NewConversationID(0), receive("x")); err != nil {
					t.Errorf("at work: got %v, want no error", err)
				}
			})
		}
		synctest.Wait()
		if got := r.Resident(); got != people {
			t.Errorf("resident while at work: got %d, want %d", got, people)
		}
		close(hold)
		group.Wait()
	})
}

func TestShedRefusesWhatComesFromOutside(t *testing.T) {
	onStore(t, newStore(), func(t *testing.T, r *actors.Router) {
		id := actors.NewConversationID(0)
		r.Shed(true)
		if _, err := r.Do(t.Context(), id, receive("a")); engine.CodeOf(err) != engine.CodeOverloaded {
			t.Errorf("while shedding: got %v, want overloaded", err)
		}
		r.Shed(false)
		if _, err := r.Do(t.Context(), id, receive("a")); err != nil {
			t.Errorf("afterwards: got %v, want no error", err)
		}
	})
}

func TestRelieveLetsGoOfTheUnused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		r := actors.NewRouter(actors.RouterOptions{Store: newStore(), Registerer: registry})
		defer r.Stop()
		for range 10 {
			if _, err := r.Do(t.Context(), actors.NewConversationID(0), receive("x")); err != nil {
				t.Fatal(err)
			}
		}
		r.Relieve(time.Second)
		if got := r.Resident(); got != 10 {
			t.Errorf("resident, just used: got %d, want 10", got)
		}
		time.Sleep(2 * time.Second)
		r.Relieve(time.Second)
		if got := r.Resident(); got != 0 {
			t.Errorf("resident, unused: got %d, want 0", got)
		}
		if got := evictions(t, registry, "memory"); got != 10 {
			t.Errorf("evicted: got %v, want 10", got)
		}
	})
}

func evictions(t *testing.T, registry *prometheus.Registry, reason string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "intervene_actor_evictions_total" && m.GetLabel()[0].GetValue() == reason {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("got no evictions for reason %s, want some", reason)
	return 0
}

package actors_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
)

// TestWatchIsWokenForItsOwnAlone changes one conversation in every way, and
// demands that nobody looks but those who may show it or count it.
func TestWatchIsWokenForItsOwnAlone(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		w.says("ravi", "person")
		w.says("mina", "person")
		w.settle()
		w.must("ravi", agent("asha"), engine.Intervene{})
		w.must("mina", agent("ben"), engine.Intervene{})
		w.settle()
		queries := map[string]engine.BoardQuery{
			"asha's":         {Filter: engine.BoardFilter{Holder: "asha"}, Uncounted: true},
			"ben's":          {Filter: engine.BoardFilter{Holder: "ben"}, Uncounted: true},
			"vip":            {Filter: engine.BoardFilter{Tag: "vip"}, Uncounted: true},
			"second channel": {Filter: engine.BoardFilter{Channel: second}, Uncounted: true},
			"unassigned":     {Filter: engine.BoardFilter{Unassigned: true}, Uncounted: true},
			"requesting":     {Columns: []engine.Column{engine.Requesting}},
			"held, counted":  {Columns: []engine.Column{engine.Intervened}, Filter: engine.BoardFilter{Holder: "nobody"}},
		}
		subscribers := make(map[string]*subscriber)
		for name, q := range queries {
			q.Window = 10
			subscribers[name] = w.subscribe(q)
		}
		w.settle()
		steps := []struct {
			name string
			do   func()
			told []string
		}{
			{"an agent's line", func() { w.must("ravi", agent("asha"), text("hi")) }, []string{"asha's"}},
			{"a line of the customer", func() { w.says("ravi", "hello") }, []string{"asha's", "held, counted"}},
			{"another line", func() { w.says("ravi", "hello?") }, []string{"asha's"}},
			{"a note", func() { w.must("ravi", agent("asha"), engine.AddNote{Body: "calls back"}) }, nil},
			{"a tag", func() { w.must("ravi", agent("asha"), engine.SetTags{Tags: []string{"vip"}}) }, []string{"asha's", "vip"}},
			{"no tag", func() { w.must("ravi", agent("asha"), engine.SetTags{}) }, []string{"asha's", "vip"}},
			{"transfer", func() { w.must("ravi", agent("asha"), engine.Transfer{To: "ben"}) }, []string{"asha's", "ben's"}},
			{"resolve", func() { w.must("ravi", agent("ben"), engine.Resolve{}) }, []string{"ben's", "held, counted", "unassigned"}},
			{"another channel", func() { w.saysOn(second, "ravi", "person") }, []string{"requesting", "second channel", "unassigned"}},
		}
		for _, step := range steps {
			before := make(map[string]int)
			for name, s := range subscribers {
				before[name] = s.updates
			}
			step.do()
			w.settle()
			var told []string
			for _, name := range slices.Sorted(maps.Keys(subscribers)) {
				if subscribers[name].updates > before[name] {
					told = append(told, name)
				}
			}
			if diff := cmp.Diff(step.told, told); diff != "" {
				t.Errorf("%s: told (-want +got):\n%s", step.name, diff)
			}
		}
		for _, s := range subscribers {
			s.close(t)
		}
	})
}

func TestWatchDoesNotLookAtWhatIsNotItsOwn(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		w.says("ravi", "person")
		w.settle()
		w.must("ravi", agent("asha"), engine.Intervene{})
		w.says("ravi", "are you there?")
		w.settle()
		others := []engine.BoardQuery{
			{Workspace: acme, Filter: engine.BoardFilter{Holder: "ben"}},
			{Workspace: acme, Filter: engine.BoardFilter{Holder: "asha", Tag: "vip"}},
			{Workspace: acme, Filter: engine.BoardFilter{Holder: "asha"}, Columns: []engine.Column{engine.Active}},
			{Workspace: acme, Filter: engine.BoardFilter{Unassigned: true}},
			{Workspace: acme, Filter: engine.BoardFilter{Channel: second}},
			{Workspace: acme, Filter: engine.BoardFilter{Tag: "vip"}},
			{Workspace: acme, Columns: []engine.Column{engine.Active, engine.Requesting}},
			{Workspace: "globex"},
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		for _, q := range others {
			go func() { done <- w.board.WatchBoard(ctx, q, func(engine.BoardUpdate) error { return nil }) }()
		}
		w.settle()
		before := w.board.Looks()
		if before != uint64(len(others)) {
			t.Errorf("looks at a quiet board: %d, want %d", before, len(others))
		}
		// What changes stands in one column, with its holder and unread.
		for range 10 {
			w.must("ravi", agent("asha"), text("one moment"))
			w.says("ravi", "hello?")
			w.settle()
		}
		if got := w.board.Looks(); got != before {
			t.Errorf("looks of those whom it does not concern: %d, want none", got-before)
		}
		asha := w.subscribe(engine.BoardQuery{Window: 10, Filter: engine.BoardFilter{Holder: "asha"}})
		w.settle()
		w.says("ravi", "hello?")
		w.settle()
		if got := w.board.Looks() - before; got < 2 || asha.updates != 2 {
			t.Errorf("asha's watch: %d looks, %d updates, want at least 2, 2", got, asha.updates)
		}
		asha.close(t)
		cancel()
		for range others {
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("watch ended with %v, want canceled", err)
			}
		}
	})
}

func TestWatchRestsAsItsLooksAreDear(t *testing.T) {
	for _, tt := range []struct {
		took time.Duration
		told bool
		want time.Duration
	}{
		{0, false, 0},
		{0, true, actors.CoalesceInterval},
		{time.Millisecond, false, actors.LookShare * time.Millisecond},
		{time.Millisecond, true, actors.CoalesceInterval},
		{10 * time.Millisecond, true, actors.LookShare * 10 * time.Millisecond},
		{time.Minute, true, actors.MaxRest},
		{time.Minute, false, actors.MaxRest},
	} {
		if got := actors.RestAfter(tt.took, tt.told); got != tt.want {
			t.Errorf("rest after a look of %v (told %v): got %v, want %v", tt.took, tt.told, got, tt.want)
		}
	}
}

// TestNothingIsToldAtOnce: the first update comes whatever there is to tell.
func TestNothingIsToldAtOnce(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		s := w.subscribe(engine.BoardQuery{Window: 10, Uncounted: true})
		synctest.Wait()
		if s.updates != 1 || s.counters != nil {
			t.Errorf("updates: %d, counters %v, want one without any", s.updates, s.counters)
		}
		s.close(t)
	})
}

func TestBoardMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	board, err := actors.StartBoard(newTape(3, 2), registry, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer board.Stop()
	want := errors.New("enough")
	err = board.WatchBoard(t.Context(), engine.BoardQuery{Workspace: acme, Window: 1}, func(engine.BoardUpdate) error {
		if n, err := testutil.GatherAndCount(registry, "intervene_board_watches"); n != 1 || err != nil {
			t.Errorf("series of watches: %d, error %v, want 1", n, err)
		}
		return want
	})
	if !errors.Is(err, want) {
		t.Errorf("watch ended with %v, want %v", err, want)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, error %v, want none", problems, err)
	}
}

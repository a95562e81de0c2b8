package actors_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/intervenehq/intervene/engine"
)

// subscriber rebuilds a board from its stream alone.
type subscriber struct {
	cards    map[engine.ConversationID]engine.Card
	counters []engine.ColumnCounter
	updates  int
	cancel   context.CancelFunc
	done     chan error
}

// subscribe begins with an empty board, or resumes with the cards that it has.
func (w *world) subscribe(q engine.BoardQuery, has ...engine.Card) *subscriber {
	ctx, cancel := context.WithCancel(context.Background())
	s := &subscriber{cards: make(map[engine.ConversationID]engine.Card), cancel: cancel, done: make(chan error, 1)}
	for _, c := range has {
		s.cards[c.Conversation] = c
		q.Known[c.Conversation] = c.Version
	}
	q.Workspace = acme
	go func() { s.done <- w.board.WatchBoard(ctx, q, s.take) }()
	return s
}

func (s *subscriber) take(u engine.BoardUpdate) error {
	s.updates++
	if u.Snapshot {
		clear(s.cards)
	}
	for _, c := range u.Upserts {
		if s.cards[c.Conversation].Version < c.Version {
			s.cards[c.Conversation] = c
		}
	}
	for _, r := range u.Removed {
		if s.cards[r.Conversation].Version <= r.Version {
			delete(s.cards, r.Conversation)
		}
	}
	if u.Counters != nil {
		s.counters = u.Counters
	}
	return nil
}

// close ends the subscription and waits for it.
func (s *subscriber) close(t *testing.T) {
	t.Helper()
	s.cancel()
	if err := <-s.done; !errors.Is(err, context.Canceled) {
		t.Errorf("watch ended with %v, want canceled", err)
	}
}

// board is what the journal says the window holds.
func (w *world) boardOf(window int) map[engine.ConversationID]engine.Card {
	w.t.Helper()
	cards := make(map[engine.ConversationID]engine.Card)
	for _, column := range engine.BoardColumns {
		rows, err := w.journal.BoardPage(acme, column, engine.BoardRow{}, window)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, row := range rows {
			card, err := w.journal.Card(row.Conversation)
			if err != nil {
				w.t.Fatal(err)
			}
			cards[row.Conversation] = card
		}
	}
	return cards
}

// faces drops what is no change of a board.
func faces(cards map[engine.ConversationID]engine.Card) map[engine.ConversationID]engine.Card {
	shown := make(map[engine.ConversationID]engine.Card, len(cards))
	for id, c := range cards {
		c.Version = 0
		if len(c.Tags) == 0 {
			c.Tags = nil
		}
		shown[id] = c
	}
	return shown
}

func TestBoardStreamsEqualTheJournal(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			run(t, engine.Policy{}, func(t *testing.T, w *world) {
				const window = 5
				draw := rand.New(rand.NewPCG(seed, 0))
				s := w.subscribe(engine.BoardQuery{Window: window})
				defer func() { s.close(t) }()
				for step := range 120 {
					w.randomStep(draw)
					if step%15 == 14 {
						w.settle()
						if diff := cmp.Diff(faces(w.boardOf(window)), faces(s.cards)); diff != "" {
							t.Fatalf("step %d: board (-journal +stream):\n%s", step, diff)
						}
						if diff := cmp.Diff(w.board.Counters(acme), s.counters); diff != "" {
							t.Fatalf("step %d: counters (-board +stream):\n%s", step, diff)
						}
					}
					if step%40 == 39 { // come back with what is known
						s.close(t)
						w.randomStep(draw)
						has := slices.Collect(maps.Values(s.cards))
						known := make(map[engine.ConversationID]uint64)
						s = w.subscribe(engine.BoardQuery{Window: window, Resume: true, Known: known}, has...)
					}
				}
			})
		})
	}
}

// randomStep does something that may or may not be allowed.
func (w *world) randomStep(draw *rand.Rand) {
	w.t.Helper()
	customer := fmt.Sprintf("customer-%d", draw.IntN(12))
	texts := []string{"hello", "person", "more"}
	_, known, err := w.journal.ByIdentity(channel, engine.Identity{Kind: engine.IdentityWaID, Value: "wa-" + customer})
	if err != nil {
		w.t.Fatal(err)
	}
	if !known || draw.IntN(3) == 0 {
		w.says(customer, texts[draw.IntN(len(texts))])
		return
	}
	by := agent(engine.AgentID(fmt.Sprintf("agent-%d", draw.IntN(3))))
	bodies := []engine.CommandBody{
		engine.RequestAgent{},
		engine.Intervene{},
		text("hi"),
		engine.Resolve{},
		engine.MarkRead{},
		engine.SetTags{Tags: []string{"vip"}},
		engine.Transfer{To: "agent-1"},
	}
	if _, err := w.do(customer, by, bodies[draw.IntN(len(bodies))]); err != nil && engine.CodeOf(err) == 0 {
		w.t.Errorf("refused without a code: %v", err)
	}
}

func TestFilteredBoards(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		for n := range 4 {
			w.says(fmt.Sprintf("customer-%d", n), "person")
		}
		w.settle()
		w.must("customer-0", agent("asha"), engine.Intervene{})
		w.must("customer-1", agent("ben"), engine.Intervene{})
		w.must("customer-2", agent("asha"), engine.SetTags{Tags: []string{"vip"}})
		mine := w.subscribe(engine.BoardQuery{Window: 10, Filter: engine.BoardFilter{Holder: "asha"}})
		tagged := w.subscribe(engine.BoardQuery{Window: 10, Filter: engine.BoardFilter{Tag: "vip"}})
		w.settle()
		if len(mine.cards) != 1 || mine.cards[w.of("customer-0")].Holder != "asha" {
			t.Errorf("asha's board: %v, want customer-0's alone", mine.cards)
		}
		if _, ok := tagged.cards[w.of("customer-2")]; len(tagged.cards) != 1 || !ok {
			t.Errorf("vip board: %v, want customer-2's alone", tagged.cards)
		}
		w.must("customer-0", agent("asha"), engine.Transfer{To: "ben"})
		w.settle()
		if len(mine.cards) != 0 {
			t.Errorf("asha's board after the transfer: %v, want none", mine.cards)
		}
		mine.close(t)
		tagged.close(t)
	})
}

func TestSlowSubscriberIsConflated(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		w.says("ravi", "person")
		w.settle()
		ctx, cancel := context.WithCancel(context.Background())
		blocked, done := make(chan struct{}), make(chan error, 1)
		var last engine.Card
		updates := 0
		go func() {
			done <- w.board.WatchBoard(ctx, engine.BoardQuery{Workspace: acme, Window: 10}, func(u engine.BoardUpdate) error {
				updates++
				if updates == 1 {
					<-blocked
				}
				for _, c := range u.Upserts {
					last = c
				}
				return nil
			})
		}()
		synctest.Wait()
		w.must("ravi", agent("asha"), engine.Intervene{})
		for n := range 50 {
			w.must("ravi", agent("asha"), text(fmt.Sprint("line ", n)))
		}
		close(blocked)
		w.settle()
		if updates > 6 {
			t.Errorf("updates to a slow subscriber: %d for 50 changes, want a few", updates)
		}
		if last.Preview != "line 49" {
			t.Errorf("newest preview %q, want line 49", last.Preview)
		}
		cancel()
		<-done
	})
}

func TestConversationStreamIsGapFree(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		w.says("ravi", "person")
		w.settle()
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		next := uint64(1)
		watch := func(after uint64) {
			done <- w.board.WatchConversation(ctx, acme, w.of("ravi"), after, func(_ engine.Card, events []engine.Event) error {
				for _, e := range events {
					if e.Version != next {
						t.Errorf("version %d, want %d", e.Version, next)
					}
					next = e.Version + 1
				}
				return nil
			})
		}
		go watch(0)
		w.must("ravi", agent("asha"), engine.Intervene{})
		for n := range 300 {
			w.must("ravi", agent("asha"), engine.AddNote{Body: fmt.Sprint("note ", n)})
		}
		w.settle()
		cancel()
		<-done
		ctx, cancel = context.WithCancel(context.Background())
		w.must("ravi", agent("asha"), engine.Resolve{})
		go watch(next - 1)
		w.settle()
		if got, want := next-1, w.card("ravi").Version; got != want {
			t.Errorf("stream came to version %d, want %d", got, want)
		}
		cancel()
		<-done

		other := w.board.WatchConversation(t.Context(), "globex", w.of("ravi"), 0, func(engine.Card, []engine.Event) error { return nil })
		if engine.CodeOf(other) != engine.CodeNotFound {
			t.Errorf("another workspace's watch: %v, want not found", other)
		}
	})
}

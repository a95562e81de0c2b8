package actors_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

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

func (w *world) subscribe(q engine.BoardQuery) *subscriber {
	ctx, cancel := context.WithCancel(context.Background())
	s := &subscriber{cards: make(map[engine.ConversationID]engine.Card), cancel: cancel, done: make(chan error, 1)}
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

// boardOf is what the journal says the window of q holds.
func (w *world) boardOf(q engine.BoardQuery) map[engine.ConversationID]engine.Card {
	w.t.Helper()
	cards := make(map[engine.ConversationID]engine.Card)
	columns := q.Columns
	if columns == nil {
		columns = engine.BoardColumns[:]
	}
	for _, column := range columns {
		rows, err := w.journal.BoardPage(acme, column, engine.BoardRow{}, 1000)
		if err != nil {
			w.t.Fatal(err)
		}
		room := q.Window
		for _, row := range rows {
			card, err := w.journal.Card(row.Conversation)
			if err != nil {
				w.t.Fatal(err)
			}
			if room > 0 && admits(q.Filter, &card) {
				cards[row.Conversation] = card
				room--
			}
		}
	}
	return cards
}

// admits says what a filter means, of the card itself.
func admits(f engine.BoardFilter, c *engine.Card) bool {
	switch {
	case f.Holder != "" && c.Holder != f.Holder, f.Unassigned && c.Holder != "":
		return false
	case f.Channel != "" && c.Channel != f.Channel, f.Tag != "" && !slices.Contains(c.Tags, f.Tag):
		return false
	}
	return true
}

// countersOf is what the journal says the columns of q count.
func (w *world) countersOf(q engine.BoardQuery) []engine.ColumnCounter {
	w.t.Helper()
	if q.Uncounted {
		return nil
	}
	columns := q.Columns
	if columns == nil {
		columns = engine.BoardColumns[:]
	}
	var counters []engine.ColumnCounter
	for _, column := range columns {
		rows, err := w.journal.BoardPage(acme, column, engine.BoardRow{}, 1000)
		if err != nil {
			w.t.Fatal(err)
		}
		c := engine.ColumnCounter{Column: column, Conversations: int64(len(rows))}
		for _, row := range rows {
			if row.Index.Unread > 0 {
				c.Unread++
			}
			if column == engine.Requesting && (c.OldestWaiting == 0 || row.Index.WaitingSince < c.OldestWaiting) {
				c.OldestWaiting = row.Index.WaitingSince
			}
		}
		counters = append(counters, c)
	}
	return counters
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

// queries ask for a board in every way there is.
func queries() []engine.BoardQuery {
	filters := []engine.BoardFilter{
		{},
		{Holder: "agent-0"},
		{Holder: "agent-1", Tag: "vip"},
		{Holder: "agent-2", Unassigned: true},
		{Unassigned: true},
		{Unassigned: true, Tag: "vip"},
		{Channel: second},
		{Channel: second, Holder: "agent-0"},
		{Tag: "vip"},
		{Tag: "vi"},
	}
	var all []engine.BoardQuery
	for i, filter := range filters {
		all = append(all,
			engine.BoardQuery{Filter: filter, Window: 3},
			engine.BoardQuery{Filter: filter, Window: 100, Columns: []engine.Column{engine.BoardColumns[i%3], engine.BoardColumns[(i+1)%3]}},
			engine.BoardQuery{Filter: filter, Window: 3, Columns: []engine.Column{engine.Intervened}, Uncounted: true})
	}
	return all
}

func TestBoardStreamsEqualTheJournal(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			run(t, engine.Policy{}, func(t *testing.T, w *world) {
				draw := rand.New(rand.NewPCG(seed, 0))
				queries := queries()
				subscribers := make([]*subscriber, len(queries))
				for i, q := range queries {
					subscribers[i] = w.subscribe(q)
				}
				for step := range 120 {
					w.randomStep(draw)
					if step%10 == 9 {
						w.settle()
						for i, s := range subscribers {
							s.compare(w, fmt.Sprintf("step %d, query %d", step, i), queries[i])
						}
					}
					if step%40 == 39 { // come back
						for _, s := range subscribers {
							s.close(t)
						}
						if n := w.board.Watched(); n != 0 {
							t.Errorf("workspaces watched by nobody: %d, want none", n)
						}
						w.randomStep(draw)
						for i, q := range queries {
							subscribers[i] = w.subscribe(q)
						}
					}
				}
				for _, s := range subscribers {
					s.close(t)
				}
			})
		})
	}
}

// compare holds a subscriber against the journal's rows.
func (s *subscriber) compare(w *world, when string, q engine.BoardQuery) {
	w.t.Helper()
	if diff := cmp.Diff(faces(w.boardOf(q)), faces(s.cards)); diff != "" {
		w.t.Fatalf("%s: board (-journal +stream):\n%s", when, diff)
	}
	if diff := cmp.Diff(w.countersOf(q), s.counters); diff != "" {
		w.t.Fatalf("%s: counters (-journal +stream):\n%s", when, diff)
	}
}

// second is another channel of the same workspace.
const second engine.ChannelID = "acme-second"

// saysOn delivers a text of customer on a channel.
func (w *world) saysOn(on engine.ChannelID, customer, text string) {
	w.t.Helper()
	w.wamids++
	w.deliver(engine.Inbound{Workspace: acme, Channel: on, Message: &engine.Receive{
		Contact:  engine.Contact{Name: customer, WaID: "wa-" + customer},
		External: fmt.Sprintf("in-%s-%d", customer, w.wamids), SentAt: engine.InstantOf(time.Now()),
		Content: engine.Content{Kind: engine.ContentText, Text: text},
	}})
}

// randomStep does something that may or may not be allowed.
func (w *world) randomStep(draw *rand.Rand) {
	w.t.Helper()
	customer, on := fmt.Sprintf("customer-%d", draw.IntN(16)), []engine.ChannelID{channel, second}[draw.IntN(2)]
	texts := []string{"hello", "person", "more"}
	id, known, err := w.journal.ByIdentity(on, engine.Identity{Kind: engine.IdentityWaID, Value: "wa-" + customer})
	if err != nil {
		w.t.Fatal(err)
	}
	if !known || draw.IntN(3) == 0 {
		w.saysOn(on, customer, texts[draw.IntN(len(texts))])
		return
	}
	by := agent(engine.AgentID(fmt.Sprintf("agent-%d", draw.IntN(3))))
	bodies := []engine.CommandBody{
		engine.RequestAgent{},
		engine.Intervene{},
		text("hi"),
		engine.Resolve{},
		engine.MarkRead{},
		engine.SetTags{Tags: [][]string{{"vip"}, {"late", "vip"}, {"vi"}, nil}[draw.IntN(4)]},
		engine.Transfer{To: "agent-1"},
	}
	_, err = w.router.Do(context.Background(), id, engine.Command{Workspace: acme, By: by, Body: bodies[draw.IntN(len(bodies))]})
	if err != nil && engine.CodeOf(err) == 0 {
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

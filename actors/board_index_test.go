package actors_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
)

// drawIndex puts a conversation anywhere, also where the domain would not.
func drawIndex(draw *rand.Rand) engine.Index {
	i := engine.Index{
		Workspace: acme, Channel: []engine.ChannelID{channel, second}[draw.IntN(2)],
		Column: engine.Column(draw.IntN(5)), Order: engine.Instant(draw.IntN(4)), Unread: uint32(draw.IntN(2)),
		Tags: []string{"", "vip", "late\nvip", "vi"}[draw.IntN(4)],
	}
	if i.Column == engine.Intervened || draw.IntN(4) == 0 {
		i.Holder = engine.AgentID(fmt.Sprint("agent-", draw.IntN(3)))
	}
	if i.Column == engine.Requesting {
		i.WaitingSince = i.Order
	}
	return i
}

// window works out what q shows: the rows that it admits, sorted.
func (t *tape) window(q engine.BoardQuery) map[engine.ConversationID]uint64 {
	shown := make(map[engine.ConversationID]uint64)
	columns := q.Columns
	if columns == nil {
		columns = engine.BoardColumns[:]
	}
	for _, column := range columns {
		var rows []engine.BoardRow
		for _, r := range t.rows {
			if r.Index.Column == column && q.Filter.Admits(&r.Index) {
				rows = append(rows, r)
			}
		}
		less := engine.BoardLess(column)
		slices.SortFunc(rows, func(a, b engine.BoardRow) int {
			if less(a, b) {
				return -1
			}
			return 1
		})
		for _, r := range rows[:min(len(rows), q.Window)] {
			shown[r.Conversation] = t.versions[t.places[r.Conversation]]
		}
	}
	return shown
}

// indexed works out what Board.Indexed counts.
func (t *tape) indexed(column engine.Column) (holders, free int) {
	held := make(map[engine.AgentID]bool)
	for _, r := range t.rows {
		switch {
		case r.Index.Column != column:
		case r.Index.Holder == "":
			free++
		default:
			held[r.Index.Holder] = true
		}
	}
	return len(held), free
}

// TestBoardEqualsItsLog moves rows anywhere, also while the board is built anew,
// and compares what watches show with the rows sorted anew.
func TestBoardEqualsItsLog(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, draw := newTape(3, 6), rand.New(rand.NewPCG(seed, 0))
				board, err := actors.StartBoard(log, nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer board.Stop()
				w := &world{t: t, board: board}
				all := queries()
				var subscribers []*subscriber
				for _, q := range all {
					subscribers = append(subscribers, w.subscribe(q))
				}
				for step := range 100 {
					log.mu.Lock()
					log.lost = draw.IntN(10) == 0
					log.mu.Unlock()
					for range 1 + draw.IntN(4) {
						log.move(draw.IntN(len(log.rows)), drawIndex(draw))
					}
					settlePresence()
					for i, q := range all {
						subscribers[i].compareRows(t, fmt.Sprintf("step %d, query %d", step, i), log.window(q))
					}
					for _, column := range engine.BoardColumns {
						holders, free := board.Indexed(acme, column)
						if h, f := log.indexed(column); h != holders || f != free {
							t.Fatalf("step %d: %v has %d holders, %d free, want %d, %d", step, column, holders, free, h, f)
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

func (s *subscriber) compareRows(t *testing.T, when string, want map[engine.ConversationID]uint64) {
	t.Helper()
	got := make(map[engine.ConversationID]uint64)
	for id, card := range s.cards {
		got[id] = card.Version
	}
	if !maps.Equal(got, want) {
		t.Fatalf("%s: versions shown (-want +got):\n%s", when, cmp.Diff(want, got))
	}
}

// TestBoardBuiltAnewIsTold: a watch of a board that is built anew begins anew,
// and looks once.
func TestBoardBuiltAnewIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newTape(2, 3)
		board, err := actors.StartBoard(log, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer board.Stop()
		ctx, cancel := context.WithCancel(context.Background())
		var updates []engine.BoardUpdate
		done := make(chan error)
		go func() {
			done <- board.WatchBoard(ctx, engine.BoardQuery{Workspace: acme, Window: 5, Uncounted: true}, func(u engine.BoardUpdate) error {
				updates = append(updates, u)
				return nil
			})
		}()
		settlePresence()
		log.mu.Lock()
		log.lost = true
		log.mu.Unlock()
		gone := log.rows[0].Index
		gone.Column = engine.History
		log.move(0, gone)
		settlePresence()
		if len(updates) != 2 || !updates[1].Snapshot || len(updates[1].Upserts) != 5 || len(updates[1].Removed) != 0 {
			t.Errorf("updates: %+v, want two snapshots, the second of five cards", updates)
		}
		if n := board.Looks(); n != 2 {
			t.Errorf("looks: %d, want 2", n)
		}
		cancel()
		<-done
	})
}

// TestUncountedWatchIsNotWokenByCounters: whoever wants none does not look for them.
func TestUncountedWatchIsNotWokenByCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newTape(2, 3)
		board, err := actors.StartBoard(log, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer board.Stop()
		w := &world{t: t, board: board}
		s := w.subscribe(engine.BoardQuery{Window: 5, Uncounted: true, Filter: engine.BoardFilter{Holder: "agent-1"}})
		settlePresence()
		unread := log.rows[0].Index // agent-0's
		unread.Unread = 1
		log.move(0, unread)
		settlePresence()
		if n := board.Looks(); n != 1 {
			t.Errorf("looks: %d, want the first alone", n)
		}
		s.close(t)
	})
}

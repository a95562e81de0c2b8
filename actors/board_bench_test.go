package actors_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
)

// tape is a log without a disk: rows of one workspace, whose versions a
// benchmark raises.
type tape struct {
	mu       sync.Mutex
	rows     []engine.BoardRow
	places   map[engine.ConversationID]int
	versions []uint64
	fed      []engine.Change
	offset   uint64 // of the newest change in fed
	lost     bool   // the log does not reach back any more
	more     chan struct{}
	folded   chan struct{}
}

// newTape holds each rows of holders in the column Intervened.
func newTape(holders, each int) *tape {
	t := &tape{places: make(map[engine.ConversationID]int), more: make(chan struct{}, 1), folded: make(chan struct{}, 1)}
	for n := range holders * each {
		var random [14]byte
		binary.BigEndian.PutUint64(random[:], uint64(n))
		row := engine.BoardRow{Conversation: engine.NewConversationID(0, random), Index: engine.Index{
			Workspace: acme, Channel: channel, Column: engine.Intervened,
			Holder: engine.AgentID(fmt.Sprint("agent-", n%holders)), Order: engine.Instant(n),
		}}
		t.places[row.Conversation] = n
		t.rows = append(t.rows, row)
	}
	t.versions = slices.Repeat([]uint64{1}, len(t.rows))
	return t
}

// feed raises the version of the n-th row.
func (t *tape) feed(n int) { t.move(n, t.rows[n].Index) }

// move puts the n-th row elsewhere.
func (t *tape) move(n int, after engine.Index) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.versions[n]++
	t.offset++
	row := &t.rows[n]
	t.fed = append(t.fed, engine.Change{
		Offset: t.offset, Conversation: row.Conversation, Version: t.versions[n], Before: row.Index, After: after,
	})
	row.Index = after
	select {
	case t.more <- struct{}{}:
	default:
	}
}

func (t *tape) BoardRows(yield func(engine.BoardRow) error) (uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, row := range t.rows {
		if !row.Index.Column.OnBoard() {
			continue
		}
		if err := yield(row); err != nil {
			return 0, err
		}
	}
	return t.offset, nil
}

// Tail answers one change at a time: whatever a change costs by itself is paid
// for each.
func (t *tape) Tail(ctx context.Context, after uint64, _ int) ([]engine.Change, error) {
	for {
		t.mu.Lock()
		if t.lost {
			t.lost, t.fed = false, nil
			t.mu.Unlock()
			return nil, &engine.Error{Code: engine.CodeNotFound}
		}
		if left := t.offset - after; left > 0 {
			changes := t.fed[uint64(len(t.fed))-left:][:1]
			t.mu.Unlock()
			return changes, nil
		}
		t.fed = nil
		t.mu.Unlock()
		select {
		case t.folded <- struct{}{}:
		default:
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-t.more:
		}
	}
}

func (t *tape) Card(id engine.ConversationID) (engine.Card, error) {
	n := t.places[id]
	t.mu.Lock()
	defer t.mu.Unlock()
	row := &t.rows[n]
	return engine.Card{
		Conversation: id, Workspace: acme, Channel: channel, Version: t.versions[n], Column: row.Index.Column,
		Holder: row.Index.Holder, Tags: row.Index.TagList(), Unread: row.Index.Unread,
		Since: row.Index.Order, Preview: fmt.Sprint("line ", t.versions[n]),
	}, nil
}

func (t *tape) Events(engine.ConversationID, uint64, int) ([]engine.Event, error) { return nil, nil }

// BenchmarkBoardFold is one change of a conversation that an agent holds, while
// 1,000 agents in its workspace watch what they hold, ten conversations each:
// how long until it is folded, and the CPU of everything that follows.
//
//	go test -run '^$' -bench BoardFold ./actors
func BenchmarkBoardFold(b *testing.B) {
	const holders = 1000
	t := newTape(holders, 10)
	board, err := actors.StartBoard(t, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var watchers, began sync.WaitGroup
	for n := range holders {
		began.Add(1)
		first := sync.OnceFunc(began.Done)
		query := engine.BoardQuery{Workspace: acme, Window: 50, Filter: engine.BoardFilter{Holder: engine.AgentID(fmt.Sprint("agent-", n))}}
		watchers.Go(func() {
			err := board.WatchBoard(ctx, query, func(engine.BoardUpdate) error {
				first()
				return nil
			})
			if !errors.Is(err, context.Canceled) {
				b.Errorf("watch ended with %v, want canceled", err)
			}
		})
	}
	began.Wait()
	time.Sleep(4 * actors.CoalesceInterval)
	select {
	case <-t.folded:
	default:
	}
	before := cpu(b)
	n := 0
	for b.Loop() {
		for range 16 {
			t.feed(n * 7919 % len(t.rows))
			n++
		}
		<-t.folded
	}
	b.ReportMetric(float64(b.Elapsed())/float64(n), "ns/change")
	b.ReportMetric(float64(cpu(b)-before)/float64(n), "cpu-ns/change")
	cancel()
	watchers.Wait()
	board.Stop()
}

// cpu is what this process has used of it.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

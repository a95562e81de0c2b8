package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// committers take turns: while one waits for its fsync the other gathers.
	committers = 2
	// maxGroup bounds the commands of one transaction.
	maxGroup = 1024
)

// grouped is PostgreSQL with as many commands in a transaction as wait.
type grouped struct {
	postgres *postgres
	queue    chan *waiting
	running  sync.WaitGroup
}

type waiting struct {
	*entry
	done chan error
}

func newGrouped(ctx context.Context, p *postgres) *grouped {
	g := &grouped{postgres: p, queue: make(chan *waiting, maxGroup)}
	for range committers {
		g.running.Go(func() { g.commit(ctx) })
	}
	return g
}

func (g *grouped) write(ctx context.Context, e *entry) error {
	w := &waiting{entry: e, done: make(chan error, 1)}
	g.queue <- w
	return <-w.done
}

func (g *grouped) commit(ctx context.Context) {
	for first := range g.queue {
		group := []*waiting{first}
		for len(group) < maxGroup && len(g.queue) > 0 {
			next, ok := <-g.queue
			if !ok {
				break
			}
			group = append(group, next)
		}
		moved, err := g.writeAll(ctx, group)
		for _, w := range group {
			switch {
			case err != nil:
				w.done <- fmt.Errorf("write to PostgreSQL: %w", err)
			case !moved[w.conversation]:
				w.done <- errConflict
			default:
				w.done <- nil
			}
		}
	}
}

// writeAll says whose version was right.
func (g *grouped) writeAll(ctx context.Context, group []*waiting) (map[uint64]bool, error) {
	conversations, versions := make([]int64, len(group)), make([]int64, len(group))
	heads, events, hashes := make([][]byte, len(group)), make([][]byte, len(group)), make([][]byte, len(group))
	dues := make([]*time.Time, len(group))
	for i, w := range group {
		conversations[i], versions[i] = int64(w.conversation), int64(w.version)
		heads[i], events[i], hashes[i], dues[i] = w.head, w.event, w.hash, w.dueOrNil()
	}
	rows, err := g.postgres.pool.Query(ctx, writeMany, conversations, versions, heads, events, hashes, dues)
	if err != nil {
		return nil, err
	}
	moved := make(map[uint64]bool, len(group))
	var conversation uint64
	_, err = pgx.ForEachRow(rows, []any{&conversation}, func() error {
		moved[conversation] = true
		return nil
	})
	return moved, err
}

func (g *grouped) close() error {
	close(g.queue)
	g.running.Wait()
	return nil
}

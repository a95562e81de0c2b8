package actors

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/engine"
)

const (
	// TailLimit is how many changes a board takes from the log at once.
	TailLimit = 4096
	// TailPause is how long a board waits after the log could not be read.
	TailPause = time.Second
)

// Board knows where every conversation on a column stands: a fold over the
// journal's log, in memory, built at the start from the rows of the three
// columns and never from the history. It may be used from many goroutines.
type Board struct {
	source Log
	log    *slog.Logger
	looks  atomic.Uint64 // how often a window was taken

	mu         sync.RWMutex
	workspaces map[engine.WorkspaceID]*workspaceBoard
	// watched are the workspaces whose board somebody watches, followers the
	// conversations.
	watched   map[engine.WorkspaceID]*watchers
	followers map[engine.ConversationID]*follower
	// built counts how often the board was built from its rows: a subscriber
	// that sees it change starts over.
	built uint64

	cancel context.CancelFunc
	group  sync.WaitGroup
}

// StartBoard builds the board and keeps it up to date until Stop.
func StartBoard(source Log, registerer prometheus.Registerer, log *slog.Logger) (*Board, error) {
	b := &Board{
		source: source, log: logger(log),
		watched:   make(map[engine.WorkspaceID]*watchers),
		followers: make(map[engine.ConversationID]*follower),
	}
	offset, err := b.build()
	if err != nil {
		return nil, err
	}
	if registerer != nil {
		registerer.MustRegister(boardCollector{b})
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	b.group.Go(func() { b.follow(ctx, offset) })
	return b, nil
}

// Stop ends the board. Whoever watches it is ended by their own context.
func (b *Board) Stop() {
	b.cancel()
	b.group.Wait()
}

// build makes the board anew from the rows that the journal keeps of it.
func (b *Board) build() (offset uint64, err error) {
	workspaces := make(map[engine.WorkspaceID]*workspaceBoard)
	offset, err = b.source.BoardRows(func(r engine.BoardRow) error {
		boardOf(workspaces, r.Index.Workspace).put(&row{BoardRow: r})
		return nil
	})
	if err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.workspaces = workspaces
	b.built++
	for _, f := range b.followers {
		f.wake()
	}
	for id, ws := range b.watched {
		ws.wakeAll()
		ws.count(boardOf(workspaces, id))
	}
	return offset, nil
}

// follow folds what becomes durable after offset.
func (b *Board) follow(ctx context.Context, offset uint64) {
	for {
		changes, err := b.source.Tail(ctx, offset, TailLimit)
		switch {
		case ctx.Err() != nil:
			return
		case engine.CodeOf(err) == engine.CodeNotFound:
			offset, err = b.build() // it fell behind what the log keeps
		}
		if err != nil {
			b.log.Error("board cannot follow the journal", slog.Any("error", err))
			if pause(ctx, TailPause) != nil {
				return
			}
			continue
		}
		if len(changes) > 0 {
			b.fold(changes)
			offset = changes[len(changes)-1].Offset
		}
	}
}

// fold wakes those, and only those, to whom a change may be news. Counters are
// compared when all changes are folded.
func (b *Board) fold(changes []engine.Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range changes {
		c := &changes[i]
		before, after := boardOf(b.workspaces, c.After.Workspace).fold(c)
		if ws, ok := b.watched[c.After.Workspace]; ok {
			ws.wake(&before, &after)
			ws.stale = true
		}
		if f, ok := b.followers[c.Conversation]; ok {
			f.wake()
		}
	}
	for i := range changes {
		id := changes[i].After.Workspace
		if ws, ok := b.watched[id]; ok && ws.stale {
			ws.count(b.workspaces[id])
		}
	}
}

// Counters count the columns of a workspace.
func (b *Board) Counters(workspace engine.WorkspaceID) []engine.ColumnCounter {
	b.mu.RLock()
	defer b.mu.RUnlock()
	counters := make([]engine.ColumnCounter, len(engine.BoardColumns))
	for i, column := range engine.BoardColumns {
		counters[i] = b.workspaces[workspace].count(column)
	}
	return counters
}

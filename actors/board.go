package actors

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tidwall/btree"

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

	mu         sync.RWMutex
	workspaces map[engine.WorkspaceID]*workspaceBoard
	// moved is closed and made anew whenever a change was folded; followers
	// of one conversation have a channel of their own.
	moved     chan struct{}
	followers map[engine.ConversationID]*follower
	// built counts how often the board was built from its rows: a subscriber
	// that sees it change starts over.
	built uint64

	cancel context.CancelFunc
	group  sync.WaitGroup
}

// workspaceBoard is the board of one workspace; Board.mu guards it.
type workspaceBoard struct {
	rows    map[engine.ConversationID]row
	columns map[engine.Column]*btree.BTreeG[engine.BoardRow]
	unread  map[engine.Column]int64
}

// row is one conversation on a column. Its version is 0 until the log told it.
type row struct {
	index   engine.Index
	version uint64
}

// follower wakes those who watch one conversation.
type follower struct {
	moved    chan struct{}
	watchers int
}

// wake is called with Board.mu held.
func (f *follower) wake() {
	close(f.moved)
	f.moved = make(chan struct{})
}

// StartBoard builds the board and keeps it up to date until Stop.
func StartBoard(source Log, registerer prometheus.Registerer, log *slog.Logger) (*Board, error) {
	b := &Board{
		source: source, log: logger(log),
		moved: make(chan struct{}), followers: make(map[engine.ConversationID]*follower),
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
	offset, err = b.source.BoardRows(func(row engine.BoardRow) error {
		boardOf(workspaces, row.Index.Workspace).put(row, 0)
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
	b.wake()
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

func (b *Board) fold(changes []engine.Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range changes {
		c := &changes[i]
		w := boardOf(b.workspaces, c.After.Workspace)
		w.remove(c.Conversation)
		if c.After.Column.OnBoard() {
			w.put(engine.BoardRow{Conversation: c.Conversation, Index: c.After}, c.Version)
		}
		if f, ok := b.followers[c.Conversation]; ok {
			f.wake()
		}
	}
	b.wake()
}

// wake is called with mu held.
func (b *Board) wake() {
	close(b.moved)
	b.moved = make(chan struct{})
}

func boardOf(workspaces map[engine.WorkspaceID]*workspaceBoard, id engine.WorkspaceID) *workspaceBoard {
	w, ok := workspaces[id]
	if !ok {
		w = &workspaceBoard{
			rows:    make(map[engine.ConversationID]row),
			columns: make(map[engine.Column]*btree.BTreeG[engine.BoardRow]),
			unread:  make(map[engine.Column]int64),
		}
		for _, column := range engine.BoardColumns {
			w.columns[column] = btree.NewBTreeGOptions(engine.BoardLess(column), btree.Options{NoLocks: true})
		}
		workspaces[id] = w
	}
	return w
}

func (w *workspaceBoard) put(r engine.BoardRow, version uint64) {
	w.rows[r.Conversation] = row{r.Index, version}
	w.columns[r.Index.Column].Set(r)
	if r.Index.Unread > 0 {
		w.unread[r.Index.Column]++
	}
}

func (w *workspaceBoard) remove(id engine.ConversationID) {
	r, ok := w.rows[id]
	if !ok {
		return
	}
	index := r.index
	delete(w.rows, id)
	w.columns[index.Column].Delete(engine.BoardRow{Conversation: id, Index: index})
	if index.Unread > 0 {
		w.unread[index.Column]--
	}
}

// Counters count the columns of a workspace.
func (b *Board) Counters(workspace engine.WorkspaceID) []engine.ColumnCounter {
	b.mu.RLock()
	defer b.mu.RUnlock()
	w := b.workspaces[workspace]
	counters := make([]engine.ColumnCounter, len(engine.BoardColumns))
	for i, column := range engine.BoardColumns {
		counters[i].Column = column
		if w != nil {
			counters[i] = w.count(column)
		}
	}
	return counters
}

func (w *workspaceBoard) count(column engine.Column) engine.ColumnCounter {
	rows := w.columns[column]
	c := engine.ColumnCounter{Column: column, Conversations: int64(rows.Len()), Unread: w.unread[column]}
	if first, ok := rows.Min(); ok && column == engine.Requesting {
		c.OldestWaiting = first.Index.WaitingSince
	}
	return c
}

// WatchConversation calls yield with the card and the events after a version,
// then again whenever there are more, in order and without a gap, until ctx
// ends or yield fails.
func (b *Board) WatchConversation(
	ctx context.Context, workspace engine.WorkspaceID, id engine.ConversationID, after uint64,
	yield func(engine.Card, []engine.Event) error,
) error {
	// Register first and read then: what comes between is seen, not missed.
	f := b.followConversation(id)
	defer b.unfollow(id, f)
	for first := true; ; first = false {
		moved := b.movedOf(f)
		card, err := b.source.Card(id)
		if err == nil && card.Workspace != workspace {
			err = &engine.Error{Code: engine.CodeNotFound}
		}
		if err != nil {
			return err
		}
		if first || card.Version > after {
			if after, err = b.yieldEvents(id, after, card, yield); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		}
	}
}

// eventPage is how many events a watcher is given at once.
const eventPage = 256

// yieldEvents brings a watcher from version after to that of card or beyond.
func (b *Board) yieldEvents(
	id engine.ConversationID, after uint64, card engine.Card, yield func(engine.Card, []engine.Event) error,
) (uint64, error) {
	for {
		events, err := b.source.Events(id, after, eventPage)
		if err != nil {
			return after, err
		}
		for len(events) > 0 && events[len(events)-1].Version > card.Version {
			events = events[:len(events)-1] // they come with a card of their own
		}
		if err := yield(card, events); err != nil {
			return after, err
		}
		if len(events) == 0 {
			return after, nil
		}
		after = events[len(events)-1].Version
		if after >= card.Version {
			return after, nil
		}
	}
}

func (b *Board) followConversation(id engine.ConversationID) *follower {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.followers[id]
	if !ok {
		f = &follower{moved: make(chan struct{})}
		b.followers[id] = f
	}
	f.watchers++
	return f
}

func (b *Board) unfollow(id engine.ConversationID, f *follower) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f.watchers--
	if f.watchers == 0 {
		delete(b.followers, id)
	}
}

func (b *Board) movedOf(f *follower) <-chan struct{} {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return f.moved
}

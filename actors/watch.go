package actors

import (
	"context"
	"slices"
	"time"

	"github.com/intervenehq/intervene/engine"
)

const (
	// CoalesceInterval is the least time between two updates of one
	// subscriber: the first after a quiet time goes at once.
	CoalesceInterval = 50 * time.Millisecond
	// LookShare is how many times as long as a look at the board took its watch
	// rests after it: a rare tag is looked for in a whole column, and may not take
	// more than one part in so many of a CPU.
	LookShare = 20
	// MaxRest bounds that.
	MaxRest = time.Second
	// MaxWindow bounds the cards of one column that a subscriber follows.
	MaxWindow = 200
)

// WatchBoard calls yield with the board as it stands, then with what changed,
// until ctx ends or yield fails. A subscriber that is slow in yield gets fewer, newer updates:
// nothing is queued for it.
func (b *Board) WatchBoard(ctx context.Context, q engine.BoardQuery, yield func(engine.BoardUpdate) error) error {
	w := newWatch(b, q)
	b.join(w)
	defer b.leave(w)
	for first := true; ; first = false {
		update, err := w.next()
		if err != nil {
			return err
		}
		told := first || !update.Empty()
		if told {
			if err := yield(update); err != nil {
				return err
			}
		}
		if rest := restAfter(w.view.took, told); rest > 0 && pause(ctx, rest) != nil {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.bell:
		}
	}
}

// restAfter is how long a watch waits after a look before it may look again.
func restAfter(took time.Duration, told bool) time.Duration {
	rest := min(LookShare*took, MaxRest)
	if told {
		rest = max(rest, CoalesceInterval)
	}
	return rest
}

// watch is what one subscriber has been told.
type watch struct {
	board *Board
	query engine.BoardQuery
	// bell has something in it when the board may differ from the last look.
	bell chan struct{}

	view     view
	built    uint64
	started  bool
	shown    map[engine.ConversationID]*shown
	counters []engine.ColumnCounter
}

// shown is a card that the subscriber has.
type shown struct {
	card engine.Card
	look uint64 // the last that found it in the window
}

// view is the window of a subscriber at one point of the log. A watch has one,
// and takes it again and again.
type view struct {
	look     uint64 // counts them
	built    uint64
	rows     []standing
	counters []engine.ColumnCounter
	took     time.Duration
}

// standing is one conversation of a window.
type standing struct {
	conversation engine.ConversationID
	version      uint64
}

func newWatch(b *Board, q engine.BoardQuery) *watch {
	if len(q.Columns) == 0 {
		q.Columns = engine.BoardColumns[:]
	}
	q.Window = min(max(q.Window, 1), MaxWindow)
	return &watch{board: b, query: q, bell: make(chan struct{}, 1), shown: make(map[engine.ConversationID]*shown)}
}

func (w *watch) shows(column engine.Column) bool { return slices.Contains(w.query.Columns, column) }

// concerns reports whether a conversation that stands so may be in the window.
func (w *watch) concerns(i *engine.Index) bool {
	return w.shows(i.Column) && w.query.Filter.Admits(i)
}

// wake may be called from any goroutine.
func (w *watch) wake() {
	select {
	case w.bell <- struct{}{}:
	default: // it rings already
	}
}

// next answers what changed since the update before.
func (w *watch) next() (engine.BoardUpdate, error) {
	w.board.look(w)
	v := &w.view
	var update engine.BoardUpdate
	if !w.started || v.built != w.built {
		update.Snapshot = true
		w.counters = nil
		clear(w.shown)
	}
	w.started, w.built = true, v.built
	for _, s := range v.rows {
		card, changed, err := w.upsert(s)
		if err != nil {
			return update, err
		}
		if changed {
			update.Upserts = append(update.Upserts, card)
		}
	}
	if err := w.remove(&update); err != nil {
		return update, err
	}
	if !slices.Equal(v.counters, w.counters) {
		w.counters = slices.Clone(v.counters)
		update.Counters = w.counters
	}
	return update, nil
}

// upsert answers the card to tell, if it is news. The card is read after the
// view was taken and may be ahead of it: what has left the columns meanwhile
// is told by the next view.
func (w *watch) upsert(s standing) (engine.Card, bool, error) {
	before, known := w.shown[s.conversation]
	if known {
		before.look = w.view.look
		if s.version <= before.card.Version {
			return engine.Card{}, false, nil
		}
	}
	card, err := w.board.source.Card(s.conversation)
	if err != nil {
		return engine.Card{}, false, err
	}
	if !w.shows(card.Column) {
		return engine.Card{}, false, nil
	}
	w.shown[s.conversation] = &shown{card, w.view.look}
	return card, !known || !before.card.SameFace(&card), nil
}

// remove tells what is not in the window any more.
func (w *watch) remove(update *engine.BoardUpdate) error {
	for id, before := range w.shown {
		if before.look == w.view.look {
			continue
		}
		delete(w.shown, id)
		version := before.card.Version
		card, err := w.board.source.Card(id)
		switch {
		case engine.CodeOf(err) == engine.CodeNotFound: // no later version is known of it
		case err != nil:
			return err
		default:
			version = max(version, card.Version)
		}
		update.Removed = append(update.Removed, engine.BoardRemoval{Conversation: id, Version: version})
	}
	return nil
}

// look takes w's view as the log stands, and with it what w was woken for.
func (b *Board) look(w *watch) {
	b.looks.Add(1)
	b.mu.RLock()
	defer b.mu.RUnlock()
	select {
	case <-w.bell:
	default:
	}
	began := time.Now()
	v, q := &w.view, &w.query
	v.look++
	v.built, v.rows, v.counters = b.built, v.rows[:0], v.counters[:0]
	board := b.workspaces[q.Workspace]
	for _, column := range q.Columns {
		if !q.Uncounted {
			v.counters = append(v.counters, board.count(column))
		}
		board.window(column, &q.Filter, q.Window, func(r *row) {
			v.rows = append(v.rows, standing{r.Conversation, r.version})
		})
	}
	v.took = time.Since(began)
}

package actors

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/engine"
)

const (
	// CoalesceInterval is the least time between two updates of one
	// subscriber: the first after a quiet time goes at once.
	CoalesceInterval = 50 * time.Millisecond
	// MaxWindow bounds the cards of one column that a subscriber follows.
	MaxWindow = 200
)

// WatchBoard calls yield with the board as it stands, or with what differs
// from what the subscriber knows, then with what changed, until ctx ends or
// yield fails. A subscriber that is slow in yield gets fewer, newer updates:
// nothing is queued for it.
func (b *Board) WatchBoard(ctx context.Context, q engine.BoardQuery, yield func(engine.BoardUpdate) error) error {
	w := newWatch(b, q)
	for {
		moved, update, err := w.next()
		if err != nil {
			return err
		}
		if !update.Empty() {
			if err := yield(update); err != nil {
				return err
			}
			if err := pause(ctx, CoalesceInterval); err != nil {
				return ctx.Err()
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		}
	}
}

// watch is what one subscriber has been told.
type watch struct {
	board    *Board
	query    engine.BoardQuery
	built    uint64
	started  bool
	shown    map[engine.ConversationID]shown
	counters []engine.ColumnCounter
}

// shown is a card that the subscriber has. Of one that it knew before it came,
// only the version is known here.
type shown struct {
	version uint64
	card    *engine.Card
}

func newWatch(b *Board, q engine.BoardQuery) *watch {
	if len(q.Columns) == 0 {
		q.Columns = engine.BoardColumns[:]
	}
	q.Window = min(max(q.Window, 1), MaxWindow)
	w := &watch{board: b, query: q, shown: make(map[engine.ConversationID]shown)}
	if q.Resume {
		for id, version := range q.Known {
			w.shown[id] = shown{version: version}
		}
	}
	return w
}

// view is the window of a subscriber at one point of the log.
type view struct {
	moved    <-chan struct{}
	built    uint64
	versions map[engine.ConversationID]uint64
	order    []engine.ConversationID
	counters []engine.ColumnCounter
}

// next answers what changed since the update before, and what to wait for.
func (w *watch) next() (<-chan struct{}, engine.BoardUpdate, error) {
	v := w.board.view(&w.query)
	var update engine.BoardUpdate
	if rebuilt := w.started && v.built != w.built; rebuilt || !w.started {
		update.Snapshot = rebuilt || !w.query.Resume
		w.counters = nil
	}
	if update.Snapshot {
		clear(w.shown)
	}
	w.started, w.built = true, v.built
	for _, id := range v.order {
		card, changed, err := w.upsert(id, v.versions[id])
		if err != nil {
			return nil, update, err
		}
		if changed {
			update.Upserts = append(update.Upserts, card)
		}
	}
	if err := w.remove(&v, &update); err != nil {
		return nil, update, err
	}
	if !slices.Equal(v.counters, w.counters) {
		w.counters, update.Counters = v.counters, v.counters
	}
	return v.moved, update, nil
}

// upsert answers the card to tell, if it is news. The card is read after the
// view was taken and may be ahead of it: what has left the columns meanwhile
// is told by the next view.
func (w *watch) upsert(id engine.ConversationID, version uint64) (engine.Card, bool, error) {
	before, known := w.shown[id]
	if known && before.card != nil && version <= before.version {
		return engine.Card{}, false, nil
	}
	card, err := w.board.source.Card(id)
	if err != nil {
		return engine.Card{}, false, err
	}
	if known && card.Version == before.version && before.card == nil {
		w.shown[id] = shown{card.Version, &card}
		return engine.Card{}, false, nil // a resumed subscriber has just this one
	}
	if !slices.Contains(w.query.Columns, card.Column) {
		return engine.Card{}, false, nil
	}
	w.shown[id] = shown{card.Version, &card}
	return card, before.card == nil || !before.card.SameFace(&card), nil
}

func (w *watch) remove(v *view, update *engine.BoardUpdate) error {
	for id, before := range w.shown {
		if _, in := v.versions[id]; in {
			continue
		}
		delete(w.shown, id)
		version := before.version
		card, err := w.board.source.Card(id)
		switch {
		case engine.CodeOf(err) == engine.CodeNotFound || (err == nil && card.Workspace != w.query.Workspace):
			// The subscriber claims to know what is not its own, or not there.
		case err != nil:
			return err
		default:
			version = max(version, card.Version)
		}
		update.Removed = append(update.Removed, engine.BoardRemoval{Conversation: id, Version: version})
	}
	return nil
}

// view takes q's window as the log stands.
func (b *Board) view(q *engine.BoardQuery) view {
	b.mu.RLock()
	defer b.mu.RUnlock()
	v := view{moved: b.moved, built: b.built, versions: make(map[engine.ConversationID]uint64)}
	w := b.workspaces[q.Workspace]
	for _, column := range q.Columns {
		counter := engine.ColumnCounter{Column: column}
		if w != nil && w.columns[column] != nil {
			counter = w.count(column)
			w.look(column, q, &v)
		}
		v.counters = append(v.counters, counter)
	}
	return v
}

// look adds one column's window to v.
func (w *workspaceBoard) look(column engine.Column, q *engine.BoardQuery, v *view) {
	room := q.Window
	w.columns[column].Scan(func(r engine.BoardRow) bool {
		if q.Filter.Admits(&r.Index) {
			room--
			v.order = append(v.order, r.Conversation)
			v.versions[r.Conversation] = w.rows[r.Conversation].version
		}
		return room > 0
	})
}

// boardCollector reports how many conversations stand where.
type boardCollector struct{ board *Board }

var boardConversations = prometheus.NewDesc("intervene_board_conversations",
	"Conversations on each column, of all workspaces.", []string{"column"}, nil)

func (c boardCollector) Describe(out chan<- *prometheus.Desc) { out <- boardConversations }

func (c boardCollector) Collect(out chan<- prometheus.Metric) {
	c.board.mu.RLock()
	defer c.board.mu.RUnlock()
	for _, column := range engine.BoardColumns {
		n := 0
		for _, w := range c.board.workspaces {
			n += w.columns[column].Len()
		}
		out <- prometheus.MustNewConstMetric(boardConversations, prometheus.GaugeValue, float64(n), column.String())
	}
}

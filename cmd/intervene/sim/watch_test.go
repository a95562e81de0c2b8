package sim

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// watch begins the subscribers of a number's workspace.
func (s *sim) watch(i int, n number) {
	for j, q := range []engine.BoardQuery{
		{Workspace: n.workspace, Window: 200},
	} {
		b := &boardWatcher{sim: s, query: q, rng: s.plan.seed.rng("board", i, j)}
		s.boards = append(s.boards, b)
		s.watchers.Go(func() { s.follow(b.rng, b.session) })
	}
	for j := range 2 {
		f := &storyWatcher{sim: s, workspace: n.workspace, nth: j, rng: s.plan.seed.rng("story", i, j)}
		s.stories = append(s.stories, f)
		s.watchers.Go(func() { s.follow(f.rng, f.session) })
	}
}

// follow runs sessions of a subscriber, on whatever life is up, until the end.
func (s *sim) follow(rng *rand.Rand, session func(ctx context.Context, w *world)) {
	for s.over.Err() == nil {
		s.mu.Lock()
		moved := s.moved
		s.mu.Unlock()
		w, up := s.enter()
		if !up {
			select {
			case <-moved:
			case <-s.over.Done():
			}
			continue
		}
		ctx, cancel := context.WithCancel(w.up)
		stop := context.AfterFunc(s.over, cancel)
		hangUp := time.AfterFunc(s.patience(rng), cancel)
		session(ctx, w)
		hangUp.Stop()
		stop()
		cancel()
		w.leave()
		select {
		case <-time.After(s.absence(rng)):
		case <-s.over.Done():
		}
	}
}

// absence is how long a subscriber stays away: sometimes so long that it
// misses the last of many changes.
func (s *sim) absence(rng *rand.Rand) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	longest := time.Second
	switch {
	case rng.IntN(4) > 0:
	case s.healed:
		longest = quietTime / 3
	default:
		longest = 20 * time.Second
	}
	return time.Duration(rng.Int64N(int64(longest)))
}

// patience is how long a subscriber stays before it hangs up by itself.
func (s *sim) patience(rng *rand.Rand) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.healed || rng.IntN(2) == 0 {
		return 1000 * time.Hour
	}
	return time.Duration(rng.Int64N(int64(time.Minute)))
}

// boardWatcher is a client of WatchBoard that keeps to its contract.
type boardWatcher struct {
	sim   *sim
	query engine.BoardQuery
	rng   *rand.Rand

	mu       sync.Mutex
	cards    map[engine.ConversationID]engine.Card
	counters []engine.ColumnCounter
}

func (b *boardWatcher) session(ctx context.Context, w *world) {
	err := w.board.WatchBoard(ctx, b.query, func(u engine.BoardUpdate) error {
		if !w.alive(func() { b.take(&u) }) {
			return errReset
		}
		if b.rng.IntN(10) == 0 {
			time.Sleep(time.Duration(b.rng.Int64N(int64(2 * time.Second))))
		}
		return nil
	})
	b.sim.ended(w, "board", err, ctx)
}

// ended tells of a stream that ends without a reason.
func (s *sim) ended(w *world, what string, err error, ctx context.Context) {
	w.alive(func() {
		if ctx.Err() == nil && engine.CodeOf(err) != engine.CodeUnavailable {
			s.ledger.violate("a subscriber never misses a change: the %s stream of life %d ends with %v", what, w.life, err)
		}
	})
}

func (b *boardWatcher) take(u *engine.BoardUpdate) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if u.Snapshot || b.cards == nil {
		b.cards = make(map[engine.ConversationID]engine.Card)
	}
	for i := range u.Upserts {
		card := &u.Upserts[i]
		b.sim.ledger.card(card, b.query.Workspace, "board")
		if known, ok := b.cards[card.Conversation]; !ok || card.Version > known.Version {
			b.cards[card.Conversation] = *card
		}
	}
	for _, r := range u.Removed {
		if known, ok := b.cards[r.Conversation]; ok && r.Version >= known.Version {
			delete(b.cards, r.Conversation)
		}
		b.sim.ledger.reaches(r.Conversation, r.Version, "board removal")
	}
	if u.Counters != nil {
		b.counters = u.Counters
	}
}

// compare holds what the stream made against what the journal has at rest.
func (b *boardWatcher) compare(w *world) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.sim.ledger
	left := make(map[engine.ConversationID]bool)
	for id := range b.cards {
		left[id] = true
	}
	var counters []engine.ColumnCounter
	for _, column := range engine.BoardColumns {
		rows, err := w.journal.BoardPage(b.query.Workspace, column, engine.BoardRow{}, 1000)
		if err != nil {
			l.violate("the journal cannot be read: %v", err)
			return
		}
		counters = append(counters, count(column, rows))
		room := b.query.Window
		for i := range rows {
			if room == 0 || !b.query.Filter.Admits(&rows[i].Index) {
				continue
			}
			room--
			id := rows[i].Conversation
			want, err := w.journal.Card(id)
			got, ok := b.cards[id]
			delete(left, id)
			switch {
			case err != nil:
				l.violate("the journal cannot be read: %v", err)
			case !ok:
				l.violate("a subscriber never misses a change: the board of %s (window %d) does not show %s in %s", b.query.Workspace, b.query.Window, id, column)
			case !got.SameFace(&want):
				l.violate("a subscriber never misses a change: the board of %s (window %d) shows %s as of version %d, not %d:%s",
					b.query.Workspace, b.query.Window, id, got.Version, want.Version, cardDifference(&got, &want))
			}
		}
	}
	for id := range left {
		l.violate("a subscriber never misses a change: the board of %s (window %d) still shows %s", b.query.Workspace, b.query.Window, id)
	}
	if !slices.Equal(counters, b.counters) {
		l.violate("a subscriber never misses a change: the board of %s counts %v, want %v", b.query.Workspace, b.counters, counters)
	}
}

func count(column engine.Column, rows []engine.BoardRow) engine.ColumnCounter {
	c := engine.ColumnCounter{Column: column, Conversations: int64(len(rows))}
	for i := range rows {
		if rows[i].Index.Unread > 0 {
			c.Unread++
		}
		if column == engine.Requesting && (c.OldestWaiting == 0 || rows[i].Index.WaitingSince < c.OldestWaiting) {
			c.OldestWaiting = rows[i].Index.WaitingSince
		}
	}
	return c
}

// storyWatcher is a client of WatchConversation.
type storyWatcher struct {
	sim       *sim
	workspace engine.WorkspaceID
	nth       int
	rng       *rand.Rand

	mu   sync.Mutex
	id   engine.ConversationID
	seen uint64
}

func (f *storyWatcher) session(ctx context.Context, w *world) {
	f.mu.Lock()
	if f.id.IsZero() {
		ids := f.sim.ledger.conversations(f.workspace)
		if len(ids) > f.nth {
			f.id = ids[f.nth]
		}
	}
	id, after := f.id, f.seen
	f.mu.Unlock()
	if id.IsZero() {
		return
	}
	err := w.board.WatchConversation(ctx, f.workspace, id, after, func(card engine.Card, events []engine.Event) error {
		if !w.alive(func() { f.take(&card, events) }) {
			return errReset
		}
		if f.rng.IntN(20) == 0 {
			time.Sleep(time.Duration(f.rng.Int64N(int64(2 * time.Second))))
		}
		return nil
	})
	f.sim.ended(w, "conversation", err, ctx)
}

func (f *storyWatcher) take(card *engine.Card, events []engine.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sim.ledger.card(card, f.workspace, "conversation stream")
	for i := range events {
		if got, want := events[i].Version, f.seen+1; got != want && !isErased(events[i:]) {
			f.sim.ledger.violate("a subscriber never misses a change: the stream of %s goes on with version %d, want %d", f.id, got, want)
		}
		f.seen = events[i].Version
		f.sim.ledger.event(f.id, &events[i], "conversation stream")
	}
}

func (f *storyWatcher) compare(w *world) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.id.IsZero() {
		return
	}
	card, err := w.journal.Card(f.id)
	if err != nil || cmp.Compare(card.Version, f.seen) != 0 {
		f.sim.ledger.violate("a subscriber never misses a change: the stream of %s ends at version %d, want %d (error %v)", f.id, f.seen, card.Version, err)
	}
}

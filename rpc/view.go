package rpc

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const (
	// maxFrameCards bounds one difference, maxChunkCards one chunk of a snapshot: an
	// HTTP/2 connection keeps a buffer as large as the largest frame that it ever
	// sent, and every stream begins with a snapshot.
	maxFrameCards = 100
	maxChunkCards = 40
	// maxDepartures is how many removals a view remembers: who is further behind
	// than that begins anew.
	maxDepartures = 4096
	// maxShared is how many places of its past a view keeps frames for: streams that
	// stand elsewhere make their own.
	maxShared = 8
	// maxTimes is how many updates back a stream's lag is known exactly.
	maxTimes = 64
)

// view is one board as all streams with the same query share it: it watches
// the backend once, and holds the window as it stands and what left it lately.
// Streams pull what came after the place where they stand, so that one that is
// slow costs the view nothing and gets fewer, newer frames.
type view struct {
	key   viewKey
	token []byte
	stop  context.CancelFunc

	ended chan struct{} // closed when the backend's watch has returned
	err   error         // what it returned; read after ended

	mu sync.Mutex
	// seq numbers the updates; 0: the first has not come.
	seq   uint64
	cards map[engine.ConversationID]*viewCard
	// counters are the whole workspace's, changed with the update counted.
	counters *intervenev1.Counters
	counted  uint64
	// departures are in the order in which they were. A place before forgotten has
	// missed some, one before rebuilt is of another board.
	departures         []departure
	forgotten, rebuilt uint64
	// times is when updates were taken, by their number modulo its length.
	times  [maxTimes]time.Time
	shared map[uint64]change
	bells  map[bell]struct{}
}

// viewKey is everything that shapes a board.
type viewKey struct {
	workspace engine.WorkspaceID
	columns   [len(engine.BoardColumns)]engine.Column
	filter    engine.BoardFilter
	window    int
	// beside: this one is shown beside another, which has the counters.
	beside bool
}

// viewCard is one card of a view. Nobody changes one.
type viewCard struct {
	id      engine.ConversationID
	version uint64
	column  engine.Column
	order   engine.Instant
	wire    *intervenev1.Card
	changed uint64 // the update that brought it
}

type departure struct {
	engine.BoardRemoval
	at uint64
}

// change is what a stream is told that goes from one place of a view to
// another.
type change struct {
	to uint64
	// reset is why everything is told anew; unspecified: it is not.
	reset  intervenev1.ResetReason
	frames []*frame
	// since is when the oldest thing told became known here.
	since time.Time
}

// bell wakes the goroutine of one stream; it rings once for however much there
// is to see.
type bell chan struct{}

func newBell() bell { return make(bell, 1) }

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}

func (k *viewKey) query() engine.BoardQuery {
	return engine.BoardQuery{Workspace: k.workspace, Columns: slices.Clone(k.watched()), Filter: k.filter, Window: k.window, Uncounted: k.beside}
}

// watched are the columns without the gaps at the end.
func (k *viewKey) watched() []engine.Column {
	n := 0
	for n < len(k.columns) && k.columns[n] != 0 {
		n++
	}
	return k.columns[:n]
}

// take folds what the backend tells.
func (v *view) take(u engine.BoardUpdate) error {
	for i := range u.Upserts {
		if u.Upserts[i].Workspace != v.key.workspace {
			return fmt.Errorf("board update holds conversation %v of another workspace", u.Upserts[i].Conversation)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.seq > 0 && u.Empty() {
		return nil
	}
	v.seq++
	v.times[v.seq%maxTimes] = time.Now()
	if u.Snapshot {
		clear(v.cards)
		v.departures = nil
		v.rebuilt = v.seq
	}
	for i := range u.Upserts {
		card := &u.Upserts[i]
		v.cards[card.Conversation] = &viewCard{card.Conversation, card.Version, card.Column, card.Order(), cardOf(card), v.seq}
	}
	for _, r := range u.Removed {
		delete(v.cards, r.Conversation)
		v.depart(r)
	}
	if u.Counters != nil {
		v.counters, v.counted = countersOf(u.Counters, v.key.watched()), v.seq
	}
	clear(v.shared)
	v.ring()
	return nil
}

// depart is called with mu held.
func (v *view) depart(r engine.BoardRemoval) {
	if len(v.departures) == maxDepartures {
		v.forgotten = v.departures[maxDepartures/4-1].at
		v.departures = slices.Delete(v.departures, 0, maxDepartures/4)
	}
	v.departures = append(v.departures, departure{r, v.seq})
}

// ring is called with mu held.
func (v *view) ring() {
	for b := range v.bells {
		b.ring()
	}
}

// after is what a stream that stands at a place is told, and false if that is
// nothing. Who stands at 0 knows nothing.
func (v *view) after(place uint64) (change, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if place == v.seq {
		return change{}, false
	}
	c, ok := v.shared[place]
	if !ok {
		c = v.make(place)
		if len(v.shared) < maxShared {
			v.shared[place] = c
		}
	}
	return c, true
}

// make is called with mu held.
func (v *view) make(place uint64) change {
	c := change{to: v.seq, since: v.times[max(place+1, v.seq-min(v.seq, maxTimes-1))%maxTimes]}
	switch {
	case place == 0:
	case place < v.rebuilt:
		c.reset = intervenev1.ResetReason_RESET_REASON_REBUILT
	case place < v.forgotten:
		c.reset = intervenev1.ResetReason_RESET_REASON_TOO_FAR_BEHIND
	default:
		c.frames = v.difference(place)
		return c
	}
	c.frames = snapshotFrames(v.ordered(), v.counters, v.token)
	return c
}

// difference is called with mu held.
func (v *view) difference(place uint64) []*frame {
	var upserts []*viewCard
	for _, card := range v.cards {
		if card.changed > place {
			upserts = append(upserts, card)
		}
	}
	slices.SortFunc(upserts, compareCards)
	// A conversation may have left more than once, and be back.
	latest := make(map[engine.ConversationID]engine.BoardRemoval)
	for i := len(v.departures) - 1; i >= 0 && v.departures[i].at > place; i-- {
		d := &v.departures[i]
		if _, later := latest[d.Conversation]; !later && v.cards[d.Conversation] == nil {
			latest[d.Conversation] = d.BoardRemoval
		}
	}
	var removed []engine.BoardRemoval
	for _, r := range latest {
		removed = append(removed, r)
	}
	var counters *intervenev1.Counters
	if v.counted > place {
		counters = v.counters
	}
	return deltaFrames(upserts, removed, counters, v.token)
}

// window is everything that the view shows, and the place where that is.
func (v *view) window() (cards []*viewCard, counters *intervenev1.Counters, place uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.ordered(), v.counters, v.seq
}

// has is the card of a conversation; nil: it is not shown.
func (v *view) has(id engine.ConversationID) *viewCard {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.cards[id]
}

// ordered is called with mu held.
func (v *view) ordered() []*viewCard {
	cards := make([]*viewCard, 0, len(v.cards))
	for _, card := range v.cards {
		cards = append(cards, card)
	}
	slices.SortFunc(cards, compareCards)
	return cards
}

// compareCards orders by column and as the column does.
func compareCards(a, b *viewCard) int {
	if a.column != b.column {
		return cmp.Compare(a.column, b.column)
	}
	x := engine.BoardRow{Conversation: a.id, Index: engine.Index{Order: a.order}}
	y := engine.BoardRow{Conversation: b.id, Index: engine.Index{Order: b.order}}
	if engine.BoardLess(a.column)(x, y) {
		return -1
	}
	return 1
}

// begun reports whether there is something to show, or why there never will be.
func (v *view) begun() (bool, error) {
	select {
	case <-v.ended:
		return false, backendEnded(v.err)
	default:
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.seq > 0, nil
}

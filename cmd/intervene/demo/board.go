package demo

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/intervenehq/intervene/rpc/client"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// boardWindow is as many cards of each column as the API gives.
const boardWindow = 200

// board is what one caller's stream shows, as any frontend sees it. With a
// ledger it measures how far behind the answers it is.
type board struct {
	*client.Board
	// presence shows colleagues that the caller is there.
	presence *client.Presence
	ledger   *ledger
	looks    sync.WaitGroup

	mu      sync.Mutex
	waiting map[string][]sight
}

// sight is a change that was answered and not yet seen.
type sight struct {
	version uint64
	since   time.Time
	// shown: the conversation stood on the board since; it is seen when it leaves.
	shown bool
}

// followBoard begins to follow the whole board. Whoever follows one stops it.
func followBoard(c *client.Client, l *ledger) *board {
	b := &board{
		Board:    c.FollowBoard(context.Background(), client.BoardQuery{Window: boardWindow}),
		presence: c.BePresent(context.Background()),
		ledger:   l, waiting: make(map[string][]sight),
	}
	if l != nil {
		b.looks.Go(b.look)
	}
	return b
}

func (b *board) stop() {
	b.presence.Close()
	b.Close()
	b.looks.Wait()
}

// look sees what comes until the board ends.
func (b *board) look() {
	s, err := b.Next(context.Background(), nil)
	for err == nil {
		b.see(s.Card, time.Now())
		s, err = b.Next(context.Background(), s)
	}
}

// see measures what is there of what was awaited.
func (b *board) see(card func(string) *intervenev1.Card, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, sights := range b.waiting {
		shown := card(id)
		left := sights[:0]
		for _, s := range sights {
			if shown.GetVersion() >= s.version || shown == nil && s.shown {
				b.ledger.lagged(now.Sub(s.since))
				continue
			}
			s.shown = shown != nil
			left = append(left, s)
		}
		if b.waiting[id] = left; len(left) == 0 {
			delete(b.waiting, id)
		}
	}
}

// await notes that a version was answered at a time, unless the stream was
// faster than the answer. What passes through a board's window while its stream
// is down is never seen, and then not measured. A nil board watches nothing.
func (b *board) await(id string, version uint64, since time.Time) {
	if b == nil || b.ledger == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expect(id, version, since, b.Snapshot().Card(id))
}

func (b *board) expect(id string, version uint64, since time.Time, shown *intervenev1.Card) {
	if shown.GetVersion() >= version {
		b.ledger.lagged(0)
		return
	}
	b.waiting[id] = append(b.waiting[id], sight{version, since, shown != nil})
}

// column lists the cards of one column as they are now, in the server's order.
func (b *board) column(column intervenev1.Column) []*intervenev1.Card {
	return b.Snapshot().Column(column).Cards
}

// face is a board as it can be compared.
type face struct {
	cards    map[string]*intervenev1.Card
	counters map[intervenev1.Column]*intervenev1.ColumnCounter
}

func (b *board) face() face {
	f := face{make(map[string]*intervenev1.Card), make(map[intervenev1.Column]*intervenev1.ColumnCounter)}
	for _, column := range b.Snapshot().Columns {
		f.counters[column.Column] = column.Counter
		for _, card := range column.Cards {
			f.cards[card.GetConversationId()] = card
		}
	}
	return f
}

// holders counts who holds how many.
func (b *board) holders() map[string]int {
	held := make(map[string]int)
	for _, card := range b.column(columnIntervened) {
		held[card.GetHolderAgentId()]++
	}
	return held
}

// sortedKeys gives maps an order to be told in.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

const (
	columnActive     = intervenev1.Column_COLUMN_ACTIVE
	columnRequesting = intervenev1.Column_COLUMN_REQUESTING
	columnIntervened = intervenev1.Column_COLUMN_INTERVENED
	columnHistory    = intervenev1.Column_COLUMN_HISTORY
)

func (f face) count(column intervenev1.Column) uint64 { return f.counters[column].GetConversations() }

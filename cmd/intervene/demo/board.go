package demo

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

const (
	// boardWindow is as many cards of each column as the API gives.
	boardWindow = 200
	// reconnectPause is before a stream that broke is opened again.
	reconnectPause = 100 * time.Millisecond
)

// board is what one caller's stream shows, put together from its frames as any
// frontend would.
type board struct {
	ledger *ledger

	mu       sync.Mutex
	cards    map[string]*intervenev1.Card
	counters map[intervenev1.Column]*intervenev1.ColumnCounter
	token    []byte
	whole    bool // a snapshot was complete

	// For a ledger: the newest version seen of each conversation, also of those
	// that left, and what was answered and not yet seen.
	latest  map[string]uint64
	waiting map[string][]sight
}

// sight is a change that was answered and not yet seen.
type sight struct {
	version uint64
	since   time.Time
}

func newBoard(l *ledger) *board {
	return &board{
		ledger: l, cards: make(map[string]*intervenev1.Card),
		counters: make(map[intervenev1.Column]*intervenev1.ColumnCounter),
		latest:   make(map[string]uint64), waiting: make(map[string][]sight),
	}
}

// follow keeps the board up to date until ctx ends. A positive life ends each
// stream that old on purpose, so that it has to be resumed.
func (b *board) follow(ctx context.Context, api intervenev1connect.LiveChatServiceClient, life time.Duration) {
	for ctx.Err() == nil {
		stream, cancel := context.WithCancel(ctx)
		if life > 0 {
			cancel()
			stream, cancel = context.WithTimeout(ctx, life)
		}
		err := b.read(stream, api)
		ended := stream.Err() != nil
		cancel()
		if err != nil && !ended && !rest(ctx, reconnectPause) {
			return
		}
	}
}

func (b *board) read(ctx context.Context, api intervenev1connect.LiveChatServiceClient) (err error) {
	stream, err := api.WatchBoard(ctx, b.request())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	for stream.Receive() {
		b.apply(stream.Msg())
	}
	return stream.Err()
}

// request resumes if there is anything to resume from.
func (b *board) request() *intervenev1.WatchBoardRequest {
	b.mu.Lock()
	defer b.mu.Unlock()
	request := &intervenev1.WatchBoardRequest{Window: boardWindow}
	if !b.whole {
		clear(b.cards)
		return request
	}
	request.ResumeToken = b.token
	for id, card := range b.cards {
		request.Known = append(request.Known, &intervenev1.KnownCard{ConversationId: id, Version: card.GetVersion()})
	}
	return request
}

// apply folds one frame.
func (b *board) apply(frame *intervenev1.WatchBoardResponse) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch f := frame.GetFrame().(type) {
	case *intervenev1.WatchBoardResponse_Reset_:
		clear(b.cards)
		b.whole = false
	case *intervenev1.WatchBoardResponse_SnapshotChunk:
		b.upsert(f.SnapshotChunk.GetCards())
		if f.SnapshotChunk.GetLast() {
			b.whole, b.token = true, f.SnapshotChunk.GetResumeToken()
			b.count(f.SnapshotChunk.GetCounters())
		}
	case *intervenev1.WatchBoardResponse_DeltaBatch:
		b.upsert(f.DeltaBatch.GetUpserts())
		b.remove(f.DeltaBatch.GetRemoved())
		b.count(f.DeltaBatch.GetCounters())
		if token := f.DeltaBatch.GetResumeToken(); len(token) > 0 {
			b.token = token
		}
	}
}

func (b *board) upsert(cards []*intervenev1.Card) {
	for _, card := range cards {
		id := card.GetConversationId()
		b.seen(id, card.GetVersion())
		if have, ok := b.cards[id]; !ok || card.GetVersion() > have.GetVersion() {
			b.cards[id] = card
		}
	}
}

// remove lets go of what left the window, which needs no new version.
func (b *board) remove(removed []*intervenev1.Removal) {
	for _, r := range removed {
		id := r.GetConversationId()
		b.seen(id, r.GetVersion())
		if have, ok := b.cards[id]; ok && r.GetVersion() >= have.GetVersion() {
			delete(b.cards, id)
		}
	}
}

func (b *board) count(counters *intervenev1.Counters) {
	for _, counter := range counters.GetColumns() {
		b.counters[counter.GetColumn()] = counter
	}
}

// seen measures how far behind the answers the stream is.
func (b *board) seen(id string, version uint64) {
	if b.ledger == nil {
		return
	}
	b.latest[id] = max(b.latest[id], version)
	b.waiting[id] = slices.DeleteFunc(b.waiting[id], func(s sight) bool {
		if s.version > version {
			return false
		}
		b.ledger.lagged(time.Since(s.since))
		return true
	})
	if len(b.waiting[id]) == 0 {
		delete(b.waiting, id)
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
	if b.latest[id] >= version {
		b.ledger.lagged(0)
		return
	}
	b.waiting[id] = append(b.waiting[id], sight{version, since})
}

// column lists the cards of one column as they are now.
func (b *board) column(column intervenev1.Column) []*intervenev1.Card {
	b.mu.Lock()
	defer b.mu.Unlock()
	var cards []*intervenev1.Card
	for _, card := range b.cards {
		if card.GetColumn() == column {
			cards = append(cards, card)
		}
	}
	return cards
}

// face is a board as it can be compared.
type face struct {
	cards    map[string]*intervenev1.Card
	counters map[intervenev1.Column]*intervenev1.ColumnCounter
}

func (b *board) face() face {
	b.mu.Lock()
	defer b.mu.Unlock()
	return face{maps.Clone(b.cards), maps.Clone(b.counters)}
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

func sortOldestFirst(cards []*intervenev1.Card) {
	slices.SortFunc(cards, func(a, b *intervenev1.Card) int {
		return cmp.Or(a.GetSince().AsTime().Compare(b.GetSince().AsTime()), cmp.Compare(a.GetConversationId(), b.GetConversationId()))
	})
}

package client

import (
	"context"
	"slices"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// BoardQuery says which board to follow. The zero one is of all three columns.
type BoardQuery struct {
	// Columns are those to follow; none: Active, Requesting and Intervened.
	Columns []intervenev1.Column
	// Filter narrows the cards; nil: all. Counters count whole columns.
	Filter *intervenev1.Filter
	// Window is how many cards of each column are followed; 0: as many as the
	// server thinks right.
	Window uint32
	// IncludeMine adds what the caller holds, inside window and filter or not.
	IncludeMine bool
	// Presence adds who is online, and what they have open.
	Presence bool
}

// Board is a board that is kept up to date. It is safe for concurrent use;
// whoever follows one closes it.
type Board struct {
	follower
	api   intervenev1connect.LiveChatServiceClient
	query BoardQuery

	// Guarded by mu.
	fold boardFold
	// shown is the newest snapshot; nil: it is to be made. Boards change more often
	// than anybody looks.
	shown *BoardSnapshot
}

// FollowBoard begins to follow a board. It goes on until ctx ends, Close is
// called, or the edge refuses for good.
func (c *Client) FollowBoard(ctx context.Context, query BoardQuery) *Board {
	query.Columns, query.Filter = slices.Clone(query.Columns), proto.CloneOf(query.Filter)
	b := &Board{follower: newFollower(), api: c.api, query: query, fold: newBoardFold(query)}
	b.start(ctx, b.session, func() {
		b.fold.interrupt()
		b.shown = nil
	})
	return b
}

// Snapshot is the board as it stands. It never waits, and while the stream is
// down it is what was known last.
func (b *Board) Snapshot() *BoardSnapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.snapshot()
}

// Next waits for a whole board that is newer than the snapshot given; nil takes
// the first. Whoever is slow gets fewer, newer ones, and holds nobody up. Its
// error is that of ctx, or what ended the board.
func (b *Board) Next(ctx context.Context, than *BoardSnapshot) (*BoardSnapshot, error) {
	var next *BoardSnapshot
	err := b.await(ctx, func() bool {
		next = b.snapshot()
		return next.Whole && next != than
	})
	if err != nil {
		return nil, err
	}
	return next, nil
}

// Apply shows the card that a command was answered with, unless a newer one is
// known: the board then never shows what was before the command. The stream
// tells the rest; a card that it does not come to speak of within a minute was
// beyond the window, and goes. One that comes while the data is being restored from
// a backup, before the board is of the new journal, may be shown late.
func (b *Board) Apply(card *intervenev1.Card) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fold.apply(card, time.Now()) {
		b.publish()
	}
}

// Err is what ended the board: nil while it is followed, [ErrClosed], a
// [RefusedError], or the cause of its context's end.
func (b *Board) Err() error { return b.failure() }

// Close ends the board and waits for its goroutine. What was shown can still be
// had.
func (b *Board) Close() { b.close() }

func (b *Board) snapshot() *BoardSnapshot {
	if b.shown == nil {
		b.shown = b.fold.snapshot()
		b.shown.Interrupted = b.interrupted
	}
	return b.shown
}

// publish is called with mu held.
func (b *Board) publish() {
	b.shown = nil
	b.announce()
}

// session serves one stream.
func (b *Board) session(ctx context.Context) error {
	silence := silenceOf(heartbeatInterval)
	open := func(ctx context.Context) (*connect.ServerStreamForClient[intervenev1.WatchBoardResponse], error) {
		b.mu.Lock()
		request := b.fold.request(b.query)
		b.mu.Unlock()
		return b.api.WatchBoard(ctx, request)
	}
	return receive(ctx, open, func(frame *intervenev1.WatchBoardResponse) (time.Duration, error) {
		if hello := frame.GetHello(); hello.GetHeartbeatInterval() != nil {
			silence = silenceOf(hello.GetHeartbeatInterval().AsDuration())
		}
		return silence, b.take(frame)
	})
}

// take folds one frame, and shows what it made if that is whole.
func (b *Board) take(frame *intervenev1.WatchBoardResponse) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if away := frame.GetGoAway(); away != nil {
		return sentAway{away.GetRetryAfter().AsDuration()}
	}
	changed, err := b.fold.take(frame, time.Now())
	if b.fold.live {
		changed = changed || b.interrupted != nil
		b.interrupted = nil
	}
	if changed {
		b.publish()
	}
	return err
}

// Package journaltest is the conformance suite of a journal: what every
// implementation must do, seen from outside. It knows nothing of how rows are
// kept, and never looks below the interface.
package journaltest

import (
	"context"
	"testing"

	"github.com/intervenehq/intervene/engine"
)

// Journal is what is tested. Every implementation answers with errors of
// package engine.
type Journal interface {
	Append(a engine.Append) (engine.Change, error)
	Load(id engine.ConversationID) (engine.Conversation, error)
	LoadAt(id engine.ConversationID, version uint64) (engine.Conversation, error)
	Card(id engine.ConversationID) (engine.Card, error)
	Events(id engine.ConversationID, after uint64, limit int) ([]engine.Event, error)
	Messages(id engine.ConversationID, before uint64, limit int) ([]engine.Message, error)
	Message(id engine.MessageID) (engine.Message, error)
	Delivery(id engine.MessageID) (engine.Delivery, error)
	ByIdentity(channel engine.ChannelID, identity engine.Identity) (engine.ConversationID, bool, error)
	BySend(channel engine.ChannelID, external string) (engine.MessageID, bool, error)
	BoardPage(workspace engine.WorkspaceID, column engine.Column, after engine.BoardRow, limit int) ([]engine.BoardRow, error)
	BoardRows(use func(engine.BoardRow) error) (offset uint64, err error)
	Tail(ctx context.Context, after uint64, limit int) ([]engine.Change, error)
	Durable() uint64
	Due(kind engine.DueKind, after engine.DueItem, until engine.Instant, limit int) ([]engine.DueItem, error)
	Expire(now engine.Instant) error
	OldestSince(id engine.ConversationID, since engine.Instant) (uint64, error)
	DeadLetters(workspace engine.WorkspaceID, after engine.DeadLetter, limit int) ([]engine.DeadLetter, error)
	ParkStatus(i engine.Inbound) (send engine.MessageID, known bool, err error)
	EarlyStatuses(channel engine.ChannelID, external string) ([]engine.Inbound, error)
	AllEarlyStatuses(limit int) ([]engine.Inbound, error)
	DropEarly(channel engine.ChannelID, external string) error
	ID() [16]byte
	Close() error
}

// Store is where a journal keeps its rows. The suite opens a journal on it,
// closes it, and opens it again. Its clock stands at Start.
type Store interface {
	Open(t *testing.T) Journal
}

// Start is when every test begins.
const Start = engine.Instant(1_760_000_000_000)

// Run runs the suite, each test on a new store of shard Shard.
func Run(t *testing.T, newStore func(t *testing.T) Store) {
	for _, group := range [][]test{appendTests, claimTests, ageTests(), readTests, joinTests, keepTests, boardTests, logTests, lifeTests} {
		for _, tt := range group {
			t.Run(tt.name, func(t *testing.T) { tt.run(t, newStore(t)) })
		}
	}
}

type test struct {
	name string
	run  func(t *testing.T, s Store)
}

// open opens s until the test ends.
func open(t *testing.T, s Store) Journal {
	t.Helper()
	j := s.Open(t)
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return j
}

// wantCode fails unless err has the code.
func wantCode(t *testing.T, what string, err error, want engine.Code) {
	t.Helper()
	if got := engine.CodeOf(err); got != want {
		t.Errorf("%s: got error %v, want code %q", what, err, want)
	}
}

// must is value, of a call that may not fail.
func must[T any](t *testing.T, what string, value T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: got error %v, want none", what, err)
	}
	return value
}

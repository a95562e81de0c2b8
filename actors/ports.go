package actors

import (
	"context"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// Store is what a conversation needs of the journal.
type Store interface {
	// Append blocks until a is durable. Its errors are [engine.Error]s: with
	// CodeConflict nothing was written; after any other the caller knows
	// nothing and must load anew.
	Append(a engine.Append) (engine.Change, error)
	// Load folds the durable events of a conversation; one that has none
	// comes with its ID alone.
	Load(id engine.ConversationID) (engine.Conversation, error)
	// LoadAt is Load as of a version.
	LoadAt(id engine.ConversationID, version uint64) (engine.Conversation, error)
	// Events are those after a version, in order, at most limit.
	Events(id engine.ConversationID, after uint64, limit int) ([]engine.Event, error)
	// Delivery is what is known of a send; zero if there is no such send.
	Delivery(id engine.MessageID) (engine.Delivery, error)
}

// Directory finds conversations by what a platform calls them. What it answers
// is durable.
type Directory interface {
	ByIdentity(channel engine.ChannelID, identity engine.Identity) (engine.ConversationID, bool, error)
	BySend(channel engine.ChannelID, external string) (engine.MessageID, bool, error)
}

// Parking keeps items whose conversation cannot take them.
type Parking interface {
	// Park is durable when it returns nil. An item that comes again is parked once.
	Park(p engine.Parked) error
}

// Agenda lists the conversations that wait for work of one kind, the longest
// waiting first.
type Agenda interface {
	Due(kind engine.DueKind, until engine.Instant, limit int) ([]engine.DueItem, error)
}

// Outbox reads what is to be sent.
type Outbox interface {
	Message(id engine.MessageID) (engine.Message, error)
	Card(id engine.ConversationID) (engine.Card, error)
}

// Log is what a board is built from.
type Log interface {
	// BoardRows calls yield for every conversation on a column, as of the
	// offset that it returns.
	BoardRows(yield func(engine.BoardRow) error) (offset uint64, err error)
	// Tail blocks until something after an offset is durable and returns at
	// most limit changes in order. CodeNotFound: the log does not reach back
	// so far, and the reader must start over from BoardRows.
	Tail(ctx context.Context, after uint64, limit int) ([]engine.Change, error)
	Card(id engine.ConversationID) (engine.Card, error)
	Events(id engine.ConversationID, after uint64, limit int) ([]engine.Event, error)
}

// Sender offers one attempt to a platform. It must start at once or not at
// all, must not retry by itself, and reports Queued only for what was surely
// not sent, with the pause before the next attempt.
type Sender interface {
	Send(ctx context.Context, o engine.Outbound) (result engine.AttemptResult, retryAfter time.Duration)
}

// Bot answers one turn. It may be asked the same turn again after a crash. An
// error, or an answer that breaks the rules, sends the conversation to a person.
type Bot interface {
	Turn(ctx context.Context, r engine.TurnRequest) (engine.TurnAnswer, error)
}

package actors

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// Store is what a conversation needs of the journal.
type Store interface {
	// Append blocks until a is durable. Its errors are [engine.Error]s: with
	// CodeConflict nothing was written; after any other the caller knows
	// nothing and must load anew. Nothing of a is kept once it returns nil.
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
	// Message is one message; CodeNotFound if the event is none, or is gone.
	Message(id engine.MessageID) (engine.Message, error)
	// OldestSince is the version of the oldest event that is not older than an
	// instant; one more than the newest version if all are.
	OldestSince(id engine.ConversationID, since engine.Instant) (uint64, error)
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
	// ParkStatus keeps a status whose message nobody has sent yet, durable when it
	// returns, unless the send has become known meanwhile: then that is answered.
	ParkStatus(item engine.Inbound) (send engine.MessageID, known bool, err error)
}

// EarlyStatuses are those that overtook the platform's answer to their send.
type EarlyStatuses interface {
	// EarlyStatuses are those of a message that the platform has named, in order.
	EarlyStatuses(channel engine.ChannelID, external string) ([]engine.Inbound, error)
	// AllEarlyStatuses are at most limit of those of all messages.
	AllEarlyStatuses(limit int) ([]engine.Inbound, error)
	// DropEarly forgets those of a message.
	DropEarly(channel engine.ChannelID, external string) error
	BySend(channel engine.ChannelID, external string) (engine.MessageID, bool, error)
}

// Eraser gets rid of what was erased.
type Eraser interface {
	// Purge removes the last bytes of all conversations that were erased, and calls
	// also for each of them, which it does anew after a crash. It takes long.
	Purge(ctx context.Context, also func(engine.ConversationID) error) error
}

// Agenda lists the conversations that wait for work of one kind, the longest
// waiting first: those that follow on after, or the first ones when it is zero.
type Agenda interface {
	Due(kind engine.DueKind, after engine.DueItem, until engine.Instant, limit int) ([]engine.DueItem, error)
	// Held reports that a conversation's work waits for an operator: Due does not list
	// it. What is not held never will be.
	Held(kind engine.DueKind, id engine.ConversationID) bool
}

// Holds say what waits for an operator since a restore: what was queued up to a
// version, and may have been done after the backup was made.
type Holds interface {
	HeldThrough(kind engine.DueKind, id engine.ConversationID) (through uint64, held bool)
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

// Pace says when a platform may be offered a send.
type Pace interface {
	// Reserve answers 0 when a send to the contact may go now, and takes its
	// place. Else it answers how long it would have to wait, and has taken nothing.
	Reserve(channel engine.ChannelID, to engine.Contact) time.Duration
}

// MediaSource has the files of messages that came.
type MediaSource interface {
	// Fetch opens a file. CodeNotFound: it is gone for good; CodeInvalid: it may
	// not be fetched; any other error may pass.
	Fetch(ctx context.Context, channel engine.ChannelID, media engine.Media) (io.ReadCloser, error)
}

// Blobs keeps files.
type Blobs interface {
	// Put stores what r holds, durable when it returns, under its hash. CodeInvalid:
	// it has more than limit bytes, or is not what want, if that is given, is the
	// SHA-256 of. CodeFull: there is no room now. An error of r is returned as it is.
	Put(conversation engine.ConversationID, r io.Reader, limit int64, want string) (engine.BlobID, int64, error)
	// Remove forgets all files of a conversation.
	Remove(conversation engine.ConversationID) error
	// RemoveBefore forgets those that were last stored before an instant.
	RemoveBefore(conversation engine.ConversationID, instant time.Time) error
}

// Sender offers one attempt to a platform. It must start at once or not at
// all, must not retry by itself, and reports Queued only for what was surely
// not sent, with the pause before the next attempt.
type Sender interface {
	Send(ctx context.Context, o engine.Outbound) (result engine.AttemptResult, retryAfter time.Duration)
}

// Bot answers one turn, or accepts it to answer later. It may be asked the same
// turn again after a crash. An error, or an answer that breaks the rules, sends the
// conversation to a person; but a bot that answers CodeUnavailable, because it
// surely did not begin with the turn or does the same turn only once, is asked
// again while the context lasts. It must return when that ends, and is asked many
// turns at once, but no conversation's twice.
type Bot interface {
	Turn(ctx context.Context, r engine.TurnRequest) (engine.TurnAnswer, error)
}

// Tracer records what was done, for how long, and what it led to, for whoever looks
// at traces. It records a share of it: what it does not, it answers with a nil Span.
// It never blocks and never fails. Names and attributes hold no content and nobody's
// name or number.
type Tracer interface {
	// Within begins a span within the one that ctx is in; nil if it is in none.
	Within(ctx context.Context, name string) (context.Context, Span)
	// After begins a trace of what origin led to, linked to it; nil if it is empty.
	After(ctx context.Context, name string, origin engine.Trace) (context.Context, Span)
	// Begin begins a trace of what nothing recorded led to.
	Begin(ctx context.Context, name string) (context.Context, Span)
}

// Span is one piece of work. One goroutine at a time has it, and ends it once.
type Span interface {
	// Trace is the origin of what the work leads to later.
	Trace() engine.Trace
	Set(attributes ...slog.Attr)
	// End ends it. Of an error nothing but its code is kept.
	End(err error)
}

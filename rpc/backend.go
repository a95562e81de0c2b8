package rpc

import (
	"context"

	"github.com/intervenehq/intervene/engine"
)

// Commands decides and makes durable. All methods of all backends are called
// concurrently. Their errors are [*engine.Error], or a context's; anything else
// is answered as internal and logged.
type Commands interface {
	// Do gives cmd to a conversation. When it returns nil, what the command did
	// is durable. It refuses a conversation of another workspace than
	// cmd.Workspace as not found. After a context's error the outcome is unknown.
	Do(ctx context.Context, id engine.ConversationID, cmd engine.Command) (engine.Receipt, error)
}

// Conversations reads what is durable, of any workspace: the edge checks whose
// it is. What it returns nobody changes any more. A conversation that does not
// exist is engine.CodeNotFound.
type Conversations interface {
	Card(engine.ConversationID) (engine.Card, error)
	// Messages are the newest ones of a version below before, newest first, at
	// most limit; before 0 begins with the newest.
	Messages(id engine.ConversationID, before uint64, limit int) ([]engine.Message, error)
	Message(engine.MessageID) (engine.Message, error)
	// BoardPage is the rows that follow after, in the column's order, at most
	// limit; the zero row begins the column. Of after only Conversation and
	// Index.Order are set, and its conversation may have moved since.
	BoardPage(ws engine.WorkspaceID, column engine.Column, after engine.BoardRow, limit int) ([]engine.BoardRow, error)
}

// Boards follows what becomes durable.
//
// Both watches call back until the context ends or a call returns an error, and
// then return; never from two goroutines at once, and never after they
// returned. A call may block for long: meanwhile they conflate and hold bounded
// memory. What they pass is the edge's only until the call returns.
type Boards interface {
	// Counters are those of the columns on the board.
	Counters(engine.WorkspaceID) []engine.ColumnCounter
	// WatchBoard tells of every change. The first update comes at once: the
	// difference to query.Known when query.Resume is set, else a snapshot. A
	// later snapshot says that the board was rebuilt and replaces everything.
	WatchBoard(ctx context.Context, query engine.BoardQuery, update func(engine.BoardUpdate) error) error
	// WatchConversation tells of every event after version after, in order and
	// without a gap, with a card that may be older or newer than they are. The
	// first call comes at once, with no events if there are none yet.
	WatchConversation(ctx context.Context, ws engine.WorkspaceID, id engine.ConversationID, after uint64,
		update func(engine.Card, []engine.Event) error) error
}

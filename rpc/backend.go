package rpc

import (
	"context"
	"io"
	"time"

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
// exist is engine.CodeNotFound. The card of an erased one is in no column.
type Conversations interface {
	Card(engine.ConversationID) (engine.Card, error)
	// Messages are the newest ones of a version below before, newest first, at
	// most limit; before 0 begins with the newest.
	Messages(id engine.ConversationID, before uint64, limit int) ([]engine.Message, error)
	// Message is CodeNotFound, too, when there is no such message in it.
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
	// WatchBoard tells of every change. The first update comes at once and is a
	// snapshot, with counters unless query.Uncounted is set. A later snapshot says
	// that the board was rebuilt and replaces everything.
	WatchBoard(ctx context.Context, query engine.BoardQuery, update func(engine.BoardUpdate) error) error
	// WatchConversation tells of every event after version after, in order and
	// without a gap, but for those that are gone because their time of retention
	// is over: then it begins with the oldest that is there. It does so with a card
	// that may be older or newer than they are. The first call comes at once, with
	// no events if there are none yet.
	WatchConversation(ctx context.Context, ws engine.WorkspaceID, id engine.ConversationID, after uint64,
		update func(engine.Card, []engine.Event) error) error
}

// Presences knows who is there. It forgets everything when the process ends.
// Its watches are as those of [Boards].
type Presences interface {
	// Renew takes or renews a lease and tells how long it lasts. It takes another
	// session's place when the agent has too many.
	Renew(engine.Presence) time.Duration
	// Leave gives a session's lease up.
	Leave(ws engine.WorkspaceID, agent engine.AgentID, session string)
	// WatchPresence tells who is online, complete at first, then who changed.
	WatchPresence(ctx context.Context, ws engine.WorkspaceID, update func(engine.PresenceUpdate) error) error
	// WatchViewers tells who has a conversation open, all of them whenever that
	// changes, in the order of their IDs; at first only if there are any.
	WatchViewers(ctx context.Context, ws engine.WorkspaceID, id engine.ConversationID, update func([]engine.Viewer) error) error
}

// Starter writes first.
type Starter interface {
	// Begin gives cmd, whose body is an [engine.StartConversation], to the
	// conversation that its contact has on its channel, or to a new one. Two at once
	// for one contact end up in one conversation; a repeated command ID finds its
	// first outcome there. For the rest it is as Commands.Do.
	Begin(ctx context.Context, cmd engine.Command) (engine.ConversationID, engine.Receipt, error)
}

// References finds messages by what their platform calls them.
type References interface {
	// ByExternal is the message, sent or received, that channel's platform calls
	// external, or false when that is not known, or not any more. What it answers is
	// durable.
	ByExternal(channel engine.ChannelID, external string) (engine.MessageID, bool, error)
}

// DeadLetters lists what could not be delivered.
type DeadLetters interface {
	// DeadLetters are the messages of ws that ended Rejected or Failed, were not
	// sent again and are not too old, the newest first; those that follow after, at
	// most limit. The zero after begins the list; its message may have left the list
	// since.
	DeadLetters(ws engine.WorkspaceID, after engine.DeadLetter, limit int) ([]engine.DeadLetter, error)
}

// Templates knows what a platform has approved.
type Templates interface {
	// Templates asks the platform for all templates of channel's account. The edge
	// asks once for a channel at a time, and keeps the answer for a while. CodeInvalid:
	// the configuration does not say which account that is.
	Templates(ctx context.Context, channel engine.ChannelID) ([]engine.TemplateInfo, error)
}

// Receipts tells a platform what was read.
type Receipts interface {
	// MarkRead tells channel's platform that the customer's message that it calls
	// external was read and, if typing, that an answer is being written. Nothing
	// rests on it: it tries once, and ends with ctx.
	MarkRead(ctx context.Context, channel engine.ChannelID, external string, typing bool) error
}

// Media keeps files, each in the folder of one conversation. All methods may
// take long.
type Media interface {
	// Open reads a file from its beginning and tells its size. Whoever opens one
	// closes it. CodeNotFound: this conversation has no such file.
	Open(id engine.ConversationID, blob engine.BlobID) (io.ReadCloser, int64, error)
	// Put keeps what content holds, at most limit bytes, and tells its name and
	// size. When it returns nil the file is durable; when content fails, Put returns
	// that error, wrapped or as it is, and leaves nothing behind. CodeFull: there is
	// no room now. The same content twice is one file. want is empty here.
	Put(id engine.ConversationID, content io.Reader, limit int64, want string) (engine.BlobID, int64, error)
	// Remove forgets all files of a conversation.
	Remove(id engine.ConversationID) error
}

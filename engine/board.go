package engine

// BoardRow is one conversation's place on a board.
type BoardRow struct {
	Conversation ConversationID
	Index        Index
}

// BoardFilter says which conversations a board shows; zero fields do not narrow.
type BoardFilter struct {
	Holder     AgentID
	Unassigned bool
	Channel    ChannelID
	Tag        string
}

// BoardQuery is what a subscriber of a board asks for.
type BoardQuery struct {
	Workspace WorkspaceID
	Columns   []Column
	Filter    BoardFilter
	// Window is how many cards of each column are followed.
	Window int
	// Known are the cards that the subscriber has already, with their versions.
	Known map[ConversationID]uint64
	// Resume asks for the difference to Known in place of a snapshot.
	Resume bool
}

// BoardUpdate is what changed on a board since the update before. The first is
// a snapshot, unless it was asked to resume. One that holds nothing says that
// the board stands still.
type BoardUpdate struct {
	Snapshot bool
	Upserts  []Card
	Removed  []BoardRemoval
	Counters []ColumnCounter
}

// BoardRemoval says that a card left the window, as of its version.
type BoardRemoval struct {
	Conversation ConversationID
	Version      uint64
}

// ColumnCounter counts one column of a workspace, whatever the filter.
type ColumnCounter struct {
	Column        Column
	Conversations int64
	Unread        int64
	OldestWaiting Instant
}

// Message is one message with how far it has come; Delivery is zero for one of
// the customer's.
type Message struct {
	ID       MessageID
	Event    Event
	Delivery Delivery
}

// DueItem is one conversation that waits for work.
type DueItem struct {
	Kind         DueKind
	At           Instant
	Conversation ConversationID
}

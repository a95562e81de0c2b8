package engine

import (
	"bytes"
	"strings"
)

// BoardRow is one conversation's place on a board.
type BoardRow struct {
	Conversation ConversationID
	Index        Index
}

// BoardLess is the order of a column: the oldest request or hold first, in
// Active and History the newest activity first; ties by ID.
func BoardLess(column Column) func(a, b BoardRow) bool {
	newestFirst := column == Active || column == History
	return func(a, b BoardRow) bool {
		if a.Index.Order != b.Index.Order {
			return (a.Index.Order < b.Index.Order) != newestFirst
		}
		return bytes.Compare(a.Conversation[:], b.Conversation[:]) < 0
	}
}

// Admits reports whether a board with this filter shows i.
func (f BoardFilter) Admits(i *Index) bool {
	return (f.Holder == "" || i.Holder == f.Holder) &&
		(!f.Unassigned || i.Holder == "") &&
		(f.Channel == "" || i.Channel == f.Channel) &&
		(f.Tag == "" || i.hasTag(f.Tag))
}

// hasTag does not take the tags apart: a board asks it of every row.
func (i *Index) hasTag(tag string) bool {
	for rest, more := i.Tags, i.Tags != ""; more; {
		var t string
		if t, rest, more = strings.Cut(rest, "\n"); t == tag {
			return true
		}
	}
	return false
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
	// Uncounted: counters are of no interest, and none are told.
	Uncounted bool
}

// BoardUpdate is what changed on a board since the update before. The first is
// a snapshot; a later one replaces everything. Counters are nil when they did
// not change.
type BoardUpdate struct {
	Snapshot bool
	Upserts  []Card
	Removed  []BoardRemoval
	Counters []ColumnCounter
}

// Empty reports that u tells nothing.
func (u *BoardUpdate) Empty() bool {
	return !u.Snapshot && len(u.Upserts) == 0 && len(u.Removed) == 0 && u.Counters == nil
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
	// Media is how far the file of a message that came has got.
	Media MediaStatus
	// Amended is what the customer made of it.
	Amended Amendments
}

// Amendments are what the customer did to one message, the newest of each by
// the platform's clock.
type Amendments struct {
	Reaction  string // the emoji; empty: none
	ReactedAt Instant
	Edit      *Content // nil: never edited
	EditedAt  Instant
	RevokedAt Instant // 0: it was not
}

// Fold is a after what the customer did. What is older by the platform's clock
// changes nothing; a revoked message stays so.
func (a Amendments) Fold(b Amended) Amendments {
	switch {
	case b.What == Reacted && b.SentAt >= a.ReactedAt:
		a.Reaction, a.ReactedAt = b.Content.Text, b.SentAt
	case b.What == Edited && b.SentAt >= a.EditedAt && a.RevokedAt == 0:
		a.Edit, a.EditedAt = &b.Content, b.SentAt
	case b.What == Revoked:
		a.RevokedAt, a.Edit = b.SentAt, nil
	}
	return a
}

// DueItem is one conversation that waits for work.
type DueItem struct {
	Kind         DueKind
	At           Instant
	Conversation ConversationID
}

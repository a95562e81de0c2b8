package engine

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// Card is what a board shows of a conversation.
type Card struct {
	Conversation    ConversationID
	Workspace       WorkspaceID
	Channel         ChannelID
	Version         uint64
	Column          Column
	Epoch           uint64
	Holder          AgentID
	Contact         Contact
	Preview         string
	Unread          uint32
	Tags            []string
	Cause           Cause
	Reason          string
	RequestedAt     Instant
	Since           Instant
	LastActivity    Instant
	WindowExpiresAt Instant
	OptedOut        bool
	MutedUntil      Instant
	Linked          []ConversationID
}

// Card is c's card now. It shares Tags and Linked with c, which nobody changes
// in place.
func (c *Conversation) Card() Card {
	return Card{
		Conversation: c.ID, Workspace: c.Workspace, Channel: c.Channel, Version: c.Version,
		Column: c.Column, Epoch: c.Epoch, Holder: c.Holder, Contact: c.Contact,
		Preview: c.Preview, Unread: c.Unread, Tags: c.Tags,
		Cause: c.Cause, Reason: c.Reason,
		RequestedAt: c.RequestedAt, Since: c.Since, LastActivity: c.LastActivity, WindowExpiresAt: c.WindowEnd(),
		OptedOut: c.OptedOut, MutedUntil: c.MutedUntil, Linked: c.Linked,
	}
}

// Order is the card's place within its column.
func (a *Card) Order() Instant { return orderIn(a.Column, a.RequestedAt, a.Since, a.LastActivity) }

// orderIn is the oldest request or hold first; in Active and History the newest
// activity first, coarsely, so that a busy bot does not reorder a board.
func orderIn(column Column, requested, since, activity Instant) Instant {
	switch column {
	case Requesting:
		return requested
	case Intervened:
		return since
	}
	return activity.Truncate(RecencyStep)
}

// SameFace reports whether a and b show the same: a change of version alone is
// no change of a board.
func (a *Card) SameFace(b *Card) bool {
	x, y := *a, *b
	x.Version, y.Version = 0, 0
	x.Tags, y.Tags = nil, nil
	x.Linked, y.Linked = nil, nil
	return reflect.DeepEqual(x, y) && slices.Equal(a.Tags, b.Tags) && slices.Equal(a.Linked, b.Linked)
}

// DueKind is a sort of work that a conversation waits for. The numbers are on
// disk: never reordered, never reused.
type DueKind uint8

const (
	DueSend        DueKind = 1 // the courier should look
	DueTurn        DueKind = 2 // the bot is to be asked
	DueWindow      DueKind = 3 // the window may have closed
	DueAutoResolve DueKind = 4 // the intervention may lie idle
	DueMedia       DueKind = 5 // a file is to be downloaded
	DueRetention   DueKind = 6 // the oldest content may have been kept long enough
	dueCount               = 7
)

// DueKinds are all of them.
var DueKinds = [...]DueKind{DueSend, DueTurn, DueWindow, DueAutoResolve, DueMedia, DueRetention}

var dueNames = [dueCount]string{"none", "send", "turn", "window", "auto_resolve", "media", "retention"}

func (k DueKind) String() string { return nameOf(dueNames[:], int(k)) }

// RecencyStep is how coarsely Active and History stand ordered by recency, so
// that a bot that chats seldom moves a row.
const RecencyStep = time.Minute

// Index is everything of a conversation that is filtered, counted, ordered or
// waited for: what a journal's rows are derived from. It holds no content, no
// name and no number. It is comparable.
type Index struct {
	Workspace WorkspaceID
	Channel   ChannelID
	Column    Column
	Holder    AgentID
	Unread    uint32
	Tags      string // joined by newlines
	// Order is the place within the column: the oldest request or hold first,
	// in Active and History the newest activity first, coarsely.
	Order Instant
	// WaitingSince is when the open request was made.
	WaitingSince Instant
	// Due is when each kind of work is looked at next; zero: never. [0] is unused.
	Due [dueCount]Instant
}

// TagList is i.Tags taken apart.
func (i Index) TagList() []string {
	if i.Tags == "" {
		return nil
	}
	return strings.Split(i.Tags, "\n")
}

// Index is c's index now. What was erased stands nowhere.
func (c *Conversation) Index() Index {
	if !c.Exists() {
		return Index{}
	}
	if c.Erased {
		return Index{Workspace: c.Workspace, Channel: c.Channel}
	}
	i := Index{
		Workspace: c.Workspace, Channel: c.Channel, Column: c.Column, Holder: c.Holder,
		Unread: c.Unread, Tags: strings.Join(c.Tags, "\n"),
	}
	i.Order = orderIn(c.Column, c.RequestedAt, c.Since, c.LastActivity)
	if c.Column == Requesting {
		i.WaitingSince = c.RequestedAt
	}
	i.Due[DueSend] = c.SendDue()
	i.Due[DueTurn] = c.Turn.At
	i.Due[DueWindow] = c.WindowTimer
	i.Due[DueAutoResolve] = c.AutoResolveTimer
	i.Due[DueMedia] = c.MediaDue()
	i.Due[DueRetention] = c.RetentionTimer
	return i
}

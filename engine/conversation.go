package engine

import (
	"slices"
	"time"
)

const (
	// Window is how long after the customer's newest message a business may
	// write freely (developers.facebook.com/docs/whatsapp/cloud-api/guides/send-messages).
	Window = 24 * time.Hour
	// OutcomeRetention is how long a command's first outcome is remembered.
	OutcomeRetention = 48 * time.Hour
	// MaxOutcomes bounds the outcomes remembered in one conversation: past it
	// the oldest is forgotten before its time.
	MaxOutcomes = 4096
)

// Conversation is one channel x one contact, as its events made it. The zero
// value is one that has no event yet.
//
// A copy of the struct stays what it is while the original goes on, but shares
// the room behind its slices: of two copies only one may go on. Clone makes a
// free one.
type Conversation struct {
	ID        ConversationID
	Workspace WorkspaceID
	Channel   ChannelID
	Contact   Contact

	Version uint64
	Updated Instant // of the newest event; time never runs backwards here

	// The hand-off.
	Column      Column
	Epoch       uint64
	Holder      AgentID
	Since       Instant // when it came to stand where and with whom it stands
	Cause       Cause   // of that
	Reason      string  // what the asker gave with the newest request
	RequestedAt Instant // of the request that is open or was taken up
	Requests    uint32  // how often a person was asked for
	HeldFrom    uint64  // version of the intervene that began the hold

	// What the card shows besides.
	Unread       uint32
	Preview      string
	LastActivity Instant
	Tags         []string

	// CustomerAt is when the customer last wrote by the platform's clock,
	// never later than when it came. The window runs from it.
	CustomerAt   Instant
	WindowMarked bool // a WindowLapsed event said that it closed

	Turn      Turn
	Variables []Variable

	// OptedOut: no marketing template is sent. ConsentAt is when the customer
	// last said so or otherwise, by the platform's clock.
	OptedOut  bool
	ConsentAt Instant
	// MutedUntil: the bot is silent until then, because somebody of the business
	// wrote from elsewhere.
	MutedUntil Instant
	// Linked are conversations that may be with the same person, oldest first.
	Linked []ConversationID
	// PreviewOf is the External of the message that Preview shows; empty for one
	// that we sent. Ahead is what the newest edits and revocations make of a
	// preview: their messages may still come.
	PreviewOf string
	Ahead     []AmendedAhead
	// Media are the files that wait to be downloaded, oldest message first.
	Media []PendingMedia
	// OldestKept is the version of the oldest event that is still there; 0: the first.
	OldestKept uint64
	// Erased: nothing is left but this tombstone.
	Erased bool

	// Sends not yet settled, oldest first; Gate is when the next may go
	// because of GateSend, the one before it.
	Sends    []Send
	Gate     Instant
	GateSend uint64

	// Timers say when each is looked at next. Only these are armed; the others
	// follow from Turn, Sends and Media.
	WindowTimer      Instant
	AutoResolveTimer Instant
	RetentionTimer   Instant

	Outcomes []Outcome
}

// Turn is what the bot still owes. The zero value: nothing.
type Turn struct {
	// From is the version from which on it has not answered; it names the turn.
	From uint64
	// Message is the version of the newest unanswered customer message, 0: none.
	Message uint64
	// Returned is the version of the resolve that the bot is to be told of, 0: none.
	Returned uint64
	// At is when the bot is to be asked: when it became owed, or when it may speak
	// again. Of an accepted turn it is when somebody looks whether it was answered.
	At Instant
	// Until is until when the bot, which accepted the turn, may answer it; 0: it did
	// not. Through is how far what it accepted goes.
	Until   Instant
	Through uint64
}

// Owed reports whether the bot owes anything.
func (t Turn) Owed() bool { return t.From != 0 }

// Accepted reports whether the bot said that it answers later.
func (t Turn) Accepted() bool { return t.Until != 0 }

// AmendedAhead is what an edit or a revocation makes of a preview. Preview is
// empty for what was revoked.
type AmendedAhead struct {
	Target  string
	SentAt  Instant
	Preview string
}

// Variable is one thing that a bot remembers of a conversation.
type Variable struct{ Name, Value string }

// Outcome is where a command was accepted: the conversation's version after it.
type Outcome struct {
	Command CommandID
	Digest  Digest
	Version uint64
	At      Instant
}

// isOf reports whether o is of a command with this digest. A conversation that
// was erased remembers no digests: of a short text one can be guessed.
func (o Outcome) isOf(digest Digest) bool { return o.Digest == digest || o.Digest == Digest{} }

// Exists reports whether c has any event.
func (c *Conversation) Exists() bool { return c.Version > 0 }

// Clone shares nothing with c that Apply could change.
func (c *Conversation) Clone() Conversation {
	clone := *c
	clone.Tags = slices.Clone(c.Tags)
	clone.Variables = slices.Clone(c.Variables)
	clone.Sends = slices.Clone(c.Sends)
	clone.Outcomes = slices.Clone(c.Outcomes)
	clone.Linked = slices.Clone(c.Linked)
	clone.Ahead = slices.Clone(c.Ahead)
	clone.Media = slices.Clone(c.Media)
	return clone
}

// WindowEnd is when the window closes or closed; zero if the customer never wrote.
func (c *Conversation) WindowEnd() Instant {
	if c.CustomerAt == 0 {
		return 0
	}
	return c.CustomerAt.Add(Window)
}

// WindowOpen reports whether anything but a template may be sent at now.
func (c *Conversation) WindowOpen(now Instant) bool { return now < c.WindowEnd() }

// Outcome finds the first outcome of the command that id names.
func (c *Conversation) Outcome(id CommandID) (Outcome, bool) {
	if id.IsZero() {
		return Outcome{}, false
	}
	for i := len(c.Outcomes) - 1; i >= 0; i-- {
		if c.Outcomes[i].Command == id {
			return c.Outcomes[i], true
		}
	}
	return Outcome{}, false
}

// Unattempted reports that the event send queued a message which waits for its
// first attempt: there is no [Delivery] of it.
func (c *Conversation) Unattempted(send uint64) bool {
	for i := range c.Sends {
		if c.Sends[i].Version == send {
			return c.Sends[i].State == Queued && c.Sends[i].Attempt == 0
		}
	}
	return false
}

// SendDue is when the courier should look at c; zero: nothing waits.
func (c *Conversation) SendDue() Instant {
	if len(c.Sends) == 0 {
		return 0
	}
	head := c.Sends[0]
	if head.State == Attempted {
		return head.NotBefore
	}
	return max(head.NotBefore, c.Gate)
}

package engine

// Event is one fact of a conversation. Versions are contiguous from 1.
type Event struct {
	Version uint64
	At      Instant
	By      Party
	// Command and Digest name the command whose last event this is, if it had
	// an ID: what a retry of it finds.
	Command CommandID
	Digest  Digest
	// Trace is the command's.
	Trace Trace
	Body  Body
}

// Body is what an event says: one of the types below.
type Body interface{ Kind() EventKind }

// EventKind numbers the bodies. The numbers are on disk: never reordered,
// never reused.
type EventKind uint8

const (
	KindOpened          EventKind = 1
	KindContactChanged  EventKind = 2
	KindMessageReceived EventKind = 3
	KindMessageQueued   EventKind = 4
	KindDeliveryChanged EventKind = 5
	KindMoved           EventKind = 6
	KindTurnEnded       EventKind = 7
	KindBotDiscarded    EventKind = 8
	KindMarkedRead      EventKind = 9
	KindNoteAdded       EventKind = 10
	KindTagged          EventKind = 11
	KindWindowLapsed    EventKind = 12
	KindTimerArmed      EventKind = 13
	KindNoted           EventKind = 14
	KindAmended         EventKind = 15
	KindEchoReceived    EventKind = 16
	KindContactLinked   EventKind = 17
	KindConsentChanged  EventKind = 18
	KindMediaChanged    EventKind = 19
	KindTrimmed         EventKind = 20
	KindErased          EventKind = 21
	KindTurnAccepted    EventKind = 22
	kindCount                     = 23
)

var kindNames = [kindCount]string{
	"none", "opened", "contact_changed", "message_received", "message_queued", "delivery_changed", "moved", "turn_ended",
	"bot_discarded", "marked_read", "note_added", "tagged", "window_lapsed", "timer_armed", "noted",
	"amended", "echo_received", "contact_linked", "consent_changed", "media_changed", "trimmed", "erased",
	"turn_accepted",
}

func (k EventKind) String() string { return nameOf(kindNames[:], int(k)) }

type (
	// Opened is the first event of every conversation.
	Opened struct {
		Workspace WorkspaceID
		Channel   ChannelID
		Contact   Contact
	}

	// ContactChanged says that the contact is now known like this. The identities
	// that it had before stay its own.
	ContactChanged struct {
		Contact Contact
		// External and SentAt are of the item that said so, if it was one of its own.
		External string
		SentAt   Instant
	}

	// MessageReceived is a message of the customer.
	MessageReceived struct {
		// External is the sender's platform's ID of it: WhatsApp's wamid.
		External string
		// SentAt is the platform's time, as it came.
		SentAt  Instant
		Content Content
		// ReplyTo is the External of the message that it answers, if any.
		ReplyTo string
		Context *Context
	}

	// MessageQueued is a message of the bot or of a person, to be sent.
	MessageQueued struct {
		Content Content
		// Epoch is the one it was decided in.
		Epoch uint64
		// ReplyTo is the External of the message that it answers or reacts to.
		ReplyTo string
		// Repeatable allows it to be sent once more when nobody knows whether it was.
		Repeatable bool
		// ResendOf is the version of the send that it repeats, 0: none.
		ResendOf uint64
	}

	// Amended is what the customer did to the message that Target names, which
	// may not have come yet. External is the amendment's own.
	Amended struct {
		External string
		SentAt   Instant
		Target   string
		What     Amendment
		Content  Content
	}

	// EchoReceived is a message that somebody of the business wrote from
	// elsewhere. MutedUntil is how long the bot is silent over it; 0: it is not.
	EchoReceived struct {
		External   string
		SentAt     Instant
		Content    Content
		ReplyTo    string
		MutedUntil Instant
	}

	// ContactLinked flags that an item named an identity which belongs to Other.
	ContactLinked struct{ Other ConversationID }

	// ConsentChanged is what the customer chose about marketing.
	ConsentChanged struct {
		Consent Consent
		SentAt  Instant // when they chose it, by the platform's clock
	}

	// MediaChanged says how far the file of the message that came as event
	// Message has got.
	MediaChanged struct {
		Message uint64
		State   MediaState
		// Blob and Bytes are of a stored file.
		Blob      BlobID
		Bytes     int64
		Attempt   uint32
		NotBefore Instant // of the next attempt, while pending
	}

	// Trimmed says that what was before the version OldestKept is gone: its
	// time of retention is over.
	Trimmed struct{ OldestKept uint64 }

	// Erased says that everything is gone but that the conversation was there.
	Erased struct{}

	// DeliveryChanged says how far the send that event Send queued has come.
	DeliveryChanged struct {
		Send    uint64
		State   DeliveryState
		Attempt uint32
		// External is the platform's ID, once it is known.
		External string
		// Error is the platform's error code, 0 when there is none or it is ours.
		Error int32
		// Detail is what the platform says of the error.
		Detail string
		// NotBefore is when a deferred send may be tried again.
		NotBefore Instant
		// Held says that the attempt does not count against MaxAttempts.
		Held bool
		// Repeated says that it was attempted although an attempt before it may
		// have reached the customer.
		Repeated bool
	}

	// Moved is every transition and every hand-over. Holder is who holds the
	// conversation from now on; the epoch goes up when that changes.
	Moved struct {
		To     Column
		Cause  Cause
		Holder AgentID
		// Reason is what the asker gave with a request.
		Reason string
		// AutoResolveAt arms the timer of an idle intervention; 0: the
		// workspace has none.
		AutoResolveAt Instant
	}

	// TurnEnded says that the bot has answered, or failed to answer, what came
	// up to and including version Through.
	TurnEnded struct {
		Through uint64
		Failed  bool
		// Variables are the bot's memory from now on; nil leaves them.
		Variables []Variable
	}

	// TurnAccepted says that the bot has taken what came up to and including
	// version Through, and answers it until Until.
	TurnAccepted struct {
		Through uint64
		Until   Instant
	}

	// BotDiscarded keeps what the bot said and nobody was sent.
	BotDiscarded struct {
		Content Content
		Epoch   uint64
		Reason  Code
	}

	MarkedRead struct{}
	NoteAdded  struct{ Body string }
	Tagged     struct{ Tags []string }

	// WindowLapsed marks a conversation that stays where it is although nothing
	// but templates may be sent.
	WindowLapsed struct{}

	// TimerArmed says when Timer is looked at next.
	TimerArmed struct {
		Timer DueKind
		At    Instant
	}

	// Noted is an accepted command that changed nothing: it is remembered, so
	// that a retry changes nothing either.
	Noted struct{}
)

func (Opened) Kind() EventKind          { return KindOpened }
func (ContactChanged) Kind() EventKind  { return KindContactChanged }
func (MessageReceived) Kind() EventKind { return KindMessageReceived }
func (MessageQueued) Kind() EventKind   { return KindMessageQueued }
func (DeliveryChanged) Kind() EventKind { return KindDeliveryChanged }
func (Moved) Kind() EventKind           { return KindMoved }
func (TurnEnded) Kind() EventKind       { return KindTurnEnded }
func (BotDiscarded) Kind() EventKind    { return KindBotDiscarded }
func (MarkedRead) Kind() EventKind      { return KindMarkedRead }
func (NoteAdded) Kind() EventKind       { return KindNoteAdded }
func (Tagged) Kind() EventKind          { return KindTagged }
func (WindowLapsed) Kind() EventKind    { return KindWindowLapsed }
func (TimerArmed) Kind() EventKind      { return KindTimerArmed }
func (Noted) Kind() EventKind           { return KindNoted }
func (Amended) Kind() EventKind         { return KindAmended }
func (EchoReceived) Kind() EventKind    { return KindEchoReceived }
func (ContactLinked) Kind() EventKind   { return KindContactLinked }
func (ConsentChanged) Kind() EventKind  { return KindConsentChanged }
func (MediaChanged) Kind() EventKind    { return KindMediaChanged }
func (Trimmed) Kind() EventKind         { return KindTrimmed }
func (Erased) Kind() EventKind          { return KindErased }
func (TurnAccepted) Kind() EventKind    { return KindTurnAccepted }

// IsMessage reports whether a page of messages shows e.
func (e *Event) IsMessage() bool {
	k := e.Body.Kind()
	return k == KindMessageReceived || k == KindMessageQueued || k == KindEchoReceived
}

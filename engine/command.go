package engine

import "time"

// Command asks for a change of one conversation.
type Command struct {
	// ID makes a retry have one effect; optional. Digest is required with it.
	ID     CommandID
	Digest Digest
	// Trace is what the work is linked to that the command leads to; optional.
	Trace Trace

	Workspace WorkspaceID
	By        Party
	// Epoch is the one that the caller believes in; 0: it does not say.
	Epoch uint64
	Body  CommandBody
}

// Receipt is what an accepted command did, also when it is repeated: the card
// as the command left it. Version is that of its last event, which for a
// message queued is the message's own.
type Receipt struct {
	Card    Card
	Version uint64
}

// CommandBody is what is asked for: one of the types below.
type CommandBody interface{ isCommand() }

type (
	// Receive is a message of the customer. It alone may open a conversation.
	Receive struct {
		Channel  ChannelID
		Contact  Contact
		External string
		SentAt   Instant
		Content  Content
		ReplyTo  string
		Context  *Context
		// Consent is what the message says of marketing, by its channel's keywords.
		Consent Consent
	}

	// Amend is what a customer does to a message that stands in the conversation,
	// or will: reacts, edits, revokes. It changes no column and opens no window.
	Amend struct {
		Channel  ChannelID
		Contact  Contact
		External string // its own
		SentAt   Instant
		// Target is the External of the message.
		Target  string
		What    Amendment
		Content Content // the emoji of a reaction, or what the message says now
		// Outside says that it is the business's own message, which somebody of it
		// edited or revoked from elsewhere. Command.By is [Outside] then.
		Outside bool
	}

	// RecordEcho is a message that somebody of the business wrote to the customer
	// from elsewhere: a phone that shares the number. Command.By is [Outside].
	RecordEcho struct {
		Channel  ChannelID
		Contact  Contact
		External string
		SentAt   Instant
		Content  Content
		ReplyTo  string
	}

	// ChangeContact says that who was known as Contact is known as Changed too.
	ChangeContact struct {
		Channel  ChannelID
		Contact  Contact
		Changed  Contact
		External string
		SentAt   Instant
	}

	// LinkContact flags that a message to this conversation named a contact
	// whose other identity belongs to another one. Nothing is merged.
	LinkContact struct{ Other ConversationID }

	// SetConsent is what the customer chose about marketing in the app.
	SetConsent struct {
		Channel ChannelID
		Contact Contact
		Consent Consent
		At      Instant
	}

	// RecordStatus is what the platform reports of a send. Known is what the
	// journal knows of it: the caller reads it within the conversation's order.
	RecordStatus struct {
		Send     uint64
		State    DeliveryState
		External string
		Error    int32
		Detail   string
		Known    Delivery
	}

	// AnswerTurn is what the bot answers to a turn: it has seen everything up
	// to Through. Command.Epoch is required.
	AnswerTurn struct {
		From, Through uint64
		Say           []Content
		// Repeatable allows each of Say to be sent once more when nobody knows
		// whether it was: see [Unknown].
		Repeatable bool
		Variables  []Variable
		Request    bool
		Reason     string
		// Summary is a note for whoever takes the request up; optional.
		Summary  string
		Withdraw bool
	}

	// AcceptTurn says that the bot answers a turn later, with an AnswerTurn of its
	// own accord: within a time, 0 for DefaultTurnWait, that MaxTurnWait bounds.
	AcceptTurn struct {
		From, Through uint64
		Within        time.Duration
	}

	// FailTurn says that the bot failed or timed out over a turn.
	FailTurn struct{ From, Through uint64 }

	// SendMessage is a message of the holder, or of a bot outside a turn.
	SendMessage struct {
		Content Content
		// ReplyTo is the External of the message that it answers or, being a
		// reaction, reacts to.
		ReplyTo    string
		Repeatable bool
		// Answers says that a bot which does not know turns answers with it the one
		// that it accepted, if there is one.
		Answers bool
	}

	// StartConversation is a template to somebody who need not have written: it
	// may open a conversation, which stands in History until they answer.
	StartConversation struct {
		Channel ChannelID
		Contact Contact
		Content Content
	}

	// ResendMessage queues anew what was rejected, failed, or is not confirmed.
	// Content, ReplyTo and Known are of that send: the caller reads them within
	// the conversation's order.
	ResendMessage struct {
		Send    uint64
		Content Content
		ReplyTo string
		Known   Delivery
	}

	// Erase removes everything that is known of the contact, for ever.
	Erase struct{}

	// RecordMedia is how far the file of a message that came has got.
	RecordMedia struct {
		Message uint64
		State   MediaState
		Blob    BlobID
		Bytes   int64
		Attempt uint32
		RetryAt Instant
	}

	RequestAgent    struct{ Reason string }
	WithdrawRequest struct{}
	Intervene       struct{}
	TakeOver        struct{}
	Transfer        struct{ To AgentID }
	Resolve         struct{}
	MarkRead        struct{}
	AddNote         struct{ Body string }
	SetTags         struct{ Tags []string }

	// FireTimer says that a timer of c may be due. OldestKept is for
	// DueRetention alone: the version of the oldest event within the retention,
	// which the caller reads within the conversation's order.
	FireTimer struct {
		Timer      DueKind
		OldestKept uint64
	}

	// AttemptSend asks which send may go now. The answer is durable before
	// anything goes.
	AttemptSend struct{}

	// RecordAttempt is how an attempt ended.
	RecordAttempt struct {
		Send    uint64
		Attempt uint32
		Result  AttemptResult
		Known   Delivery
	}
)

// AttemptResult is what the courier learned of an attempt.
type AttemptResult struct {
	// State is Accepted, Rejected, Unknown, or Queued: surely not sent, to be
	// tried again at RetryAt.
	State    DeliveryState
	External string
	Error    int32
	Detail   string
	RetryAt  Instant
	// Held says that the attempt failed for a reason that is its number's and
	// not its own: it does not count against MaxAttempts.
	Held bool
}

func (Receive) isCommand()           {}
func (RecordStatus) isCommand()      {}
func (Amend) isCommand()             {}
func (RecordEcho) isCommand()        {}
func (ChangeContact) isCommand()     {}
func (LinkContact) isCommand()       {}
func (SetConsent) isCommand()        {}
func (StartConversation) isCommand() {}
func (ResendMessage) isCommand()     {}
func (Erase) isCommand()             {}
func (RecordMedia) isCommand()       {}
func (AnswerTurn) isCommand()        {}
func (FailTurn) isCommand()          {}
func (AcceptTurn) isCommand()        {}
func (SendMessage) isCommand()       {}
func (RequestAgent) isCommand()      {}
func (WithdrawRequest) isCommand()   {}
func (Intervene) isCommand()         {}
func (TakeOver) isCommand()          {}
func (Transfer) isCommand()          {}
func (Resolve) isCommand()           {}
func (MarkRead) isCommand()          {}
func (AddNote) isCommand()           {}
func (SetTags) isCommand()           {}
func (FireTimer) isCommand()         {}
func (AttemptSend) isCommand()       {}
func (RecordAttempt) isCommand()     {}

// Policy is what a workspace has chosen.
type Policy struct {
	// TakeoverFromActive lets agents intervene without a request.
	TakeoverFromActive bool
	// AutoResolveAfter ends an idle intervention; 0: never.
	AutoResolveAfter time.Duration
	// WriteFirst lets agents send templates to conversations in History, and begin
	// conversations with them.
	WriteFirst bool
	// OutsideSilence is how long the bot is silent after somebody of the business
	// wrote from elsewhere; 0: it does not mind.
	OutsideSilence time.Duration
	// Retention is how long content is kept; 0: for ever.
	Retention time.Duration
	// BotUnavailable is what the customer is told when the bot failed and a person
	// is asked for; empty: nothing.
	BotUnavailable string
}

// Amendment is what a customer did to a message. The numbers are on disk and on
// the wire: never reordered, never reused.
type Amendment uint8

const (
	Reacted        Amendment = 1 // Content.Text is the emoji, empty to take it back
	Edited         Amendment = 2 // Content is what it says now
	Revoked        Amendment = 3 // it is taken back
	amendmentCount           = 4
)

var amendmentNames = [amendmentCount]string{"none", "reacted", "edited", "revoked"}

func (a Amendment) String() string { return nameOf(amendmentNames[:], int(a)) }

// Consent is what a customer chose about marketing. The numbers are on disk and
// on the wire: never reordered, never reused.
type Consent uint8

const (
	// The zero Consent: nothing was said.
	Stop         Consent = 1
	Resume       Consent = 2
	consentCount         = 3
)

var consentNames = [consentCount]string{"none", "stop", "resume"}

func (c Consent) String() string { return nameOf(consentNames[:], int(c)) }

const (
	MaxReasonRunes = 1024
	MaxNoteRunes   = 4096
	MaxTags        = 20
	MaxTagRunes    = 64
	// MaxTurnMessages bounds what a bot says in one turn.
	MaxTurnMessages = 10
	// DefaultTurnWait is how long the answer to an accepted turn is waited for, unless
	// the bot says otherwise; MaxTurnWait is the longest.
	DefaultTurnWait = time.Minute
	MaxTurnWait     = 15 * time.Minute
	// MaxVariables and MaxVariableBytes bound what a bot remembers.
	MaxVariables     = 64
	MaxVariableBytes = 16 << 10
)

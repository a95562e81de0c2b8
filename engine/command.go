package engine

import "time"

// Command asks for a change of one conversation.
type Command struct {
	// ID makes a retry have one effect; optional. Digest is required with it.
	ID     CommandID
	Digest Digest

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
	}

	// RecordStatus is what the platform reports of a send. Known is what the
	// journal knows of it: the caller reads it within the conversation's order.
	RecordStatus struct {
		Send     uint64
		State    DeliveryState
		External string
		Error    int32
		Known    Delivery
	}

	// AnswerTurn is what the bot answers to a turn: it has seen everything up
	// to Through. Command.Epoch is required.
	AnswerTurn struct {
		From, Through uint64
		Say           []Content
		Variables     []Variable
		Request       bool
		Reason        string
		Withdraw      bool
	}

	// FailTurn says that the bot failed or timed out over a turn.
	FailTurn struct{ From, Through uint64 }

	// SendMessage is a message of the holder, or of a bot outside a turn.
	SendMessage struct{ Content Content }

	RequestAgent    struct{ Reason string }
	WithdrawRequest struct{}
	Intervene       struct{}
	TakeOver        struct{}
	Transfer        struct{ To AgentID }
	Resolve         struct{}
	MarkRead        struct{}
	AddNote         struct{ Body string }
	SetTags         struct{ Tags []string }

	// FireTimer says that a timer of c may be due.
	FireTimer struct{ Timer DueKind }

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
	RetryAt  Instant
}

func (Receive) isCommand()         {}
func (RecordStatus) isCommand()    {}
func (AnswerTurn) isCommand()      {}
func (FailTurn) isCommand()        {}
func (SendMessage) isCommand()     {}
func (RequestAgent) isCommand()    {}
func (WithdrawRequest) isCommand() {}
func (Intervene) isCommand()       {}
func (TakeOver) isCommand()        {}
func (Transfer) isCommand()        {}
func (Resolve) isCommand()         {}
func (MarkRead) isCommand()        {}
func (AddNote) isCommand()         {}
func (SetTags) isCommand()         {}
func (FireTimer) isCommand()       {}
func (AttemptSend) isCommand()     {}
func (RecordAttempt) isCommand()   {}

// Policy is what a workspace has chosen.
type Policy struct {
	// TakeoverFromActive lets agents intervene without a request.
	TakeoverFromActive bool
	// AutoResolveAfter ends an idle intervention; 0: never.
	AutoResolveAfter time.Duration
}

const (
	MaxReasonRunes = 1024
	MaxNoteRunes   = 4096
	MaxTags        = 20
	MaxTagRunes    = 64
	// MaxTurnMessages bounds what a bot says in one turn.
	MaxTurnMessages = 10
	// MaxVariables and MaxVariableBytes bound what a bot remembers.
	MaxVariables     = 64
	MaxVariableBytes = 16 << 10
)

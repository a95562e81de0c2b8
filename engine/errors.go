package engine

import (
	"errors"
	"fmt"
	"iter"
)

// Code is why something was refused or could not be done: the closed set that
// each edge maps, once, to its own errors.
type Code uint8

const (
	CodeInvalid       Code = 1 // a field is malformed; Field and Problem say which
	CodeNotFound      Code = 2 // no such conversation in this workspace
	CodeForbidden     Code = 3 // this party may not give this command
	CodeNotRequesting Code = 4 // intervene needs a conversation that waits for a person
	CodeNotIntervened Code = 5 // take over, transfer and resolve need one that is held
	CodeHeldByOther   Code = 6 // somebody else intervened first; Holder and Epoch say who
	CodeNotHolder     Code = 7 // only the holder writes
	CodeBotFenced     Code = 8 // an agent holds it, or the bot answers in a past epoch
	CodeWindowClosed  Code = 9 // more than 24 hours since the customer's newest message
	CodeStaleEpoch    Code = 10
	CodeCommandReused Code = 11 // the command's ID was given before with another payload
	CodeOverloaded    Code = 12 // too much waits already; nothing was done

	// The closed set of a journal's errors.
	CodeConflict       Code = 13 // version or claim; Owner says who holds the claim
	CodeFenced         Code = 14 // another process owns the shard
	CodeUnknownOutcome Code = 15 // it may or may not have become durable
	CodeFull           Code = 16 // no room on the disk
	CodeUnavailable    Code = 17 // closing, or not reachable
	CodeCorrupt        Code = 18 // what was read is not what was written
	CodeQuarantined    Code = 19 // it cannot be loaded, or panicked twice, and waits for repair
	CodeOptedOut       Code = 20 // the customer wants no marketing
	CodeBotMuted       Code = 21 // somebody of the business wrote from elsewhere just now
	CodeNotResendable  Code = 22 // the message is on its way, has arrived, or was sent again
	codeCount               = 23
)

var codeNames = [codeCount]string{
	"none", "invalid", "not found", "forbidden", "not requesting", "not intervened", "held by other", "not holder",
	"bot fenced", "window closed", "stale epoch", "command reused", "overloaded", "conflict", "fenced",
	"unknown outcome", "full", "unavailable", "corrupt", "quarantined",
	"opted out", "bot muted", "not resendable",
}

func (c Code) String() string { return nameOf(codeNames[:], int(c)) }

// Codes are all of them.
func Codes() iter.Seq[Code] { return numbered[Code](codeCount) }

// Error is every refusal and failure of the engine. It carries no message text
// and no phone number, so that it may be logged.
type Error struct {
	Code Code

	// Where the conversation stands, with a refusal of its state.
	Column Column
	Holder AgentID
	Epoch  uint64
	// ClosedAt is when the window closed, with CodeWindowClosed.
	ClosedAt Instant

	// Field and Problem say what CodeInvalid means.
	Field   string
	Problem string

	// Owner holds the claim of a CodeConflict; zero when the version differs.
	Owner ConversationID
	// Duplicate tells a claim that Owner itself made before: an item that came
	// again, which is no failure.
	Duplicate bool

	Err error
}

func (e *Error) Error() string {
	text := e.Code.String()
	if e.Field != "" {
		text += ": " + e.Field + " " + e.Problem
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is(err, &Error{Code: c}) compare the code alone.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// CodeOf is err's code, or 0 when err is not one of the engine's.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return 0
}

// Errorf makes an error of code whose cause is described by format.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Err: fmt.Errorf(format, args...)}
}

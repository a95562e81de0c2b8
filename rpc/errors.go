package rpc

import (
	"context"
	"errors"
	"strconv"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/intervenehq/intervene/engine"
)

// errorDomain is that of every google.rpc.ErrorInfo that the edge sends.
const errorDomain = "intervene"

const (
	// overloadRetry is when a caller that was turned away should come back.
	overloadRetry = time.Second
	// diskFullRetry is the same when somebody has to make room first.
	diskFullRetry = 30 * time.Second
)

// answer is how one sort of error looks to a caller. Callers decide by code and
// reason; text is for people, is fixed, and says nothing of a conversation.
type answer struct {
	code       connect.Code
	reason     string
	text       string
	retryAfter time.Duration // 0: no google.rpc.RetryInfo
}

const retryText = "retry with the same command_id"

var unavailable = answer{code: connect.CodeUnavailable, reason: "UNAVAILABLE", text: retryText}

// answers is the one table from the engine's codes to the wire's.
var answers = map[engine.Code]answer{
	engine.CodeInvalid:       {connect.CodeInvalidArgument, "INVALID", "a field of the request is not valid", 0},
	engine.CodeNotFound:      {connect.CodeNotFound, "NOT_FOUND", "no such conversation in this workspace", 0},
	engine.CodeForbidden:     {connect.CodePermissionDenied, "FORBIDDEN", "this role may not do that", 0},
	engine.CodeNotRequesting: {connect.CodeFailedPrecondition, "NOT_REQUESTING", "the conversation does not wait for a person", 0},
	engine.CodeNotIntervened: {connect.CodeFailedPrecondition, "NOT_INTERVENED", "nobody holds the conversation", 0},
	engine.CodeHeldByOther:   {connect.CodeFailedPrecondition, "HELD_BY_OTHER", "somebody else holds the conversation", 0},
	engine.CodeNotHolder:     {connect.CodePermissionDenied, "NOT_HOLDER", "only the holder of the conversation may do that", 0},
	engine.CodeBotFenced:     {connect.CodeFailedPrecondition, "BOT_FENCED", "the bot does not have the word", 0},
	engine.CodeWindowClosed:  {connect.CodeFailedPrecondition, "WINDOW_CLOSED", "the customer wrote more than 24 hours ago", 0},
	engine.CodeStaleEpoch:    {connect.CodeAborted, "STALE_EPOCH", "the conversation is in another epoch", 0},
	engine.CodeCommandReused: {connect.CodeAlreadyExists, "COMMAND_REUSED", "this command_id named another command before", 0},
	engine.CodeOverloaded:    {connect.CodeResourceExhausted, "OVERLOADED", "too much waits already; nothing was done", overloadRetry},

	engine.CodeOptedOut:      {connect.CodeFailedPrecondition, "OPTED_OUT", "the customer wants no marketing, and nothing says that this is none", 0},
	engine.CodeBotMuted:      {connect.CodeFailedPrecondition, "BOT_MUTED", "somebody of the business wrote from elsewhere just now", 0},
	engine.CodeNotResendable: {connect.CodeFailedPrecondition, "NOT_RESENDABLE", "the message is on its way, has arrived, or was sent again", 0},

	engine.CodeConflict:       unavailable,
	engine.CodeFenced:         unavailable,
	engine.CodeUnknownOutcome: unavailable,
	engine.CodeUnavailable:    unavailable,
	engine.CodeFull:           {connect.CodeResourceExhausted, "DISK_FULL", "there is no room to store it; nothing was done", diskFullRetry},
	engine.CodeQuarantined:    {connect.CodeDataLoss, "QUARANTINED", "the conversation waits for an operator's repair", 0},
	engine.CodeCorrupt:        {connect.CodeDataLoss, "CORRUPT", "what is stored of the conversation cannot be read", 0},
}

// What does not come from the engine.
var (
	internal         = answer{code: connect.CodeInternal, reason: "INTERNAL", text: "something went wrong here; " + retryText}
	canceled         = answer{code: connect.CodeCanceled, reason: "CANCELED", text: "the caller went away"}
	deadlineExceeded = answer{code: connect.CodeDeadlineExceeded, reason: "DEADLINE_EXCEEDED", text: "it took too long; " + retryText}
)

func unauthenticated() error {
	return answer{code: connect.CodeUnauthenticated, reason: "UNAUTHENTICATED", text: "a bearer token or a session is required, and this is none"}.error(nil)
}

func roleForbidden() error { return answers[engine.CodeForbidden].error(nil) }

func tooManyStreams() error {
	return answer{connect.CodeResourceExhausted, "TOO_MANY_STREAMS", "too many streams are open", overloadRetry}.error(nil)
}

// invalid refuses one field, by its protobuf name.
func invalid(field, problem string) error {
	return &engine.Error{Code: engine.CodeInvalid, Field: field, Problem: problem}
}

// answerTo is what a caller is told of err. What is neither the engine's nor
// the edge's own has a text that is nobody's business: known is false.
func answerTo(err error) (answered *connect.Error, known bool) {
	if own, ok := errors.AsType[*connect.Error](err); ok {
		return own, true
	}
	if refused, ok := errors.AsType[*engine.Error](err); ok {
		if a, ok := answers[refused.Code]; ok {
			return a.error(stateOf(refused), violationsOf(refused)...), true
		}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return deadlineExceeded.error(nil), true
	case errors.Is(err, context.Canceled):
		return canceled.error(nil), true
	}
	return internal.error(nil), false
}

// stateOf is where the conversation stands, for whoever was refused over it.
func stateOf(e *engine.Error) map[string]string {
	state := make(map[string]string)
	if e.Epoch != 0 {
		state["epoch"] = strconv.FormatUint(e.Epoch, 10)
	}
	if e.Column != 0 {
		state["column"] = columnOf(e.Column).String()
	}
	if e.Holder != "" {
		state["holder"], state["holder_agent_id"] = string(e.Holder), string(e.Holder)
	}
	if !e.ClosedAt.IsZero() {
		state["closed_at"] = e.ClosedAt.Time().Format(time.RFC3339)
	}
	return state
}

func violationsOf(e *engine.Error) []*errdetails.BadRequest_FieldViolation {
	if e.Code != engine.CodeInvalid {
		return nil
	}
	return []*errdetails.BadRequest_FieldViolation{{Field: e.Field, Description: e.Problem}}
}

// error makes a of the wire. Each caller gets one of its own: connect adds to them.
func (a answer) error(metadata map[string]string, violations ...*errdetails.BadRequest_FieldViolation) *connect.Error {
	err := connect.NewError(a.code, errors.New(a.text))
	attach(err, &errdetails.ErrorInfo{Reason: a.reason, Domain: errorDomain, Metadata: metadata})
	if len(violations) > 0 {
		attach(err, &errdetails.BadRequest{FieldViolations: violations})
	}
	if a.retryAfter > 0 {
		attach(err, &errdetails.RetryInfo{RetryDelay: durationpb.New(a.retryAfter)})
	}
	return err
}

// attach adds a detail. It panics when that cannot be marshalled, which needs a
// string that is not UTF-8: ids and field names are checked where they come in.
func attach(err *connect.Error, message proto.Message) {
	detail, problem := connect.NewErrorDetail(message)
	if problem != nil {
		panic(problem)
	}
	err.AddDetail(detail)
}

package client

import (
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
)

// errorDomain is that of every google.rpc.ErrorInfo of the edge. Proxies answer,
// too, above all while a server restarts, and what they say is not final.
const errorDomain = "intervene"

// What ends a follower, besides the end of its context and a [RefusedError].
var ErrClosed = errors.New("follower was closed")

// Why a follower that goes on is not live at the moment. Whatever else it may be
// is the error of the connection or of the call.
var (
	ErrConnecting = errors.New("not connected yet")
	ErrSentAway   = errors.New("sent away by the server, to come back")
	ErrSilent     = errors.New("no frame came in time")
	ErrEnded      = errors.New("stream ended without a word")
	ErrOutOfOrder = errors.New("stream does not keep to its protocol")
)

// RefusedError is an answer of the edge that no repetition changes. It ends a
// follower: the token is unknown or was revoked, its role may not watch, there is
// no such conversation, or a field is not valid.
type RefusedError struct {
	Code connect.Code
	// Reason is that of the edge, such as UNAUTHENTICATED or NOT_FOUND.
	Reason string
	err    *connect.Error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("refused by the edge, %s: %v", e.Reason, e.err)
}

// Unwrap is the *[connect.Error] with its details.
func (e *RefusedError) Unwrap() error { return e.err }

// refusal is err as a [RefusedError], or err.
func refusal(err error) error {
	wire, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return err
	}
	switch wire.Code() {
	case connect.CodeUnauthenticated, connect.CodePermissionDenied, connect.CodeNotFound, connect.CodeInvalidArgument:
	default:
		return err
	}
	info, ok := detailOf[*errdetails.ErrorInfo](err)
	if !ok || info.GetDomain() != errorDomain {
		return err
	}
	return &RefusedError{Code: wire.Code(), Reason: info.GetReason(), err: wire}
}

// names reports whether the edge refused the field of this name.
func (e *RefusedError) names(field string) bool {
	request, ok := detailOf[*errdetails.BadRequest](e.err)
	if !ok {
		return false
	}
	for _, violation := range request.GetFieldViolations() {
		if violation.GetField() == field {
			return true
		}
	}
	return false
}

// sentAway is the end of a stream by GoAway.
type sentAway struct{ after time.Duration }

func (sentAway) Error() string        { return ErrSentAway.Error() }
func (sentAway) Is(target error) bool { return target == ErrSentAway }

// askedPause is how long the server wants err's caller to stay away; 0: it did
// not say. More than longestAsked is nothing that a server of ours says.
func askedPause(err error) time.Duration {
	if away, ok := errors.AsType[sentAway](err); ok {
		return min(max(away.after, 0), longestAsked)
	}
	if info, ok := detailOf[*errdetails.RetryInfo](err); ok {
		return min(max(info.GetRetryDelay().AsDuration(), 0), longestAsked)
	}
	return 0
}

// detailOf finds the detail of type D that came with err.
func detailOf[D any](err error) (D, bool) {
	var none D
	wire, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return none, false
	}
	for _, detail := range wire.Details() {
		value, err := detail.Value()
		if found, ok := any(value).(D); ok && err == nil {
			return found, true
		}
	}
	return none, false
}

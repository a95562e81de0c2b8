package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// TestEveryCodeIsAnswered sends each code of the engine through a whole server.
func TestEveryCodeIsAnswered(t *testing.T) {
	e := newEdge(t)
	client := e.client(ashaToken)
	id := e.held()
	tests := map[engine.Code]struct {
		code   connect.Code
		reason string
		retry  time.Duration
	}{
		engine.CodeInvalid:        {connect.CodeInvalidArgument, "INVALID", 0},
		engine.CodeNotFound:       {connect.CodeNotFound, "NOT_FOUND", 0},
		engine.CodeForbidden:      {connect.CodePermissionDenied, "FORBIDDEN", 0},
		engine.CodeNotRequesting:  {connect.CodeFailedPrecondition, "NOT_REQUESTING", 0},
		engine.CodeNotIntervened:  {connect.CodeFailedPrecondition, "NOT_INTERVENED", 0},
		engine.CodeHeldByOther:    {connect.CodeFailedPrecondition, "HELD_BY_OTHER", 0},
		engine.CodeNotHolder:      {connect.CodePermissionDenied, "NOT_HOLDER", 0},
		engine.CodeBotFenced:      {connect.CodeFailedPrecondition, "BOT_FENCED", 0},
		engine.CodeWindowClosed:   {connect.CodeFailedPrecondition, "WINDOW_CLOSED", 0},
		engine.CodeStaleEpoch:     {connect.CodeAborted, "STALE_EPOCH", 0},
		engine.CodeCommandReused:  {connect.CodeAlreadyExists, "COMMAND_REUSED", 0},
		engine.CodeOverloaded:     {connect.CodeResourceExhausted, "OVERLOADED", overloadRetry},
		engine.CodeConflict:       {connect.CodeUnavailable, "UNAVAILABLE", 0},
		engine.CodeFenced:         {connect.CodeUnavailable, "UNAVAILABLE", 0},
		engine.CodeUnknownOutcome: {connect.CodeUnavailable, "UNAVAILABLE", 0},
		engine.CodeFull:           {connect.CodeResourceExhausted, "DISK_FULL", diskFullRetry},
		engine.CodeUnavailable:    {connect.CodeUnavailable, "UNAVAILABLE", 0},
		engine.CodeCorrupt:        {connect.CodeDataLoss, "CORRUPT", 0},
		engine.CodeQuarantined:    {connect.CodeDataLoss, "QUARANTINED", 0},
		engine.CodeOptedOut:       {connect.CodeFailedPrecondition, "OPTED_OUT", 0},
		engine.CodeBotMuted:       {connect.CodeFailedPrecondition, "BOT_MUTED", 0},
		engine.CodeNotResendable:  {connect.CodeFailedPrecondition, "NOT_RESENDABLE", 0},
	}
	for code := engine.Code(1); code.String() != "unknown"; code++ {
		t.Run(code.String(), func(t *testing.T) {
			want, ok := tests[code]
			if !ok {
				t.Fatalf("got no line for %v in this test, want one", code)
			}
			e.before = func(engine.ConversationID, engine.Command) error {
				return fmt.Errorf("route: %w", &engine.Error{
					Code: code, Column: engine.Intervened, Holder: "ben", Epoch: 7, ClosedAt: 1_700_000_000_000, Err: errors.New("secret"),
				})
			}
			_, err := client.Resolve(t.Context(), &intervenev1.ResolveRequest{ConversationId: id.String(), CommandId: newCommandID()})
			metadata := wantRefusal(t, err, want.code, want.reason)
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("got text %q, want none of the cause's", err)
			}
			for key, value := range map[string]string{
				"holder": "ben", "holder_agent_id": "ben", "epoch": "7", "column": "COLUMN_INTERVENED", "closed_at": "2023-11-14T22:13:20Z",
			} {
				if metadata[key] != value {
					t.Errorf("got metadata %s=%q, want %q", key, metadata[key], value)
				}
			}
			if got := detail[*errdetails.RetryInfo](t, err).GetRetryDelay().AsDuration(); got != want.retry {
				t.Errorf("got retry delay %v, want %v", got, want.retry)
			}
			if want.code == connect.CodeUnavailable && !strings.Contains(err.Error(), "retry with the same command_id") {
				t.Errorf("got text %q, want it to say how to retry", err)
			}
		})
	}
}

// TestOtherErrors: what is not the engine's reaches no caller as it is.
func TestOtherErrors(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		panics any
		code   connect.Code
		reason string
		logged bool
	}{
		{"any", errors.New("secret"), nil, connect.CodeInternal, "INTERNAL", true},
		{"panic", nil, "secret", connect.CodeInternal, "INTERNAL", true},
		{"unknown code", &engine.Error{Code: 200, Err: errors.New("secret")}, nil, connect.CodeInternal, "INTERNAL", true},
		{"deadline", fmt.Errorf("secret: %w", context.DeadlineExceeded), nil, connect.CodeDeadlineExceeded, "DEADLINE_EXCEEDED", false},
		{"canceled", fmt.Errorf("secret: %w", context.Canceled), nil, connect.CodeCanceled, "CANCELED", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEdge(t)
			id := e.held()
			e.before = func(engine.ConversationID, engine.Command) error {
				if tt.panics != nil {
					panic(tt.panics)
				}
				return tt.err
			}
			_, err := e.client(ashaToken).Resolve(t.Context(), &intervenev1.ResolveRequest{ConversationId: id.String(), CommandId: newCommandID()})
			wantRefusal(t, err, tt.code, tt.reason)
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("got text %q, want a fixed one", err)
			}
			wantLines := 0
			if tt.logged {
				wantLines = 1
			}
			if got := strings.Count(e.log.String(), "procedure failed"); got != wantLines {
				t.Errorf("got %d lines logged, want %d:\n%s", got, wantLines, e.log)
			}
		})
	}
}

func TestStateOfRefusals(t *testing.T) {
	if got := stateOf(&engine.Error{Code: engine.CodeNotFound}); len(got) != 0 {
		t.Errorf("not found: got metadata %v, want none", got)
	}
}

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

const (
	// callTimeout bounds one try, outcomeTimeout all tries of a command.
	callTimeout    = 10 * time.Second
	outcomeTimeout = 90 * time.Second
	// firstPause and longestPause are between two tries.
	firstPause   = 5 * time.Millisecond
	longestPause = 160 * time.Millisecond
)

// caller is one member on a connection of their own, which finds the engine
// wherever it is.
type caller struct {
	id  string
	api intervenev1connect.LiveChatServiceClient
}

func newCaller(t *testing.T, s *site, id string) *caller {
	t.Helper()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	return callerOver(t, s, id, &http.Transport{Protocols: &protocols})
}

func callerOver(t *testing.T, s *site, id string, transport *http.Transport) *caller {
	t.Helper()
	m, ok := s.members[id]
	if !ok {
		t.Fatalf("caller %s: got nobody of that name, want a member", id)
	}
	t.Cleanup(transport.CloseIdleConnections)
	line := roundTripper(func(r *http.Request) (*http.Response, error) {
		r.Header.Set("Authorization", "Bearer "+m.token)
		return s.RoundTrip(r, transport)
	})
	return &caller{id: id, api: intervenev1connect.NewLiveChatServiceClient(&http.Client{Transport: line}, "http://engine.invalid")}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answer is what a command came to: accepted with what it left, or refused.
type answer struct {
	refusal refusal // zero: accepted
	card    *intervenev1.Card
	message *intervenev1.Message
}

func (a answer) accepted() bool { return a.refusal == refusal{} }

// refusal is an error of the API, with where the conversation stood.
type refusal struct {
	code   connect.Code
	reason string
	column string
	holder string
	epoch  uint64
}

func (r refusal) String() string {
	return fmt.Sprintf("%s %s (column %s, holder %q, epoch %d)", r.code, r.reason, r.column, r.holder, r.epoch)
}

// refusalOf reads err; false: nobody knows whether the command took effect. An
// error without the engine's own reason is what a client makes of an answer
// that was cut off, or of none.
func refusalOf(err error) (refusal, bool) {
	failed, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return refusal{}, false
	}
	switch failed.Code() {
	case connect.CodeUnavailable, connect.CodeDeadlineExceeded, connect.CodeResourceExhausted, connect.CodeInternal, connect.CodeCanceled:
		return refusal{}, false
	case connect.CodeUnauthenticated:
		return refusal{}, false // the port of the dead is another engine's by now
	}
	r := refusal{code: failed.Code()}
	for _, detail := range failed.Details() {
		value, err := detail.Value()
		info, ok := value.(*errdetails.ErrorInfo)
		if err != nil || !ok || info.GetDomain() != "intervene" {
			continue
		}
		state := info.GetMetadata()
		r.reason, r.column, r.holder = info.GetReason(), state["column"], state["holder"]
		if epoch, err := strconv.ParseUint(state["epoch"], 10, 64); err == nil {
			r.epoch = epoch
		}
	}
	return r, r.reason != ""
}

// call is one try of a command.
type call func(context.Context) (answer, error)

// asked binds a request to the procedure that takes it.
func asked[Q any, A interface{ GetCard() *intervenev1.Card }](procedure func(context.Context, *Q) (A, error), request *Q) call {
	return func(ctx context.Context) (answer, error) {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		response, err := procedure(ctx, request)
		if err != nil {
			return answer{}, err
		}
		a := answer{card: response.GetCard()}
		if sent, ok := any(response).(interface{ GetMessage() *intervenev1.Message }); ok {
			a.message = sent.GetMessage()
		}
		return a, nil
	}
}

// once tries a command; false: its outcome is not known.
func once(ctx context.Context, try call) (answer, bool) {
	a, err := try(ctx)
	if err == nil {
		return a, true
	}
	r, known := refusalOf(err)
	return answer{refusal: r}, known
}

// insist repeats a command under its command_id until its outcome is known.
func insist(ctx context.Context, try call) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, outcomeTimeout)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		a, err := try(ctx)
		if err == nil {
			return a, nil
		}
		if r, known := refusalOf(err); known {
			return answer{refusal: r}, nil
		}
		if !rest(ctx, pause) {
			return answer{}, fmt.Errorf("no outcome in %s: %w", outcomeTimeout, err)
		}
	}
}

// dice are drawn from the seed and the name of whose they are.
func dice(seed uint64, parts ...uint64) *rand.Rand {
	stream := uint64(0x9e3779b97f4a7c15)
	for _, part := range parts {
		stream = (stream ^ part) * 0xff51afd7ed558ccd
		stream ^= stream >> 33
	}
	return rand.New(rand.NewPCG(seed, stream))
}

// drawCommandID draws a UUID of version 4.
func drawCommandID(d *rand.Rand) string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], d.Uint64())
	binary.BigEndian.PutUint64(id[8:], d.Uint64())
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id.String()
}

// between draws a duration.
func between(d *rand.Rand, shortest, longest time.Duration) time.Duration {
	return shortest + time.Duration(d.Int64N(int64(longest-shortest)+1))
}

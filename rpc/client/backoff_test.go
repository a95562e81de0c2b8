package client

import (
	"errors"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/durationpb"
)

// mostOf is the longest of many pauses.
func mostOf(pause func() time.Duration) time.Duration {
	var most time.Duration
	for range 200 {
		most = max(most, pause())
	}
	return most
}

func TestPauses(t *testing.T) {
	broken := errors.New("broken")
	for failures, bound := range []time.Duration{firstPause, 2 * firstPause, 4 * firstPause} {
		most := mostOf(func() time.Duration { return (&backoff{failures: failures}).pause(broken, false) })
		if most >= bound || most < bound/2 {
			t.Errorf("after %d failures: got pauses of up to %v, want them drawn from %v", failures, most, bound)
		}
	}
	if most := mostOf(func() time.Duration { return (&backoff{failures: 1000}).pause(broken, false) }); most >= longestPause || most < longestPause/2 {
		t.Errorf("after 1000 failures: got pauses of up to %v, want them drawn from %v", most, longestPause)
	}
	b := &backoff{failures: 1000}
	if got := b.pause(broken, true); got >= firstPause || b.failures != 1 {
		t.Errorf("after a live stream: got %v and %d failures, want it to begin anew", got, b.failures)
	}
}

func TestAskedPauses(t *testing.T) {
	if got := new(backoff).pause(sentAway{3 * time.Second}, true); got != 3*time.Second {
		t.Errorf("sent away from a live stream: got %v, want what was asked", got)
	}
	if got := new(backoff).pause(sentAway{time.Second}, false); got < time.Second || got >= time.Second+firstPause {
		t.Errorf("sent away at once: got %v, want what was asked and a pause of its own", got)
	}
	if got := new(backoff).pause(sentAway{time.Hour}, true); got != longestAsked {
		t.Errorf("sent away for an hour: got %v, want %v", got, longestAsked)
	}
	overloaded := connect.NewError(connect.CodeResourceExhausted, errors.New("overloaded"))
	detail, err := connect.NewErrorDetail(&errdetails.RetryInfo{RetryDelay: durationpb.New(2 * time.Second)})
	if err != nil {
		t.Fatalf("NewErrorDetail: %v", err)
	}
	overloaded.AddDetail(detail)
	if got := new(backoff).pause(refusal(overloaded), false); got < 2*time.Second || got >= 2*time.Second+firstPause {
		t.Errorf("overloaded: got %v, want what was asked and a pause of its own", got)
	}
}

// TestProxiesAreNotBelieved: what is refused without the edge's word may pass.
func TestProxiesAreNotBelieved(t *testing.T) {
	for _, code := range []connect.Code{connect.CodeUnauthenticated, connect.CodeNotFound, connect.CodePermissionDenied, connect.CodeUnimplemented} {
		_, refused := errors.AsType[*RefusedError](refusal(connect.NewError(code, errors.New("a proxy's"))))
		if refused {
			t.Errorf("%v without details: got it final, want it tried again", code)
		}
	}
}

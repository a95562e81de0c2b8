package flow

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"code.dny.dev/ssrf"

	"github.com/intervenehq/intervene/engine"
)

const callingYAML = `
id: calling
calls: {hosts: [api.example]}
nodes:
  - id: look
    call: {url: "https://api.example/{message}", timeout: 2s, answer: {state: state}, on_error: failed}
    next: told
  - {id: told, say: [{text: "It is {state}."}], next: end}
  - {id: failed, say: [{text: No answer.}], next: end}
  - {id: end, end: {}}
fallback: {text: What, next: end}
`

// transport is a function that answers calls.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

func answering(status int, body string, header http.Header) transport {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Header: header, Request: r}, nil
	}
}

func calling(t *testing.T, carrier http.RoundTripper) *Flow {
	t.Helper()
	f, err := Parse("calling.yaml", []byte(callingYAML))
	if err != nil {
		t.Fatalf("parse: got error %v, want none", err)
	}
	return f.With(Options{Transport: carrier})
}

func written(text string) engine.TurnRequest {
	return engine.TurnRequest{
		Column:   engine.Active,
		Messages: []engine.TurnMessage{{Content: engine.Content{Kind: engine.ContentText, Text: text}}},
	}
}

// TestCallDialsNoPrivateAddress, whatever the list of hosts says.
func TestCallDialsNoPrivateAddress(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	defer listener.Close()
	connection, err := guarded.DialContext(t.Context(), "tcp", listener.Addr().String())
	if !errors.Is(err, ssrf.ErrProhibitedIP) {
		t.Errorf("got %v, want the address refused", err)
	}
	if err == nil {
		connection.Close()
	}
	if guarded.Proxy != nil {
		t.Error("got a proxy, want none: it would dial where nobody looks")
	}
}

// TestCallFails: whatever is wrong with an answer, the flow goes on where its
// file says, and never somewhere else.
func TestCallFails(t *testing.T) {
	long := `{"state": "` + strings.Repeat("x", MaxCallBytes) + `"}`
	for name, tc := range map[string]struct {
		carrier transport
		want    string
	}{
		"an answer":       {answering(200, `{"state": "sent"}`, nil), "It is sent."},
		"nothing there":   {answering(200, `{}`, nil), "It is ."},
		"a number":        {answering(200, `{"state": 12345678901234567890.5}`, nil), "It is 12345678901234567890.5."},
		"true":            {answering(200, `{"state": true}`, nil), "It is true."},
		"an object there": {answering(200, `{"state": {}}`, nil), "No answer."},
		"not JSON":        {answering(200, `state`, nil), "No answer."},
		"nothing":         {answering(204, ``, nil), "No answer."},
		"too long":        {answering(200, long, nil), "No answer."},
		"a value too long": {
			answering(200, `{"state": "`+strings.Repeat("x", MaxValueRunes+1)+`"}`, nil), "No answer.",
		},
		"not found":  {answering(404, `{"state": "sent"}`, nil), "No answer."},
		"a redirect": {answering(302, `{"state": "sent"}`, http.Header{"Location": {"https://elsewhere.example/"}}), "No answer."},
	} {
		asked := 0
		f := calling(t, transport(func(r *http.Request) (*http.Response, error) {
			asked++
			return tc.carrier(r)
		}))
		answer, err := f.Turn(t.Context(), written("A1"))
		if err != nil || len(answer.Say) != 1 || answer.Say[0].Text != tc.want || asked != 1 {
			t.Errorf("%s: got %v, %v after %d calls, want %q after one", name, answer.Say, err, asked, tc.want)
		}
	}
}

// TestCallTimesOut: a server that hangs costs its own time-out; the end of the
// turn's time fails the turn, which is then asked again or given to a person.
func TestCallTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hanging := transport(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		f := calling(t, hanging)
		begun := time.Now()
		answer, err := f.Turn(t.Context(), written("A1"))
		if took := time.Since(begun); err != nil || len(answer.Say) != 1 || answer.Say[0].Text != "No answer." || took != 2*time.Second {
			t.Errorf("got %v, %v after %s, want another way after 2s", answer.Say, err, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.Turn(ctx, written("A1")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the turn's time to be over", err)
		}
	})
}

// TestTurnsRunTogether: one flow answers many conversations at once.
func TestTurnsRunTogether(t *testing.T) {
	f := calling(t, answering(200, `{"state": "sent"}`, nil))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				if answer, err := f.Turn(t.Context(), written("A1")); err != nil || answer.Say[0].Text != "It is sent." {
					t.Errorf("got %v, %v, want the answer", answer, err)
				}
			}
		})
	}
	group.Wait()
}

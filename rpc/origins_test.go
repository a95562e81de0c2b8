package rpc

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// TestAllowedOrigins: a page served elsewhere may call if its origin is allowed,
// and no other page may.
func TestAllowedOrigins(t *testing.T) {
	const console = "https://console.acme.test"
	e := newEdge(t, func(o *Options) { o.AllowedOrigins = []string{console} })
	do := func(method, origin string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, edgeURL+intervenev1connect.LiveChatServiceListAgentsProcedure, strings.NewReader("{}"))
		if err != nil {
			t.Fatalf("make request: %v", err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Origin", origin)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		if method == http.MethodOptions {
			r.Header.Set("Access-Control-Request-Method", http.MethodPost)
			r.Header.Set("Access-Control-Request-Headers", "authorization,connect-protocol-version,content-type")
		}
		response, err := e.as(ashaToken).Do(r)
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatalf("read: %v", err)
		}
		if err := response.Body.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
		return response
	}
	for origin, want := range map[string]int{console: http.StatusOK, "https://evil.test": http.StatusForbidden} {
		allowed := ""
		if want == http.StatusOK {
			allowed = origin
		}
		if got := do(http.MethodPost, origin); got.StatusCode != want || got.Header.Get("Access-Control-Allow-Origin") != allowed {
			t.Errorf("%s: got status %d, allowed %q, want %d, %q", origin, got.StatusCode, got.Header.Get("Access-Control-Allow-Origin"), want, allowed)
		}
		preflight := do(http.MethodOptions, origin)
		if got := preflight.Header.Get("Access-Control-Allow-Origin"); got != allowed {
			t.Errorf("%s: preflight: got %q allowed, want %q", origin, got, allowed)
		}
		if got := preflight.Header.Get("Access-Control-Allow-Headers"); (got != "") != (allowed != "") {
			t.Errorf("%s: preflight: got headers %q", origin, got)
		}
	}
	if preflight := do(http.MethodOptions, console); preflight.Header.Get("Access-Control-Allow-Credentials") != "" {
		t.Error("got credentials allowed, want none: calls bring a token")
	}
	options := e.server.options
	options.AllowedOrigins = []string{"acme.test/page"}
	if _, err := New(options); err == nil {
		t.Error("got an edge for what is no origin, want an error")
	}
}

// TestStreamsAreNotCompressed: not even for a caller that would take it.
func TestStreamsAreNotCompressed(t *testing.T) {
	if got := len(compression(connect.Spec{StreamType: connect.StreamTypeServer})); got != 1 {
		t.Fatalf("got %d options, want one", got)
	}
	e := newEdge(t)
	for range 30 {
		e.open("acme")
	}
	for procedure, want := range map[string]bool{
		intervenev1connect.LiveChatServiceWatchBoardProcedure:        false,
		intervenev1connect.LiveChatServiceListConversationsProcedure: true,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, edgeURL+procedure, strings.NewReader(`{"column":1}`))
		if err != nil {
			t.Fatalf("make request: %v", err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept-Encoding", "gzip")
		if !want {
			r, err = http.NewRequestWithContext(t.Context(), http.MethodPost, edgeURL+procedure, strings.NewReader("\x00\x00\x00\x00\x02{}"))
			if err != nil {
				t.Fatalf("make request: %v", err)
			}
			r.Header.Set("Content-Type", "application/connect+json")
			r.Header.Set("Connect-Accept-Encoding", "gzip")
		}
		response, err := e.as(ashaToken).Do(r)
		if err != nil {
			t.Fatalf("%s: %v", procedure, err)
		}
		if !want {
			// Hello, then a snapshot of more than compressMinBytes: flags come first.
			for range 2 {
				var head [5]byte
				if _, err := io.ReadFull(response.Body, head[:]); err != nil {
					t.Fatalf("%s: read: %v", procedure, err)
				}
				size := int64(head[1])<<24 | int64(head[2])<<16 | int64(head[3])<<8 | int64(head[4])
				if head[0] != 0 {
					t.Errorf("%s: got flags %d, want a plain frame", procedure, head[0])
				}
				if _, err := io.CopyN(io.Discard, response.Body, size); err != nil {
					t.Fatalf("%s: read: %v", procedure, err)
				}
			}
		} else if got := response.Header.Get("Content-Encoding"); got != "gzip" {
			t.Errorf("%s: got encoding %q, want gzip", procedure, got)
		}
		if err := response.Body.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
}

package rpc

import (
	"bytes"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/health/grpc_health_v1"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// wantShed wants err to send the caller away for a while.
func wantShed(t *testing.T, what string, err error) {
	t.Helper()
	if got, want := connect.CodeOf(err), connect.CodeResourceExhausted; got != want {
		t.Fatalf("%s: got %v (%v), want %v", what, got, err, want)
	}
	if got := detail[*errdetails.RetryInfo](t, err).GetRetryDelay().AsDuration(); got != overloadRetry {
		t.Errorf("%s: got a retry after %s, want %s", what, got, overloadRetry)
	}
}

// TestCallsBeyondTheLimitAreRefused: the one call under way is a request whose body
// does not come. Its place is free again when it ends; a stream takes none.
func TestCallsBeyondTheLimitAreRefused(t *testing.T) {
	registry := prometheus.NewRegistry()
	e := newEdge(t, func(o *Options) { o.MaxCalls, o.Metrics = 1, registry })
	id := e.open("acme").String()
	asha := e.client(ashaToken)
	get := func() error {
		_, err := asha.GetConversation(t.Context(), &intervenev1.GetConversationRequest{ConversationId: id})
		return err
	}
	stream, err := asha.WatchConversation(t.Context(), &intervenev1.WatchConversationRequest{ConversationId: id})
	if err != nil || !stream.Receive() {
		t.Fatalf("watch: got error %v and %v, want a frame", err, stream.Err())
	}
	defer func() { _ = stream.Close() }()
	if err := get(); err != nil {
		t.Fatalf("a call beside a stream: got %v, want no error", err)
	}
	body, finish := holdBody()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, edgeURL+"/intervene.v1.LiveChatService/GetConversation", body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	ended := make(chan error, 1)
	go func() {
		response, err := e.as(ashaToken).Do(request)
		if err == nil {
			err = response.Body.Close()
		}
		ended <- err
	}()
	<-body.read
	for e.server.calls.count.Load() != 1 {
		runtime.Gosched() // the headers are on their way
	}
	wantShed(t, "one call too many", get())
	const running = "# HELP intervene_rpc_calls_running Calls under way that are no streams.\n" +
		"# TYPE intervene_rpc_calls_running gauge\nintervene_rpc_calls_running 1\n"
	if err := testutil.GatherAndCompare(registry, strings.NewReader(running), "intervene_rpc_calls_running"); err != nil {
		t.Error(err)
	}
	finish()
	if err := <-ended; err != nil {
		t.Fatalf("the slow call: got error %v, want an answer", err)
	}
	for e.server.calls.count.Load() != 0 {
		runtime.Gosched()
	}
	if err := get(); err != nil {
		t.Errorf("after the slow call: got %v, want no error", err)
	}
}

// heldBody is a body that says when it is read, and ends when finish is called.
type heldBody struct {
	read, end chan struct{}
	told      atomic.Bool
}

func holdBody() (body *heldBody, finish func()) {
	s := &heldBody{read: make(chan struct{}), end: make(chan struct{})}
	return s, func() { close(s.end) }
}

func (s *heldBody) Read(p []byte) (int, error) {
	if !s.told.Swap(true) {
		close(s.read)
	}
	<-s.end
	return bytes.NewReader(nil).Read(p)
}

// TestShedding refuses calls, streams and files, and still tells of its health.
func TestShedding(t *testing.T) {
	var short atomic.Bool
	e := newEdge(t, func(o *Options) { o.Shed = short.Load })
	id := e.open("acme").String()
	asha := e.client(ashaToken)
	short.Store(true)
	_, err := asha.Intervene(t.Context(), &intervenev1.InterveneRequest{ConversationId: id, CommandId: newCommandID()})
	wantShed(t, "command", err)
	board, err := asha.WatchBoard(t.Context(), &intervenev1.WatchBoardRequest{})
	if err == nil {
		board.Receive()
		err = board.Err()
	}
	wantShed(t, "stream", err)
	response, err := e.as(ashaToken).Get(edgeURL + "/v1/media/" + id + ".1")
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	if got, want := response.StatusCode, http.StatusTooManyRequests; got != want {
		t.Errorf("file: got %d, want %d", got, want)
	}
	health := connect.NewClient[grpc_health_v1.HealthCheckRequest, grpc_health_v1.HealthCheckResponse](
		e.as(""), edgeURL+grpc_health_v1.Health_Check_FullMethodName)
	if _, err := health.CallUnary(t.Context(), connect.NewRequest(&grpc_health_v1.HealthCheckRequest{})); err != nil {
		t.Errorf("health: got %v, want no error", err)
	}
	short.Store(false)
	if _, err := asha.GetConversation(t.Context(), &intervenev1.GetConversationRequest{ConversationId: id}); err != nil {
		t.Errorf("afterwards: got %v, want no error", err)
	}
}

package rpc

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// reader takes a stream's frames one by one.
type reader[F any] struct {
	t      *testing.T
	stream *connect.ServerStreamForClient[F]
	cancel context.CancelFunc
}

func read[F any](t *testing.T, open func(context.Context) (*connect.ServerStreamForClient[F], error)) *reader[F] {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := open(ctx)
	if err != nil {
		t.Fatalf("open stream: %v", err)
	}
	r := &reader[F]{t, stream, cancel}
	t.Cleanup(r.close)
	return r
}

func (r *reader[F]) next() *F {
	r.t.Helper()
	if !r.stream.Receive() {
		r.t.Fatalf("got the stream's end, error %v, want a frame", r.stream.Err())
	}
	return r.stream.Msg()
}

// end reads what is left and returns how the stream ended.
func (r *reader[F]) end() error {
	for r.stream.Receive() {
	}
	return r.stream.Err()
}

func (r *reader[F]) close() {
	r.cancel()
	if err := r.stream.Close(); err != nil && connect.CodeOf(err) != connect.CodeCanceled {
		r.t.Errorf("close stream: %v", err)
	}
}

func readBoard(t *testing.T, c intervenev1connect.LiveChatServiceClient, r *intervenev1.WatchBoardRequest) *reader[intervenev1.WatchBoardResponse] {
	t.Helper()
	return read(t, func(ctx context.Context) (*connect.ServerStreamForClient[intervenev1.WatchBoardResponse], error) {
		return c.WatchBoard(ctx, r)
	})
}

// settle reads Hello and a snapshot of one chunk.
func settle(t *testing.T, r *reader[intervenev1.WatchBoardResponse]) *intervenev1.SnapshotChunk {
	t.Helper()
	if hello := r.next().GetHello(); hello.GetServerId() == "" || hello.GetHeartbeatInterval().AsDuration() != heartbeatInterval {
		t.Fatalf("got %v, want Hello with a server and the heartbeat interval", hello)
	}
	chunk := r.next().GetSnapshotChunk()
	if !chunk.GetLast() || chunk.GetCounters() == nil || len(chunk.GetResumeToken()) == 0 {
		t.Fatalf("got %v, want the snapshot's last chunk with counters and token", chunk)
	}
	return chunk
}

// TestHeartbeats: a stream that nothing happens on lives, far longer than one
// frame may take to send.
func TestHeartbeats(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%t", http2), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEdge(t)
				id := e.held()
				client := intervenev1connect.NewLiveChatServiceClient(&http.Client{Transport: bearerTransport{ashaToken, e.transport(http2)}}, edgeURL)
				board := readBoard(t, client, &intervenev1.WatchBoardRequest{})
				settle(t, board)
				start := time.Now()
				for i := range 10 {
					if frame := board.next(); frame.GetHeartbeat() == nil {
						t.Fatalf("got %v, want a heartbeat", frame)
					}
					if got, want := time.Since(start), time.Duration(i+1)*heartbeatInterval; got != want {
						t.Errorf("got heartbeat %d after %v, want %v", i, got, want)
					}
				}
				// Anything else is as good as one.
				time.Sleep(heartbeatInterval - time.Second)
				e.move("acme", id, engine.SetTags{Tags: []string{"vip"}})
				if frame := board.next(); frame.GetDeltaBatch() == nil {
					t.Fatalf("got %v, want a delta", frame)
				}
				start = time.Now()
				if frame := board.next(); frame.GetHeartbeat() == nil || time.Since(start) != heartbeatInterval {
					t.Errorf("got %v after %v, want a heartbeat %v after the delta", frame, time.Since(start), heartbeatInterval)
				}
			})
		})
	}
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		client := e.client(ashaToken)
		board := readBoard(t, client, &intervenev1.WatchBoardRequest{})
		settle(t, board)
		conversation := readConversation(t, client, e.held(), 0)
		conversation.next()
		for board.next().GetDeltaBatch() == nil { // of the conversation held just now
		}
		synctest.Wait()

		down := make(chan error)
		go func() { down <- e.http.Shutdown(t.Context()) }()
		away := boardGoAway(board)
		if away == nil || away.GetRetryAfter().AsDuration() > drainSpread {
			t.Errorf("board: got %v, want GoAway with a pause of at most %v", away, drainSpread)
		}
		if err := board.end(); err != nil {
			t.Errorf("board: got error %v at the end, want none", err)
		}
		for conversation.stream.Receive() {
			if conversation.stream.Msg().GetGoAway() != nil {
				away = nil
			}
		}
		if err := conversation.stream.Err(); err != nil || away != nil {
			t.Errorf("conversation: got error %v, and no GoAway %t, want a GoAway and no error", err, away != nil)
		}
		if err := <-down; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

// boardGoAway reads on until GoAway or the end.
func boardGoAway(r *reader[intervenev1.WatchBoardResponse]) *intervenev1.GoAway {
	for r.stream.Receive() {
		if away := r.stream.Msg().GetGoAway(); away != nil {
			return away
		}
	}
	return nil
}

func TestStreamsEndOfAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		board := readBoard(t, e.client(ashaToken), &intervenev1.WatchBoardRequest{})
		start := time.Now()
		away := boardGoAway(board)
		if got := time.Since(start); away == nil || got > maxStreamAge || got < maxStreamAge-streamAgeJitter {
			t.Errorf("got %v after %v, want GoAway after %v to %v", away, got, maxStreamAge-streamAgeJitter, maxStreamAge)
		}
		if err := board.end(); err != nil {
			t.Errorf("got error %v at the end, want none", err)
		}
	})
}

func TestRevokedTokenEndsStreams(t *testing.T) {
	promoted := testTokens()
	promoted[1].Principal.Role = RoleSupervisor
	tests := []struct {
		name string
		list []Token
		ends bool
	}{
		{"the same tokens", testTokens(), false},
		{"without Asha", testTokens()[:1], true},
		{"Asha in another role", promoted, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEdge(t)
				board := readBoard(t, e.client(ashaToken), &intervenev1.WatchBoardRequest{})
				settle(t, board)
				synctest.Wait()
				start := time.Now()
				if err := e.tokens.Replace(tt.list); err != nil {
					t.Fatalf("Replace: %v", err)
				}
				if !tt.ends {
					if frame := board.next(); frame.GetHeartbeat() == nil {
						t.Errorf("got %v, want the stream to go on", frame)
					}
					return
				}
				wantRefusal(t, board.end(), connect.CodeUnauthenticated, "UNAUTHENTICATED")
				if got := time.Since(start); got > time.Second {
					t.Errorf("got the end after %v, want it at once", got)
				}
			})
		})
	}
}

// value is that of one of the edge's metrics with these label values.
func value(t *testing.T, c prometheus.Metric) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatalf("read metric: %v", err)
	}
	if m.GetGauge() != nil {
		return m.GetGauge().GetValue()
	}
	return m.GetCounter().GetValue()
}

func (e *edge) streamsOpen(t *testing.T) float64 {
	return value(t, e.server.metrics.streamsOpen.WithLabelValues(intervenev1connect.LiveChatServiceWatchBoardProcedure))
}

func (e *edge) streamsEnded(t *testing.T, reason string) float64 {
	return value(t, e.server.metrics.streamsEnded.WithLabelValues(intervenev1connect.LiveChatServiceWatchBoardProcedure, reason))
}

// stall opens a board over HTTP/1.1 and reads nothing.
func stall(t *testing.T, e *edge) net.Conn {
	t.Helper()
	conn, err := e.pipes.dial(t.Context(), "", "")
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	const message = "{}"
	envelope := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	body := string(envelope) + message
	if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: edge.test\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/connect+json\r\nContent-Length: %d\r\n\r\n%s",
		intervenev1connect.LiveChatServiceWatchBoardProcedure, ashaToken, len(body), body); err != nil {
		t.Fatalf("write request: %v", err)
	}
	return conn
}

// TestStalledCaller: one that reads nothing costs a stream for no longer than a
// frame may take, and its neighbours nothing.
func TestStalledCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		id := e.held()
		conn := stall(t, e)
		board := readBoard(t, e.client(benToken), &intervenev1.WatchBoardRequest{})
		settle(t, board)
		synctest.Wait()
		if got := e.streamsOpen(t); got != 2 {
			t.Fatalf("got %v streams open, want 2", got)
		}
		e.move("acme", id, engine.SetTags{Tags: []string{"vip"}})
		if frame := board.next(); len(frame.GetDeltaBatch().GetUpserts()) != 1 {
			t.Errorf("neighbour: got %v, want a delta", frame)
		}
		time.Sleep(sendTimeout)
		synctest.Wait()
		if open, stalled := e.streamsOpen(t), e.streamsEnded(t, endedByStall); open != 1 || stalled != 1 {
			t.Errorf("got %v streams open and %v stalled, want 1 and 1", open, stalled)
		}
		if got := e.watching(); got != 1 {
			t.Errorf("got %d watches of the backend, want 1", got)
		}
		if err := conn.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

// TestStalledEnd: not even the end of a stream waits for a caller that has
// stopped reading.
func TestStalledEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		conn := stall(t, e)
		var got []byte
		for !strings.Contains(string(got), "snapshotChunk") {
			var buf [4096]byte
			n, err := conn.Read(buf[:])
			if err != nil {
				t.Fatalf("read: %v", err)
			}
			got = append(got, buf[:n]...)
		}
		synctest.Wait()
		if err := e.tokens.Replace(nil); err != nil {
			t.Fatalf("Replace: %v", err)
		}
		time.Sleep(sendTimeout + time.Second)
		synctest.Wait()
		if rest := readAll(t, conn); strings.Contains(rest, "unauthenticated") {
			t.Errorf("got %q after %v, want the connection closed", rest, sendTimeout)
		}
		if err := conn.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

// TestCallerThatLeaves: HTTP/2 says so at once; over HTTP/1.1 a heartbeat finds out.
func TestCallerThatLeaves(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%t", http2), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEdge(t)
				client := intervenev1connect.NewLiveChatServiceClient(&http.Client{Transport: bearerTransport{ashaToken, e.transport(http2)}}, edgeURL)
				board := readBoard(t, client, &intervenev1.WatchBoardRequest{})
				settle(t, board)
				board.cancel()
				if !http2 {
					time.Sleep(heartbeatInterval)
				}
				synctest.Wait()
				if open, left := e.streamsOpen(t), e.streamsEnded(t, endedByCaller); open != 0 || left != 1 || e.watching() != 0 {
					t.Errorf("got %v streams open, %v left, %d watches, want 0, 1, 0", open, left, e.watching())
				}
				if got := e.log.String(); got != "" {
					t.Errorf("got a log, want none:\n%s", got)
				}
			})
		})
	}
}

func TestStreamLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, func(o *Options) { o.MaxStreams, o.MaxStreamsEach = 2, 1 })
		open := func(token string) error {
			stream, err := e.client(token).WatchBoard(t.Context(), &intervenev1.WatchBoardRequest{})
			return streamError(stream, err)
		}
		first := readBoard(t, e.client(ashaToken), &intervenev1.WatchBoardRequest{})
		settle(t, first)
		wantRefusal(t, open(ashaToken), connect.CodeResourceExhausted, "TOO_MANY_STREAMS")
		settle(t, readBoard(t, e.client(benToken), &intervenev1.WatchBoardRequest{}))
		wantRefusal(t, open(samToken), connect.CodeResourceExhausted, "TOO_MANY_STREAMS")
		first.cancel()
		synctest.Wait()
		settle(t, readBoard(t, e.client(samToken), &intervenev1.WatchBoardRequest{}))
	})
}

// watchFunc is a backend whose boards are a function.
type watchFunc struct {
	*memory
	watch func(context.Context, func(engine.BoardUpdate) error) error
}

func (w watchFunc) WatchBoard(ctx context.Context, _ engine.BoardQuery, update func(engine.BoardUpdate) error) error {
	return w.watch(ctx, update)
}

// TestBackendThatFails: whatever a backend does, the caller is told how to go on.
func TestBackendThatFails(t *testing.T) {
	tests := []struct {
		name   string
		watch  func(context.Context, func(engine.BoardUpdate) error) error
		code   connect.Code
		reason string
	}{
		{"panics", func(context.Context, func(engine.BoardUpdate) error) error { panic("secret") }, connect.CodeInternal, "INTERNAL"},
		{"fails", func(context.Context, func(engine.BoardUpdate) error) error { return errors.New("secret") }, connect.CodeInternal, "INTERNAL"},
		{"is unavailable", func(context.Context, func(engine.BoardUpdate) error) error {
			return &engine.Error{Code: engine.CodeUnavailable}
		}, connect.CodeUnavailable, "UNAVAILABLE"},
		{"closes", func(context.Context, func(engine.BoardUpdate) error) error { return nil }, connect.CodeUnavailable, "UNAVAILABLE"},
		{"shows another workspace", func(_ context.Context, update func(engine.BoardUpdate) error) error {
			return update(engine.BoardUpdate{Snapshot: true, Upserts: []engine.Card{{Workspace: "other"}}})
		}, connect.CodeInternal, "INTERNAL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEdge(t, func(o *Options) { o.Boards = watchFunc{o.Boards.(*memory), tt.watch} })
			stream, err := e.client(ashaToken).WatchBoard(t.Context(), &intervenev1.WatchBoardRequest{})
			err = streamError(stream, err)
			wantRefusal(t, err, tt.code, tt.reason)
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("got text %q, want a fixed one", err)
			}
			want := 0
			if tt.code == connect.CodeInternal {
				want = 1
			}
			if got := strings.Count(e.log.String(), "procedure failed"); got != want {
				t.Errorf("got %d lines logged, want %d:\n%s", got, want, e.log)
			}
		})
	}
}

// TestSlowRequest: a caller that begins a request and does not go on is let go.
func TestSlowRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		conn, err := e.pipes.dial(t.Context(), "", "")
		if err != nil {
			t.Fatalf("dial: %v", err)
		}
		start := time.Now()
		if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: edge.test\r\nAuthorization: Bearer %s\r\n"+
			"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{", intervenev1connect.LiveChatServiceListAgentsProcedure, ashaToken); err != nil {
			t.Fatalf("write request: %v", err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			err = errors.Join(response.Body.Close(), fmt.Errorf("status %d", response.StatusCode))
		}
		if got := time.Since(start); got != requestTimeout {
			t.Errorf("got %v after %v, want the end after %v", err, got, requestTimeout)
		}
		if err := conn.Close(); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("close: %v", err)
		}
	})
}

// TestSlowRequestOverHTTP2: the same for one stream of a connection, which goes on.
func TestSlowRequestOverHTTP2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		body, rest := io.Pipe()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, edgeURL+intervenev1connect.LiveChatServiceListAgentsProcedure, body)
		if err != nil {
			t.Fatalf("make request: %v", err)
		}
		request.Header.Set("Content-Type", "application/json")
		start := time.Now()
		response, err := e.as(ashaToken).Do(request)
		if err == nil {
			err = errors.Join(response.Body.Close(), fmt.Errorf("status %d", response.StatusCode))
		}
		if got := time.Since(start); got != requestTimeout {
			t.Errorf("got %v after %v, want the end after %v", err, got, requestTimeout)
		}
		if err := rest.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if _, err := e.client(ashaToken).ListAgents(t.Context(), &intervenev1.ListAgentsRequest{}); err != nil {
			t.Errorf("the next request: got error %v, want none", err)
		}
	})
}

// TestReflectionIsBounded: a stream that needs no token lasts no longer than a request.
func TestReflectionIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		client := grpcreflect.NewClient(e.as(""), edgeURL)
		stream := client.NewStream(t.Context())
		if _, err := stream.ListServices(); err != nil {
			t.Fatalf("ListServices: %v", err)
		}
		time.Sleep(requestTimeout + time.Second)
		if _, err := stream.ListServices(); err == nil {
			t.Errorf("got an answer after %v, want the stream ended", requestTimeout)
		}
		if _, err := stream.Close(); err == nil {
			t.Error("got a clean end of the stream, want an error")
		}
	})
}

// TestHiddenDeadlines: behind a wrapper that hides the deadlines nothing is served.
func TestHiddenDeadlines(t *testing.T) {
	e := newEdge(t)
	recorder := httptest.NewRecorder() // has none
	e.server.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, intervenev1connect.LiveChatServiceListAgentsProcedure, nil))
	if recorder.Code != http.StatusInternalServerError || !strings.Contains(e.log.String(), "deadlines") {
		t.Errorf("got status %d, log %q, want %d and a log of why", recorder.Code, e.log, http.StatusInternalServerError)
	}
}

// darkConn is a connection whose peer can vanish without a word: what it is sent
// goes nowhere, and nothing comes from it.
type darkConn struct {
	net.Conn
	dark *atomic.Bool
}

func (c darkConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.dark.Load() {
			return n, err
		}
	}
}

func (c darkConn) Write(p []byte) (int, error) {
	if c.dark.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// TestVanishedPeer: over HTTP/2 a ping finds out, long before a heartbeat would.
func TestVanishedPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		var dark atomic.Bool
		transport := e.transport(true)
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := e.pipes.dial(ctx, network, address)
			return darkConn{conn, &dark}, err
		}
		client := intervenev1connect.NewLiveChatServiceClient(&http.Client{Transport: bearerTransport{ashaToken, transport}}, edgeURL)
		settle(t, readBoard(t, client, &intervenev1.WatchBoardRequest{}))
		dark.Store(true)
		time.Sleep(sendPingTimeout + pingTimeout + time.Second)
		synctest.Wait()
		if open, left := e.streamsOpen(t), e.streamsEnded(t, endedByCaller); open != 0 || left != 1 {
			t.Errorf("got %v streams open, %v left after %v, want 0 and 1", open, left, sendPingTimeout+pingTimeout)
		}
	})
}

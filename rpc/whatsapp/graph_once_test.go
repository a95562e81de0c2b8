package whatsapp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// rawGraph hands each connection to serve, and counts the requests whose whole
// body arrived.
type rawGraph struct {
	address  string
	requests atomic.Int32
}

func newRawGraph(t *testing.T, serve func(g *rawGraph, connection *net.TCPConn)) *rawGraph {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	g := &rawGraph{address: "http://" + listener.Addr().String()}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { serve(g, connection.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Errorf("close the listener: %v", err)
		}
		running.Wait()
	})
	return g
}

// request reads one whole request.
func (g *rawGraph) request(r *bufio.Reader) error {
	request, err := http.ReadRequest(r)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, request.Body); err != nil {
		return err
	}
	g.requests.Add(1)
	return nil
}

// reset ends a connection by a TCP reset.
func reset(connection *net.TCPConn) {
	if err := connection.SetLinger(0); err != nil {
		panic(err)
	}
	if err := connection.Close(); err != nil {
		panic(err)
	}
}

func wantRequests(t *testing.T, g *rawGraph, want int32) {
	t.Helper()
	if got := g.requests.Load(); got != want {
		t.Errorf("requests that arrived: got %d, want %d", got, want)
	}
}

// TestGraphSurelyUnsent: what fails before anything is written is tried again.
func TestGraphSurelyUnsent(t *testing.T) {
	queued := engine.AttemptResult{State: engine.Queued}
	t.Run("nobody listens", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatalf("listen: %v", err)
		}
		address := "http://" + listener.Addr().String()
		if err := listener.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
		result, after := newGraphEdge(t, address).Send(t.Context(), outbound())
		wantResult(t, result, after, queued, time.Second)
	})
	t.Run("a certificate that is not trusted", func(t *testing.T) {
		var requests atomic.Int32
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
		server.Config.ErrorLog = discardLog()
		server.StartTLS()
		defer server.Close()
		result, after := newGraphEdge(t, server.URL).Send(t.Context(), outbound())
		wantResult(t, result, after, queued, time.Second)
		if got := requests.Load(); got != 0 {
			t.Errorf("requests: got %d, want none", got)
		}
	})
	t.Run("no TLS at all", func(t *testing.T) {
		g := newRawGraph(t, func(_ *rawGraph, connection *net.TCPConn) { reset(connection) })
		result, after := newGraphEdge(t, strings.Replace(g.address, "http", "https", 1)).Send(t.Context(), outbound())
		wantResult(t, result, after, queued, time.Second)
	})
	t.Run("the caller gave up before", func(t *testing.T) {
		e := serveGraph(t, answering(http.StatusOK, acceptedBody))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		result, after := e.Send(ctx, outbound())
		wantResult(t, result, after, queued, time.Second)
	})
}

// TestGraphAnsweredBeforeWriting: an error that comes while the request still
// waits to be written cannot be about a message that was sent.
func TestGraphAnsweredBeforeWriting(t *testing.T) {
	early := roundTripper(func(*http.Request) (*http.Response, error) {
		answer := httptest.NewRecorder()
		answer.WriteHeader(http.StatusServiceUnavailable)
		return answer.Result(), nil
	})
	late := roundTripper(func(r *http.Request) (*http.Response, error) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return nil, err
		}
		return early(r)
	})
	for _, tt := range []struct {
		name      string
		transport roundTripper
		want      engine.DeliveryState
		wantAfter time.Duration
	}{{"early", early, engine.Queued, time.Second}, {"late", late, engine.Unknown, 0}} {
		e := newGraphEdge(t, "http://graph.invalid")
		e.client.Transport = tt.transport
		result, after := e.Send(t.Context(), outbound())
		wantResult(t, result, after, engine.AttemptResult{State: tt.want}, tt.wantAfter)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestGraphAmbiguous: what may have arrived is never tried again.
func TestGraphAmbiguous(t *testing.T) {
	answers := map[string]func(*net.TCPConn){
		"reset":             reset,
		"end":               func(c *net.TCPConn) { closeConnection(c) },
		"half a header":     func(c *net.TCPConn) { writeAndClose(c, "HTTP/1.1 200 O") },
		"no HTTP":           func(c *net.TCPConn) { writeAndClose(c, "hello\r\n\r\n") },
		"half an answer":    func(c *net.TCPConn) { writeAndClose(c, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"+acceptedBody) },
		"an endless answer": writeEndless,
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			g := newRawGraph(t, func(g *rawGraph, connection *net.TCPConn) {
				if err := g.request(bufio.NewReader(connection)); err != nil {
					panic(err)
				}
				answer(connection)
			})
			result, after := newGraphEdge(t, g.address).Send(t.Context(), outbound())
			wantResult(t, result, after, engine.AttemptResult{State: engine.Unknown}, 0)
			wantRequests(t, g, 1)
		})
	}
}

func closeConnection(c *net.TCPConn) {
	if err := c.Close(); err != nil {
		panic(err)
	}
}

func writeAndClose(c *net.TCPConn, text string) {
	if _, err := io.WriteString(c, text); err != nil {
		panic(err)
	}
	closeConnection(c)
}

func writeEndless(c *net.TCPConn) {
	defer closeConnection(c)
	text := "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + strings.Repeat(" ", 64<<10)
	for {
		if _, err := io.WriteString(c, text); err != nil {
			return // the client has read enough
		}
	}
}

// TestGraphGivenUpUnderway: the caller leaves while Meta has the request.
func TestGraphGivenUpUnderway(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	e := serveGraph(t, func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Errorf("read the send: %v", err)
		}
		cancel()
		<-r.Context().Done()
	})
	result, after := e.Send(ctx, outbound())
	wantResult(t, result, after, engine.AttemptResult{State: engine.Unknown}, 0)
}

// TestGraphNeverReplays: a kept connection that breaks under a request is where
// net/http would write an idempotent request again.
func TestGraphNeverReplays(t *testing.T) {
	for _, breakage := range []struct {
		name string
		end  func(*net.TCPConn)
	}{{"reset", reset}, {"end", closeConnection}} {
		t.Run(breakage.name, func(t *testing.T) {
			g := newRawGraph(t, func(g *rawGraph, connection *net.TCPConn) {
				reader := bufio.NewReader(connection)
				if err := g.request(reader); err != nil {
					panic(err)
				}
				if _, err := fmt.Fprintf(connection, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(acceptedBody), acceptedBody); err != nil {
					panic(err)
				}
				if err := g.request(reader); err != nil {
					panic(err)
				}
				breakage.end(connection)
			})
			e := newGraphEdge(t, g.address)
			first, after := e.Send(t.Context(), outbound())
			wantResult(t, first, after, engine.AttemptResult{State: engine.Accepted, External: "wamid.new"}, 0)
			second, after := e.Send(t.Context(), outbound())
			wantResult(t, second, after, engine.AttemptResult{State: engine.Unknown}, 0)
			wantRequests(t, g, 2)
		})
	}
}

func TestOnceBody(t *testing.T) {
	t.Run("sealed before it is read", func(t *testing.T) {
		body := newOnceBody([]byte("x"))
		for range 2 {
			if !body.seal() {
				t.Error("seal: got false, want true, again and again")
			}
		}
		if _, err := body.Read(make([]byte, 1)); !errors.Is(err, errSealed) {
			t.Errorf("read: got error %v, want %v", err, errSealed)
		}
	})
	t.Run("read before it is sealed", func(t *testing.T) {
		body := newOnceBody([]byte("xyz"))
		if _, err := body.Read(make([]byte, 1)); err != nil {
			t.Errorf("read: got error %v, want none", err)
		}
		if body.seal() {
			t.Error("seal: got true, want false")
		}
		if rest, err := io.ReadAll(body); err != nil || string(rest) != "yz" {
			t.Errorf("rest: got %q, %v, want \"yz\"", rest, err)
		}
	})
	t.Run("both at once", func(t *testing.T) {
		for range 1000 {
			body := newOnceBody([]byte("x"))
			read := make(chan error, 1)
			go func() {
				_, err := body.Read(make([]byte, 1))
				read <- err
			}()
			unsent := body.seal()
			if err := <-read; errors.Is(err, errSealed) != unsent {
				t.Fatalf("got sealed %v and read error %v, want one of the two to win", unsent, err)
			}
		}
	})
	t.Run("cannot be rewound", func(t *testing.T) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://graph.invalid", newOnceBody(nil))
		if err != nil {
			t.Fatalf("make the request: %v", err)
		}
		if request.GetBody != nil {
			t.Error("GetBody: got a function, want none")
		}
	})
}

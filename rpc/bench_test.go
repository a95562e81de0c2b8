//go:build unix

package rpc_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/rpc"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

const (
	benchSlice = 4_000
	benchToken = "token-of-asha"
)

var benchCallers = []int{32, 128, 512}

// BenchmarkUnary compares AddNote, through the whole edge, router and journal to
// the fsync, with a bare Connect handler of the same messages that does nothing.
// Both speak Connect over h2c on the loopback, take turns in one run, and pay for
// their callers, which run in this process. The bare handler compresses nothing
// small either: with Connect's defaults it would gzip its empty answers.
//
//	go test -run '^$' -bench Unary -benchtime 10s ./rpc
func BenchmarkUnary(b *testing.B) {
	for _, callers := range benchCallers {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { compareUnary(b, callers) })
	}
}

func compareUnary(b *testing.B, callers int) {
	engineClient, ids := wholeEdge(b, callers)
	bare := listen(b, bareHandler())
	var whole, noop side
	for b.Loop() {
		whole.addNotes(b, engineClient, ids)
		noop.addNotes(b, bare, ids)
	}
	b.ReportMetric(0, "ns/op") // an operation is a slice of both: it says nothing
	b.ReportMetric(whole.rate(), "notes/s")
	b.ReportMetric(noop.rate(), "no-op/s")
	b.ReportMetric(whole.cpuEach(), "cpu-µs")
	b.ReportMetric(noop.cpuEach(), "no-op-cpu-µs")
	b.ReportMetric(whole.rate()/noop.rate(), "of-no-op")
}

// side adds up the slices of one of the two.
type side struct {
	count        int
	elapsed, cpu time.Duration
}

func (s *side) rate() float64 { return float64(s.count) / s.elapsed.Seconds() }

// cpuEach is in microseconds, the callers' share with it.
func (s *side) cpuEach() float64 { return float64(s.cpu.Nanoseconds()) / 1e3 / float64(s.count) }

// cpuTime is what this process has used of the processors.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

type bare struct {
	intervenev1connect.UnimplementedLiveChatServiceHandler
}

func (bare) AddNote(context.Context, *intervenev1.AddNoteRequest) (*intervenev1.AddNoteResponse, error) {
	return &intervenev1.AddNoteResponse{}, nil
}

func bareHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(intervenev1connect.NewLiveChatServiceHandler(bare{}, connect.WithReadMaxBytes(1<<20), connect.WithCompressMinBytes(1024)))
	return mux
}

// wholeEdge is an engine with as many conversations as there are callers.
func wholeEdge(b *testing.B, callers int) (intervenev1connect.LiveChatServiceClient, []engine.ConversationID) {
	b.Helper()
	j, err := journal.Open(b.TempDir(), journal.Options{Create: true, Fatal: func(err error) { panic(err) }})
	if err != nil {
		b.Fatalf("open journal: %v", err)
	}
	router := actors.NewRouter(actors.RouterOptions{Store: j})
	board, err := actors.StartBoard(j, nil, nil)
	if err != nil {
		b.Fatalf("build board: %v", err)
	}
	b.Cleanup(func() {
		router.Stop()
		board.Stop()
		if err := j.Close(); err != nil {
			b.Errorf("close journal: %v", err)
		}
	})
	tokens, err := rpc.NewTokens([]rpc.Token{{
		Hash: rpc.HashToken(benchToken), Principal: rpc.Principal{ID: "asha", Name: "Asha", Workspace: "acme", Role: rpc.RoleAgent},
	}})
	if err != nil {
		b.Fatalf("make tokens: %v", err)
	}
	server, err := rpc.New(rpc.Options{
		Commands: router, Conversations: j, Boards: board, Presences: empty{}, Tokens: tokens, JournalID: j.ID(), Ready: router.Ready,
		Starter: empty{}, References: empty{}, Identities: empty{}, Overviews: empty{}, DeadLetters: empty{}, Templates: empty{}, Receipts: empty{}, Media: empty{},
	})
	if err != nil {
		b.Fatalf("make edge: %v", err)
	}
	ids := make([]engine.ConversationID, callers)
	for n := range ids {
		ids[n] = actors.NewConversationID(0)
		_, err := router.Do(b.Context(), ids[n], engine.Command{
			Workspace: "acme", By: engine.Party{Kind: engine.Customer},
			Body: engine.Receive{
				Channel: "main", Contact: engine.Contact{WaID: fmt.Sprintf("99900%06d", n)}, External: fmt.Sprintf("in-%d", n),
				SentAt: engine.InstantOf(time.Now()), Content: engine.Content{Kind: engine.ContentText, Text: "hello"},
			},
		})
		if err != nil {
			b.Fatalf("open conversation: %v", err)
		}
	}
	return listen(b, server.Handler()), ids
}

// listen serves handler on the loopback and answers a client of it.
func listen(b *testing.B, handler http.Handler) intervenev1connect.LiveChatServiceClient {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatalf("listen: %v", err)
	}
	server := rpc.NewHTTPServer(handler)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(l); err != http.ErrServerClosed {
			b.Errorf("serve: %v", err)
		}
	})
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &h2c}
	b.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := server.Close(); err != nil {
			b.Errorf("close server: %v", err)
		}
		serving.Wait()
	})
	return intervenev1connect.NewLiveChatServiceClient(&http.Client{Transport: asAsha{transport}}, "http://"+l.Addr().String())
}

type asAsha struct{ next http.RoundTripper }

func (a asAsha) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("Authorization", "Bearer "+benchToken)
	return a.next.RoundTrip(r)
}

// addNotes makes a slice of calls, from all callers at once.
func (s *side) addNotes(b *testing.B, client intervenev1connect.LiveChatServiceClient, ids []engine.ConversationID) {
	cpu, began := cpuTime(), time.Now()
	var left atomic.Int64
	left.Store(benchSlice)
	var calling sync.WaitGroup
	for _, id := range ids {
		calling.Go(func() {
			for left.Add(-1) >= 0 {
				_, err := client.AddNote(b.Context(), &intervenev1.AddNoteRequest{
					ConversationId: id.String(), CommandId: uuid.NewString(), Body: "she asks for the invoice of March",
				})
				if err != nil {
					b.Errorf("add note: got error %v, want none", err)
					return
				}
			}
		})
	}
	calling.Wait()
	s.elapsed += time.Since(began)
	s.cpu += cpuTime() - cpu
	s.count += benchSlice
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/rpc"
	"github.com/intervenehq/intervene/rpc/client"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// generationHeader is put by the line on every answer: in which generation of the
// journal it was given.
const generationHeader = "Test-Generation"

// gallery keeps every card that reached a follower, and of which generation of
// the journal it is, until it is judged.
type gallery struct {
	generation, applied atomic.Int64

	mu       sync.Mutex
	unjudged map[sighting]*intervenev1.Card
	of       map[*intervenev1.Card]int64
	problems []string
}

// sighting is a conversation at a version, in a generation of the journal.
type sighting struct {
	generation   int64
	conversation string
	version      uint64
}

func newGallery() *gallery {
	return &gallery{unjudged: make(map[sighting]*intervenev1.Card), of: make(map[*intervenev1.Card]int64)}
}

func (g *gallery) problem(format string, args ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.problems = append(g.problems, fmt.Sprintf(format, args...))
}

// born is the generation of a card that came.
func (g *gallery) born(card *intervenev1.Card) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.of[card]
}

func (g *gallery) see(header http.Header, message any) {
	generation, _ := strconv.ParseInt(header.Get(generationHeader), 10, 64) // 0, which is none, shows up
	var cards []*intervenev1.Card
	switch m := message.(type) {
	case *intervenev1.WatchBoardResponse:
		cards = append(m.GetSnapshotChunk().GetCards(), m.GetDeltaBatch().GetUpserts()...)
	case interface{ GetCard() *intervenev1.Card }:
		if card := m.GetCard(); card != nil {
			cards = append(cards, card)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, card := range cards {
		g.of[card] = generation
		s := sighting{generation, card.GetConversationId(), card.GetVersion()}
		if before := g.unjudged[s]; before != nil && !proto.Equal(before, card) {
			g.problems = append(g.problems, fmt.Sprintf("one version was shown in two ways: %v and %v", before, card))
		}
		g.unjudged[s] = card
	}
}

// WrapUnary implements connect.Interceptor, as the methods below do.
func (g *gallery) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		response, err := next(ctx, request)
		if err == nil {
			g.see(response.Header(), response.Any())
		}
		return response, err
	}
}

func (g *gallery) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		return visited{next(ctx, spec), g}
	}
}

func (g *gallery) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// visited is one stream of a follower.
type visited struct {
	connect.StreamingClientConn
	gallery *gallery
}

func (v visited) Receive(message any) error {
	err := v.StreamingClientConn.Receive(message)
	if err == nil {
		v.gallery.see(v.ResponseHeader(), message)
	}
	return err
}

// newGalleryCaller is a client of which everything is seen.
func newGalleryCaller(t *testing.T, v *streams, id string) *client.Client {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	line := roundTripper(func(r *http.Request) (*http.Response, error) {
		// It changes while no engine serves alone.
		generation := strconv.FormatInt(v.gallery.generation.Load(), 10)
		response, err := v.site.RoundTrip(r, transport)
		if err == nil {
			response.Header.Set(generationHeader, generation)
		}
		return response, err
	})
	return client.New(&http.Client{Transport: line}, "http://engine.invalid", v.site.members[id].token, connect.WithInterceptors(v.gallery))
}

// judge holds everything that was seen against the journal of the engine, which
// is dead.
func (v *streams) judge(t *testing.T) {
	t.Helper()
	j, err := journal.Open(v.site.dataDir, journal.Options{})
	if err != nil {
		t.Fatalf("open the journal: %v", err)
	}
	defer func() {
		if err := j.Close(); err != nil {
			t.Errorf("close the journal: %v", err)
		}
	}()
	p, err := newPainter()
	if err != nil {
		t.Fatalf("make an edge: %v", err)
	}
	g := v.gallery
	g.mu.Lock()
	seen := g.unjudged
	g.unjudged = make(map[sighting]*intervenev1.Card)
	problems := g.problems
	g.problems = nil
	g.mu.Unlock()
	for s, card := range seen {
		if generation := g.generation.Load(); s.generation != generation {
			problems = append(problems, fmt.Sprintf("%+v: seen after generation %d began", s, generation))
			continue
		}
		v.judged++
		if err := p.compare(t.Context(), j, s, card); err != nil {
			problems = append(problems, fmt.Sprintf("%+v: %v", s, err))
		}
	}
	if len(problems) > 0 {
		t.Errorf("after %s: what was seen is not what the journal holds:\n%s", v.told(), told(problems))
	}
}

// painter turns a conversation of a journal, as of a version, into what the edge
// shows of it.
type painter struct {
	api  *client.Client
	card engine.Card
}

func newPainter() (*painter, error) {
	const token = "painter"
	tokens, err := rpc.NewTokens([]rpc.Token{
		{Hash: rpc.HashToken(token), Principal: rpc.Principal{ID: token, Name: token, Workspace: "acme", Role: rpc.RoleAgent}},
	})
	if err != nil {
		return nil, err
	}
	p := new(painter)
	edge, err := rpc.New(rpc.Options{
		Commands: struct{ rpc.Commands }{}, Conversations: canvas{painter: p}, Boards: struct{ rpc.Boards }{},
		Presences: struct{ rpc.Presences }{}, Tokens: tokens, Starter: struct{ rpc.Starter }{}, References: struct{ rpc.References }{}, Identities: struct{ rpc.Identities }{}, Overviews: struct{ rpc.Overviews }{},
		DeadLetters: noLetters{}, Templates: noTemplates{}, Receipts: struct{ rpc.Receipts }{}, Media: struct{ rpc.Media }{},
		Ready: func() bool { return true },
	})
	if err != nil {
		return nil, err
	}
	p.api = client.New(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		w := unhurried{httptest.NewRecorder()}
		edge.Handler().ServeHTTP(w, r)
		return w.Result(), nil
	})}, "http://engine.invalid", token)
	return p, nil
}

func (p *painter) compare(ctx context.Context, j *journal.Journal, s sighting, got *intervenev1.Card) error {
	id, err := engine.ParseConversationID(s.conversation)
	if err != nil {
		return err
	}
	c, err := j.LoadAt(id, s.version)
	if err != nil {
		return fmt.Errorf("the journal never held it: %w", err)
	}
	p.card = c.Card()
	want, err := p.api.API().GetConversation(ctx, &intervenev1.GetConversationRequest{ConversationId: s.conversation})
	if err != nil {
		return err
	}
	if !proto.Equal(got, want.GetCard()) {
		return errors.New("got card " + got.String() + ", want " + want.GetCard().String())
	}
	return nil
}

// canvas is the backend of a painter.
type canvas struct {
	rpc.Conversations
	painter *painter
}

func (c canvas) Card(engine.ConversationID) (engine.Card, error) { return c.painter.card, nil }

// noLetters and noTemplates are backends that nobody asks.
type (
	noLetters   struct{ nobody rpc.DeadLetters }
	noTemplates struct{ nobody rpc.Templates }
)

func (n noLetters) DeadLetters(ws engine.WorkspaceID, after engine.DeadLetter, limit int) ([]engine.DeadLetter, error) {
	return n.nobody.DeadLetters(ws, after, limit)
}

func (n noTemplates) Templates(ctx context.Context, channel engine.ChannelID) ([]engine.TemplateInfo, error) {
	return n.nobody.Templates(ctx, channel)
}

// unhurried is an answer that takes deadlines, and has none.
type unhurried struct{ *httptest.ResponseRecorder }

func (unhurried) SetReadDeadline(time.Time) error  { return nil }
func (unhurried) SetWriteDeadline(time.Time) error { return nil }

package sim

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/rpc"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// edgeURL is where frontends call the engine.
const edgeURL = "http://edge.test"

// startEdge wires the Connect edge, as serve does.
func (w *world) startEdge() error {
	p := w.sim.plan
	channels := make(map[engine.ChannelID]engine.WorkspaceID)
	for _, n := range p.numbers {
		channels[n.channel] = n.workspace
	}
	tokens, err := rpc.NewTokens(p.tokens())
	if err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	w.presence = actors.StartPresences(nil)
	w.callers = make(map[engine.AgentID]intervenev1connect.LiveChatServiceClient)
	w.edge, err = rpc.New(rpc.Options{
		Commands: commands{w.router}, Conversations: w.journal, Boards: w.board, Presences: w.presence,
		Starter: w.inbox, References: references{w.journal}, Identities: w.journal, Overviews: unasked{}, DeadLetters: w.journal,
		Templates: w.graph, Receipts: w.graph, Media: w.files,
		Settings: rpc.Settings{Channels: channels, Policies: p.policies}, Tokens: tokens,
		JournalID: w.journal.ID(), Ready: func() bool { return true }, Log: w.log(),
	})
	return err
}

// tokens are the humans and bots of all workspaces, each under a token of their name.
func (p *plan) tokens() []rpc.Token {
	var tokens []rpc.Token
	for _, n := range p.numbers {
		bot := rpc.Principal{ID: engine.AgentID(botToken(n.workspace)), Workspace: n.workspace, Role: rpc.RoleBot}
		tokens = append(tokens, rpc.Token{Hash: rpc.HashToken(string(bot.ID)), Principal: bot})
		for j := range p.agents {
			who := rpc.Principal{ID: n.agent(j), Workspace: n.workspace, Role: rpc.RoleAgent}
			if j == 0 {
				who.Role = rpc.RoleSupervisor
			}
			tokens = append(tokens, rpc.Token{Hash: rpc.HashToken(string(who.ID)), Principal: who})
		}
	}
	return tokens
}

func (n number) agent(nth int) engine.AgentID {
	return engine.AgentID(fmt.Sprintf("%s-agent-%d", n.workspace, nth))
}

type references struct{ journal *journal.Journal }

func (r references) ByExternal(channel engine.ChannelID, external string) (engine.MessageID, bool, error) {
	return r.journal.BySend(channel, external)
}

// unasked is what nobody asks for here.
type unasked struct{ rpc.Overviews }

// forgetful is a log that now and then does not reach back as far as its reader is
// behind, as one of a busy engine: the board is built anew.
type forgetful struct {
	*journal.Journal
	sim *sim
}

func (f forgetful) Tail(ctx context.Context, after uint64, limit int) ([]engine.Change, error) {
	changes, err := f.Journal.Tail(ctx, after, limit)
	if err == nil && f.sim.chance("ring", f.sim.plan.wire.overrun) {
		return nil, engine.Errorf(engine.CodeNotFound, "offset %d is not in the log any more", after)
	}
	return changes, err
}

// as calls the edge of one life as somebody.
func (w *world) as(who engine.AgentID) intervenev1connect.LiveChatServiceClient {
	w.sim.mu.Lock()
	defer w.sim.mu.Unlock()
	client, ok := w.callers[who]
	if !ok {
		client = intervenev1connect.NewLiveChatServiceClient(&http.Client{Transport: edgeWire{w, who}}, edgeURL)
		w.callers[who] = client
	}
	return client
}

// edgeWire carries one caller's requests to the edge of one life: what the edge
// writes waits until it is read.
type edgeWire struct {
	world *world
	who   engine.AgentID
}

func (e edgeWire) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+string(e.who))
	body, far := net.Pipe()
	answer := &edgeAnswer{Conn: far, header: make(http.Header), begun: make(chan struct{})}
	hungUp := context.AfterFunc(request.Context(), func() { _ = body.Close() }) // a pipe's has no error
	e.world.inside.Go(func() {
		defer hungUp()
		e.world.edge.Handler().ServeHTTP(answer, request)
		answer.WriteHeader(http.StatusOK)
		_ = far.Close()
		_ = request.Body.Close()
	})
	select {
	case <-answer.begun:
	case <-request.Context().Done():
		return nil, request.Context().Err()
	}
	return &http.Response{
		StatusCode: answer.status, Header: answer.sent, Body: body, Request: request,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1,
	}, nil
}

// edgeAnswer is an answer of the edge, with the deadlines of its connection.
type edgeAnswer struct {
	net.Conn
	header http.Header
	begin  sync.Once
	begun  chan struct{} // closed when what follows is set
	status int
	sent   http.Header
}

func (a *edgeAnswer) Header() http.Header { return a.header }

func (a *edgeAnswer) WriteHeader(status int) {
	a.begin.Do(func() {
		a.status, a.sent = status, a.header.Clone()
		close(a.begun)
	})
}

func (a *edgeAnswer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.Conn.Write(p)
}

func (a *edgeAnswer) Flush() { a.WriteHeader(http.StatusOK) }

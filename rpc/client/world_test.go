package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/rpc"
	"github.com/intervenehq/intervene/rpc/client"
)

const (
	acme    engine.WorkspaceID = "acme"
	channel engine.ChannelID   = "acme-main"

	ashaToken = "token-of-asha" // agent
	samToken  = "token-of-sam"  // supervisor
	edgeURL   = "http://edge.test"
)

func tokens() []rpc.Token {
	return []rpc.Token{
		{Hash: rpc.HashToken(ashaToken), Principal: rpc.Principal{ID: "asha", Name: "Asha", Workspace: acme, Role: rpc.RoleAgent}},
		{Hash: rpc.HashToken(samToken), Principal: rpc.Principal{ID: "sam", Name: "Sam", Workspace: acme, Role: rpc.RoleSupervisor}},
	}
}

// world is an edge over a whole engine, in memory and in virtual time: journal,
// actors, board, Connect.
type world struct {
	t      *testing.T
	fs     vfs.FS
	wire   *wire
	tokens *rpc.Tokens

	journal *journal.Journal
	router  *actors.Router
	inbox   *actors.Inbox
	board   *actors.Board
	edge    *rpc.Server
	http    *http.Server
	served  chan error

	ids   []engine.ConversationID // of the customers, as they came
	wrote int
}

// run runs scenario on a world within a synctest bubble and takes it down.
func run(t *testing.T, scenario func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		known, err := rpc.NewTokens(tokens())
		if err != nil {
			t.Fatalf("NewTokens: %v", err)
		}
		w := &world{t: t, fs: vfs.NewMem(), wire: newWire(), tokens: known}
		w.start()
		defer w.stop(true)
		scenario(t, w)
	})
}

func (w *world) start() {
	w.t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	var err error
	w.journal, err = journal.Open("data", journal.Options{FS: w.fs, Create: true, Logger: log, Fatal: func(err error) { panic(err) }})
	if err != nil {
		w.t.Fatalf("open journal: %v", err)
	}
	w.router = actors.NewRouter(actors.RouterOptions{
		Store: w.journal, Policies: map[engine.WorkspaceID]engine.Policy{acme: {}}, Log: log,
	})
	if w.board, err = actors.StartBoard(w.journal, nil, log); err != nil {
		w.t.Fatalf("build board: %v", err)
	}
	w.inbox = actors.NewInbox(w.router, w.journal, w.journal, 0)
	w.edge, err = rpc.New(rpc.Options{
		Commands: w.router, Conversations: w.journal, Boards: w.board, Tokens: w.tokens,
		Starter: w.inbox, References: nothing{}, DeadLetters: w.journal, Templates: nothing{}, Receipts: nothing{}, Media: nothing{},
		Channels: map[engine.ChannelID]engine.WorkspaceID{channel: acme}, JournalID: w.journal.ID(),
		Ready: func() bool { return true }, Log: log,
	})
	if err != nil {
		w.t.Fatalf("make edge: %v", err)
	}
	w.http = rpc.NewHTTPServer(w.edge.Handler())
	w.http.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelError)
	w.http.RegisterOnShutdown(w.edge.Drain)
	w.served = make(chan error, 1)
	listener := w.wire.listen()
	go func() { w.served <- w.http.Serve(listener) }()
}

// stop takes the engine down, with a word to its subscribers or without.
func (w *world) stop(drain bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	end := w.http.Close
	if drain {
		end = func() error { return w.http.Shutdown(ctx) }
	}
	if err := end(); err != nil {
		w.t.Errorf("stop the HTTP server: %v", err)
	}
	if err := <-w.served; !errors.Is(err, http.ErrServerClosed) {
		w.t.Errorf("Serve: got %v, want %v", err, http.ErrServerClosed)
	}
	w.edge.Close()
	if err := w.router.Drain(ctx); err != nil {
		w.t.Errorf("drain: %v", err)
	}
	w.router.Stop()
	w.board.Stop()
	if err := w.journal.Close(); err != nil {
		w.t.Errorf("close journal: %v", err)
	}
}

// restart takes the engine down and up again on the same disk.
func (w *world) restart(drain bool, down time.Duration) {
	w.t.Helper()
	w.stop(drain)
	time.Sleep(down)
	w.start()
}

// lose restarts on an empty disk: another journal.
func (w *world) lose() {
	w.t.Helper()
	w.stop(false)
	w.fs, w.ids = vfs.NewMem(), nil
	w.start()
}

// client calls as the holder of token, on a connection of its own.
func (w *world) client(token string) *client.Client {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{DialContext: w.wire.dial, Protocols: &protocols}
	w.t.Cleanup(transport.CloseIdleConnections)
	return client.New(&http.Client{Transport: transport}, edgeURL, token)
}

func (w *world) follow(token string, query client.BoardQuery) *client.Board {
	board := w.client(token).FollowBoard(w.t.Context(), query)
	w.t.Cleanup(board.Close)
	return board
}

// says lets customer n write, who may be new.
func (w *world) says(n int) engine.ConversationID {
	w.t.Helper()
	w.wrote++
	contact := engine.Contact{Name: fmt.Sprintf("Customer %d", n), WaID: fmt.Sprintf("1555010%d", n)}
	for _, err := range w.inbox.Receive(context.Background(), []engine.Inbound{{
		Workspace: acme, Channel: channel,
		Message: &engine.Receive{
			Contact: contact, External: fmt.Sprintf("in-%d", w.wrote), SentAt: engine.InstantOf(time.Now()),
			Content: engine.Content{Kind: engine.ContentText, Text: fmt.Sprintf("hello %d", w.wrote)},
		},
	}}) {
		if err != nil {
			w.t.Fatalf("customer %d writes: %v", n, err)
		}
	}
	id, ok, err := w.journal.ByIdentity(channel, engine.Identity{Kind: engine.IdentityWaID, Value: contact.WaID})
	if err != nil || !ok {
		w.t.Fatalf("conversation of customer %d: found %t, error %v", n, ok, err)
	}
	for len(w.ids) <= n {
		w.ids = append(w.ids, engine.ConversationID{})
	}
	w.ids[n] = id
	return id
}

// do gives a command as somebody, past the edge.
func (w *world) do(id engine.ConversationID, by engine.Party, body engine.CommandBody) error {
	_, err := w.router.Do(context.Background(), id, engine.Command{Workspace: acme, By: by, Body: body})
	return err
}

func (w *world) must(id engine.ConversationID, bodies ...engine.CommandBody) {
	w.t.Helper()
	for _, body := range bodies {
		if err := w.do(id, engine.Party{Kind: engine.Supervisor, ID: "sam"}, body); err != nil {
			w.t.Fatalf("%T: %v", body, err)
		}
	}
}

func (w *world) version(id engine.ConversationID) uint64 {
	w.t.Helper()
	card, err := w.journal.Card(id)
	if err != nil {
		w.t.Fatalf("card of %v: %v", id, err)
	}
	return card.Version
}

// nothing is what no test here asks for.
type nothing struct{}

var errNothing = &engine.Error{Code: engine.CodeNotFound}

func (nothing) ByExternal(engine.ChannelID, string) (engine.MessageID, bool, error) {
	return engine.MessageID{}, false, nil
}

func (nothing) Templates(context.Context, engine.ChannelID) ([]engine.TemplateInfo, error) {
	return nil, nil
}

func (nothing) MarkRead(context.Context, engine.ChannelID, string, bool) error { return nil }

func (nothing) Open(engine.ConversationID, engine.BlobID) (io.ReadCloser, int64, error) {
	return nil, 0, errNothing
}

func (nothing) Put(engine.ConversationID, io.Reader, int64, string) (engine.BlobID, int64, error) {
	return "", 0, errNothing
}

func (nothing) Remove(engine.ConversationID) error { return nil }

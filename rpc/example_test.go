package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// empty is a backend without any conversation.
type empty struct{}

var errNone = &engine.Error{Code: engine.CodeNotFound}

func (empty) Do(context.Context, engine.ConversationID, engine.Command) (engine.Receipt, error) {
	return engine.Receipt{}, errNone
}
func (empty) Card(engine.ConversationID) (engine.Card, error) { return engine.Card{}, errNone }
func (empty) Messages(engine.ConversationID, uint64, int) ([]engine.Message, error) {
	return nil, errNone
}
func (empty) Message(engine.MessageID) (engine.Message, error) { return engine.Message{}, errNone }
func (empty) BoardPage(engine.WorkspaceID, engine.Column, engine.BoardRow, int) ([]engine.BoardRow, error) {
	return nil, nil
}
func (empty) Counters(engine.WorkspaceID) []engine.ColumnCounter { return nil }

func (empty) WatchBoard(ctx context.Context, _ engine.BoardQuery, update func(engine.BoardUpdate) error) error {
	if err := update(engine.BoardUpdate{Snapshot: true}); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

func (empty) WatchConversation(context.Context, engine.WorkspaceID, engine.ConversationID, uint64, func(engine.Card, []engine.Event) error) error {
	return errNone
}

func (empty) Begin(context.Context, engine.Command) (engine.ConversationID, engine.Receipt, error) {
	return engine.ConversationID{}, engine.Receipt{}, errNone
}

func (empty) ByExternal(engine.ChannelID, string) (engine.MessageID, bool, error) {
	return engine.MessageID{}, false, nil
}

func (empty) ByIdentity(engine.ChannelID, engine.Identity) (engine.ConversationID, bool, error) {
	return engine.ConversationID{}, false, nil
}

func (empty) Overview(engine.WorkspaceID, engine.Instant) engine.Overview { return engine.Overview{} }

func (empty) DeadLetters(engine.WorkspaceID, engine.DeadLetter, int) ([]engine.DeadLetter, error) {
	return nil, nil
}

func (empty) Templates(context.Context, engine.ChannelID) ([]engine.TemplateInfo, error) {
	return nil, nil
}

func (empty) MarkRead(context.Context, engine.ChannelID, string, bool) error { return nil }

func (empty) Open(engine.ConversationID, engine.BlobID) (io.ReadCloser, int64, error) {
	return nil, 0, errNone
}

func (empty) Put(engine.ConversationID, io.Reader, int64, string) (engine.BlobID, int64, error) {
	return "", 0, errNone
}

func (empty) Remove(engine.ConversationID) error { return nil }

func (empty) Renew(engine.Presence) time.Duration { return 0 }

func (empty) Leave(engine.WorkspaceID, engine.AgentID, string) {}

func (empty) WatchPresence(context.Context, engine.WorkspaceID, func(engine.PresenceUpdate) error) error {
	return errNone
}

func (empty) WatchViewers(context.Context, engine.WorkspaceID, engine.ConversationID, func([]engine.Viewer) error) error {
	return errNone
}

// A server is made of backends and of the tokens that may call it. Its HTTP
// server drains it on the way down.
func Example() {
	tokens, err := rpc.NewTokens([]rpc.Token{{
		Hash:      rpc.HashToken("asha's token"),
		Principal: rpc.Principal{ID: "asha", Name: "Asha", Workspace: "acme", Role: rpc.RoleAgent},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	edge, err := rpc.New(rpc.Options{
		Commands: empty{}, Conversations: empty{}, Boards: empty{}, Presences: empty{}, Starter: empty{}, References: empty{}, Identities: empty{}, Overviews: empty{},
		DeadLetters: empty{}, Templates: empty{}, Receipts: empty{}, Media: empty{},
		Tokens: tokens, Ready: func() bool { return true },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer edge.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := rpc.NewHTTPServer(edge.Handler())
	server.RegisterOnShutdown(edge.Drain)
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()

	transport := new(http.Transport)
	client := intervenev1connect.NewLiveChatServiceClient(&http.Client{Transport: transport}, "http://"+listener.Addr().String())
	ctx, info := connect.NewClientContext(context.Background())
	info.RequestHeader().Set("Authorization", "Bearer asha's token")
	agents, err := client.ListAgents(ctx, &intervenev1.ListAgentsRequest{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, agent := range agents.GetAgents() {
		fmt.Println(agent.GetName(), agent.GetRole())
	}

	transport.CloseIdleConnections()
	if err := server.Shutdown(context.Background()); err != nil {
		fmt.Println(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		fmt.Println(err)
	}
	// Output: Asha ROLE_AGENT
}

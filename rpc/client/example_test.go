package client_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"connectrpc.com/connect"

	"github.com/intervenehq/intervene/rpc/client"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// desk stands in for an edge at which one customer waits.
type desk struct {
	intervenev1connect.UnimplementedLiveChatServiceHandler
}

func openDesk() *httptest.Server {
	mux := http.NewServeMux()
	mux.Handle(intervenev1connect.NewLiveChatServiceHandler(desk{}))
	return httptest.NewServer(mux)
}

func waiting() *intervenev1.Card {
	return &intervenev1.Card{ConversationId: "c1", Version: 2, Column: requesting, Contact: &intervenev1.Contact{Name: "Nora"}}
}

func (desk) WatchBoard(ctx context.Context, _ *intervenev1.WatchBoardRequest, out *connect.ServerStream[intervenev1.WatchBoardResponse]) error {
	for _, frame := range []*intervenev1.WatchBoardResponse{hello(15 * time.Second), lastChunk(waiting())} {
		if err := out.Send(frame); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

func (desk) Intervene(context.Context, *intervenev1.InterveneRequest) (*intervenev1.InterveneResponse, error) {
	held := waiting()
	held.Version, held.Column, held.HolderAgentId = 3, intervened, "asha"
	return &intervenev1.InterveneResponse{Card: held}, nil
}

func (desk) WatchConversation(ctx context.Context, _ *intervenev1.WatchConversationRequest, out *connect.ServerStream[intervenev1.WatchConversationResponse]) error {
	for _, frame := range []*intervenev1.WatchConversationResponse{cardOf(2), events(1, 2)} {
		if err := out.Send(frame); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

// An agent's desk shows who waits, and what the agent did about it at once.
func ExampleClient_FollowBoard() {
	server := openDesk()
	defer server.Close()
	ctx := context.Background()

	c := client.New(server.Client(), server.URL, "asha's token")
	board := c.FollowBoard(ctx, client.BoardQuery{})
	defer board.Close()

	now, err := board.Next(ctx, nil) // again with now for each state after it
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, card := range now.Column(intervenev1.Column_COLUMN_REQUESTING).Cards {
		fmt.Println(card.GetContact().GetName(), "waits")
		answer, err := c.API().Intervene(ctx, &intervenev1.InterveneRequest{
			ConversationId: card.GetConversationId(), CommandId: "6f1c9a52-8b1e-4f0e-9a53-0d5c3a1b7e42",
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		board.Apply(answer.GetCard())
	}
	for _, card := range board.Snapshot().Column(intervenev1.Column_COLUMN_INTERVENED).Cards {
		fmt.Println(card.GetContact().GetName(), "is with", card.GetHolderAgentId())
	}
	// Output:
	// Nora waits
	// Nora is with asha
}

// A chat window shows every event once, in order, however often the stream
// breaks.
func ExampleClient_FollowConversation() {
	server := openDesk()
	defer server.Close()
	ctx := context.Background()

	conversation := client.New(server.Client(), server.URL, "asha's token").FollowConversation(ctx, "c1", client.ConversationQuery{})
	defer conversation.Close()

	var now *client.ConversationSnapshot
	for shown := uint64(0); shown < 2; {
		var err error
		if now, err = conversation.Next(ctx, now); err != nil {
			fmt.Println(err)
			return
		}
		for _, event := range now.After(shown) {
			shown = event.GetVersion()
			fmt.Println("event", shown)
		}
	}
	// Output:
	// event 1
	// event 2
}

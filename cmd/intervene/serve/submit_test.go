package serve_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// slowBot accepts every turn, and lets the test answer it.
type slowBot struct {
	t     *testing.T
	turns chan *intervenev1.TurnRequest
}

func (b *slowBot) Turn(ctx context.Context, r *intervenev1.TurnRequest) (*intervenev1.TurnResponse, error) {
	if call, ok := connect.CallInfoForHandlerContext(ctx); !ok || call.RequestHeader().Get("Authorization") != "Bearer of the bot" {
		b.t.Error("got a turn without the bot's token")
	}
	b.turns <- r
	return &intervenev1.TurnResponse{Accepted: &intervenev1.Accepted{}}, nil
}

func submission(turn *intervenev1.TurnRequest, text string) *intervenev1.SubmitRequest {
	return &intervenev1.SubmitRequest{
		TurnId: turn.GetTurnId(), Epoch: turn.GetEpoch(), ThroughVersion: turn.GetThroughVersion(),
		Actions: []*intervenev1.BotAction{{Kind: &intervenev1.BotAction_Say{Say: &intervenev1.Say{
			Content: &intervenev1.Content{Kind: &intervenev1.Content_Text{Text: &intervenev1.Text{Body: text}}},
		}}}},
	}
}

// TestSlowBot carries a customer with a bot that accepts and submits, over gRPC and
// through a restart of the engine; what it submits after an agent came is fenced.
func TestSlowBot(t *testing.T) {
	w := newWorld(t)
	b := &slowBot{t: t, turns: make(chan *intervenev1.TurnRequest, 1)}
	mux := http.NewServeMux()
	mux.Handle(intervenev1connect.NewBotServiceHandler(b))
	server := httptest.NewUnstartedServer(mux)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	w.withBot(config.Bot{Connect: &config.BotConnect{URL: server.URL, Protocol: "grpc", Token: config.NewSecret("of the bot")}})

	w.writes(nora, standin.Message{Text: "hi"})
	turn := <-b.turns
	conversation := turn.GetConversationId()
	accepted := turn.GetThroughVersion() + 1
	w.until("the acceptance", func() bool { return w.card(nora.String()).GetVersion() >= accepted })
	w.stop()
	w.start()
	gateway := func() intervenev1connect.BotGatewayServiceClient {
		return intervenev1connect.NewBotGatewayServiceClient(&http.Client{Transport: bearing{tokenOf("robot"), w.client.Transport}}, w.url(""))
	}
	for range 2 {
		if _, err := gateway().Submit(t.Context(), submission(turn, "hello")); err != nil {
			t.Fatalf("Submit: %v", err)
		}
	}
	w.told(conversation, intervenev1.PartyKind_PARTY_KIND_BOT, "hello")

	w.writes(nora, standin.Message{Text: "are you a person?"})
	turn = <-b.turns
	w.intervene(conversation)
	if _, err := gateway().Submit(t.Context(), submission(turn, "yes")); connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("Submit: got error %v, want it fenced", err)
	}
	if bots := len(w.messages(conversation)); bots != 3 {
		t.Errorf("got %d messages, want the customer's two and the bot's one", bots)
	}
	w.resolve(conversation)
	turn = <-b.turns
	if len(turn.GetEvents()) != 1 || turn.GetEvents()[0].GetReturned() == nil {
		t.Errorf("got %v, want the bot told that it has the conversation again", turn.GetEvents())
	}
}

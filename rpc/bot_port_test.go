package rpc

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// testBot is a bot that answers what the test says, and keeps what it was asked.
type testBot struct {
	asked  *intervenev1.TurnRequest
	header http.Header
	answer *intervenev1.TurnResponse
	err    error
}

func (b *testBot) Turn(ctx context.Context, r *intervenev1.TurnRequest) (*intervenev1.TurnResponse, error) {
	call, _ := connect.CallInfoForHandlerContext(ctx)
	b.asked, b.header = r, call.RequestHeader()
	return b.answer, b.err
}

// loopback serves handler to bots' clients until the test ends.
func loopback(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

func botHTTP(t *testing.T, h2c bool) *http.Client {
	client := NewBotHTTP(h2c)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func said(texts ...string) []*intervenev1.BotAction {
	var actions []*intervenev1.BotAction
	for _, text := range texts {
		actions = append(actions, &intervenev1.BotAction{Kind: &intervenev1.BotAction_Say{Say: &intervenev1.Say{
			Content: &intervenev1.Content{Kind: &intervenev1.Content_Text{Text: &intervenev1.Text{Body: text}}},
		}}})
	}
	return actions
}

func asksAgent(reason, summary string) *intervenev1.BotAction {
	return &intervenev1.BotAction{Kind: &intervenev1.BotAction_RequestAgent{
		RequestAgent: &intervenev1.AgentRequest{Reason: reason, Summary: summary},
	}}
}

func remembers(variables map[string]string) *intervenev1.BotAction {
	return &intervenev1.BotAction{Kind: &intervenev1.BotAction_SetVariables{SetVariables: &intervenev1.SetVariables{Variables: variables}}}
}

// aTurn has everything that one may have.
func aTurn() engine.TurnRequest {
	id := engine.NewConversationID(1, [14]byte{7})
	return engine.TurnRequest{
		ID: engine.MessageID{Conversation: id, Version: 9}, Through: 12, Epoch: 3, Workspace: "acme", Channel: "main",
		Column: engine.Active, Contact: engine.Contact{Name: "Nia", WaID: "15550100", UserID: "US.1"},
		Messages: []engine.TurnMessage{{Version: 12, At: 2000, By: engine.Party{Kind: engine.Customer}, Content: engine.Content{Kind: engine.ContentText, Text: "hi"}}},
		Returned: true,
		Transcript: []engine.TurnMessage{
			{Version: 5, At: 1000, By: engine.Party{Kind: engine.Agent, ID: "asha"}, Content: engine.Content{Kind: engine.ContentText, Text: "done"}},
		},
		Variables: []engine.Variable{{Name: "step", Value: "2"}}, WindowEnd: 86_400_000, Deadline: 10_000,
	}
}

func wireTurn() *intervenev1.TurnRequest {
	id := aTurn().ID.Conversation
	text := func(s string) *intervenev1.Content {
		return &intervenev1.Content{Kind: &intervenev1.Content_Text{Text: &intervenev1.Text{Body: s}}}
	}
	return &intervenev1.TurnRequest{
		TurnId: id.String() + ".9", ConversationId: id.String(), Epoch: 3, ThroughVersion: 12, Column: intervenev1.Column_COLUMN_ACTIVE,
		WorkspaceId: "acme", ChannelId: "main", Contact: &intervenev1.BotContact{Name: "Nia"}, Locale: "en",
		Events: []*intervenev1.BotEvent{
			{Kind: &intervenev1.BotEvent_Returned{Returned: &intervenev1.Returned{Transcript: []*intervenev1.BotMessage{
				{MessageId: id.String() + ".5", Version: 5, At: timestampOf(1000), Author: intervenev1.PartyKind_PARTY_KIND_AGENT, Content: text("done")},
			}}}},
			{Kind: &intervenev1.BotEvent_Message{Message: &intervenev1.BotMessage{
				MessageId: id.String() + ".12", Version: 12, At: timestampOf(2000), Author: intervenev1.PartyKind_PARTY_KIND_CUSTOMER, Content: text("hi"),
			}}},
		},
		Variables: map[string]string{"step": "2"}, WindowExpiresAt: timestampOf(86_400_000), Deadline: timestampOf(10_000),
	}
}

// TestBotSpeaksEveryProtocol: the turn arrives whole, and so does its answer.
func TestBotSpeaksEveryProtocol(t *testing.T) {
	e := newEdge(t)
	answer := &intervenev1.TurnResponse{Actions: append(said("one", "two"), remembers(map[string]string{"b": "2", "a": "1"}), asksAgent("billing", "Order 7.")), Repeatable: true}
	want := engine.TurnAnswer{
		Say:       []engine.Content{{Kind: engine.ContentText, Text: "one"}, {Kind: engine.ContentText, Text: "two"}},
		Variables: []engine.Variable{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}},
		Request:   true, Reason: "billing", Summary: "Order 7.", Repeatable: true,
	}
	for name, protocol := range map[string]BotProtocol{"connect": BotConnect, "grpc": BotGRPC, "grpcweb": BotGRPCWeb} {
		t.Run(name, func(t *testing.T) {
			bot := &testBot{answer: answer}
			mux := http.NewServeMux()
			mux.Handle(intervenev1connect.NewBotServiceHandler(bot))
			b := e.server.NewBot(BotOptions{
				HTTP: botHTTP(t, protocol == BotGRPC), URL: loopback(t, mux), Protocol: protocol, Token: "s3cr3t", Locale: "en",
			})
			got, err := b.Turn(t.Context(), aTurn())
			if err != nil {
				t.Fatalf("Turn: %v", err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(wireTurn(), bot.asked, protocmp.Transform()); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			if token := bot.header.Get("Authorization"); token != "Bearer s3cr3t" {
				t.Errorf("got Authorization %q, want the token", token)
			}
		})
	}
}

const signingSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// TestWebhookBotIsSigned: a bot checks the turn with a library of the standard, and
// answers plain JSON.
func TestWebhookBotIsSigned(t *testing.T) {
	e := newEdge(t)
	signer, err := NewSigner(signingSecret)
	if err != nil {
		t.Fatalf("NewSigner: %v", err)
	}
	verifier, err := standardwebhooks.NewWebhook(signingSecret)
	if err != nil {
		t.Fatalf("NewWebhook: %v", err)
	}
	asked := new(intervenev1.TurnRequest)
	url := loopback(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read: %v", err)
		}
		if err := verifier.Verify(body, r.Header); err != nil {
			t.Errorf("verify: %v", err)
		}
		if id := r.Header.Get("webhook-id"); id != wireTurn().GetTurnId() || r.URL.Path != "/turns/" || r.Method != http.MethodPost {
			t.Errorf("got %s %s of %q, want the turn posted to /turns/", r.Method, r.URL.Path, id)
		}
		if err := protojson.Unmarshal(body, asked); err != nil {
			t.Errorf("unmarshal: %v", err)
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, `{"actions": [{"say": {"content": {"text": {"body": "hello"}}}}, {"withdraw": {}}], "new_field": 1}`)
	}))
	b := e.server.NewWebhookBot(BotOptions{HTTP: botHTTP(t, false), URL: url + "/turns/", Signer: signer, Locale: "en"})
	got, err := b.Turn(t.Context(), aTurn())
	if err != nil {
		t.Fatalf("Turn: %v", err)
	}
	if want := (engine.TurnAnswer{Say: []engine.Content{{Kind: engine.ContentText, Text: "hello"}}, Withdraw: true}); !cmp.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if diff := cmp.Diff(wireTurn(), asked, protocmp.Transform()); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestNewSignerRefuses(t *testing.T) {
	for _, secret := range []string{"", "whsec_", "whsec_c2hvcnQ=", "not base64 at all, but long enough", "whsec_" + strings.Repeat("QUJD", 30)} {
		if _, err := NewSigner(secret); err == nil || len(secret) > len("whsec_") && strings.Contains(err.Error(), secret) {
			t.Errorf("NewSigner(%q): got error %v, want one that does not repeat it", secret, err)
		}
	}
}

// TestBotSaysEveryKind: whatever SendMessage can send a bot can say.
func TestBotSaysEveryKind(t *testing.T) {
	e := newEdge(t)
	id := e.open("acme")
	for name, request := range sendable() {
		t.Run(name, func(t *testing.T) {
			content, err := outgoing{media: e.files, conversation: id}.content(request)
			if err != nil {
				t.Fatalf("content: %v", err)
			}
			actions := []*intervenev1.BotAction{{Kind: &intervenev1.BotAction_Say{Say: &intervenev1.Say{Content: contentOf(content)}}}}
			channel := func() (engine.ChannelID, error) { return "main", nil }
			got, err := e.server.botAnswer(t.Context(), id, channel, actions)
			if name == "reaction" {
				if engine.CodeOf(err) != engine.CodeInvalid {
					t.Errorf("got error %v, want invalid: a turn names no messages", err)
				}
				return
			}
			if content.Template != nil {
				content.Template.Category = engine.Utility
			}
			if err != nil || !cmp.Equal(got.Say, []engine.Content{content}) {
				t.Errorf("got %+v, error %v; want %+v", got.Say, err, content)
			}
		})
	}
}

// TestBotBreaksARule: what is no answer is none, and the error does not repeat it.
func TestBotBreaksARule(t *testing.T) {
	e := newEdge(t)
	tests := map[string]*intervenev1.TurnResponse{
		"speaks after asking for a person": {Actions: append([]*intervenev1.BotAction{asksAgent("", "")}, said("s3cr3t")...)},
		"sets variables twice":             {Actions: []*intervenev1.BotAction{remembers(nil), remembers(nil)}},
		"withdraws and asks":               {Actions: []*intervenev1.BotAction{{Kind: &intervenev1.BotAction_Withdraw{Withdraw: &intervenev1.Withdrawal{}}}, asksAgent("", "")}},
		"does nothing that there is":       {Actions: []*intervenev1.BotAction{{}}},
		"says nothing":                     {Actions: []*intervenev1.BotAction{{Kind: &intervenev1.BotAction_Say{Say: &intervenev1.Say{}}}}},
		"says too much":                    {Actions: said("s3cr3t" + strings.Repeat("x", engine.MaxTextRunes))},
		"floods":                           {Actions: said(make([]string, 33)...)},
		"accepts and speaks":               {Actions: said("s3cr3t"), Accepted: &intervenev1.Accepted{}},
		"accepts for a day":                {Accepted: &intervenev1.Accepted{Within: durationpb.New(24 * time.Hour)}},
		"accepts for no time":              {Accepted: &intervenev1.Accepted{Within: durationpb.New(0)}},
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.Handle(intervenev1connect.NewBotServiceHandler(&testBot{answer: answer}))
			b := e.server.NewBot(BotOptions{HTTP: botHTTP(t, false), URL: loopback(t, mux)})
			got, err := b.Turn(t.Context(), aTurn())
			if err == nil || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("got %+v, error %v; want an error that repeats nothing", got, err)
			}
			if code := engine.CodeOf(err); code == engine.CodeUnavailable {
				t.Errorf("got %v, want an error over which nobody asks again", err)
			}
		})
	}
}

// TestBotFails: which failures let the turn be asked again, and that none repeats
// what the bot said or where it is.
func TestBotFails(t *testing.T) {
	e := newEdge(t)
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Location", "/s3cr3t")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc
		again   bool
	}{
		{"redirects", status(http.StatusTemporaryRedirect, ""), false},
		{"is overloaded", status(http.StatusServiceUnavailable, "s3cr3t"), true},
		{"is rate limited", status(http.StatusTooManyRequests, "s3cr3t"), true},
		{"crashes", status(http.StatusInternalServerError, `{"code": "internal", "message": "s3cr3t"}`), false},
		{"does not know us", status(http.StatusUnauthorized, "s3cr3t"), false},
		{"sends garbage", status(http.StatusOK, `{"actions": "s3cr3t"`), false},
		{"sends no JSON", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<s3cr3t>") }, false},
		{"floods", status(http.StatusOK, `{"actions": [], "x": "`+strings.Repeat("s3cr3t", MaxBotAnswerBytes/5)+`"}`), false},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			calls := 0
			url := loopback(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls++
				if r.URL.Path == "/s3cr3t" {
					t.Error("got a redirect followed, want it refused")
				}
				tt.handler(w, r)
			}))
			options := BotOptions{HTTP: botHTTP(t, false), URL: url}
			for kind, b := range map[string]*Bot{"webhook": e.server.NewWebhookBot(options), "connect": e.server.NewBot(options)} {
				_, err := b.Turn(t.Context(), aTurn())
				if err == nil || strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), url) {
					t.Errorf("%s: got error %v, want one that repeats nothing", kind, err)
				}
				if again := engine.CodeOf(err) == engine.CodeUnavailable; again != tt.again && kind == "webhook" {
					t.Errorf("%s: got error %v, want it asked again: %t", kind, err, tt.again)
				}
			}
		})
	}
}

// TestBotIsAway: a connection that is refused is tried again, and a bot that hangs
// ends with its deadline.
func TestBotIsAway(t *testing.T) {
	e := newEdge(t)
	gone := httptest.NewServer(nil)
	gone.Close()
	release := make(chan struct{})
	hanging := loopback(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer close(release)
	for _, make := range []func(BotOptions) *Bot{e.server.NewBot, e.server.NewWebhookBot} {
		if _, err := make(BotOptions{HTTP: botHTTP(t, false), URL: gone.URL}).Turn(t.Context(), aTurn()); engine.CodeOf(err) != engine.CodeUnavailable {
			t.Errorf("refused: got error %v, want unavailable", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := make(BotOptions{HTTP: botHTTP(t, false), URL: hanging}).Turn(ctx, aTurn()); err == nil || engine.CodeOf(err) != 0 {
			t.Errorf("hanging: got error %v, want one over which nobody asks again", err)
		}
		cancel()
	}
}

// TestWebhookBotAccepts in three ways, and answers nothing in one.
func TestWebhookBotAccepts(t *testing.T) {
	e := newEdge(t)
	tests := []struct {
		status int
		body   string
		want   engine.TurnAnswer
	}{
		{http.StatusNoContent, "", engine.TurnAnswer{}},
		{http.StatusOK, "{}", engine.TurnAnswer{}},
		{http.StatusAccepted, "", engine.TurnAnswer{Accepted: true}},
		{http.StatusAccepted, `{"accepted": {"within": "90s"}}`, engine.TurnAnswer{Accepted: true, Within: 90 * time.Second}},
		{http.StatusOK, `{"accepted": {}}`, engine.TurnAnswer{Accepted: true}},
	}
	for _, tt := range tests {
		url := loopback(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, tt.body)
		}))
		got, err := e.server.NewWebhookBot(BotOptions{HTTP: botHTTP(t, false), URL: url}).Turn(t.Context(), aTurn())
		if err != nil || !cmp.Equal(got, tt.want) {
			t.Errorf("%d %q: got %+v, error %v; want %+v", tt.status, tt.body, got, err, tt.want)
		}
	}
}

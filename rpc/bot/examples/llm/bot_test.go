package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// fakeModel is an endpoint as OpenAI has it, with answers of the test's.
type fakeModel struct {
	t      *testing.T
	answer string
	status int
	asked  struct {
		Model    string
		Messages []chatMessage
		Tools    []struct{ Function struct{ Name string } }
	}
}

func (m *fakeModel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/chat/completions" || r.Header.Get("Authorization") != "Bearer key" {
		m.t.Errorf("got %s with %q, want the completions with the key", r.URL.Path, r.Header.Get("Authorization"))
	}
	m.asked.Tools = nil
	if err := json.NewDecoder(r.Body).Decode(&m.asked); err != nil {
		m.t.Errorf("decode: %v", err)
	}
	w.WriteHeader(m.status)
	_, _ = io.WriteString(w, m.answer)
}

func says(content, tools string) string {
	return fmt.Sprintf(`{"choices": [{"message": {"role": "assistant", "content": %q, "tool_calls": [%s]}}]}`, content, tools)
}

// newBot serves the example to a client, with model behind it.
func newBot(t *testing.T, model *fakeModel, token string) intervenev1connect.BotServiceClient {
	t.Helper()
	model.t, model.status = t, http.StatusOK
	endpoint := httptest.NewServer(model)
	t.Cleanup(endpoint.Close)
	b := &bot{model: chatModel{client: endpoint.Client(), url: endpoint.URL + "/v1", name: "tiny", key: "key"}, prompt: "Be kind.", token: token}
	server := httptest.NewServer(b.handler())
	t.Cleanup(server.Close)
	return intervenev1connect.NewBotServiceClient(server.Client(), server.URL)
}

func turn(variables map[string]string, texts ...string) *intervenev1.TurnRequest {
	r := &intervenev1.TurnRequest{TurnId: "t", Column: intervenev1.Column_COLUMN_ACTIVE, Variables: variables}
	for _, text := range texts {
		r.Events = append(r.Events, &intervenev1.BotEvent{Kind: &intervenev1.BotEvent_Message{Message: message(intervenev1.PartyKind_PARTY_KIND_CUSTOMER, text)}})
	}
	return r
}

func message(author intervenev1.PartyKind, text string) *intervenev1.BotMessage {
	return &intervenev1.BotMessage{Author: author, Content: &intervenev1.Content{Kind: &intervenev1.Content_Text{Text: &intervenev1.Text{Body: text}}}}
}

func say(text string) *intervenev1.BotAction {
	return &intervenev1.BotAction{Kind: &intervenev1.BotAction_Say{Say: &intervenev1.Say{Content: message(0, text).GetContent()}}}
}

// TestConversation: the model hears what was said before, asks for a person, and
// hears what the person said.
func TestConversation(t *testing.T) {
	model := &fakeModel{answer: says("Hello!", "")}
	client := newBot(t, model, "")
	first, err := client.Turn(t.Context(), turn(nil, "hi", "anybody?"))
	if err != nil {
		t.Fatalf("Turn: %v", err)
	}
	history := []chatMessage{{"user", "hi"}, {"user", "anybody?"}, {"assistant", "Hello!"}}
	if diff := cmp.Diff([]*intervenev1.BotAction{say("Hello!"), remember(history)}, first.GetActions(), protocmp.Transform()); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	memory := first.GetActions()[1].GetSetVariables().GetVariables()

	model.answer = says("One moment.", `{"id": "1", "type": "function", "function": {"name": "request_agent", "arguments": "{\"reason\": \"refund\", \"summary\": \"Order 7.\"}"}}`)
	second, err := client.Turn(t.Context(), turn(memory, "my money back!"))
	if err != nil {
		t.Fatalf("Turn: %v", err)
	}
	history = append(history, chatMessage{"user", "my money back!"})
	if diff := cmp.Diff(append([]chatMessage{{"system", "Be kind."}}, history...), model.asked.Messages); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if tools := model.asked.Tools; model.asked.Model != "tiny" || len(tools) != 1 || tools[0].Function.Name != "request_agent" {
		t.Errorf("got model %q with tools %v, want tiny with request_agent", model.asked.Model, tools)
	}
	last := second.GetActions()[len(second.GetActions())-1]
	if diff := cmp.Diff(&intervenev1.AgentRequest{Reason: "refund", Summary: "Order 7."}, last.GetRequestAgent(), protocmp.Transform()); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	memory = second.GetActions()[1].GetSetVariables().GetVariables()

	third, err := client.Turn(t.Context(), &intervenev1.TurnRequest{Variables: memory, Events: []*intervenev1.BotEvent{{Kind: &intervenev1.BotEvent_Returned{
		Returned: &intervenev1.Returned{Transcript: []*intervenev1.BotMessage{
			message(intervenev1.PartyKind_PARTY_KIND_AGENT, "It is on its way."), message(intervenev1.PartyKind_PARTY_KIND_CUSTOMER, "Thanks"),
		}},
	}}}})
	if err != nil || len(third.GetActions()) != 1 {
		t.Fatalf("Turn: got %v, error %v; want nothing said", third, err)
	}
	memory = third.GetActions()[0].GetSetVariables().GetVariables()
	if !strings.Contains(memory[historyVariable], `colleague: It is on its way.\ncustomer: Thanks`) {
		t.Errorf("got %q remembered, want what the person said", memory[historyVariable])
	}
}

// TestNobodyIsAskedForTwice: while a person is asked for the model has no tool.
func TestNobodyIsAskedForTwice(t *testing.T) {
	model := &fakeModel{answer: says("Somebody comes.", "")}
	r := turn(nil, "hello?")
	r.Column = intervenev1.Column_COLUMN_REQUESTING
	if _, err := newBot(t, model, "").Turn(t.Context(), r); err != nil || len(model.asked.Tools) != 0 {
		t.Errorf("got tools %v, error %v; want none", model.asked.Tools, err)
	}
}

// TestMemoryIsBounded: the newest fits into a turn's variables, however much was said.
func TestMemoryIsBounded(t *testing.T) {
	var history []chatMessage
	for i := range 100 {
		history = append(history, chatMessage{"user", fmt.Sprint(i, strings.Repeat("x", 1000))})
	}
	text := remember(history).GetSetVariables().GetVariables()[historyVariable]
	if len(text) > maxHistoryBytes || !strings.Contains(text, `"99x`) {
		t.Errorf("got %d bytes, want at most %d with the newest", len(text), maxHistoryBytes)
	}
}

// TestModelFails: a busy model is asked again, any other failure is a person's.
func TestModelFails(t *testing.T) {
	tests := map[string]struct {
		status int
		answer string
		want   connect.Code
	}{
		"busy":    {http.StatusTooManyRequests, "s3cr3t", connect.CodeUnavailable},
		"down":    {http.StatusBadGateway, "s3cr3t", connect.CodeUnavailable},
		"no key":  {http.StatusUnauthorized, "s3cr3t", connect.CodeInternal},
		"garbage": {http.StatusOK, `{"s3cr3t"`, connect.CodeInternal},
		"silent":  {http.StatusOK, says("", ""), connect.CodeInternal},
	}
	for name, tt := range tests {
		model := &fakeModel{answer: tt.answer}
		client := newBot(t, model, "")
		model.status = tt.status
		_, err := client.Turn(t.Context(), turn(nil, "hi"))
		if connect.CodeOf(err) != tt.want || strings.Contains(fmt.Sprint(err), "s3cr3t") {
			t.Errorf("%s: got error %v, want %v that repeats nothing", name, err, tt.want)
		}
	}
}

// TestToken: nobody without it may have the model's words.
func TestToken(t *testing.T) {
	model := &fakeModel{answer: says("Hello!", "")}
	if _, err := newBot(t, model, "token").Turn(t.Context(), turn(nil, "hi")); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("got error %v, want unauthenticated", err)
	}
}

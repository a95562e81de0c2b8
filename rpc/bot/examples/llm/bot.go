package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"

	"connectrpc.com/connect"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const (
	// maxHistory and maxHistoryBytes bound what the model is told again each time: a
	// turn's variables hold 16 KiB.
	maxHistory      = 30
	maxHistoryBytes = 12 << 10
	historyVariable = "history"
	// maxSaid is WhatsApp's limit of a text, in characters.
	maxSaid = 4096

	defaultPrompt = "You answer the customers of a shop on WhatsApp, briefly and in their language. " +
		"You know nothing of their orders. When they need something that you cannot do, or ask for a person, call request_agent."
)

// bot answers with a model's words.
type bot struct {
	model  chatModel
	prompt string
	token  string // of the engine, which calls with it; empty: anybody may
}

// Turn implements BotService.
func (b *bot) Turn(ctx context.Context, r *intervenev1.TurnRequest) (*intervenev1.TurnResponse, error) {
	history := remembered(r)
	asked := false
	for _, e := range r.GetEvents() {
		if returned := e.GetReturned(); returned != nil {
			history = append(history, chatMessage{Role: "system", Content: "A colleague had the conversation: " + transcript(returned)})
		}
		if m := e.GetMessage(); m != nil {
			history, asked = append(history, chatMessage{Role: "user", Content: words(m.GetContent())}), true
		}
	}
	if !asked {
		return &intervenev1.TurnResponse{Actions: []*intervenev1.BotAction{remember(history)}}, nil
	}
	// While a person is asked for there is nothing more to ask for.
	offersPerson := r.GetColumn() == intervenev1.Column_COLUMN_ACTIVE
	messages := append([]chatMessage{{Role: "system", Content: b.prompt}}, history...)
	answer, err := b.model.complete(ctx, messages, offersPerson)
	if err != nil {
		log.Printf("turn %s: %v", r.GetTurnId(), err)
		return nil, failure(err)
	}
	return act(history, answer), nil
}

// act makes of the model's answer what the bot does.
func act(history []chatMessage, answer completion) *intervenev1.TurnResponse {
	var response intervenev1.TurnResponse
	if answer.Content != "" {
		said := []rune(answer.Content)
		said = said[:min(len(said), maxSaid)]
		history = append(history, chatMessage{Role: "assistant", Content: string(said)})
		response.Actions = append(response.Actions, &intervenev1.BotAction{Kind: &intervenev1.BotAction_Say{Say: &intervenev1.Say{
			Content: &intervenev1.Content{Kind: &intervenev1.Content_Text{Text: &intervenev1.Text{Body: string(said)}}},
		}}})
	}
	response.Actions = append(response.Actions, remember(history))
	if answer.asksPerson {
		response.Actions = append(response.Actions, &intervenev1.BotAction{Kind: &intervenev1.BotAction_RequestAgent{
			RequestAgent: &intervenev1.AgentRequest{Reason: cut(answer.Reason, 1024), Summary: cut(answer.Summary, 4096)},
		}})
	}
	return &response
}

// failure says whether asking again may help. What the model said stays here.
func failure(err error) error {
	if errors.Is(err, errBusy) {
		return connect.NewError(connect.CodeUnavailable, errBusy)
	}
	return connect.NewError(connect.CodeInternal, errors.New("the model gave no answer"))
}

func remembered(r *intervenev1.TurnRequest) []chatMessage {
	var history []chatMessage
	if text := r.GetVariables()[historyVariable]; text != "" {
		if err := json.Unmarshal([]byte(text), &history); err != nil {
			log.Printf("turn %s: what was remembered cannot be read: %v", r.GetTurnId(), err)
		}
	}
	return history
}

// remember keeps as much of the newest as fits.
func remember(history []chatMessage) *intervenev1.BotAction {
	history = history[max(0, len(history)-maxHistory):]
	text, err := json.Marshal(history)
	for ; err == nil && len(text) > maxHistoryBytes && len(history) > 0; text, err = json.Marshal(history) {
		history = history[1:]
	}
	if err != nil {
		panic(err) // texts can be said in JSON
	}
	return &intervenev1.BotAction{Kind: &intervenev1.BotAction_SetVariables{
		SetVariables: &intervenev1.SetVariables{Variables: map[string]string{historyVariable: string(text)}},
	}}
}

func transcript(returned *intervenev1.Returned) string {
	text := ""
	for _, m := range returned.GetTranscript() {
		who := "colleague"
		if m.GetAuthor() == intervenev1.PartyKind_PARTY_KIND_CUSTOMER {
			who = "customer"
		}
		text += fmt.Sprintf("\n%s: %s", who, words(m.GetContent()))
	}
	return text
}

// words are a message for somebody who can only read.
func words(c *intervenev1.Content) string {
	switch {
	case c.GetText() != nil:
		return c.GetText().GetBody()
	case c.GetButtonReply() != nil:
		return c.GetButtonReply().GetTitle()
	}
	return "(something that is no text)"
}

func cut(s string, n int) string {
	runes := []rune(s)
	return string(runes[:min(len(runes), n)])
}

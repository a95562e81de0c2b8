package chatwoot

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// createMessage is the bot's message: it answers the turn that the bot owes, or
// stands on its own. A private one is a note for the agents.
func (g *Gateway) createMessage(c call, body map[string]any) (any, error) {
	content, err := contentOf(body)
	if err != nil {
		return nil, err
	}
	private := truth(body["private"])
	var receipt engine.Receipt
	if private {
		receipt, err = g.do(c, 0, engine.AddNote{Body: content.Text})
	} else {
		receipt, err = g.acts(c, engine.TurnAnswer{Say: []engine.Content{content}}, engine.SendMessage{Content: content})
	}
	if err != nil {
		return nil, err
	}
	attributes, _ := body["content_attributes"].(map[string]any)
	if attributes == nil {
		attributes = map[string]any{}
	}
	return message{
		ID: int64(receipt.Version), Content: content.Text, AccountID: c.bot.options.Account, InboxID: inboxOf(receipt.Card.Channel),
		ConversationID: numberOf(c.told.id), MessageType: outgoing, CreatedAt: time.Now().Unix(), Private: private, Status: "sent",
		ContentType: textOr(body["content_type"], "text"), ContentAttributes: attributes,
	}, nil
}

// toggleStatus hands the conversation off, or takes that back.
func (g *Gateway) toggleStatus(c call, body map[string]any) (any, error) {
	status := textOr(body["status"], statusOpen)
	var err error
	switch status {
	case statusOpen:
		_, err = g.acts(c, engine.TurnAnswer{Request: true}, engine.RequestAgent{})
	case statusPending:
		_, err = g.acts(c, engine.TurnAnswer{Withdraw: true}, engine.WithdrawRequest{})
	case statusResolved, statusSnoozed:
		// The bot is done for now. Where a person is asked for, that stays theirs.
		_, err = g.acts(c, engine.TurnAnswer{}, nil)
	default:
		return nil, invalid("status", "must be open, pending, resolved or snoozed")
	}
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"meta": map[string]any{},
		"payload": map[string]any{
			"success": true, "conversation_id": numberOf(c.told.id), "current_status": status, "snoozed_until": nil,
		},
	}, nil
}

// acts gives answer to the turn that the bot owes, or does otherwise when it owes
// none: nothing if that is nil.
func (g *Gateway) acts(c call, answer engine.TurnAnswer, otherwise engine.CommandBody) (engine.Receipt, error) {
	t := c.told
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.from != 0 {
		turn := engine.TurnRequest{ID: engine.MessageID{Conversation: t.id, Version: t.from}, Through: t.through}
		receipt, err := g.do(c, t.epoch, turn.Answer(answer))
		refused := engine.CodeOf(err)
		if err == nil || refused == engine.CodeBotFenced || refused == engine.CodeWindowClosed || refused == engine.CodeNotFound {
			t.from = 0 // that turn is over
		}
		// The turn may have been given up meanwhile, in the same epoch: the bot may
		// still speak then. In another one it may not, which is what is told.
		if refused != engine.CodeBotFenced || !sameEpoch(err, t.epoch) {
			return receipt, err
		}
	}
	if message, ok := otherwise.(engine.SendMessage); ok {
		message.Answers = true // a turn accepted before a restart, that nobody here remembers
		otherwise = message
	}
	if otherwise == nil {
		return engine.Receipt{}, nil
	}
	return g.do(c, t.epoch, otherwise)
}

func (g *Gateway) do(c call, epoch uint64, body engine.CommandBody) (engine.Receipt, error) {
	return g.options.Commands.Do(c.context, c.told.id, engine.Command{Workspace: c.bot.options.Workspace, By: c.by, Epoch: epoch, Body: body})
}

// contentOf is what the bot says. What WhatsApp cannot show is refused, so that the
// bot's log tells.
func contentOf(body map[string]any) (engine.Content, error) {
	text := textOr(body["content"], "")
	if kind := textOr(body["message_type"], "outgoing"); kind != "outgoing" {
		return engine.Content{}, invalid("message_type", "must be outgoing")
	}
	switch textOr(body["content_type"], "text") {
	case "text":
		return engine.Content{Kind: engine.ContentText, Text: text}, nil
	case "input_select":
		choices, err := choicesOf(body["content_attributes"])
		return engine.Choices(text, choices), err
	}
	return engine.Content{}, invalid("content_type", "must be text or input_select")
}

// choicesOf reads the items of an input_select.
func choicesOf(attributes any) ([]engine.Choice, error) {
	if text, ok := attributes.(string); ok { // of a form
		if json.Unmarshal([]byte(text), &attributes) != nil {
			return nil, invalid("content_attributes", "must be a JSON object")
		}
	}
	object, _ := attributes.(map[string]any)
	items, _ := object["items"].([]any)
	if len(items) == 0 {
		return nil, invalid("content_attributes.items", "must hold at least one")
	}
	var choices []engine.Choice
	for _, item := range items {
		fields, _ := item.(map[string]any)
		title := textOr(fields["title"], "")
		choice := engine.Choice{ID: textOr(fields["value"], title), Title: title}
		if choice.ID == "" || choice.Title == "" {
			return nil, invalid("content_attributes.items", "must each have a title")
		}
		choices = append(choices, choice)
	}
	return choices, nil
}

// textOr is v if it is a text and not empty.
func textOr(v any, otherwise string) string {
	if s, ok := v.(string); ok && s != "" {
		return s
	}
	return otherwise
}

// truth reads a boolean of JSON or of a form.
func truth(v any) bool { return v == true || v == "true" || v == "1" }

// sameEpoch reports whether a refusal comes from the epoch that the bot was told in,
// with nobody holding the conversation.
func sameEpoch(err error, epoch uint64) bool {
	refused, ok := errors.AsType[*engine.Error](err)
	return ok && refused.Epoch == epoch && refused.Column != engine.Intervened
}

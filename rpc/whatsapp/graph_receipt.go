package whatsapp

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// receipt is what marks a message of the customer as read
// (developers.facebook.com/docs/whatsapp/cloud-api/typing-indicators).
type receipt struct {
	Product   string           `json:"messaging_product"`
	Status    string           `json:"status"`
	MessageID string           `json:"message_id"`
	Typing    *typingIndicator `json:"typing_indicator,omitempty"`
}

type typingIndicator struct {
	Type string `json:"type"`
}

// MarkRead shows the customer that the message was read and, with typing, that
// an answer is being written: for 25 seconds, or until it comes. Nothing
// rests on it: it is not repeated.
func (g *Graph) MarkRead(ctx context.Context, id engine.ChannelID, external string, typing bool) error {
	channel, ok := g.served.Load().channel(id)
	if !ok {
		return &engine.Error{Code: engine.CodeNotFound}
	}
	r := receipt{Product: "whatsapp", Status: "read", MessageID: external}
	if typing {
		r.Typing = &typingIndicator{Type: "text"}
	}
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the receipt: %w", err)
	}
	start := time.Now()
	answer := g.post(ctx, operationReceipt, channel, channel.messagesURL, contentJSON, body)
	g.metrics.graphCall(operationReceipt, answer, time.Since(start))
	switch {
	case answer.failure != nil:
		return &engine.Error{Code: engine.CodeUnavailable, Err: answer.failure}
	case !isSuccess(answer.status):
		return engine.Errorf(engine.CodeUnavailable, "the Graph API answers %d, code %d, to a receipt", answer.status, answer.code)
	}
	return nil
}

// Package rasa asks bots that were built with Rasa, over the REST channel that each
// of them has (https://rasa.com/docs/reference/channels/your-own-website/):
// POST {url}/webhooks/rest/webhook with sender, message and metadata, answered by a
// list of messages.
//
// It keeps no state: Rasa's tracker does, by the conversation's ID. It never asks a
// turn twice that Rasa may have begun with, for a tracker takes every message as a
// new one.
package rasa

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/intervenehq/intervene/engine"
)

const (
	path = "/webhooks/rest/webhook"
	// MaxAnswerBytes bounds what Rasa answers to one message.
	MaxAnswerBytes = 1 << 20
)

// Options are what a bot is asked with. HTTP and URL are required.
type Options struct {
	// HTTP carries the messages; redirects are not followed, whatever it says of them.
	HTTP *http.Client
	// URL is the base of the Rasa server.
	URL string
	// Token is sent as bearer token, unless it is empty.
	Token string
	// OnReturned is sent when a person gave the conversation back, such as the intent
	// /returned; empty: nothing is.
	OnReturned string
	Locale     string
}

// Bot is one Rasa server. It may be used from many goroutines.
type Bot struct {
	options Options
	client  http.Client
}

// New makes a bot.
func New(o Options) *Bot {
	b := &Bot{options: o, client: *o.HTTP}
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b
}

// message is what Rasa is sent.
type message struct {
	Sender   string   `json:"sender"`
	Message  string   `json:"message"`
	Metadata metadata `json:"metadata"`
}

// metadata comes along for custom actions, in tracker.latest_message.metadata.
type metadata struct {
	TurnID    string    `json:"turn_id"`
	MessageID string    `json:"message_id,omitempty"`
	Workspace string    `json:"workspace_id"`
	Channel   string    `json:"channel_id"`
	Column    string    `json:"column"`
	Name      string    `json:"name,omitempty"`
	Locale    string    `json:"locale,omitempty"`
	Kind      string    `json:"kind,omitempty"`
	Location  *location `json:"location,omitempty"`
}

type location struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Name      string  `json:"name,omitempty"`
	Address   string  `json:"address,omitempty"`
}

// Turn sends the customer's messages one by one, in order, and gathers what Rasa
// answers to all of them.
func (b *Bot) Turn(ctx context.Context, r engine.TurnRequest) (engine.TurnAnswer, error) {
	var answer engine.TurnAnswer
	var messages []message
	if r.Returned && b.options.OnReturned != "" {
		messages = append(messages, b.message(&r, b.options.OnReturned))
	}
	for i := range r.Messages {
		m := &r.Messages[i]
		sent := b.message(&r, textOf(m.Content))
		sent.Metadata.MessageID = engine.MessageID{Conversation: r.ID.Conversation, Version: m.Version}.String()
		sent.Metadata.Kind = m.Content.Kind.String()
		if l := m.Content.Location; l != nil {
			sent.Metadata.Location = &location{l.Latitude, l.Longitude, l.Name, l.Address}
		}
		messages = append(messages, sent)
	}
	for i := range messages {
		replies, err := b.post(ctx, &messages[i])
		if err != nil && i > 0 && engine.CodeOf(err) == engine.CodeUnavailable {
			return answer, errors.New("rasa went away within a turn") // which it has begun with
		}
		if err != nil {
			return answer, err
		}
		if err := add(&answer, replies); err != nil {
			return answer, err
		}
	}
	if answer.Request {
		answer.Withdraw = false
	}
	return answer, nil
}

func (b *Bot) message(r *engine.TurnRequest, text string) message {
	return message{
		Sender: r.ID.Conversation.String(), Message: text,
		Metadata: metadata{
			TurnID: r.ID.String(), Workspace: string(r.Workspace), Channel: string(r.Channel), Column: r.Column.String(),
			Name: r.Contact.Name, Locale: b.options.Locale,
		},
	}
}

// textOf is what Rasa takes for the message: the payload of a button that was
// pressed, as with all of its channels, and of what has no text the kind.
func textOf(c engine.Content) string {
	if c.Kind == engine.ContentButtonReply && c.Payload != "" {
		return c.Payload
	}
	if c.Text != "" && c.Kind != engine.ContentUnsupported {
		return c.Text
	}
	return "[" + c.Kind.String() + "]"
}

// post sends one message. Only what surely did not arrive is engine.CodeUnavailable.
func (b *Bot) post(ctx context.Context, m *message) ([]reply, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return nil, errors.New("message cannot be said in JSON")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.options.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("rasa has an URL that cannot be used")
	}
	request.Header.Set("Content-Type", "application/json")
	if b.options.Token != "" {
		request.Header.Set("Authorization", "Bearer "+b.options.Token)
	}
	response, err := b.client.Do(request)
	if err != nil {
		return nil, failure(ctx, err)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, MaxAnswerBytes+1))
	if closeErr := response.Body.Close(); err == nil {
		err = closeErr
	}
	var replies []reply
	switch {
	case err != nil:
		return nil, failure(ctx, err)
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("rasa answered with HTTP status %d", response.StatusCode)
	case len(text) > MaxAnswerBytes:
		return nil, fmt.Errorf("rasa answered more than %d bytes", MaxAnswerBytes)
	case json.Unmarshal(text, &replies) != nil:
		return nil, errors.New("rasa answered something else than a list of messages")
	}
	return replies, nil
}

// failure is err without the URL, which is the operator's business.
func failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("rasa did not answer: %w", ctx.Err())
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		return engine.Errorf(engine.CodeUnavailable, "rasa cannot be reached: %w", e)
	}
	return errors.New("rasa broke the connection off")
}

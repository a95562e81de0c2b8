package rpc

import (
	"fmt"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// referenceSearch is how far back a message is looked for that only its platform
// names: people answer and react to what they can see.
const referenceSearch = 100

// message is m, of a conversation on channel, in the wire's words.
func (s *Server) message(channel engine.ChannelID, m *engine.Message) (*intervenev1.Message, error) {
	replyTo, err := s.referred(channel, m.ID, replyToOf(m.Event.Body))
	if err != nil {
		return nil, err
	}
	return messageOf(m, replyTo), nil
}

// referred is the message that channel's platform calls external, of the
// conversation and from before the message or event that refers to it; empty when
// there is none, or none that is found.
func (s *Server) referred(channel engine.ChannelID, from engine.MessageID, external string) (string, error) {
	found, err := s.indexed(channel, from.Conversation, external)
	if err != nil || external == "" || found != "" {
		return found, err
	}
	earlier, err := s.options.Conversations.Messages(from.Conversation, from.Version, referenceSearch)
	if err != nil {
		return "", fmt.Errorf("look back for the message referred to: %w", err)
	}
	for i := range earlier {
		if externalOf(&earlier[i]) == external {
			return earlier[i].ID.String(), nil
		}
	}
	return "", nil
}

// indexed is referred without looking back.
func (s *Server) indexed(channel engine.ChannelID, id engine.ConversationID, external string) (string, error) {
	if external == "" {
		return "", nil
	}
	m, known, err := s.options.References.ByExternal(channel, external)
	if err != nil {
		return "", fmt.Errorf("find the message referred to: %w", err)
	}
	if !known || m.Conversation != id {
		return "", nil
	}
	return m.String(), nil
}

// page is messages of one conversation on channel: of what they refer to much
// stands among them, and nothing else is looked back for.
func (s *Server) page(channel engine.ChannelID, messages []engine.Message) ([]*intervenev1.Message, error) {
	among := make(map[string]string, len(messages))
	for i := range messages {
		if external := externalOf(&messages[i]); external != "" {
			among[external] = messages[i].ID.String()
		}
	}
	wire := make([]*intervenev1.Message, len(messages))
	for i := range messages {
		m := &messages[i]
		external := replyToOf(m.Event.Body)
		replyTo, known := among[external]
		if !known {
			var err error
			if replyTo, err = s.indexed(channel, m.ID.Conversation, external); err != nil {
				return nil, err
			}
		}
		wire[i] = messageOf(m, replyTo)
	}
	return wire, nil
}

// replyToOf is what the platform calls the message that a message answers.
func replyToOf(body engine.Body) string {
	switch b := body.(type) {
	case engine.MessageReceived:
		return b.ReplyTo
	case engine.MessageQueued:
		return b.ReplyTo
	case engine.EchoReceived:
		return b.ReplyTo
	}
	return ""
}

// messageOf is m, with the message that it answers; nil when its event brought
// no message.
func messageOf(m *engine.Message, replyTo string) *intervenev1.Message {
	conversation := m.ID.Conversation
	wire := &intervenev1.Message{
		MessageId:         m.ID.String(),
		ConversationId:    conversation.String(),
		Version:           m.ID.Version,
		Author:            partyOf(m.Event.By),
		At:                timestampOf(m.Event.At),
		Delivery:          deliveryOf(m.Delivery.State),
		ReplyToMessageId:  replyTo,
		Repeated:          m.Delivery.Repeated,
		ResentAsMessageId: messageIDOf(conversation, m.Delivery.ResentAs),
		Reaction:          m.Amended.Reaction,
		RevokedAt:         timestampOf(m.Amended.RevokedAt),
		Media:             mediaStatusOf(m.Media.State, m.Media.Bytes),
	}
	wire.ErrorCode, wire.ErrorDetail = failureOf(m.Delivery.State, m.Delivery.Error, m.Delivery.Detail)
	switch b := m.Event.Body.(type) {
	case engine.MessageReceived:
		wire.Content, wire.SentAt, wire.Context = contentOf(b.Content), timestampOf(b.SentAt), contextOf(b.Context)
	case engine.EchoReceived:
		wire.Content, wire.SentAt = contentOf(b.Content), timestampOf(b.SentAt)
	case engine.MessageQueued:
		wire.Content, wire.ResendOfMessageId = contentOf(b.Content), messageIDOf(conversation, b.ResendOf)
	default:
		return nil
	}
	if m.Amended.RevokedAt != 0 {
		wire.Content = nil
	} else if m.Amended.Edit != nil {
		wire.Edit = &intervenev1.Edit{Content: contentOf(*m.Amended.Edit), At: timestampOf(m.Amended.EditedAt)}
	}
	return wire
}

// messageIDOf names a message by its version; 0: none.
func messageIDOf(id engine.ConversationID, version uint64) string {
	if version == 0 {
		return ""
	}
	return engine.MessageID{Conversation: id, Version: version}.String()
}

func mediaStatusOf(s engine.MediaState, bytes int64) *intervenev1.MediaStatus {
	if s == 0 {
		return nil
	}
	return &intervenev1.MediaStatus{State: mediaStateOf(s), Bytes: bytes}
}

func contextOf(c *engine.Context) *intervenev1.Context {
	if c == nil {
		return nil
	}
	wire := &intervenev1.Context{Forwarded: c.Forwarded, ForwardedOften: c.ForwardedOften, Product: productOf(c.Product)}
	if r := c.Referral; r != nil {
		wire.Referral = &intervenev1.Referral{
			SourceUrl: r.SourceURL, SourceId: r.SourceID, SourceType: r.SourceType,
			Headline: r.Headline, Body: r.Body, MediaType: r.MediaType, ClickId: r.ClickID,
		}
	}
	return wire
}

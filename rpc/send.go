package rpc

import (
	"context"
	"fmt"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// SendMessage implements the service.
func (s service) SendMessage(ctx context.Context, r *intervenev1.SendMessageRequest) (*intervenev1.SendMessageResponse, error) {
	body, err := s.messageToSend(ctx, r)
	if err != nil {
		return nil, err
	}
	id, receipt, err := s.do(ctx, r, body)
	if err != nil {
		return nil, err
	}
	m, err := s.sent(id, &receipt)
	if err != nil {
		return nil, err
	}
	return &intervenev1.SendMessageResponse{Card: cardOf(&receipt.Card), Message: m}, nil
}

// sent is the message that a command queued. It is durable already; should this
// read fail, a retry of the command finds it again.
func (s *Server) sent(id engine.ConversationID, receipt *engine.Receipt) (*intervenev1.Message, error) {
	m, err := s.options.Conversations.Message(engine.MessageID{Conversation: id, Version: receipt.Version})
	if err != nil {
		return nil, fmt.Errorf("read the message sent: %w", err)
	}
	return s.message(receipt.Card.Channel, &m)
}

// messageToSend reads of the conversation only what the content needs: a text
// that answers nothing needs nothing.
func (s *Server) messageToSend(ctx context.Context, r *intervenev1.SendMessageRequest) (engine.SendMessage, error) {
	send := engine.SendMessage{Repeatable: r.GetRepeatable()}
	if send.Repeatable && callerOf(ctx).Role != RoleBot {
		return send, invalid("repeatable", "is for bots: people decide that with ResendMessage")
	}
	if _, text := r.GetContent().(*intervenev1.SendMessageRequest_Text); text && r.GetReplyToMessageId() == "" {
		var err error
		send.Content, err = outgoing{}.content(r)
		return send, err
	}
	id, err := conversationID(r.GetConversationId())
	if err != nil {
		return send, err
	}
	card, err := s.visibleCard(ctx, id)
	if err != nil {
		return send, err
	}
	if send.Content, err = (outgoing{media: s.options.Media, conversation: id}).content(r); err != nil {
		return send, err
	}
	s.categorize(ctx, card.Channel, &send.Content)
	send.ReplyTo, err = s.replyTo(id, r.GetReplyToMessageId())
	if err == nil && send.ReplyTo == "" && send.Content.Kind == engine.ContentReaction {
		err = invalid("reply_to_message_id", "is required: it names the message to react to")
	}
	return send, err
}

// replyTo is what the platform calls the message of conversation id that is
// answered; empty for none.
func (s *Server) replyTo(id engine.ConversationID, message string) (string, error) {
	if message == "" {
		return "", nil
	}
	target, err := engine.ParseMessageID(message)
	if err != nil || target.Conversation != id {
		return "", invalid("reply_to_message_id", "must be the id of a message of this conversation")
	}
	m, err := s.options.Conversations.Message(target)
	if engine.CodeOf(err) == engine.CodeNotFound {
		return "", invalid("reply_to_message_id", "must be the id of a message of this conversation")
	}
	if err != nil {
		return "", fmt.Errorf("read the message to answer: %w", err)
	}
	external := externalOf(&m)
	if external == "" {
		return "", invalid("reply_to_message_id", "must be a message that WhatsApp has accepted")
	}
	return external, nil
}

// externalOf is what the platform calls m; empty while it has no name for it.
func externalOf(m *engine.Message) string {
	switch b := m.Event.Body.(type) {
	case engine.MessageReceived:
		return b.External
	case engine.EchoReceived:
		return b.External
	}
	return m.Delivery.External
}

// categorize tells the engine what a template counts as, as far as that is known.
func (s *Server) categorize(ctx context.Context, channel engine.ChannelID, content *engine.Content) {
	if content.Kind == engine.ContentTemplate {
		content.Template.Category = s.templates.category(ctx, channel, content.Template)
	}
}

// StartConversation implements the service.
func (s service) StartConversation(ctx context.Context, r *intervenev1.StartConversationRequest) (*intervenev1.StartConversationResponse, error) {
	channel, err := s.channel(ctx, r.GetChannelId())
	if err != nil {
		return nil, err
	}
	content, err := outgoing{}.template(r.GetTemplate())
	if err != nil {
		return nil, err
	}
	s.categorize(ctx, channel, &content)
	contact := engine.Contact{WaID: r.GetTo()}
	cmd, err := command(ctx, r, engine.StartConversation{Channel: channel, Contact: contact, Content: content})
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	id, receipt, err := s.options.Starter.Begin(limited, cmd)
	if err != nil {
		return nil, fmt.Errorf("begin conversation: %w", err)
	}
	m, err := s.sent(id, &receipt)
	if err != nil {
		return nil, err
	}
	return &intervenev1.StartConversationResponse{Card: cardOf(&receipt.Card), Message: m}, nil
}

// channel is one of the caller's workspace.
func (s *Server) channel(ctx context.Context, id string) (engine.ChannelID, error) {
	channel := engine.ChannelID(id)
	if ws, ok := s.served.Load().Channels[channel]; !ok || ws != callerOf(ctx).Workspace {
		return "", invalid("channel_id", "must be one of the workspace's channels")
	}
	return channel, nil
}

// ResendMessage implements the service.
func (s service) ResendMessage(ctx context.Context, r *intervenev1.ResendMessageRequest) (*intervenev1.ResendMessageResponse, error) {
	target, err := engine.ParseMessageID(r.GetMessageId())
	if err != nil || target.Conversation.String() != r.GetConversationId() {
		return nil, invalid("message_id", "must be the id of a message of this conversation")
	}
	// The conversation fills in what it knows of the message.
	id, receipt, err := s.do(ctx, r, engine.ResendMessage{Send: target.Version})
	if err != nil {
		return nil, err
	}
	m, err := s.sent(id, &receipt)
	if err != nil {
		return nil, err
	}
	return &intervenev1.ResendMessageResponse{Card: cardOf(&receipt.Card), Message: m}, nil
}

// EraseContact implements the service.
func (s service) EraseContact(ctx context.Context, r *intervenev1.EraseContactRequest) (*intervenev1.EraseContactResponse, error) {
	if _, _, err := s.do(ctx, r, engine.Erase{}); err != nil {
		return nil, err
	}
	return &intervenev1.EraseContactResponse{}, nil
}

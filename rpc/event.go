package rpc

import (
	"fmt"
	"slices"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// event is e in the history of conversation id on channel, with the message
// that it refers to, if that is known.
func (s *Server) event(channel engine.ChannelID, id engine.ConversationID, e *engine.Event) (*intervenev1.ConversationEvent, error) {
	external := replyToOf(e.Body)
	if amended, ok := e.Body.(engine.Amended); ok {
		external = amended.Target
	}
	refersTo, err := s.referred(channel, engine.MessageID{Conversation: id, Version: e.Version}, external)
	if err != nil {
		return nil, err
	}
	wire := eventOf(id, e, refersTo)
	switch e.Body.(type) {
	case engine.MessageReceived, engine.EchoReceived:
		return wire, s.foretell(wire, engine.MessageID{Conversation: id, Version: e.Version}, refersTo)
	}
	return wire, nil
}

// foretell gives the event of a message what the customer has done to it since,
// or even before it came: of that no event can follow that names it.
func (s *Server) foretell(wire *intervenev1.ConversationEvent, id engine.MessageID, replyTo string) error {
	m, err := s.options.Conversations.Message(id)
	if engine.CodeOf(err) == engine.CodeNotFound {
		return nil // it is gone since, and an event says so
	}
	if err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	m.Delivery = engine.Delivery{}
	if m.Media.State != 0 {
		m.Media = engine.MediaStatus{State: engine.MediaPending}
	}
	wire.Kind = &intervenev1.ConversationEvent_Message{Message: messageOf(&m, replyTo)}
	return nil
}

// eventOf is e in the history of conversation id, with the message that it
// refers to.
func eventOf(id engine.ConversationID, e *engine.Event, refersTo string) *intervenev1.ConversationEvent {
	wire := &intervenev1.ConversationEvent{Version: e.Version, At: timestampOf(e.At), By: partyOf(e.By)}
	switch b := e.Body.(type) {
	case engine.MessageReceived, engine.EchoReceived:
		wire.Kind = messageEvent(id, e, refersTo, engine.Delivery{})
	case engine.MessageQueued:
		wire.Kind = messageEvent(id, e, refersTo, engine.Delivery{State: engine.Queued})
	case engine.DeliveryChanged:
		change := &intervenev1.DeliveryChange{
			MessageId: messageIDOf(id, b.Send), Delivery: deliveryOf(b.State), Repeated: b.Repeated,
		}
		change.ErrorCode, change.ErrorDetail = failureOf(b.State, b.Error, b.Detail)
		wire.Kind = &intervenev1.ConversationEvent_DeliveryChange{DeliveryChange: change}
	case engine.Moved:
		wire.Kind = &intervenev1.ConversationEvent_HandOver{HandOver: &intervenev1.HandOver{
			Column: columnOf(b.To), Cause: causeOf(b.Cause), HolderAgentId: string(b.Holder), Reason: b.Reason,
		}}
	case engine.NoteAdded:
		wire.Kind = &intervenev1.ConversationEvent_Note{Note: &intervenev1.Note{Body: b.Body}}
	case engine.Tagged:
		wire.Kind = &intervenev1.ConversationEvent_TagsChange{TagsChange: &intervenev1.TagsChange{Tags: slices.Clone(b.Tags)}}
	case engine.MarkedRead:
		wire.Kind = &intervenev1.ConversationEvent_ReadMark{ReadMark: &intervenev1.ReadMark{}}
	case engine.Amended:
		wire.Kind = &intervenev1.ConversationEvent_Amendment{Amendment: amendmentOf(&b, refersTo)}
	default:
		contactEvent(wire, id, e.Body)
	}
	return wire
}

// contactEvent fills in what is said of the contact and of what is kept.
func contactEvent(wire *intervenev1.ConversationEvent, id engine.ConversationID, body engine.Body) {
	switch b := body.(type) {
	case engine.ContactChanged:
		wire.Kind = &intervenev1.ConversationEvent_ContactChange{ContactChange: &intervenev1.ContactChange{Contact: contactOf(id, &b.Contact)}}
	case engine.ContactLinked:
		wire.Kind = &intervenev1.ConversationEvent_ContactLink{ContactLink: &intervenev1.ContactLink{ConversationId: b.Other.String()}}
	case engine.ConsentChanged:
		wire.Kind = &intervenev1.ConversationEvent_ConsentChange{ConsentChange: &intervenev1.ConsentChange{Consent: consentOf(b.Consent)}}
	case engine.MediaChanged:
		wire.Kind = &intervenev1.ConversationEvent_MediaChange{MediaChange: &intervenev1.MediaChange{
			MessageId: messageIDOf(id, b.Message), Media: mediaStatusOf(b.State, b.Bytes),
		}}
	case engine.Trimmed:
		wire.Kind = &intervenev1.ConversationEvent_Trim{Trim: &intervenev1.Trim{OldestVersion: b.OldestKept}}
	case engine.Erased:
		wire.Kind = &intervenev1.ConversationEvent_Erasure{Erasure: &intervenev1.Erasure{}}
	default:
		wire.Kind = &intervenev1.ConversationEvent_Other{Other: &intervenev1.Other{}}
	}
}

func messageEvent(id engine.ConversationID, e *engine.Event, replyTo string, d engine.Delivery) *intervenev1.ConversationEvent_Message {
	m := engine.Message{ID: engine.MessageID{Conversation: id, Version: e.Version}, Event: *e, Delivery: d}
	return &intervenev1.ConversationEvent_Message{Message: messageOf(&m, replyTo)}
}

func amendmentOf(a *engine.Amended, message string) *intervenev1.Amendment {
	wire := &intervenev1.Amendment{MessageId: message, Kind: amendmentKindOf(a.What), At: timestampOf(a.SentAt)}
	switch a.What {
	case engine.Reacted:
		wire.Reaction = a.Content.Text
	case engine.Edited:
		wire.Content = contentOf(a.Content)
	}
	return wire
}

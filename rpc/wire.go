package rpc

import (
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// Everything that the engine says in the wire's words. The engine's enums that
// reach the wire have the wire's numbers.

func columnOf(c engine.Column) intervenev1.Column { return intervenev1.Column(c) }

func partyKindOf(k engine.PartyKind) intervenev1.PartyKind { return intervenev1.PartyKind(k) }

func causeOf(c engine.Cause) intervenev1.Cause { return intervenev1.Cause(c) }

func deliveryOf(s engine.DeliveryState) intervenev1.Delivery { return intervenev1.Delivery(s) }

func timestampOf(i engine.Instant) *timestamppb.Timestamp {
	if i.IsZero() {
		return nil
	}
	return timestamppb.New(i.Time())
}

func partyOf(p engine.Party) *intervenev1.Party {
	return &intervenev1.Party{Kind: partyKindOf(p.Kind), Id: string(p.ID)}
}

func cardOf(c *engine.Card) *intervenev1.Card {
	return &intervenev1.Card{
		ConversationId: c.Conversation.String(),
		Column:         columnOf(c.Column),
		Epoch:          c.Epoch,
		Version:        c.Version,
		HolderAgentId:  string(c.Holder),
		Contact: &intervenev1.Contact{
			// One conversation is one contact of its channel.
			Id:    c.Conversation.String(),
			Name:  c.Contact.Name,
			Phone: c.Contact.WaID,
		},
		Preview:         c.Preview,
		UnreadCount:     c.Unread,
		Tags:            slices.Clone(c.Tags),
		RequestedAt:     timestampOf(c.RequestedAt),
		LastActivityAt:  timestampOf(c.LastActivity),
		WindowExpiresAt: timestampOf(c.WindowExpiresAt),
		ChannelId:       string(c.Channel),
		RequestReason:   c.Reason,
		Cause:           causeOf(c.Cause),
		Since:           timestampOf(c.Since),
	}
}

// countersOf leaves out the columns that were not asked for.
func countersOf(counters []engine.ColumnCounter, columns []engine.Column) *intervenev1.Counters {
	wire := new(intervenev1.Counters)
	for _, c := range counters {
		if !slices.Contains(columns, c.Column) {
			continue
		}
		wire.Columns = append(wire.Columns, &intervenev1.ColumnCounter{
			Column:             columnOf(c.Column),
			Conversations:      uint64(max(c.Conversations, 0)),
			Unread:             uint64(max(c.Unread, 0)),
			OldestWaitingSince: timestampOf(c.OldestWaiting),
		})
	}
	return wire
}

func contentOf(c engine.Content) *intervenev1.Content {
	switch c.Kind {
	case engine.ContentText:
		return &intervenev1.Content{Kind: &intervenev1.Content_Text{Text: &intervenev1.Text{Body: c.Text}}}
	case engine.ContentButtonReply:
		return &intervenev1.Content{Kind: &intervenev1.Content_ButtonReply{
			ButtonReply: &intervenev1.ButtonReply{Id: c.Payload, Title: c.Text},
		}}
	default:
		return &intervenev1.Content{Kind: &intervenev1.Content_Unsupported{
			Unsupported: &intervenev1.Unsupported{Type: c.Text, RawJson: c.Raw},
		}}
	}
}

// messageOf is the message that e brought, with how far it has come; nil when e
// brought none.
func messageOf(id engine.MessageID, e *engine.Event, d engine.Delivery) *intervenev1.Message {
	m := &intervenev1.Message{
		MessageId:      id.String(),
		ConversationId: id.Conversation.String(),
		Version:        id.Version,
		Author:         partyOf(e.By),
		At:             timestampOf(e.At),
		Delivery:       deliveryOf(d.State),
		ErrorCode:      errorCodeOf(d.State, d.Error),
	}
	switch b := e.Body.(type) {
	case engine.MessageReceived:
		m.Content, m.SentAt = contentOf(b.Content), timestampOf(b.SentAt)
	case engine.MessageQueued:
		m.Content = contentOf(b.Content)
	default:
		return nil
	}
	return m
}

func errorCodeOf(s engine.DeliveryState, code int32) int32 {
	if s == engine.Failed || s == engine.Rejected {
		return code
	}
	return 0
}

// eventOf is e in the history of conversation id.
func eventOf(id engine.ConversationID, e *engine.Event) *intervenev1.ConversationEvent {
	wire := &intervenev1.ConversationEvent{Version: e.Version, At: timestampOf(e.At), By: partyOf(e.By)}
	switch b := e.Body.(type) {
	case engine.MessageReceived:
		wire.Kind = messageEvent(id, e, engine.Delivery{})
	case engine.MessageQueued:
		wire.Kind = messageEvent(id, e, engine.Delivery{State: engine.Queued})
	case engine.DeliveryChanged:
		wire.Kind = &intervenev1.ConversationEvent_DeliveryChange{DeliveryChange: &intervenev1.DeliveryChange{
			MessageId: engine.MessageID{Conversation: id, Version: b.Send}.String(),
			Delivery:  deliveryOf(b.State),
			ErrorCode: errorCodeOf(b.State, b.Error),
		}}
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
	default:
		wire.Kind = &intervenev1.ConversationEvent_Other{Other: &intervenev1.Other{}}
	}
	return wire
}

func messageEvent(id engine.ConversationID, e *engine.Event, d engine.Delivery) *intervenev1.ConversationEvent_Message {
	return &intervenev1.ConversationEvent_Message{
		Message: messageOf(engine.MessageID{Conversation: id, Version: e.Version}, e, d),
	}
}

func agentOf(p Principal) *intervenev1.Agent {
	return &intervenev1.Agent{Id: string(p.ID), Name: p.Name, Role: intervenev1.Role(p.Role)}
}

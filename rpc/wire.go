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

func mediaStateOf(s engine.MediaState) intervenev1.MediaState { return intervenev1.MediaState(s) }

func consentOf(c engine.Consent) intervenev1.Consent { return intervenev1.Consent(c) }

func amendmentKindOf(a engine.Amendment) intervenev1.AmendmentKind {
	return intervenev1.AmendmentKind(a)
}

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
		ConversationId:  c.Conversation.String(),
		Column:          columnOf(c.Column),
		Epoch:           c.Epoch,
		Version:         c.Version,
		HolderAgentId:   string(c.Holder),
		Contact:         contactOf(c.Conversation, &c.Contact),
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
		OptedOut:        c.OptedOut,
		MutedUntil:      timestampOf(c.MutedUntil),

		LinkedConversationIds: conversationIDsOf(c.Linked),
	}
}

// contactOf is c, the contact of conversation id: one conversation is one
// contact of its channel.
func contactOf(id engine.ConversationID, c *engine.Contact) *intervenev1.Contact {
	return &intervenev1.Contact{Id: id.String(), Name: c.Name, Phone: c.WaID}
}

func conversationIDsOf(ids []engine.ConversationID) []string {
	var wire []string
	for _, id := range ids {
		wire = append(wire, id.String())
	}
	return wire
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

// failureOf is what the platform says of a send that failed; what it said of an
// attempt before is nobody's business.
func failureOf(s engine.DeliveryState, code int32, detail string) (int32, string) {
	if s == engine.Failed || s == engine.Rejected {
		return code, detail
	}
	return 0, ""
}

func agentOf(p Principal) *intervenev1.Agent {
	return &intervenev1.Agent{Id: string(p.ID), Name: p.Name, Role: intervenev1.Role(p.Role)}
}

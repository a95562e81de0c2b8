package rpc

import (
	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// localeVariable is the variable in which a bot keeps the customer's language.
const localeVariable = "locale"

// turnOf is r in the wire's words. Of the customer it tells the name alone, of
// agents that they are agents: a bot needs no more.
func turnOf(r *engine.TurnRequest, locale string) *intervenev1.TurnRequest {
	wire := &intervenev1.TurnRequest{
		TurnId: r.ID.String(), ConversationId: r.ID.Conversation.String(), Epoch: r.Epoch, ThroughVersion: r.Through,
		Column: columnOf(r.Column), WorkspaceId: string(r.Workspace), ChannelId: string(r.Channel),
		Contact: &intervenev1.BotContact{Name: r.Contact.Name}, Locale: locale,
		WindowExpiresAt: timestampOf(r.WindowEnd), Deadline: timestampOf(r.Deadline),
	}
	if r.Returned {
		wire.Events = append(wire.Events, &intervenev1.BotEvent{Kind: &intervenev1.BotEvent_Returned{
			Returned: &intervenev1.Returned{Transcript: botMessagesOf(r.ID.Conversation, r.Transcript)},
		}})
	}
	for _, m := range botMessagesOf(r.ID.Conversation, r.Messages) {
		wire.Events = append(wire.Events, &intervenev1.BotEvent{Kind: &intervenev1.BotEvent_Message{Message: m}})
	}
	if len(r.Variables) > 0 {
		wire.Variables = make(map[string]string, len(r.Variables))
	}
	for _, v := range r.Variables {
		wire.Variables[v.Name] = v.Value
		if v.Name == localeVariable {
			wire.Locale = v.Value
		}
	}
	return wire
}

func botMessagesOf(id engine.ConversationID, messages []engine.TurnMessage) []*intervenev1.BotMessage {
	wire := make([]*intervenev1.BotMessage, len(messages))
	for i := range messages {
		m := &messages[i]
		wire[i] = &intervenev1.BotMessage{
			MessageId: messageIDOf(id, m.Version), Version: m.Version, At: timestampOf(m.At),
			Author: partyKindOf(m.By.Kind), Content: contentOf(m.Content),
		}
	}
	return wire
}

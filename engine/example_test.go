package engine_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// Two agents intervene at once: the first becomes the holder, the second is
// told who that is.
func ExampleDecide() {
	now := engine.InstantOf(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	conversation := engine.Conversation{ID: engine.NewConversationID(0, [14]byte{1})}
	policy := engine.Policy{AutoResolveAfter: 24 * time.Hour}

	give := func(by engine.Party, body engine.CommandBody) {
		command := engine.Command{Workspace: "acme", By: by, Body: body}
		events, err := engine.Decide(&conversation, command, policy, now)
		// Here the events become durable, before anything else happens.
		for i := range events {
			conversation.Apply(&events[i])
		}
		if refusal, ok := errors.AsType[*engine.Error](err); ok {
			fmt.Printf("%s: %s, by %s in epoch %d\n", by.ID, refusal, refusal.Holder, refusal.Epoch)
			return
		}
		fmt.Printf("%s at version %d\n", conversation.Column, conversation.Version)
	}

	give(engine.Party{Kind: engine.Customer}, engine.Receive{
		Channel: "acme-main", Contact: engine.Contact{Name: "Meera"}, External: "wamid.1", SentAt: now,
		Content: engine.Content{Kind: engine.ContentText, Text: "a person, please"},
	})
	give(engine.Party{Kind: engine.Bot}, engine.RequestAgent{Reason: "asked for a person"})
	give(engine.Party{Kind: engine.Agent, ID: "asha"}, engine.Intervene{})
	give(engine.Party{Kind: engine.Agent, ID: "ravi"}, engine.Intervene{})

	// Output:
	// active at version 3
	// requesting at version 4
	// intervened at version 5
	// ravi: held by other, by asha in epoch 2
}

// A bot answers the turn that it owes.
func ExampleTurnOf() {
	now := engine.InstantOf(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	var conversation engine.Conversation
	var log []engine.Event
	give := func(command engine.Command) {
		events, err := engine.Decide(&conversation, command, engine.Policy{}, now)
		if err != nil {
			fmt.Println(err)
		}
		for i := range events {
			conversation.Apply(&events[i])
		}
		log = append(log, events...)
	}
	give(engine.Command{Workspace: "acme", By: engine.Party{Kind: engine.Customer}, Body: engine.Receive{
		Channel: "acme-main", External: "wamid.1", SentAt: now, Content: engine.Content{Kind: engine.ContentText, Text: "hi"},
	}})

	turn, err := engine.TurnOf(&conversation, log[conversation.TurnStart()-1:])
	if err != nil {
		fmt.Println(err)
	}
	fmt.Printf("to answer: %s\n", turn.Messages[0].Content.Text)
	give(turn.Command(turn.Answer(engine.TurnAnswer{Say: []engine.Content{{Kind: engine.ContentText, Text: "hello"}}})))
	fmt.Printf("owed: %t, to send: %d\n", conversation.Turn.Owed(), len(conversation.Sends))

	// Output:
	// to answer: hi
	// owed: false, to send: 1
}

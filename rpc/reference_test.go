package rpc

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// answerTo makes the customer of id answer the message that the platform calls
// target, and amend makes them amend it.
func (e *edge) answerTo(id engine.ConversationID, external, target string) engine.MessageID {
	e.must(id, engine.Command{Workspace: "acme", By: engine.Party{Kind: engine.Customer}, Body: engine.Receive{
		Channel: "main", Contact: engine.Contact{WaID: "15550100"}, External: external, SentAt: engine.InstantOf(time.Now()),
		Content: hi(), ReplyTo: target,
	}})
	return e.customers(id)
}

func (e *edge) amend(id engine.ConversationID, external, target string, what engine.Amendment, content engine.Content) {
	e.must(id, engine.Command{Workspace: "acme", By: engine.Party{Kind: engine.Customer}, Body: engine.Amend{
		Channel: "main", Contact: engine.Contact{WaID: "15550100"}, External: external, SentAt: engine.InstantOf(time.Now()),
		Target: target, What: what, Content: content,
	}})
}

// TestReferences: what the platform calls a message never reaches a caller; the
// message does, in pages and in streams alike.
func TestReferences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		id := e.held()
		asha := e.client(ashaToken)
		sent, err := asha.SendMessage(t.Context(), &intervenev1.SendMessageRequest{ConversationId: id.String(), CommandId: newCommandID(), Content: bodyText("one")})
		if err != nil {
			t.Fatalf("SendMessage: %v", err)
		}
		e.attempt(sent.GetMessage(), engine.AttemptResult{State: engine.Accepted, External: "wamid.ours"})
		first := e.customers(id)
		e.receive("acme", id, "wamid.theirs")
		theirs := e.customers(id)
		want := map[string]string{
			e.answerTo(id, "a1", "wamid.ours").String():    sent.GetMessage().GetMessageId(),
			e.answerTo(id, "a2", "wamid.theirs").String():  theirs.String(),
			e.answerTo(id, "a3", "hello").String():         first.String(),
			e.answerTo(id, "a4", "wamid.unknown").String(): "",
		}
		e.amend(id, "b1", "wamid.ours", engine.Reacted, engine.Content{Kind: engine.ContentReaction, Text: "👍"})
		e.amend(id, "b2", "wamid.theirs", engine.Edited, hi())
		e.amend(id, "b3", "wamid.unknown", engine.Revoked, engine.Content{})

		page, err := asha.ListMessages(t.Context(), &intervenev1.ListMessagesRequest{ConversationId: id.String()})
		if err != nil {
			t.Fatalf("ListMessages: %v", err)
		}
		seen := 0
		for _, m := range page.GetMessages() {
			if replyTo, ok := want[m.GetMessageId()]; ok {
				seen++
				if m.GetReplyToMessageId() != replyTo {
					t.Errorf("page: got %s answering %q, want %q", m.GetMessageId(), m.GetReplyToMessageId(), replyTo)
				}
			}
			if m.GetMessageId() == sent.GetMessage().GetMessageId() && m.GetReaction() != "👍" {
				t.Errorf("got reaction %q, want 👍", m.GetReaction())
			}
			if m.GetMessageId() == theirs.String() && m.GetEdit().GetContent().GetText().GetBody() != "hi" {
				t.Errorf("got edit %v, want what it says now", m.GetEdit())
			}
		}
		if seen != len(want) {
			t.Errorf("got %d of the answers in the page, want %d", seen, len(want))
		}

		c := readConversation(t, e.client(ashaToken), id, 0)
		version := c.next().GetCard().GetVersion()
		var amended []string
		for after := uint64(0); after < version; {
			for _, event := range c.next().GetEvents().GetEvents() {
				after = event.GetVersion()
				m := event.GetMessage()
				if replyTo, ok := want[m.GetMessageId()]; ok && m.GetReplyToMessageId() != replyTo {
					t.Errorf("stream: got %s answering %q, want %q", m.GetMessageId(), m.GetReplyToMessageId(), replyTo)
				}
				if a := event.GetAmendment(); a != nil {
					amended = append(amended, a.GetMessageId())
				}
			}
		}
		if len(amended) != 3 || amended[0] != sent.GetMessage().GetMessageId() || amended[1] != theirs.String() || amended[2] != "" {
			t.Errorf("got amendments of %q, want of ours, of theirs and of one not known", amended)
		}
	})
}

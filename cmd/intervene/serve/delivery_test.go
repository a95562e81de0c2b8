package serve_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// reasonOf is the engine's reason in an error of the API, with what it says of
// the conversation.
func reasonOf(err error) (reason string, state map[string]string) {
	failed, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return fmt.Sprint(err), nil
	}
	for _, detail := range failed.Details() {
		if value, err := detail.Value(); err == nil {
			if info, ok := value.(*errdetails.ErrorInfo); ok {
				return info.GetReason(), info.GetMetadata()
			}
		}
	}
	return failed.Code().String(), nil
}

func (w *world) meets(rule standin.Rule) {
	w.t.Helper()
	if _, err := w.meta.AddFault(rule); err != nil {
		w.t.Fatalf("add a fault: %v", err)
	}
}

func resend(m *intervenev1.Message) *intervenev1.ResendMessageRequest {
	return &intervenev1.ResendMessageRequest{ConversationId: m.GetConversationId(), CommandId: uuid.NewString(), MessageId: m.GetMessageId()}
}

// TestDeadLetters: what WhatsApp refuses is listed until somebody replays it, and
// who did that stands in the history.
func TestDeadLetters(t *testing.T) {
	w := newWorld(t)
	conversation, _ := w.chat("16505550101")
	w.meets(standin.Rule{Fault: standin.FaultError, Code: 131026, Type: "image", Next: 1})
	dead := w.becomes(w.says(conversation, picture(&intervenev1.Media{Source: link("https://example.com/a.png")})), intervenev1.Delivery_DELIVERY_REJECTED)
	if dead.GetErrorCode() != 131026 {
		t.Errorf("rejected: got error %d, want 131026", dead.GetErrorCode())
	}

	sue := w.as("sue")
	deadLetters := func() []*intervenev1.Message {
		page, err := sue.ListDeadLetters(t.Context(), &intervenev1.ListDeadLettersRequest{})
		if err != nil {
			t.Fatalf("ListDeadLetters: %v", err)
		}
		return page.GetMessages()
	}
	if got := deadLetters(); len(got) != 1 || got[0].GetMessageId() != dead.GetMessageId() {
		t.Fatalf("dead letters: got %v, want the one", got)
	}
	if _, err := w.as("asha").ListDeadLetters(t.Context(), &intervenev1.ListDeadLettersRequest{}); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("dead letters for an agent: got %v, want permission denied", err)
	}
	again, err := sue.ResendMessage(t.Context(), resend(dead))
	if err != nil {
		t.Fatalf("ResendMessage: %v", err)
	}
	w.becomes(again.GetMessage(), intervenev1.Delivery_DELIVERY_DELIVERED)
	if got := w.delivery(again.GetMessage()); got.Type != "image" {
		t.Errorf("delivered: got %s, want the image", got.Type)
	}
	if got := deadLetters(); len(got) != 0 {
		t.Errorf("dead letters after the replay: got %v, want none", got)
	}
	if got := w.becomes(dead, intervenev1.Delivery_DELIVERY_REJECTED).GetResentAsMessageId(); got != again.GetMessage().GetMessageId() {
		t.Errorf("dead letter: got resent as %q, want %q", got, again.GetMessage().GetMessageId())
	}
	for _, e := range w.events(conversation) {
		if m := e.GetMessage(); m.GetResendOfMessageId() != "" {
			if by := e.GetBy(); by.GetId() != "sue" || by.GetKind() != intervenev1.PartyKind_PARTY_KIND_SUPERVISOR || m.GetResendOfMessageId() != dead.GetMessageId() {
				t.Errorf("audit: got %v resending %s, want sue and %s", by, m.GetResendOfMessageId(), dead.GetMessageId())
			}
			return
		}
	}
	t.Error("audit: got no event of the replay, want one")
}

// TestUnknownSend: a status that names the send settles one whose answer was
// lost; what nothing settles is shown, and resent by nobody but a person.
func TestUnknownSend(t *testing.T) {
	w := newWorld(t)
	t.Run("settled by a status", func(t *testing.T) {
		w.in(t)
		conversation, _ := w.chat("16505550102")
		w.meets(standin.Rule{Fault: standin.FaultResetAfter, Contact: "16505550102", Type: "location", Next: 1})
		lost := w.says(conversation, somewhere()) // the bot says no such thing
		w.becomes(lost, intervenev1.Delivery_DELIVERY_DELIVERED)
		var states []intervenev1.Delivery
		for _, e := range w.events(conversation) {
			if c := e.GetDeliveryChange(); c.GetMessageId() == lost.GetMessageId() {
				states = append(states, c.GetDelivery())
			}
		}
		if states[len(states)-1] != intervenev1.Delivery_DELIVERY_DELIVERED {
			t.Errorf("states: got %v, want it delivered at last", states)
		}
		if _, err := w.as("asha").ResendMessage(t.Context(), resend(lost)); !reasonIs(err, "NOT_RESENDABLE") {
			t.Errorf("resend what was delivered: got %v, want NOT_RESENDABLE", err)
		}
		if n := w.deliveries(lost); n != 1 {
			t.Errorf("deliveries: got %d, want one", n)
		}
	})
	t.Run("not confirmed", func(t *testing.T) {
		w.in(t)
		conversation, _ := w.chat("16505550103")
		w.meets(standin.Rule{Fault: standin.FaultResetBefore, Contact: "16505550103", Type: "location", Next: 1})
		lost := w.becomes(w.says(conversation, somewhere()), intervenev1.Delivery_DELIVERY_UNKNOWN)
		again, err := w.as("asha").ResendMessage(t.Context(), resend(lost))
		if err != nil {
			t.Fatalf("ResendMessage: %v", err)
		}
		if _, err := w.as("asha").ResendMessage(t.Context(), resend(lost)); !reasonIs(err, "NOT_RESENDABLE") {
			t.Errorf("resend twice: got %v, want NOT_RESENDABLE", err)
		}
		// It keeps its place behind the one in doubt, until that is settled.
		failed := fmt.Sprintf(`{"id":"wamid.lost","status":"failed","timestamp":"%d","recipient_id":"16505550103",`+
			`"biz_opaque_callback_data":%q,"errors":[{"code":131000,"title":"Something went wrong"}]}`, time.Now().Unix(), lost.GetMessageId())
		if got := w.deliver(webhook(change("messages", `"statuses":[`+failed+`]`))); got != 200 {
			t.Fatalf("status: got %d, want 200", got)
		}
		w.becomes(lost, intervenev1.Delivery_DELIVERY_FAILED)
		w.becomes(again.GetMessage(), intervenev1.Delivery_DELIVERY_DELIVERED)
		if lost, again := w.deliveries(lost), w.deliveries(again.GetMessage()); lost != 0 || again != 1 {
			t.Errorf("deliveries: got %d of the lost one and %d of the other, want 0 and 1", lost, again)
		}
	})
}

// deliveries counts what the stand-in accepted of a message.
func (w *world) deliveries(m *intervenev1.Message) (n int) {
	for _, d := range w.meta.Deliveries() {
		if d.CallbackData == m.GetMessageId() {
			n++
		}
	}
	return n
}

func reasonIs(err error, want string) bool {
	got, _ := reasonOf(err)
	return got == want
}

// TestWindowClosed: who writes too late is told since when.
func TestWindowClosed(t *testing.T) {
	w := newWorld(t)
	wrote := time.Now().Add(-25 * time.Hour).Truncate(time.Second)
	w.wrote("16505550104", standin.Message{Text: "Hello"}, wrote)
	conversation := w.card("16505550104").GetConversationId()
	w.intervene(conversation)
	request := text("too late")
	request.ConversationId, request.CommandId = conversation, uuid.NewString()
	_, err := w.as("asha").SendMessage(t.Context(), request)
	reason, state := reasonOf(err)
	if reason != "WINDOW_CLOSED" {
		t.Fatalf("SendMessage: got %v, want WINDOW_CLOSED", err)
	}
	closed, err := time.Parse(time.RFC3339, state["closed_at"])
	if want := wrote.Add(24 * time.Hour); err != nil || !closed.Equal(want) {
		t.Errorf("closed_at: got %q (error %v), want %s", state["closed_at"], err, want)
	}
	sent := w.says(conversation, template(&intervenev1.Template{Name: "hello", Language: "en_US"}))
	w.becomes(sent, intervenev1.Delivery_DELIVERY_DELIVERED)
}

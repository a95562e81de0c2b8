package serve_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

func withTemplates(c *standin.Config) {
	c.Templates = []standin.Template{
		{Name: "receipt", Language: "en_US", Category: standin.CategoryUtility, Components: []standin.TemplateComponent{{Type: "BODY", Text: "Paid"}}},
		{Name: "sale", Language: "en_US", Category: standin.CategoryMarketing, Components: []standin.TemplateComponent{{Type: "BODY", Text: "Buy, {{1}}"}}},
	}
}

var (
	receipt = &intervenev1.Template{Name: "receipt", Language: "en_US"}
	sale    = &intervenev1.Template{Name: "sale", Language: "en_US", Components: []*intervenev1.TemplateComponent{
		{Type: "body", Parameters: []*intervenev1.TemplateParameter{textParameter("Nora")}},
	}}
)

// TestOptOut: who wants no marketing gets none, in whatever way they said so.
func TestOptOut(t *testing.T) {
	tests := []struct {
		name   string
		waID   standin.Identity
		choose func(w *world, customer standin.Customer, marketing bool, at time.Time)
	}{
		{
			"by keyword", "16505550105",
			func(w *world, c standin.Customer, marketing bool, at time.Time) {
				w.wrote(c.WAID, standin.Message{Text: map[bool]string{false: " stop ", true: "Start"}[marketing]}, at)
			},
		},
		{
			"by preference", "16505550106",
			func(w *world, c standin.Customer, marketing bool, at time.Time) {
				if err := w.meta.SetMarketing(w.t.Context(), c, marketing, at); err != nil {
					w.t.Fatalf("SetMarketing: %v", err)
				}
			},
		},
	}
	w := newWorld(t, withTemplates)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w.in(t)
			conversation, _ := w.chat(tt.waID)
			optedOut := func(want bool) {
				t.Helper()
				w.until("the customer's choice", func() bool { return w.card(tt.waID.String()).GetOptedOut() == want })
			}
			now := time.Now() // Meta's clock has whole seconds
			tt.choose(w, customer(tt.waID), false, now.Add(-10*time.Second))
			optedOut(true)
			marketing := template(sale)
			marketing.ConversationId, marketing.CommandId = conversation, uuid.NewString()
			if _, err := w.as("asha").SendMessage(t.Context(), marketing); !reasonIs(err, "OPTED_OUT") {
				t.Errorf("marketing: got %v, want OPTED_OUT", err)
			}
			w.becomes(w.says(conversation, template(receipt)), intervenev1.Delivery_DELIVERY_DELIVERED)

			tt.choose(w, customer(tt.waID), true, now)
			optedOut(false)
			w.becomes(w.says(conversation, template(sale)), intervenev1.Delivery_DELIVERY_DELIVERED)
			var sent []string
			for _, d := range w.meta.DeliveriesTo(tt.waID) {
				if d.Template != "" {
					sent = append(sent, d.Template)
				}
			}
			if got := strings.Join(sent, " "); got != "receipt sale" {
				t.Errorf("templates: got %s, want the sale only once they wanted it again", got)
			}
		})
	}
}

// TestStartConversation: the business writes first, and it is nobody's turn until
// the customer answers.
func TestStartConversation(t *testing.T) {
	w := newWorld(t, withTemplates)
	begun, err := w.as("asha").StartConversation(t.Context(), &intervenev1.StartConversationRequest{
		ChannelId: "acme-main", CommandId: uuid.NewString(), To: "16505550107", Template: sale,
	})
	if err != nil {
		t.Fatalf("StartConversation: %v", err)
	}
	if got := begun.GetCard().GetColumn(); got != intervenev1.Column_COLUMN_HISTORY {
		t.Errorf("begun: got %s, want HISTORY", got)
	}
	if got := w.delivery(begun.GetMessage()); got.Template != "sale" || got.To != "16505550107" || got.Category != standin.CategoryMarketing {
		t.Errorf("delivery: got %+v, want the template", got)
	}
	sent := w.becomes(begun.GetMessage(), intervenev1.Delivery_DELIVERY_DELIVERED)
	if got := sent.GetContent().GetTemplate().GetCategory(); got != "MARKETING" {
		t.Errorf("category: got %q, want MARKETING", got)
	}
	w.writes("16505550107", standin.Message{Text: "Who are you?", ReplyTo: w.delivery(begun.GetMessage()).WAMID})
	conversation := begun.GetCard().GetConversationId()
	w.until("ACTIVE", func() bool { return w.card("16505550107").GetColumn() == intervenev1.Column_COLUMN_ACTIVE })
	if got := w.card("16505550107").GetConversationId(); got != conversation {
		t.Errorf("answer: got conversation %s, want %s", got, conversation)
	}
	w.message(conversation, "the answer", func(m *intervenev1.Message) bool {
		return m.GetReplyToMessageId() == begun.GetMessage().GetMessageId()
	})
	if _, err := w.as("zoe").StartConversation(t.Context(), &intervenev1.StartConversationRequest{
		ChannelId: "acme-main", CommandId: uuid.NewString(), To: "16505550107", Template: sale,
	}); !reasonIs(err, "INVALID") {
		t.Errorf("another workspace's channel: got %v, want INVALID", err)
	}
}

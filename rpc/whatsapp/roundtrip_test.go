package whatsapp

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// standInEdge is a webhook and a Graph, with the stand-in for Meta at the other
// end of both.
type standInEdge struct {
	edge
	graph graphEdge
	meta  *standin.Graph
}

func newStandInEdge(t *testing.T, faults ...standin.Rule) standInEdge {
	t.Helper()
	e := standInEdge{edge: newEdge(t)}
	webhook := httptest.NewServer(e.handler())
	t.Cleanup(webhook.Close)
	meta, err := standin.New(standin.Config{
		Seed: 7,
		Apps: []standin.App{{ID: "main", Secret: testSecret, WebhookURL: webhook.URL + "/webhooks/whatsapp/main"}},
		Numbers: []standin.Number{
			{ID: "1001", DisplayPhoneNumber: "15550100", Business: "9", AccessToken: testToken, App: "main"},
		},
		Statuses: []standin.StatusStep{{Status: standin.StatusSent}, {Status: standin.StatusDelivered}, {Status: standin.StatusRead}},
		Webhook:  standin.WebhookConfig{RedeliveryFirst: time.Millisecond, Shuffle: true},
		Faults:   faults,
	})
	if err != nil {
		t.Fatalf("start the stand-in: %v", err)
	}
	t.Cleanup(meta.Close)
	server := httptest.NewServer(meta.Handler())
	t.Cleanup(server.Close)
	e.meta, e.graph = meta, newGraphEdge(t, server.URL)
	return e
}

func (e standInEdge) settle(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := e.meta.Settle(ctx); err != nil {
		t.Fatalf("settle: %v", err)
	}
}

// TestRoundTripInbound: customers write through a hostile Meta to an Inbox that
// is not always there.
func TestRoundTripInbound(t *testing.T) {
	e := newStandInEdge(t,
		standin.Rule{Fault: standin.FaultDuplicate, Every: 3, Copies: 2},
		standin.Rule{Fault: standin.FaultBadSignature, Every: 4},
	)
	refusals := 20
	e.inbox.answer = func(context.Context, engine.Inbound) error {
		e.inbox.mu.Lock()
		defer e.inbox.mu.Unlock()
		if refusals > 0 {
			refusals--
			return &engine.Error{Code: engine.CodeUnavailable}
		}
		return nil
	}
	want := make(map[string]engine.Content)
	for i := range 40 {
		customer := standin.Customer{PhoneNumberID: "1001", WAID: "15550123", Name: "Ana"}
		if i%2 == 1 {
			customer = standin.Customer{PhoneNumberID: "1001", UserID: "US.bo22", Name: "Bo"}
		}
		text := fmt.Sprintf("message %d: café 😀 a/b", i)
		wamid, err := e.meta.WriteText(t.Context(), customer, text, time.Time{})
		if err != nil {
			t.Fatalf("write: %v", err)
		}
		want[wamid.String()] = engine.Content{Kind: engine.ContentText, Text: text}
		if wamid, err = e.meta.PressButton(t.Context(), customer, standin.Reply{ID: "b1", Title: "Yes"}, time.Time{}); err != nil {
			t.Fatalf("press: %v", err)
		}
		want[wamid.String()] = engine.Content{Kind: engine.ContentButtonReply, Text: "Yes", Payload: "b1"}
		if _, err := e.meta.WriteObject(t.Context(), customer, []byte(`"rotten"`), time.Time{}); err != nil {
			t.Fatalf("write an object: %v", err)
		}
	}
	e.settle(t)
	for _, offer := range e.meta.Offers() {
		if offer.GivenUp || offer.Forged == (offer.LastAnswer == http.StatusOK) {
			t.Errorf("offer: got %+v, want every item taken and every forgery refused", offer)
		}
	}
	got := make(map[string]engine.Content)
	for _, item := range e.inbox.items {
		m := item.Message
		if m == nil || m.Contact.Name != "Ana" && m.Contact.Name != "Bo" || len(m.Contact.Identities()) != 1 {
			t.Errorf("item: got %+v, want a message of Ana or Bo", item)
			continue
		}
		got[m.External] = m.Content
	}
	for wamid, content := range want {
		if !reflect.DeepEqual(got[wamid], content) {
			t.Errorf("message %s: got %+v, want %+v", wamid, got[wamid], content)
		}
	}
	if len(got) != len(want) {
		t.Errorf("messages: got %d, want %d", len(got), len(want))
	}
}

// TestRoundTripOutbound: what the Graph says of a send agrees with what Meta
// did, and a status settles what is unknown.
func TestRoundTripOutbound(t *testing.T) {
	tests := []struct {
		name      string
		rule      standin.Rule
		want      engine.DeliveryState
		wantError int32
		accepted  bool
	}{
		{"accepted", standin.Rule{Fault: standin.FaultDuplicate, Always: true}, engine.Accepted, 0, true},
		{"number too fast", standin.Rule{Fault: standin.FaultError, Code: 130429, Always: true}, engine.Queued, 130429, false},
		{"token expired", standin.Rule{Fault: standin.FaultError, Code: 190, Always: true}, engine.Queued, 190, false},
		{"undeliverable", standin.Rule{Fault: standin.FaultError, Code: 131026, Always: true}, engine.Rejected, 131026, false},
		{"something went wrong", standin.Rule{Fault: standin.FaultError, Code: 131000, Always: true}, engine.Unknown, 131000, false},
		{"gateway", standin.Rule{Fault: standin.FaultServerError, HTTPStatus: http.StatusBadGateway, Always: true}, engine.Unknown, 0, false},
		{"reset before it was taken", standin.Rule{Fault: standin.FaultResetBefore, Always: true}, engine.Unknown, 0, false},
		{"reset after it was taken", standin.Rule{Fault: standin.FaultResetAfter, Always: true}, engine.Unknown, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newStandInEdge(t, tt.rule)
			o := outbound()
			result, _ := e.graph.Send(t.Context(), o)
			if result.State != tt.want || result.Error != tt.wantError {
				t.Errorf("result: got %+v, want %s with error %d", result, tt.want, tt.wantError)
			}
			e.settle(t)
			deliveries := e.meta.Deliveries()
			if got := len(deliveries) == 1; got != tt.accepted {
				t.Fatalf("deliveries: got %d, want one: %v", len(deliveries), tt.accepted)
			}
			states := make(map[engine.DeliveryState]bool)
			for _, item := range e.inbox.items {
				if s := item.Status; s == nil || s.Op != o.ID || s.External != deliveries[0].WAMID.String() {
					t.Errorf("item: got %+v, want a status of %s", item, o.ID)
				} else {
					states[s.State] = true
				}
			}
			if want := (map[bool]int{true: 3})[tt.accepted]; len(states) != want {
				t.Errorf("statuses: got %v, want %d of them", states, want)
			}
			if tt.want == engine.Accepted && result.External != deliveries[0].WAMID.String() {
				t.Errorf("name: got %q, want %q", result.External, deliveries[0].WAMID)
			}
		})
	}
}

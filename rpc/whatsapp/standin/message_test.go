package standin_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// written is the one message that the receiver was offered.
func written(t *testing.T, r *receiver) object {
	t.Helper()
	var message object
	if err := json.Unmarshal(r.all()[0].envelope.Entry[0].Changes[0].Value.Messages[0], &message); err != nil {
		t.Fatalf("decode: got %v, want no error", err)
	}
	return message
}

func TestMessagesOnTheWire(t *testing.T) {
	of := func(kind string, content any) object { return object{"type": kind, kind: content} }
	with := func(message object, field string, value any) object {
		message[field] = value
		return message
	}
	answer := object{"from": "15550001", "id": "wamid.q"}
	for name, tc := range map[string]struct {
		message standin.Message
		want    object
	}{
		"text":  {standin.Message{Text: "hi"}, of("text", object{"body": "hi"})},
		"reply": {standin.Message{Text: "hi", ReplyTo: "wamid.q"}, with(of("text", object{"body": "hi"}), "context", answer)},
		"forwarded": {
			standin.Message{Text: "hi", Forwarded: true, FrequentlyForwarded: true},
			with(of("text", object{"body": "hi"}), "context", object{"forwarded": true, "frequently_forwarded": true}),
		},
		"about a product": {
			standin.Message{Text: "hi", Product: &standin.Product{CatalogID: "c", ProductRetailerID: "p"}},
			with(of("text", object{"body": "hi"}), "context", object{
				"from": "15550001", "referred_product": object{"catalog_id": "c", "product_retailer_id": "p"},
			}),
		},
		"from an ad": {
			standin.Message{Text: "hi", Referral: &standin.Referral{SourceURL: "u", SourceID: "1", SourceType: "ad", ClickID: "k"}},
			with(of("text", object{"body": "hi"}), "referral", object{
				"source_url": "u", "source_id": "1", "source_type": "ad", "ctwa_clid": "k",
			}),
		},
		"location": {
			standin.Message{Location: &standin.Location{Latitude: 1.5, Longitude: -2, Name: "Here"}},
			of("location", object{"latitude": 1.5, "longitude": -2.0, "name": "Here"}),
		},
		"contacts": {
			standin.Message{Contacts: json.RawMessage(`[{"name":{"formatted_name":"Ben"}}]`)},
			of("contacts", []any{object{"name": object{"formatted_name": "Ben"}}}),
		},
		"order": {
			standin.Message{Order: &standin.Order{CatalogID: "c", Items: []standin.OrderItem{{ProductRetailerID: "p", Quantity: 2, ItemPrice: 30, Currency: "USD"}}}},
			of("order", object{"catalog_id": "c", "text": "", "product_items": []any{
				object{"product_retailer_id": "p", "quantity": 2.0, "item_price": 30.0, "currency": "USD"},
			}}),
		},
		"reply button": {
			standin.Message{Button: &standin.Reply{To: "wamid.q", ID: "yes", Title: "Yes"}},
			with(of("interactive", object{"type": "button_reply", "button_reply": object{"id": "yes", "title": "Yes"}}), "context", answer),
		},
		"row": {
			standin.Message{Row: &standin.Reply{ID: "r", Title: "One", Description: "d"}},
			of("interactive", object{"type": "list_reply", "list_reply": object{"id": "r", "title": "One", "description": "d"}}),
		},
		"template button": {
			standin.Message{QuickReply: &standin.QuickReply{Payload: "p", Text: "Stop"}, ReplyTo: "wamid.q"},
			with(of("button", object{"payload": "p", "text": "Stop"}), "context", answer),
		},
		"form": {
			standin.Message{Form: &standin.Form{Response: json.RawMessage(`{"flow_token": "t"}`)}},
			of("interactive", object{"type": "nfm_reply", "nfm_reply": object{
				"name": "flow", "body": "Sent", "response_json": `{"flow_token":"t"}`,
			}}),
		},
		"call permission": {
			standin.Message{CallPermission: &standin.CallPermission{Response: "accept", Until: time.Unix(1700000000, 0)}},
			of("interactive", object{"type": "call_permission_reply", "call_permission_reply": object{
				"response": "accept", "response_source": "user_action", "expiration_timestamp": "1700000000",
			}}),
		},
		"reaction": {
			standin.Message{Reaction: &standin.Reaction{To: "wamid.q", Emoji: "👍"}},
			of("reaction", object{"message_id": "wamid.q", "emoji": "👍"}),
		},
		"reaction taken back": {
			standin.Message{Reaction: &standin.Reaction{To: "wamid.q"}},
			of("reaction", object{"message_id": "wamid.q"}),
		},
		"edit": {
			standin.Message{Edit: &standin.Edit{To: "wamid.q", Text: "hello"}},
			of("edit", object{"original_message_id": "wamid.q", "message": object{
				"context": object{"id": "wamid.q"}, "type": "text", "text": object{"body": "hello"},
			}}),
		},
		"edit of a caption": {
			standin.Message{Edit: &standin.Edit{To: "wamid.q", Caption: "c", Kind: "video", MediaID: "7"}},
			of("edit", object{"original_message_id": "wamid.q", "message": object{
				"context": object{"id": "wamid.q"}, "type": "video", "video": object{"caption": "c", "id": "7"},
			}}),
		},
		"revoke":  {standin.Message{Revoke: "wamid.q"}, of("revoke", object{"original_message_id": "wamid.q"})},
		"welcome": {standin.Message{Welcome: true}, object{"type": "request_welcome"}},
		"unsupported": {
			standin.Message{Unsupported: "poll_creation"},
			with(of("unsupported", object{"type": "poll_creation"}), "errors", []any{object{
				"code": 131051.0, "title": "Message type unknown", "message": "Message type unknown",
				"error_data": object{"details": "Message type is currently not supported."},
			}}),
		},
		"anything": {standin.Message{Object: json.RawMessage(`{"type":"hologram","hologram":{"x":1}}`)}, of("hologram", object{"x": 1.0})},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{}
				g := start(t, newConfig(), r)
				customer := standin.Customer{PhoneNumberID: first, WAID: ada, UserID: "DE.abc", ParentUserID: "DE.ENT.abc", Username: "ada"}
				wamid, err := g.Write(t.Context(), customer, tc.message, time.Unix(1700000000, 0))
				if err != nil {
					t.Fatalf("Write: got %v, want no error", err)
				}
				settle(t, g)
				tc.want["id"], tc.want["timestamp"] = string(wamid), "1700000000"
				tc.want["from"], tc.want["from_user_id"], tc.want["from_parent_user_id"] = string(ada), "DE.abc", "DE.ENT.abc"
				if diff := cmp.Diff(tc.want, written(t, r)); diff != "" {
					t.Errorf("message (-want +got):\n%s", diff)
				}
				body := r.all()[0].body
				if !isASCII(body) || !verifies(r.all()[0]) {
					t.Errorf("body: got %s, want pure ASCII under a right signature", body)
				}
				want := `"contacts":[{"profile":{"username":"ada"},"wa_id":"4915550100","user_id":"DE.abc","parent_user_id":"DE.ENT.abc"}]`
				if !strings.Contains(string(body), want) {
					t.Errorf("body: got %s, want %s in it", body, want)
				}
			})
		})
	}
}

func TestMessageIsExactlyOneThing(t *testing.T) {
	g := start(t, newConfig(), &receiver{})
	for name, message := range map[string]standin.Message{
		"nothing":         {},
		"two things":      {Text: "hi", Revoke: "wamid.q"},
		"media of kind":   {Media: &standin.Media{Kind: "hologram", MIMEType: "image/png", Data: []byte("x")}},
		"media no bytes":  {Media: &standin.Media{Kind: "image", MIMEType: "image/png"}},
		"edit of kind":    {Edit: &standin.Edit{To: "wamid.q", Kind: "hologram"}},
		"contacts broken": {Contacts: json.RawMessage(`[`)},
		"form broken":     {Form: &standin.Form{}},
		"object broken":   {Object: json.RawMessage(`{`)},
	} {
		_, err := g.Write(t.Context(), standin.Customer{PhoneNumberID: first, WAID: ada}, message, time.Time{})
		if !errors.Is(err, standin.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
}

// TestWhatOpensTheWindow: what a customer writes does, what is told of them
// does not.
func TestWhatOpensTheWindow(t *testing.T) {
	customer := standin.Customer{PhoneNumberID: first, WAID: ada}
	writes := func(m standin.Message) func(*testing.T, *standin.Graph) error {
		return func(t *testing.T, g *standin.Graph) error {
			_, err := g.Write(t.Context(), customer, m, time.Time{})
			return err
		}
	}
	for name, tc := range map[string]struct {
		does  func(*testing.T, *standin.Graph) error
		opens bool
	}{
		"text":     {writes(standin.Message{Text: "hi"}), true},
		"welcome":  {writes(standin.Message{Welcome: true}), true},
		"reaction": {writes(standin.Message{Reaction: &standin.Reaction{To: "wamid.q"}}), true},
		"edit":     {writes(standin.Message{Edit: &standin.Edit{To: "wamid.q", Text: "x"}}), false},
		"revoke":   {writes(standin.Message{Revoke: "wamid.q"}), false},
		"echo": {func(t *testing.T, g *standin.Graph) error {
			_, err := g.Echo(t.Context(), customer, standin.Message{Text: "hi"}, time.Time{})
			return err
		}, false},
		"new number": {func(t *testing.T, g *standin.Graph) error {
			_, err := g.ChangeIdentity(t.Context(), customer, standin.IdentityChange{WAID: ben}, time.Time{})
			return err
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			config := newConfig()
			config.Window = standin.WindowRefused
			g := start(t, config, &receiver{})
			if err := tc.does(t, g); err != nil {
				t.Fatalf("got %v, want no error", err)
			}
			got := sendText(t, g, ada, "hi")
			if (got.status == 200) != tc.opens || (!tc.opens && got.Error.Code != 131047) {
				t.Errorf("send: got %s, want it accepted: %v", got.body, tc.opens)
			}
		})
	}
}

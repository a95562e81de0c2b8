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

func TestIdentityChangeOnTheWire(t *testing.T) {
	known := standin.Customer{PhoneNumberID: first, WAID: ada, UserID: "DE.old", ParentUserID: "DE.ENT.old", Name: "Ada"}
	for name, tc := range map[string]struct {
		customer standin.Customer
		change   standin.IdentityChange
		want     object
	}{
		"number": {known, standin.IdentityChange{WAID: ben, UserID: "DE.new"}, object{
			"type": "user_changed_number", "body": "User Ada changed from 4915550100 to 4915550101",
			"wa_id": "4915550101", "user_id": "DE.new", "previous_user_id": "DE.old", "previous_parent_user_id": "DE.ENT.old",
		}},
		"number, as of old": {known, standin.IdentityChange{Type: standin.ChangedNumberLegacy, WAID: ben}, object{
			"type": "customer_changed_number", "body": "User Ada changed from 4915550100 to 4915550101",
			"new_wa_id": "4915550101", "customer": "4915550100",
		}},
		"user ID": {
			standin.Customer{PhoneNumberID: first, UserID: "DE.old", Name: "Ada"},
			standin.IdentityChange{UserID: "DE.new", ParentUserID: "DE.ENT.new"},
			object{
				"type": "user_changed_user_id", "body": "User Ada changed from DE.old to DE.new",
				"user_id": "DE.new", "parent_user_id": "DE.ENT.new", "previous_user_id": "DE.old",
			},
		},
		"user ID, without the one before": {
			known,
			standin.IdentityChange{UserID: "DE.new", NoPrevious: true},
			object{"type": "user_changed_user_id", "body": "User Ada changed from DE.old to DE.new", "user_id": "DE.new"},
		},
		"security code": {known, standin.IdentityChange{Type: standin.ChangedIdentity}, object{
			"type": "customer_identity_changed", "body": "User Ada's security code changed",
			"identity": "hash-of-the-new-key", "customer": "4915550100",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{}
				g := start(t, newConfig(), r)
				wamid, err := g.ChangeIdentity(t.Context(), tc.customer, tc.change, time.Time{})
				if err != nil {
					t.Fatalf("ChangeIdentity: got %v, want no error", err)
				}
				settle(t, g)
				got := written(t, r)
				if got["type"] != "system" || got["id"] != string(wamid) {
					t.Errorf("message: got %v, want the system message %s", got, wamid)
				}
				if _, there := got["from"]; there != (tc.customer.WAID != "") {
					t.Errorf("message: got %v, want from only of who has a number", got)
				}
				if diff := cmp.Diff(tc.want, got["system"]); diff != "" {
					t.Errorf("system (-want +got):\n%s", diff)
				}
				if strings.Contains(string(r.all()[0].body), `"contacts"`) {
					t.Errorf("body: got %s, want no contacts", r.all()[0].body)
				}
			})
		})
	}
	g := start(t, newConfig(), &receiver{})
	if _, err := g.ChangeIdentity(t.Context(), known, standin.IdentityChange{}, time.Time{}); !errors.Is(err, standin.ErrInvalid) {
		t.Errorf("change to nothing: got %v, want ErrInvalid", err)
	}
}

func TestSystemMessageBesideOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		config := newConfig()
		config.Webhook.Gather = time.Second
		g := start(t, config, r)
		customer := standin.Customer{PhoneNumberID: first, WAID: ada}
		for range 20 {
			write(t, g, ben, "hi")
			if _, err := g.ChangeIdentity(t.Context(), customer, standin.IdentityChange{WAID: ben}, time.Time{}); err != nil {
				t.Fatalf("ChangeIdentity: got %v, want no error", err)
			}
		}
		settle(t, g)
		messages, contacts := 0, 0
		for _, p := range r.all() {
			for _, entry := range p.envelope.Entry {
				for _, change := range entry.Changes {
					messages += len(change.Value.Messages)
					contacts += len(change.Value.Contacts)
				}
			}
		}
		if messages != 40 || contacts != 20 {
			t.Errorf("got %d messages and %d contacts, want 40 and 20", messages, contacts)
		}
	})
}

// changed is the value of the one change that the receiver was offered.
func changed(t *testing.T, r *receiver, field string) object {
	t.Helper()
	var envelope struct {
		Entry []struct {
			ID      string
			Changes []struct {
				Field string
				Value object
			}
		}
	}
	if err := json.Unmarshal(r.all()[0].body, &envelope); err != nil {
		t.Fatalf("decode: got %v, want no error", err)
	}
	change := envelope.Entry[0].Changes[0]
	if change.Field != field || envelope.Entry[0].ID != "9001" {
		t.Errorf("change: got %s of %s, want %s of 9001", change.Field, envelope.Entry[0].ID, field)
	}
	return change.Value
}

var metadata = object{"display_phone_number": "15550001", "phone_number_id": "101"}

func TestEchoOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		g := start(t, newConfig(), r)
		customer := standin.Customer{PhoneNumberID: first, WAID: ada, UserID: "DE.abc"}
		wamid, err := g.Echo(t.Context(), customer, standin.Message{Text: "hi", ReplyTo: "wamid.q"}, time.Unix(1700000000, 0))
		if err != nil {
			t.Fatalf("Echo: got %v, want no error", err)
		}
		settle(t, g)
		want := object{
			"messaging_product": "whatsapp", "metadata": metadata,
			"message_echoes": []any{object{
				"id": string(wamid), "timestamp": "1700000000", "type": "text", "text": object{"body": "hi"},
				"from": "15550001", "to": string(ada), "to_user_id": "DE.abc",
				"context": object{"from": string(ada), "id": "wamid.q"},
			}},
		}
		if diff := cmp.Diff(want, changed(t, r, "smb_message_echoes")); diff != "" {
			t.Errorf("value (-want +got):\n%s", diff)
		}
		offer := g.Offers()[0]
		if offer.WAMID != wamid || offer.Contact != ada || offer.Field != "smb_message_echoes" {
			t.Errorf("offer: got %+v, want the echo", offer)
		}
		again, err := g.Echo(t.Context(), customer, standin.Message{Revoke: wamid}, time.Time{})
		if err != nil || again == wamid {
			t.Errorf("Echo of a revoke: got %s and %v, want another WAMID", again, err)
		}
	})
}

func TestEchoOfAnyObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		g := start(t, newConfig(), r)
		customer := standin.Customer{PhoneNumberID: first, WAID: ada}
		object := json.RawMessage(`{"id":"wamid.mine","type":"hologram"}`)
		if wamid, err := g.Echo(t.Context(), customer, standin.Message{Object: object}, time.Time{}); err != nil || wamid != "wamid.mine" {
			t.Fatalf("Echo: got %s and %v, want the given ID", wamid, err)
		}
		settle(t, g)
		if body := string(r.all()[0].body); !strings.Contains(body, `"id":"wamid.mine"`) || !strings.Contains(body, `"type":"hologram"`) {
			t.Errorf("body: got %s, want the object", body)
		}
		if _, err := g.Echo(t.Context(), customer, standin.Message{Object: json.RawMessage(`[]`)}, time.Time{}); !errors.Is(err, standin.ErrInvalid) {
			t.Errorf("Echo of a list: got %v, want ErrInvalid", err)
		}
		if _, err := g.Echo(t.Context(), standin.Customer{PhoneNumberID: "9", WAID: ada}, standin.Message{Text: "x"}, time.Time{}); !errors.Is(err, standin.ErrUnknownNumber) {
			t.Errorf("Echo of no number: got %v, want ErrUnknownNumber", err)
		}
	})
}

func TestUserPreferencesOnTheWire(t *testing.T) {
	for wanted, word := range map[bool]string{false: "stop", true: "resume"} {
		synctest.Test(t, func(t *testing.T) {
			r := &receiver{}
			g := start(t, newConfig(), r)
			customer := standin.Customer{PhoneNumberID: first, WAID: ada, Name: "Ada"}
			if err := g.SetMarketing(t.Context(), customer, wanted, time.Unix(1700000000, 0)); err != nil {
				t.Fatalf("SetMarketing: got %v, want no error", err)
			}
			settle(t, g)
			want := object{
				"messaging_product": "whatsapp", "metadata": metadata,
				"contacts": []any{object{"profile": object{"name": "Ada"}, "wa_id": string(ada)}},
				"user_preferences": []any{object{
					"wa_id": string(ada), "category": "marketing_messages", "value": word, "timestamp": 1700000000.0,
					"detail": "User requested to " + word + " marketing messages",
				}},
			}
			if diff := cmp.Diff(want, changed(t, r, "user_preferences")); diff != "" {
				t.Errorf("value (-want +got):\n%s", diff)
			}
		})
	}
}

package standin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

func TestCustomerMessageOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		g := start(t, newConfig(), r)
		at := time.Now().Add(-time.Hour)
		customer := standin.Customer{PhoneNumberID: first, WAID: ada, Name: "Ada"}
		wamid, err := g.WriteText(t.Context(), customer, "hello", at)
		if err != nil {
			t.Fatalf("WriteText: got %v, want no error", err)
		}
		settle(t, g)
		e := r.all()[0].envelope
		change := e.Entry[0].Changes[0]
		if e.Object != "whatsapp_business_account" || e.Entry[0].ID != "9001" || change.Field != "messages" ||
			change.Value.Metadata.PhoneNumberID != first {
			t.Errorf("envelope: got %+v, want the number's", e)
		}
		if c := change.Value.Contacts[0]; c.WAID != ada || c.Profile.Name != "Ada" {
			t.Errorf("contact: got %+v, want Ada", c)
		}
		m := r.messages(t)[0]
		if m.ID != wamid || m.From != ada || m.Type != "text" || m.Timestamp != fmt.Sprint(at.Unix()) {
			t.Errorf("message: got %+v, want %s from Ada an hour ago", m, wamid)
		}
	})
}

func TestButtonAndRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		g := start(t, newConfig(), r)
		customer := standin.Customer{PhoneNumberID: first, WAID: ada}
		_, err := g.PressButton(t.Context(), customer, standin.Reply{To: "wamid.q", ID: "yes", Title: "Yes"}, time.Time{})
		_, err2 := g.ChooseRow(t.Context(), customer, standin.Reply{ID: "r1", Title: "One", Description: "d"}, time.Time{})
		if err := errors.Join(err, err2); err != nil {
			t.Fatalf("reply: got %v, want no error", err)
		}
		settle(t, g)
		for _, m := range r.messages(t) {
			switch m.Interactive.Type {
			case "button_reply":
				if m.Interactive.ButtonReply.ID != "yes" || m.Context.ID != "wamid.q" || m.Context.From != "15550001" {
					t.Errorf("button: got %+v, want yes in reply to wamid.q", m)
				}
			case "list_reply":
				if m.Interactive.ListReply.ID != "r1" {
					t.Errorf("row: got %+v, want r1", m)
				}
			default:
				t.Errorf("interactive type: got %q, want button_reply or list_reply", m.Interactive.Type)
			}
		}
	})
}

func TestCustomerWithoutPhoneNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		g := start(t, newConfig(), r)
		customer := standin.Customer{PhoneNumberID: first, UserID: "DE.abc", Name: "Ada"}
		if _, err := g.WriteText(t.Context(), customer, "hi", time.Time{}); err != nil {
			t.Fatalf("WriteText: got %v, want no error", err)
		}
		settle(t, g)
		m, c := r.messages(t)[0], r.all()[0].envelope.Entry[0].Changes[0].Value.Contacts[0]
		if m.From != "" || m.FromUserID != "DE.abc" || c.WAID != "" || c.UserID != "DE.abc" {
			t.Errorf("got message %+v and contact %+v, want the user ID alone", m, c)
		}
	})
}

func TestWriteObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		config := newConfig()
		config.Webhook.Parallelism = 1
		g := start(t, config, r)
		customer := standin.Customer{PhoneNumberID: first, WAID: ada}
		for _, tc := range []struct{ object, want string }{
			{`{"type":"image","image":{"id":"7","url":"https:\/\/x.test\/é"}}`, `"url":"https:\/\/x.test\/\u00e9"`},
			{`{"id":"wamid.mine","from":"1"}`, `"id":"wamid.mine"`},
			{`42`, `"messages":[42]`},
			{`null`, `"messages":[null]`},
			{`["a/b"]`, `"messages":[["a\/b"]]`},
		} {
			wamid, err := g.WriteObject(t.Context(), customer, json.RawMessage(tc.object), time.Time{})
			if err != nil {
				t.Fatalf("WriteObject(%s): got %v, want no error", tc.object, err)
			}
			settle(t, g)
			posts := r.all()
			if body := string(posts[len(posts)-1].body); !strings.Contains(body, tc.want) {
				t.Errorf("WriteObject(%s): got %s, want %s in it", tc.object, body, tc.want)
			}
			if strings.Contains(tc.object, "wamid.mine") && wamid != "wamid.mine" {
				t.Errorf("WriteObject(%s): got %s, want the given ID", tc.object, wamid)
			}
		}
		if _, err := g.WriteObject(t.Context(), customer, json.RawMessage(`{`), time.Time{}); !errors.Is(err, standin.ErrInvalid) {
			t.Errorf("WriteObject of half an object: got %v, want ErrInvalid", err)
		}
	})
}

func TestEmitChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		g := start(t, newConfig(), r)
		if err := g.EmitChange(t.Context(), second, "account_update", json.RawMessage(`{"event":"X"}`)); err != nil {
			t.Fatalf("EmitChange: got %v, want no error", err)
		}
		settle(t, g)
		body := string(r.all()[0].body)
		want := `{"object":"whatsapp_business_account","entry":[{"id":"9002","changes":[{"value":{"event":"X"},"field":"account_update"}]}]}`
		if body != want {
			t.Errorf("body: got %s, want %s", body, want)
		}
	})
}

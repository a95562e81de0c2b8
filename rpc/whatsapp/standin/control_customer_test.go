package standin_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// only is a config of one number, whose ID requests may leave out.
func only() standin.Config {
	config := newConfig()
	config.Numbers = config.Numbers[:1]
	return config
}

func TestControlWhatCustomersDo(t *testing.T) {
	for _, tc := range []struct {
		path, body string
		status     int
		field      string // of the webhook
		kind       string // of the message
	}{
		{"messages", `{"text":"hi","reply_to":"wamid.q","forwarded":true}`, 200, "messages", "text"},
		{"messages", `{"media":{"kind":"image","mime_type":"image/png","data":"eA==","caption":"c"}}`, 200, "messages", "image"},
		{"messages", `{"location":{"latitude":1,"longitude":2}}`, 200, "messages", "location"},
		{"messages", `{"reaction":{"to":"wamid.q","emoji":"👍"}}`, 200, "messages", "reaction"},
		{"messages", `{"edit":{"to":"wamid.q","text":"x"}}`, 200, "messages", "edit"},
		{"messages", `{"revoke":"wamid.q"}`, 200, "messages", "revoke"},
		{"messages", `{"order":{"catalog_id":"c","product_items":[]}}`, 200, "messages", "order"},
		{"messages", `{"quick_reply":{"payload":"p","text":"Stop"}}`, 200, "messages", "button"},
		{"messages", `{"welcome":true}`, 200, "messages", "request_welcome"},
		{"messages", `{"unsupported":"poll_creation"}`, 200, "messages", "unsupported"},
		{"messages", `{"message":{"type":"hologram"}}`, 200, "messages", "hologram"},
		{"messages", `{"text":"hi","welcome":true}`, 400, "", ""},
		{"messages", `{"media":{"kind":"image","mime_type":"image/png","data":"?"}}`, 400, "", ""},
		{"echoes", `{"text":"hi"}`, 200, "smb_message_echoes", ""},
		{"echoes", `{}`, 400, "", ""},
		{"identity", `{"to":{"wa_id":"4915550101"}}`, 200, "messages", "system"},
		{"identity", `{"user_id":"DE.old","to":{"user_id":"DE.new"}}`, 200, "messages", "system"},
		{"identity", `{}`, 400, "", ""},
		{"marketing", `{"wanted":false}`, 204, "user_preferences", ""},
		{"marketing", `{}`, 400, "", ""},
	} {
		t.Run(tc.path+tc.body, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{}
				g := start(t, only(), r)
				status, answer := control(t, g, http.MethodPost, "/_standin/customers/4915550100/"+tc.path, tc.body)
				if status != tc.status || (status == http.StatusOK) != (answer["id"] != nil) {
					t.Fatalf("got %d %s, want %d", status, answer, tc.status)
				}
				settle(t, g)
				if tc.field == "" {
					if n := len(r.all()); n != 0 {
						t.Errorf("webhooks: got %d, want none", n)
					}
					return
				}
				change := r.all()[0].envelope.Entry[0].Changes[0]
				if change.Field != tc.field {
					t.Errorf("field: got %s, want %s", change.Field, tc.field)
				}
				if tc.kind != "" && written(t, r)["type"] != tc.kind {
					t.Errorf("message: got %v, want type %s", written(t, r), tc.kind)
				}
			})
		})
	}
}

func TestControlTemplates(t *testing.T) {
	g := start(t, only(), &receiver{})
	order := `{"name":"order","language":"de","category":"UTILITY","components":[{"type":"BODY","text":"Hallo {{1}}"}]}`
	if status, answer := control(t, g, http.MethodPost, "/_standin/templates", order); status != http.StatusNoContent {
		t.Fatalf("add: got %d %s, want 204", status, answer)
	}
	if status, _ := control(t, g, http.MethodPost, "/_standin/templates", `{"name":"Order"}`); status != http.StatusBadRequest {
		t.Errorf("add nonsense: got %d, want 400", status)
	}
	_, answer := control(t, g, http.MethodGet, "/_standin/templates", "")
	var templates []standin.Template
	if err := json.Unmarshal(answer["templates"], &templates); err != nil || len(templates) != 1 || templates[0].Status != standin.TemplateApproved {
		t.Errorf("list: got %s, want the template, approved", answer["templates"])
	}
	for _, want := range []int{http.StatusNoContent, http.StatusNotFound} {
		if status, _ := control(t, g, http.MethodDelete, "/_standin/templates/order", ""); status != want {
			t.Errorf("remove: got %d, want %d", status, want)
		}
	}
}

func TestControlMedia(t *testing.T) {
	g := start(t, only(), &receiver{})
	id := upload(t, g, "image/png", []byte("x"))
	_, answer := control(t, g, http.MethodGet, "/_standin/media", "")
	var files []standin.MediaFile
	if err := json.Unmarshal(answer["media"], &files); err != nil || len(files) != 1 || files[0].ID != id {
		t.Errorf("list: got %s, want %s", answer["media"], id)
	}
	for _, want := range []int{http.StatusNoContent, http.StatusNotFound} {
		if status, _ := control(t, g, http.MethodDelete, "/_standin/media/"+id.String(), ""); status != want {
			t.Errorf("delete: got %d, want %d", status, want)
		}
	}
}

func TestControlChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		g := start(t, only(), r)
		status, _ := control(t, g, http.MethodPost, "/_standin/changes", `{"field":"account_alerts","value":{"x":1}}`)
		if status != http.StatusNoContent {
			t.Fatalf("got %d, want 204", status)
		}
		settle(t, g)
		if got := changed(t, r, "account_alerts"); got["x"] != 1.0 {
			t.Errorf("value: got %v, want x 1", got)
		}
		if status, _ := control(t, g, http.MethodPost, "/_standin/changes", `{"value":{}}`); status != http.StatusBadRequest {
			t.Errorf("without a field: got %d, want 400", status)
		}
	})
}

func TestControlDeliveriesByOpAndPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, only(), &receiver{})
		for _, text := range []string{"a", "b", "c"} {
			sendText(t, g, ada, text)
		}
		for query, want := range map[string][]string{
			"?op=op-b": {"b"}, "?after=1": {"b", "c"}, "?after=3": nil, "?to=4915550100&op=op-c": {"c"}, "?to=4915550101": nil,
		} {
			_, answer := control(t, g, http.MethodGet, "/_standin/deliveries"+query, "")
			var deliveries []standin.Delivery
			if err := json.Unmarshal(answer["deliveries"], &deliveries); err != nil {
				t.Fatalf("%s: got %v, want a list", query, err)
			}
			if len(deliveries) != len(want) {
				t.Errorf("%s: got %d deliveries, want %d", query, len(deliveries), len(want))
				continue
			}
			for i, d := range deliveries {
				if d.Body != want[i] {
					t.Errorf("%s: got %s, want %s", query, d.Body, want[i])
				}
			}
		}
		if status, _ := control(t, g, http.MethodGet, "/_standin/deliveries?after=x", ""); status != http.StatusBadRequest {
			t.Errorf("after a word: got %d, want 400", status)
		}
	})
}

func TestControlRemovesOneFault(t *testing.T) {
	g := start(t, only(), &receiver{})
	for _, body := range []string{
		`{"name":"a","fault":"error","code":4,"always":true}`,
		`{"name":"b","call":"download","fault":"corrupt","always":true}`,
		`{"name":"c","fault":"fail","code":131026,"details":"gone","always":true}`,
	} {
		if status, answer := control(t, g, http.MethodPost, "/_standin/faults", body); status != http.StatusOK {
			t.Fatalf("add %s: got %d %s, want 200", body, status, answer)
		}
	}
	for _, want := range []int{http.StatusNoContent, http.StatusNotFound} {
		if status, _ := control(t, g, http.MethodDelete, "/_standin/faults/a", ""); status != want {
			t.Errorf("remove: got %d, want %d", status, want)
		}
	}
	if got := g.Faults(); len(got) != 2 || got[0].Rule.Call != standin.CallDownload || got[1].Rule.Details != "gone" {
		t.Errorf("left: got %+v, want b and c", got)
	}
	if got := sendText(t, g, ada, "hi"); got.status != http.StatusOK || g.Deliveries()[0].FailDetails != "gone" {
		t.Errorf("send: got %d, want it accepted, to fail with the rule's details", got.status)
	}
}

package standin_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

func control(t *testing.T, g *standin.Graph, method, path, body string) (int, map[string]json.RawMessage) {
	t.Helper()
	recorder := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	g.ControlHandler().ServeHTTP(recorder, request)
	answer := map[string]json.RawMessage{}
	if recorder.Body.Len() > 0 && strings.HasPrefix(recorder.Header().Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%s %s: got %v, want JSON", method, path, err)
		}
	}
	return recorder.Code, answer
}

func TestControlCustomerWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		g := start(t, newConfig(), r)
		for body, want := range map[string]int{
			`{"phone_number_id":"101","name":"Ada","text":"hi"}`:                          http.StatusOK,
			`{"phone_number_id":"101","button":{"to":"wamid.q","id":"b","title":"B"}}`:    http.StatusOK,
			`{"phone_number_id":"101","row":{"id":"r","title":"R"}}`:                      http.StatusOK,
			`{"phone_number_id":"101","message":{"type":"sticker","sticker":{"id":"1"}}}`: http.StatusOK,
			`{"phone_number_id":"101"}`:                                                   http.StatusBadRequest,
			`{"phone_number_id":"101","txt":"hi"}`:                                        http.StatusBadRequest,
			`{"text":"hi"}`:                                                               http.StatusNotFound,
			`hi`:                                                                          http.StatusBadRequest,
		} {
			got, answer := control(t, g, http.MethodPost, "/_standin/customers/4915550100/messages", body)
			if got != want || (want == http.StatusOK) != (answer["id"] != nil) {
				t.Errorf("%s: got %d %s, want %d", body, got, answer, want)
			}
		}
		if got, _ := control(t, g, http.MethodPost, "/_standin/customers/DE.abc/messages", `{"phone_number_id":"101","text":"hi"}`); got != http.StatusOK {
			t.Errorf("by user ID: got %d, want 200", got)
		}
		if got, _ := control(t, g, http.MethodPost, "/_standin/customers/ada/messages", `{"text":"hi"}`); got != http.StatusBadRequest {
			t.Errorf("by name: got %d, want 400", got)
		}
		settle(t, g)
		if got := len(r.messages(t)); got != 5 {
			t.Errorf("messages: got %d, want 5", got)
		}
	})
}

func TestControlOnlyNumberNeedsNoName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := newConfig()
		config.Numbers = config.Numbers[:1]
		g := start(t, config, &receiver{})
		if got, _ := control(t, g, http.MethodPost, "/_standin/customers/4915550100/messages", `{"text":"hi"}`); got != http.StatusOK {
			t.Errorf("got %d, want 200", got)
		}
	})
}

func TestControlLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, newConfig(), &receiver{})
		for path, list := range map[string]string{
			"/_standin/deliveries": "deliveries", "/_standin/offers": "offers",
			"/_standin/receipts": "receipts", "/_standin/faults": "faults",
		} {
			if status, answer := control(t, g, http.MethodGet, path, ""); status != http.StatusOK || string(answer[list]) != "[]" {
				t.Errorf("%s: got %d %s, want an empty list", path, status, answer[list])
			}
		}
		sent := sendText(t, g, ada, "hi")
		sendText(t, g, ben, "hi")
		_, answer := control(t, g, http.MethodGet, "/_standin/deliveries?to=%2B4915550100", "")
		var deliveries []standin.Delivery
		if err := json.Unmarshal(answer["deliveries"], &deliveries); err != nil {
			t.Fatalf("deliveries: got %v, want a list", err)
		}
		if len(deliveries) != 1 || deliveries[0].WAMID != sent.ID || deliveries[0].Body != "hi" {
			t.Errorf("deliveries to Ada: got %+v, want %s", deliveries, sent.ID)
		}
		if status, _ := control(t, g, http.MethodGet, "/_standin/deliveries?to=ada", ""); status != http.StatusBadRequest {
			t.Errorf("deliveries to a name: got %d, want 400", status)
		}
		status, answer := control(t, g, http.MethodGet, "/_standin/health", "")
		if status != http.StatusOK || string(answer["status"]) != `"ok"` || string(answer["seed"]) != `"7"` {
			t.Errorf("health: got %d %s, want ok with seed 7", status, answer)
		}
	})
}

func TestControlFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, newConfig(), &receiver{})
		status, answer := control(t, g, http.MethodPost, "/_standin/faults",
			`{"fault":"error","code":130429,"retry_after":"3s","next":1}`)
		if status != http.StatusOK || string(answer["name"]) != `"rule-1"` {
			t.Errorf("add: got %d %s, want rule-1", status, answer)
		}
		if got := sendText(t, g, ada, "hi"); got.Error.Code != 130429 || got.header.Get("Retry-After") != "3" {
			t.Errorf("send: got code %d, want 130429", got.Error.Code)
		}
		_, answer = control(t, g, http.MethodGet, "/_standin/faults", "")
		var rules []map[string]any
		if err := json.Unmarshal(answer["faults"], &rules); err != nil {
			t.Fatalf("faults: got %v, want a list", err)
		}
		if len(rules) != 1 || rules[0]["injected"] != 1.0 || rules[0]["retry_after"] != "3s" || rules[0]["fault"] != "error" {
			t.Errorf("faults: got %v, want the rule, injected once", rules)
		}
		for _, body := range []string{`{"fault":"error"}`, `{"fault":"stall","delay":"soon","next":1}`, `{"falt":"error"}`, `[]`} {
			if status, _ := control(t, g, http.MethodPost, "/_standin/faults", body); status != http.StatusBadRequest {
				t.Errorf("add %s: got %d, want 400", body, status)
			}
		}
		if status, _ := control(t, g, http.MethodDelete, "/_standin/faults", ""); status != http.StatusNoContent || len(g.Faults()) != 0 {
			t.Errorf("clear: got %d with %d rules left, want 204 with none", status, len(g.Faults()))
		}
	})
}

package serve_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// maxScrape bounds the lines of a scrape, whatever came in.
const maxScrape = 3000

// scrape is what the engine tells in Prometheus' text format, or in OpenMetrics.
func (w *world) scrape(accept string) string {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "http://"+w.engine.AdminAddr().String()+"/metrics", nil)
	if err != nil {
		w.t.Fatalf("make a request: %v", err)
	}
	r.Header.Set("Accept", accept)
	answer, err := w.client.Do(r)
	if err != nil {
		w.t.Fatalf("scrape: %v", err)
	}
	body, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil || answer.StatusCode != http.StatusOK {
		w.t.Fatalf("scrape: got status %d, error %v, want it", answer.StatusCode, err)
	}
	return string(body)
}

var exposures = map[string]string{
	"text":        "text/plain; version=0.0.4",
	"OpenMetrics": "application/openmetrics-text; version=1.0.0",
}

// TestHostileScrape: whatever comes in, the metrics are sound, have no label that is
// not on a list, and are few.
func TestHostileScrape(t *testing.T) {
	w := newWorld(t)
	conversation, _ := w.chat(nora)
	w.hostileWebhooks()
	w.hostileCalls(conversation)
	w.hostileGraph()

	problems, err := testutil.GatherAndLint(w.engine.Registry())
	if err != nil {
		t.Fatalf("lint: got error %v, want none", err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "intervene_") {
			t.Errorf("%s: got %q, want no problem", p.Metric, p.Text)
		}
	}
	w.checkLabels()
	for name, accept := range exposures {
		text := w.scrape(accept)
		lines := strings.Count(text, "\n")
		t.Logf("%s: %d lines", name, lines)
		if lines > maxScrape {
			t.Errorf("%s: got %d lines, want at most %d", name, lines, maxScrape)
		}
		for _, made := range []string{"made_up", "wamid", "unknown_"} {
			for line := range strings.SplitSeq(text, "\n") {
				if strings.Contains(line, made) && !strings.Contains(line, `reason="unknown_`) && !strings.Contains(line, "reason unknown_channel") {
					t.Errorf("%s: got line %q, want nothing that was made up", name, line)
				}
			}
		}
	}
}

// hostileWebhooks are signed and not, of thousands of names that nobody knows.
func (w *world) hostileWebhooks() {
	w.t.Helper()
	const names = 3000
	var changes, messages, statuses []string
	for n := range names {
		changes = append(changes, change(fmt.Sprintf("made_up_%d", n), `"messages":[]`))
		messages = append(messages, fmt.Sprintf(`{"from":"1650556%04d","id":"wamid.made_up.%d","timestamp":"%d","type":"made_up_%d","made_up_%d":{}}`,
			n%50, n, time.Now().Unix(), n, n))
		statuses = append(statuses, fmt.Sprintf(`{"id":"wamid.made_up.out.%d","status":"made_up_%d","timestamp":"%d","recipient_id":"16505560000"}`, n, n, time.Now().Unix()),
			fmt.Sprintf(`{"id":"wamid.made_up.out.%d","status":"failed","timestamp":"%d","recipient_id":"16505560000","errors":[{"code":%d,"title":"made_up"}]}`, n, time.Now().Unix(), 700_000+n))
	}
	for n := range 500 {
		other := strings.Replace(change("messages", `"messages":[`+messages[n]+`]`), phoneNumber, fmt.Sprintf("9%014d", n), 1)
		changes = append(changes, other)
	}
	w.deliver(webhook(changes...))
	for at := 0; at < names; at += 100 {
		w.deliver(webhook(change("messages", `"messages":[`+strings.Join(messages[at:at+100], ",")+`]`)))
	}
	w.deliver(webhook(change("messages", `"statuses":[`+strings.Join(statuses[:500], ",")+`]`)))
	for _, body := range []string{"", "{", "[]", `{"object":"made_up","entry":[]}`, `{"object":"whatsapp_business_account","entry":[1,{"changes":[2]}]}`} {
		w.deliver([]byte(body))
	}
	for n := range 100 {
		w.do("asha", http.MethodPost, fmt.Sprintf("/webhooks/whatsapp/made_up_%d", n), "application/json", []byte("{}"))
		w.do("asha", "MADE_UP", "/webhooks/whatsapp/main", "", nil)
		w.do("asha", http.MethodGet, fmt.Sprintf("/webhooks/whatsapp/main?hub.mode=subscribe&hub.verify_token=made_up_%d", n), "", nil)
	}
	w.do("asha", http.MethodPost, "/webhooks/whatsapp/main", "application/json", webhook(changes[0])) // not signed
	w.do("asha", http.MethodPost, "/webhooks/whatsapp/main", "application/json", bytes.Repeat([]byte("x"), 4<<20))
}

// hostileCalls are every procedure by everybody in every column, and many that there
// are not.
func (w *world) hostileCalls(conversation string) {
	w.t.Helper()
	for n := range 100 {
		for _, path := range []string{"/made_up.v1.Service/%d", "/intervene.v1.LiveChatService/MadeUp%d", "/made_up/%d", "/v1/media/made_up_%d"} {
			w.do("asha", http.MethodPost, fmt.Sprintf(path, n), fmt.Sprintf("application/made_up_%d", n), []byte("{}"))
		}
		w.do(fmt.Sprintf("nobody %d", n), http.MethodPost, intervenev1connect.LiveChatServiceResolveProcedure, "application/json", []byte("{}"))
	}
	other := w.card("16505560001").GetConversationId()
	for range 2 { // the second time where the first has moved it
		for _, c := range []string{conversation, other, uuid.NewString(), "made_up"} {
			for _, procedure := range unaryProcedures(w.t) {
				for _, member := range []string{"asha", "sue", "zoe", "adam"} {
					if strings.HasSuffix(procedure, "/EraseContact") {
						continue
					}
					w.do(member, http.MethodPost, procedure, "application/json", []byte(fmt.Sprintf(
						`{"conversationId":%q,"commandId":%q,"epoch":"9","toAgentId":"asha","body":"x","text":{"body":"x"},"reason":"x","column":"COLUMN_ACTIVE"}`, c, uuid.NewString())))
					w.do(member, http.MethodPost, procedure, "application/json", []byte(fmt.Sprintf(
						`{"conversationId":%q,"commandId":%q,"toAgentId":"zoe"}`, c, uuid.NewString())))
				}
				w.do("asha", http.MethodPost, procedure, "application/json", []byte("{"))
			}
		}
	}
}

func unaryProcedures(t *testing.T) (procedures []string) {
	t.Helper()
	for _, name := range []protoreflect.FullName{intervenev1connect.LiveChatServiceName, intervenev1connect.BotGatewayServiceName} {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
		if err != nil {
			t.Fatalf("find the service: %v", err)
		}
		methods := d.(protoreflect.ServiceDescriptor).Methods()
		for i := range methods.Len() {
			if m := methods.Get(i); !m.IsStreamingServer() {
				procedures = append(procedures, fmt.Sprintf("/%s/%s", name, m.Name()))
			}
		}
	}
	return procedures
}

// hostileGraph answers what the bot says with codes that nobody knows.
func (w *world) hostileGraph() {
	w.t.Helper()
	const codes = 30
	for n := range codes {
		customer := standin.Identity(fmt.Sprintf("1650557%04d", n))
		w.meets(standin.Rule{Fault: standin.FaultError, Code: 800_000 + n, HTTPStatus: http.StatusBadRequest, Contact: customer, Always: true})
		w.writes(customer, standin.Message{Text: "hello"})
	}
	w.until("the refusals", func() bool {
		n := 0.0
		for line := range strings.SplitSeq(w.scrape(exposures["text"]), "\n") {
			if series, value, _ := strings.Cut(line, "} "); strings.HasPrefix(series, `intervene_graph_requests_total{code="other"`) {
				var count float64
				if _, err := fmt.Sscan(value, &count); err != nil {
					w.t.Fatalf("scrape: %v", err)
				}
				n += count
			}
		}
		return n >= codes
	})
}

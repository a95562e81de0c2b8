package whatsapp

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/fuzztest"
)

// FuzzDelivery posts any body under any signature: nothing is handed over, and
// nothing parsed, unless one of the app's secrets signed just these bytes.
//
//	go test -run '^$' -fuzz FuzzDelivery -fuzztime 10m ./rpc/whatsapp
func FuzzDelivery(f *testing.F) {
	var taken inbox
	webhook, err := NewWebhook(testConfig(), &taken, slog.New(slog.DiscardHandler), NewMetrics(nil))
	if err != nil {
		f.Fatalf("NewWebhook: %v", err)
	}
	mux := http.NewServeMux()
	mux.Handle(WebhookPattern, webhook)
	body := valueDelivery(`"messages":[{"from":"15550123","id":"wamid.1","timestamp":"1760000000","type":"text","text":{"body":"` + fuzztest.Canary + `"}}]`)
	f.Add(body, sign(testSecret, body), false)
	f.Add(body, sign("another", body), false)
	f.Add(body, "", true)
	f.Add([]byte("{"), "", true)
	f.Add([]byte(`{"object":"page","entry":[]}`), "", true)
	f.Fuzz(func(t *testing.T, body []byte, signature string, signed bool) {
		if signed {
			signature = sign(testSecret, body)
		}
		r := httptest.NewRequest(http.MethodPost, "/webhooks/whatsapp/main", bytes.NewReader(body))
		r.Header[signatureHeader] = []string{signature}
		w := httptest.NewRecorder()
		fuzztest.Bounded(t, len(body), func() { mux.ServeHTTP(w, r) })
		right := signedBy([]Secret{testSecret, nextSecret}, signature, body)
		switch {
		case len(body) > MaxWebhookBytes:
			return
		case right && w.Code != http.StatusOK && w.Code != http.StatusBadRequest:
			t.Errorf("signed: got status %d, want 200, or 400 for what is no delivery", w.Code)
		case !right && w.Code != http.StatusUnauthorized:
			t.Errorf("not signed: got status %d, want %d", w.Code, http.StatusUnauthorized)
		case !right && len(taken.items) > 0:
			t.Errorf("not signed: got %d items handed over, want none", len(taken.items))
		case strings.Contains(w.Body.String(), fuzztest.Canary):
			t.Errorf("got answer %q, want nothing of the body in it", w.Body)
		}
		taken.items = nil
	})
}

// FuzzGraphAnswer reads any answer of the Graph API to a send, a list of templates
// and where a file lies: a send is accepted only under a name, what may have been
// sent is never sent again, and the access token goes to no host but those allowed.
//
//	go test -run '^$' -fuzz FuzzGraphAnswer -fuzztime 10m ./rpc/whatsapp
func FuzzGraphAnswer(f *testing.F) {
	config := testConfig()
	config.Apps[0].GraphBaseURL = "https://graph.example.com"
	graph, err := NewGraph(config, slog.New(slog.DiscardHandler), NewMetrics(nil))
	if err != nil {
		f.Fatalf("NewGraph: %v", err)
	}
	f.Cleanup(graph.Close)
	f.Add(200, "", []byte(acceptedBody))
	for code := range actions {
		f.Add(400, "3", []byte(errorBody(int(code))))
	}
	f.Add(503, "Wed, 21 Oct 2065 07:28:00 GMT", []byte("<html>"))
	f.Add(429, "99999999999999999999", []byte(`{"error":{"code":9999999999}}`))
	f.Add(200, "-1", []byte(`{"data":[{"name":"n","components":[{"type":"BODY","text":"x","buttons":[{}]}]},7],"paging":{"next":"x","cursors":{"after":"y"}}}`))
	f.Add(200, "", []byte(`{"url":"https://lookaside.fbsbx.com.evil.test/x","messages":[{"id":7}]}`))
	f.Add(200, "", []byte(`{"url":"https://user@lookaside.fbsbx.com/","messages":{}}`))
	f.Add(200, "", []byte(`{"messages":[{"id":"`+strings.Repeat("x", MaxExternalBytes+1)+`"}]}`))
	channel := graph.served.Load().byID["acme-main"]
	f.Fuzz(func(t *testing.T, status int, retry string, body []byte) {
		response := &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {retry}}, Body: io.NopCloser(bytes.NewReader(body))}
		fuzztest.Bounded(t, len(body), func() {
			answer := readAnswer(response)
			if answer.retryAfter < 0 {
				t.Errorf("retry after %q: got %v, want none or more", retry, answer.retryAfter)
			}
			if !utf8.ValidString(answer.detail) || len(answer.detail) > MaxDetailBytes || len(answer.external) > MaxExternalBytes {
				t.Errorf("got detail %q, name %q, want them valid and short", answer.detail, answer.external)
			}
			checkOutcome(t, graph, answer, status)
		})
		if _, _, err := parseTemplates(body); err != nil {
			fuzztest.Silent(t, err)
		}
		if place, err := channel.mediaPlace(string(body)); err == nil {
			checkPlace(t, place, &channel)
		}
	})
}

func checkOutcome(t *testing.T, graph *Graph, answer graphAnswer, status int) {
	t.Helper()
	result, wait := graph.outcome(t.Context(), outbound(), answer)
	if (result.State == engine.Accepted) != (isSuccess(status) && answer.external != "" && answer.failure == nil) && status != 0 {
		t.Errorf("status %d, name %q: got state %v, want it accepted with a success and a name alone", status, answer.external, result.State)
	}
	// 5xx without a code, or a success without a name: it may have been sent.
	if !answer.hasCode && (status >= 500 && status < 600 || isSuccess(status)) && result.State == engine.Queued {
		t.Errorf("status %d: got it queued again, want it unknown", status)
	}
	if wait < 0 || wait > 48*time.Hour {
		t.Errorf("got wait %v, want a pause that ends", wait)
	}
}

func checkPlace(t *testing.T, place *url.URL, channel *graphChannel) {
	t.Helper()
	own := place.Scheme == channel.baseURL.Scheme && hostPort(place) == hostPort(channel.baseURL)
	allowed := false
	for _, host := range channel.mediaHosts {
		allowed = allowed || place.Scheme == "https" && (place.Hostname() == host || strings.HasPrefix(host, "*") && strings.HasSuffix(place.Hostname(), host[1:]))
	}
	// What is dialled is what was checked: the address is parsed anew on its way.
	again, err := url.Parse(place.String())
	if err != nil || again.Host != place.Host || place.User != nil || !own && !allowed {
		t.Errorf("got place %q allowed, want none but those of the configuration", place)
	}
}

package standin_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// onSockets runs a stand-in and its receiver on loopback, as the demo does.
func onSockets(t testing.TB, config standin.Config, receiver http.Handler) (*standin.Graph, string) {
	t.Helper()
	hook := httptest.NewServer(receiver)
	t.Cleanup(hook.Close)
	config.Apps[0].WebhookURL = hook.URL
	g, err := standin.New(config)
	if err != nil {
		t.Fatalf("New: got %v, want no error", err)
	}
	api := httptest.NewServer(g.Handler())
	t.Cleanup(func() {
		g.Close()
		api.Close()
	})
	return g, api.URL
}

// postOverSocket sends once, on a connection that is closed behind it.
func postOverSocket(t *testing.T, address, body string) (int, string, error) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/v25.0/101/messages", strings.NewReader(body))
	if err != nil {
		t.Fatalf("make request: got %v, want no error", err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, "", err
	}
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("read answer: got %v, want no error", err)
	}
	return response.StatusCode, string(answer), response.Body.Close()
}

const textToAda = `{"messaging_product":"whatsapp","to":"4915550100","text":{"body":"hi"},"biz_opaque_callback_data":"op-1"}`

func TestLostReplyOverASocket(t *testing.T) {
	r := &receiver{}
	config := newConfig()
	config.Statuses = []standin.StatusStep{{Status: standin.StatusSent}}
	config.Faults = []standin.Rule{
		{Fault: standin.FaultResetBefore, Next: 1},
		{Fault: standin.FaultResetAfter, Next: 1},
	}
	g, address := onSockets(t, config, r)
	for i, wantDeliveries := range []int{0, 1} {
		status, answer, err := postOverSocket(t, address, textToAda)
		if err == nil {
			t.Errorf("send %d: got %d %s, want a broken connection", i, status, answer)
		}
		if got := len(g.Deliveries()); got != wantDeliveries {
			t.Errorf("deliveries after send %d: got %d, want %d", i, got, wantDeliveries)
		}
	}
	if status, answer, err := postOverSocket(t, address, textToAda); status != http.StatusOK || err != nil {
		t.Errorf("third send: got %d %s and error %v, want 200", status, answer, err)
	}
	settle(t, g)
	statuses := r.statuses()
	if len(statuses) != 2 || statuses[0].CallbackData != "op-1" {
		t.Errorf("statuses: got %+v, want one of each accepted send", statuses)
	}
}

func TestConversationOverSockets(t *testing.T) {
	r := &receiver{}
	g, address := onSockets(t, newConfig(), r)
	wamid := write(t, g, ada, "Grüße")
	if status, answer, err := postOverSocket(t, address, textToAda); status != http.StatusOK || err != nil {
		t.Fatalf("send: got %d %s and error %v, want 200", status, answer, err)
	}
	settle(t, g)
	messages, statuses := r.messages(t), r.statuses()
	if len(messages) != 1 || messages[0].ID != wamid || messages[0].Text.Body != "Grüße" || len(statuses) != 3 {
		t.Errorf("got messages %+v and %d statuses, want the one and its three", messages, len(statuses))
	}
	for _, p := range r.all() {
		if !verifies(p) {
			t.Errorf("signature: got %q, want the HMAC of the body", p.signature)
		}
	}
}

func TestStalledClientLeaves(t *testing.T) {
	config := newConfig()
	config.Faults = []standin.Rule{{Fault: standin.FaultStall, Delay: time.Hour, Always: true}}
	accepted := make(chan struct{}, 1)
	config.OnMessage = func(standin.Delivery) { accepted <- struct{}{} }
	g, address := onSockets(t, config, &receiver{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-accepted
		cancel()
	}()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"/v25.0/101/messages", strings.NewReader(textToAda))
	if err != nil {
		t.Fatalf("make request: got %v, want no error", err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if response, err := transport.RoundTrip(request); err == nil {
		t.Errorf("stalled send: got %d, want the client's own cancellation", response.StatusCode)
	}
	if got := len(g.Deliveries()); got != 1 {
		t.Errorf("deliveries: got %d, want the 1 accepted", got)
	}
}

// BenchmarkWebhooks offers customers' messages over loopback with the default
// batching, to a receiver that only reads.
func BenchmarkWebhooks(b *testing.B) {
	var bodies atomic.Int64
	g, _ := onSockets(b, newConfig(), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			b.Errorf("read body: got %v, want no error", err)
		}
		bodies.Add(n)
	}))
	var writers sync.WaitGroup
	const customers = 16
	b.ResetTimer()
	for c := range customers {
		customer := standin.Customer{PhoneNumberID: first, WAID: standin.Identity(fmt.Sprint(4915550000 + c)), Name: "Ada"}
		writers.Go(func() {
			for range b.N/customers + 1 {
				if _, err := g.WriteText(b.Context(), customer, "Where is my order?", time.Time{}); err != nil {
					b.Errorf("WriteText: got %v, want no error", err)
				}
			}
		})
	}
	writers.Wait()
	if err := g.Settle(b.Context()); err != nil {
		b.Fatalf("Settle: got %v, want no error", err)
	}
	b.ReportMetric(float64(g.Stats().Offered)/b.Elapsed().Seconds(), "items/s")
	b.ReportMetric(float64(g.Stats().Offered)/float64(g.Stats().Posts), "items/post")
}

package whatsapp_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/rpc/whatsapp"
)

const (
	benchSecret  = "bench-secret"
	benchSenders = 256
	benchItems   = 4_000
	// offeredRate is what one upgraded number may bring, with statuses.
	offeredRate = 4_000
)

// BenchmarkWebhook compares webhooks of one message each, to the fsync behind
// the answer, with a bare net/http handler that verifies the same signatures.
// Both take turns in one run and pay for their senders, in this process.
//
//	go test -run '^$' -bench 'Webhook$' -benchtime 10s ./rpc/whatsapp
func BenchmarkWebhook(b *testing.B) {
	whole, bare := wholeWebhook(b), serve(b, http.HandlerFunc(verifyOnly))
	var wholeTook, bareTook time.Duration
	count := 0
	for b.Loop() {
		items := webhooks(count, benchItems)
		count += benchItems
		wholeTook += deliverAll(b, whole, items)
		bareTook += deliverAll(b, bare, items)
	}
	b.ReportMetric(0, "ns/op") // an operation is a slice of both: it says nothing
	b.ReportMetric(float64(count)/wholeTook.Seconds(), "webhooks/s")
	b.ReportMetric(float64(count)/bareTook.Seconds(), "bare/s")
	b.ReportMetric(bareTook.Seconds()/wholeTook.Seconds(), "of-bare")
}

// BenchmarkWebhookOffered offers webhooks at a fixed rate, whether the ones
// before are answered or not, and reports how long after its time each was.
//
//	go test -run '^$' -bench WebhookOffered -benchtime 5x ./rpc/whatsapp
func BenchmarkWebhookOffered(b *testing.B) {
	whole := wholeWebhook(b)
	var took []time.Duration
	count := 0
	for b.Loop() {
		items := webhooks(count, offeredRate)
		count += len(items)
		took = append(took, offer(b, whole, items)...)
	}
	slices.Sort(took)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1e3, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1e3, "p99-ms")
}

func verifyOnly(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 3<<20))
	if err != nil || !hmac.Equal([]byte(signature(body)), []byte(r.Header.Get("X-Hub-Signature-256"))) {
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func signature(body []byte) string {
	mac := hmac.New(sha256.New, []byte(benchSecret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// webhook is a body with its signature.
type webhook struct {
	body      []byte
	signature string
}

// webhooks are n messages from the first on, of 10,000 customers in turn.
func webhooks(first, n int) []webhook {
	list := make([]webhook, n)
	for i := range list {
		customer := fmt.Sprintf("99900%06d", (first+i)%10_000)
		body := fmt.Appendf(nil, `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{`+
			`"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550100","phone_number_id":"1001"},`+
			`"contacts":[{"profile":{"name":"a customer"},"wa_id":"%s"}],"messages":[{"from":"%s","id":"wamid.HBgLMTU1NTA.%d",`+
			`"timestamp":"%d","type":"text","text":{"body":"a question of the usual length, about an order"}}]}}]}]}`,
			customer, customer, first+i, time.Now().Unix())
		list[i] = webhook{body, signature(body)}
	}
	return list
}

func wholeWebhook(b *testing.B) string {
	b.Helper()
	j, err := journal.Open(b.TempDir(), journal.Options{Create: true, Fatal: func(err error) { panic(err) }})
	if err != nil {
		b.Fatalf("open journal: %v", err)
	}
	router := actors.NewRouter(actors.RouterOptions{Store: j})
	b.Cleanup(func() {
		router.Stop()
		if err := j.Close(); err != nil {
			b.Errorf("close journal: %v", err)
		}
	})
	handler, err := whatsapp.NewWebhook(whatsapp.Config{
		Apps: []whatsapp.App{{ID: "main", VerifyToken: "verify", AppSecrets: []whatsapp.Secret{benchSecret}}},
		Channels: []whatsapp.Channel{
			{ID: "acme-main", Workspace: "acme", App: "main", PhoneNumberID: "1001", AccessToken: "token"},
		},
	}, actors.NewInbox(router, j, j, 0), slog.New(slog.DiscardHandler), whatsapp.NewMetrics(prometheus.NewRegistry()))
	if err != nil {
		b.Fatalf("make webhook: %v", err)
	}
	mux := http.NewServeMux()
	mux.Handle(whatsapp.WebhookPattern, handler)
	return serve(b, mux)
}

// serve listens on the loopback and answers the webhook's URL.
func serve(b *testing.B, handler http.Handler) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatalf("listen: %v", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Second}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(l); err != http.ErrServerClosed {
			b.Errorf("serve: %v", err)
		}
	})
	b.Cleanup(func() {
		benchClient.CloseIdleConnections()
		if err := server.Close(); err != nil {
			b.Errorf("close server: %v", err)
		}
		serving.Wait()
	})
	return "http://" + l.Addr().String() + "/webhooks/whatsapp/main"
}

var benchClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: benchSenders, MaxConnsPerHost: benchSenders}}

func deliver(b *testing.B, url string, w *webhook) {
	request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, bytes.NewReader(w.body))
	if err != nil {
		b.Errorf("make request: %v", err)
		return
	}
	request.Header.Set("X-Hub-Signature-256", w.signature)
	answer, err := benchClient.Do(request)
	if err != nil {
		b.Errorf("deliver: got error %v, want none", err)
		return
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if closeErr := answer.Body.Close(); err != nil || closeErr != nil || answer.StatusCode != http.StatusOK {
		b.Errorf("deliver: got status %d, errors %v, %v, want 200", answer.StatusCode, err, closeErr)
	}
}

// deliverAll delivers items, as fast as the senders can, and tells how long it took.
func deliverAll(b *testing.B, url string, items []webhook) time.Duration {
	began := time.Now()
	var sending sync.WaitGroup
	for sender := range benchSenders {
		sending.Go(func() {
			for i := sender; i < len(items); i += benchSenders {
				deliver(b, url, &items[i])
			}
		})
	}
	sending.Wait()
	return time.Since(began)
}

// offer delivers each item at its time, and tells how long after that it was
// answered.
func offer(b *testing.B, url string, items []webhook) []time.Duration {
	took := make([]time.Duration, len(items))
	began := time.Now()
	var sending sync.WaitGroup
	for i := range items {
		due := began.Add(time.Duration(i) * time.Second / offeredRate)
		time.Sleep(time.Until(due))
		sending.Go(func() {
			deliver(b, url, &items[i])
			took[i] = time.Since(due)
		})
	}
	sending.Wait()
	return took
}

package serve_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/intervenehq/intervene/cmd/intervene/serve"
)

const (
	// turnsCustomers write once each in one round of BenchmarkTurns, so many to a
	// POST.
	turnsCustomers = 5000
	turnsInPost    = 20
)

// BenchmarkTurns is turns of the default flow through the whole engine: a signed
// webhook over a socket, the turn, its answer durable. Nothing is sent: the Graph
// API is not there.
func BenchmarkTurns(b *testing.B) {
	e := startBench(b, testConfig(b.TempDir()))
	defer func() {
		if err := e.Stop(context.Background()); err != nil {
			b.Errorf("stop: %v", err)
		}
	}()
	wrote := 0
	began := time.Now()
	for range b.N {
		for range turnsCustomers / turnsInPost {
			var changes []string
			for range turnsInPost {
				wrote++
				changes = append(changes, change("messages", fmt.Sprintf(`"messages":[{"from":"1555%07d","id":"wamid.%d","timestamp":"%d","type":"text","text":{"body":"hello"}}]`,
					wrote, wrote, time.Now().Unix())))
			}
			deliverBench(b, e, webhook(changes...))
		}
		for answered(b, e) < wrote {
			time.Sleep(time.Millisecond)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(wrote)/time.Since(began).Seconds(), "turns/s")
}

func deliverBench(b *testing.B, e *serve.Engine, body []byte) {
	b.Helper()
	mac := hmac.New(sha256.New, []byte(appSecret))
	mac.Write(body)
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://"+e.Addr().String()+"/webhooks/whatsapp/main", bytes.NewReader(body))
	if err != nil {
		b.Fatalf("make a webhook: %v", err)
	}
	r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		b.Fatalf("deliver a webhook: %v", err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusOK {
		b.Fatalf("deliver a webhook: got status %d, error %v, want 200", response.StatusCode, err)
	}
}

// answered is how many turns the engine's own metrics say were answered.
func answered(b *testing.B, e *serve.Engine) (turns int) {
	b.Helper()
	response, err := http.Get("http://" + e.AdminAddr().String() + "/metrics")
	if err != nil {
		b.Fatalf("scrape: %v", err)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.Fatalf("scrape: %v", err)
	}
	if err := response.Body.Close(); err != nil {
		b.Fatalf("scrape: %v", err)
	}
	const series = `intervene_bot_turns_total{outcome="answered",workspace="acme"} `
	_, rest, found := strings.Cut(string(text), series)
	if !found {
		return 0
	}
	if _, err := fmt.Sscan(rest, &turns); err != nil {
		b.Fatalf("scrape: %v", err)
	}
	return turns
}

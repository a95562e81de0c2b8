package standin_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

func TestParseConfig(t *testing.T) {
	got, err := standin.ParseConfig([]byte(`{
		"seed": 7,
		"apps": [{"id": "main", "secret": "s", "webhook_url": "http://127.0.0.1:8080/hook"}],
		"numbers": [{"id": "101", "display_phone_number": "15550001", "business": "9001", "access_token": "t"}],
		"templates": [{"name": "order", "language": "de", "category": "UTILITY", "components": [{"type": "BODY", "text": "Hallo {{1}}"}]}],
		"faults": [{"fault": "stall", "every": 3, "delay": "2s"}],
		"statuses": [{"status": "sent", "after": "10ms", "jitter": "5ms", "skip_share": 0.5}],
		"billing": true, "window": "refused", "refuse_opted_out": true, "check_media": true, "wa_ids": {"5511987654321": "551187654321"},
		"number_rate": 80, "pair_interval": "6s", "pair_burst": 45,
		"webhook": {"max_batch": 1000, "parallelism": 2, "queue_limit": 9, "gather": "1s", "shuffle": true, "timeout": "3s",
			"redelivery_first": "1s", "redelivery_factor": 3, "redelivery_longest": "1h", "max_offers": 4}
	}`))
	if err != nil {
		t.Fatalf("ParseConfig: got %v, want no error", err)
	}
	want := standin.Config{
		Seed:    7,
		Apps:    []standin.App{{ID: "main", Secret: "s", WebhookURL: "http://127.0.0.1:8080/hook"}},
		Numbers: []standin.Number{{ID: "101", DisplayPhoneNumber: "15550001", Business: "9001", AccessToken: "t", App: "main"}},
		Templates: []standin.Template{{
			Name: "order", Language: "de", Category: standin.CategoryUtility,
			Components: []standin.TemplateComponent{{Type: "BODY", Text: "Hallo {{1}}"}},
		}},
		Faults:   []standin.Rule{{Fault: standin.FaultStall, Every: 3, Delay: 2 * time.Second}},
		Statuses: []standin.StatusStep{{Status: standin.StatusSent, After: 10 * time.Millisecond, Jitter: 5 * time.Millisecond, SkipShare: 0.5}},
		Billing:  true, Window: standin.WindowRefused, RefuseOptedOut: true, CheckMedia: true,
		WAIDs:      map[standin.Identity]standin.Identity{"5511987654321": "551187654321"},
		NumberRate: 80, PairInterval: 6 * time.Second, PairBurst: 45,
		Webhook: standin.WebhookConfig{
			MaxBatch: 1000, Parallelism: 2, QueueLimit: 9, Gather: time.Second, Shuffle: true, Timeout: 3 * time.Second,
			RedeliveryFirst: time.Second, RedeliveryFactor: 3, RedeliveryLongest: time.Hour, MaxOffers: 4,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if err := got.Validate(); err != nil {
		t.Errorf("Validate: got %v, want no error", err)
	}
	start(t, got, &receiver{})
}

func TestParseConfigRefusesNonsense(t *testing.T) {
	for _, text := range []string{``, `[]`, `{"numbrs": []}`, `{"window": "open"}`, `{"pair_interval": "soon"}`} {
		if _, err := standin.ParseConfig([]byte(text)); !errors.Is(err, standin.ErrInvalid) {
			t.Errorf("ParseConfig(%s): got %v, want ErrInvalid", text, err)
		}
	}
	config, err := standin.ParseConfig([]byte(`{"statuses": []}`))
	if err != nil || config.Statuses == nil {
		t.Errorf("no statuses at all: got %v and %v, want an empty walk", config.Statuses, err)
	}
}

// TestDocumentedConfig: what docs/GRAPH.md shows can be served.
func TestDocumentedConfig(t *testing.T) {
	page, err := os.ReadFile("../../../docs/GRAPH.md")
	if err != nil {
		t.Fatalf("read docs: got %v, want no error", err)
	}
	_, block, ok := strings.Cut(string(page), "```json\n")
	text, _, closed := strings.Cut(block, "```")
	if !ok || !closed {
		t.Fatal("docs/GRAPH.md: got no JSON, want a config")
	}
	config, err := standin.ParseConfig([]byte(text))
	if err != nil {
		t.Fatalf("ParseConfig: got %v, want no error", err)
	}
	start(t, config, &receiver{})
}

package whatsapp_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/whatsapp"
)

// printer is an Inbox that keeps nothing. A real one answers when every item is
// durable.
type printer struct{}

func (printer) Receive(_ context.Context, items []engine.Inbound) []error {
	for _, item := range items {
		if m := item.Message; m != nil {
			fmt.Printf("%s wrote to %s: %s\n", m.Contact.Name, item.Channel, m.Content.Text)
		}
	}
	return make([]error, len(items))
}

func ExampleWebhook() {
	config := whatsapp.Config{
		Apps: []whatsapp.App{{ID: "main", VerifyToken: "verify-me", AppSecrets: []whatsapp.Secret{"app-secret"}}},
		Channels: []whatsapp.Channel{
			{ID: "acme-main", Workspace: "acme", App: "main", PhoneNumberID: "1001", AccessToken: "access-token"},
		},
	}
	webhook, err := whatsapp.NewWebhook(config, printer{}, slog.New(slog.DiscardHandler), whatsapp.NewMetrics(nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle(whatsapp.WebhookPattern, webhook)

	body := []byte(`{"object": "whatsapp_business_account", "entry": [{"changes": [{"field": "messages", "value": {
		"metadata": {"phone_number_id": "1001"},
		"contacts": [{"profile": {"name": "Ana"}, "wa_id": "15550123"}],
		"messages": [{"from": "15550123", "id": "wamid.A", "timestamp": "1760000000", "type": "text", "text": {"body": "Hello?"}}]}}]}]}`)
	mac := hmac.New(sha256.New, []byte("app-secret"))
	mac.Write(body)
	request := httptest.NewRequest(http.MethodPost, "/webhooks/whatsapp/main", bytes.NewReader(body))
	request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))

	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, request)
	fmt.Println(answer.Code)
	// Output:
	// Ana wrote to acme-main: Hello?
	// 200
}

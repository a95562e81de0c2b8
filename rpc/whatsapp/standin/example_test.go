package standin_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// A customer writes, the business answers, and the log tells what became of it.
func Example() {
	webhook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusInternalServerError) // and it is offered again
		}
	}))
	defer webhook.Close()

	graph, err := standin.New(standin.Config{
		Seed: 7,
		Apps: []standin.App{{ID: "main", Secret: "app secret", WebhookURL: webhook.URL}},
		Numbers: []standin.Number{{
			ID: "106540352242922", DisplayPhoneNumber: "15550100", Business: "102", AccessToken: "token", App: "main",
		}},
		Statuses: []standin.StatusStep{{Status: standin.StatusSent}},
		Faults:   []standin.Rule{{Fault: standin.FaultError, Code: 130429, Next: 1}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer graph.Close()
	api := httptest.NewServer(graph.Handler())
	defer api.Close()

	customer := standin.Customer{PhoneNumberID: "106540352242922", WAID: "15550123", Name: "Ada"}
	if _, err := graph.WriteText(context.Background(), customer, "Is it open today?", time.Time{}); err != nil {
		fmt.Println(err)
	}
	for range 2 {
		request, err := http.NewRequest(http.MethodPost, api.URL+"/v25.0/106540352242922/messages", strings.NewReader(
			`{"messaging_product": "whatsapp", "to": "+15550123", "type": "text", "text": {"body": "Until six."}}`))
		if err != nil {
			fmt.Println(err)
			return
		}
		request.Header.Set("Authorization", "Bearer token")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("send:", response.StatusCode)
		if err := response.Body.Close(); err != nil {
			fmt.Println(err)
		}
	}
	if err := graph.Settle(context.Background()); err != nil {
		fmt.Println(err)
	}
	http.DefaultClient.CloseIdleConnections()

	for _, delivery := range graph.Deliveries() {
		fmt.Println("delivered:", delivery.Type, delivery.Body)
	}
	for _, offer := range graph.Offers() {
		fmt.Println("offered:", offer.Kind, offer.Status, offer.LastAnswer)
	}
	// Output:
	// send: 429
	// send: 200
	// delivered: text Until six.
	// offered: message  200
	// offered: status sent 200
}

// A customer reacts and changes their mind; somebody answers on the phone.
func ExampleGraph_Write() {
	webhook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer webhook.Close()
	graph, err := standin.New(standin.Config{
		Seed:    7,
		Apps:    []standin.App{{ID: "main", Secret: "app secret", WebhookURL: webhook.URL}},
		Numbers: []standin.Number{{ID: "101", DisplayPhoneNumber: "15550100", AccessToken: "token", App: "main"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer graph.Close()
	ctx, now := context.Background(), time.Time{}
	ada := standin.Customer{PhoneNumberID: "101", WAID: "15550123", Name: "Ada"}
	question, err := graph.Write(ctx, ada, standin.Message{Text: "Is it open today?"}, now)
	if err != nil {
		fmt.Println(err)
	}
	if _, err := graph.Echo(ctx, ada, standin.Message{Text: "Until six.", ReplyTo: question}, now); err != nil {
		fmt.Println(err)
	}
	if _, err := graph.Write(ctx, ada, standin.Message{Revoke: question}, now); err != nil {
		fmt.Println(err)
	}
	if err := graph.SetMarketing(ctx, ada, false, now); err != nil {
		fmt.Println(err)
	}
	if err := graph.Settle(ctx); err != nil {
		fmt.Println(err)
	}
	for _, offer := range graph.Offers() {
		fmt.Println(offer.Kind, offer.Field, offer.LastAnswer)
	}
	// Output:
	// message  200
	// change smb_message_echoes 200
	// message  200
	// change user_preferences 200
}

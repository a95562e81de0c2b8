package serve_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/cmd/intervene/serve"
	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

const (
	business    = "102290129340398"
	accessToken = "test-access-token"
	// patience ends a test that hangs; a slow machine does not meet it.
	patience = time.Minute
	glance   = 5 * time.Millisecond // between two looks at what is awaited
	busyRate = 1000                 // messages per second of a number that is no subject here
)

// members are the callers of every world, by token: theirs is what the test calls them by.
var members = []struct {
	name      string
	workspace engine.WorkspaceID
	role      config.Role
}{
	{"asha", "acme", config.RoleAgent},
	{"sue", "acme", config.RoleSupervisor},
	{"adam", "acme", config.RoleAdmin},
	{"zoe", "zeta", config.RoleAgent},
}

// world is an engine with the stand-in for Meta at the other end, both over
// loopback. Whatever the engine asks of the stand-in is kept in requests.
type world struct {
	t      *testing.T
	config *config.Config
	engine *serve.Engine
	meta   *standin.Graph
	client *http.Client
	log    slog.Handler // what the engine says goes there; nil: to the test
	level  slog.LevelVar

	mu       sync.Mutex
	next     *config.Config // what a reload reads
	misread  error          // if not this
	requests []graphRequest
}

// graphRequest is one POST to the stand-in.
type graphRequest struct{ path, body string }

func newWorld(t *testing.T, adjust ...func(*standin.Config)) *world {
	t.Helper()
	w := &world{t: t, client: &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(w.client.CloseIdleConnections)
	network := standin.Config{
		Seed:     11,
		Apps:     []standin.App{{ID: "main", Secret: appSecret}},
		Numbers:  []standin.Number{{ID: phoneNumber, DisplayPhoneNumber: "15550199", Business: business, AccessToken: accessToken, App: "main"}},
		Statuses: []standin.StatusStep{{Status: standin.StatusSent}, {Status: standin.StatusDelivered}},
		Webhook:  standin.WebhookConfig{RedeliveryFirst: time.Millisecond},
	}
	for _, a := range adjust {
		a(&network)
	}
	var err error
	if w.meta, err = standin.New(network); err != nil {
		t.Fatalf("start the stand-in: %v", err)
	}
	t.Cleanup(w.meta.Close)
	server := httptest.NewServer(w.listening(w.meta.Handler()))
	t.Cleanup(server.Close)
	if err := w.meta.SetBaseURL(server.URL); err != nil {
		t.Fatalf("base URL: %v", err)
	}
	w.config = worldConfig(t.TempDir(), server.URL)
	w.start()
	t.Cleanup(w.stop)
	return w
}

func worldConfig(dir, graphURL string) *config.Config {
	c := testConfig(dir)
	c.ReadReceipts = true
	c.Apps[0].GraphBaseURL = graphURL
	acme := &c.Workspaces[0]
	acme.Policy = engine.Policy{TakeoverFromActive: true, WriteFirst: true, OutsideSilence: time.Hour}
	acme.Channels[0].AccessToken = config.NewSecret(accessToken)
	acme.Channels[0].WABAID = business
	acme.Channels[0].MessagesPerSecond = busyRate
	c.Workspaces = append(c.Workspaces, config.Workspace{ID: "zeta"})
	for _, m := range members {
		for i := range c.Workspaces {
			if w := &c.Workspaces[i]; w.ID == m.workspace {
				w.Tokens = append(w.Tokens, config.Token{
					ID: engine.AgentID(m.name), Name: m.name, Role: m.role, SHA256: sha256.Sum256([]byte(tokenOf(m.name))),
				})
			}
		}
	}
	return c
}

func tokenOf(member string) string { return "a token long enough for " + member }

// listening keeps what is posted before next gets it.
func (w *world) listening(next http.Handler) http.Handler {
	return http.HandlerFunc(func(response http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/messages") {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				w.t.Errorf("read what the engine posts: %v", err)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			w.mu.Lock()
			w.requests = append(w.requests, graphRequest{r.URL.Path, string(body)})
			w.mu.Unlock()
		}
		next.ServeHTTP(response, r)
	})
}

// posted is the first request so far that is wanted.
func (w *world) posted(wanted func(graphRequest) bool) (found graphRequest, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.requests {
		if wanted(r) {
			return r, true
		}
	}
	return graphRequest{}, false
}

// in lets a subtest speak for the world, until it ends.
func (w *world) in(t *testing.T) {
	before := w.t
	w.t = t
	t.Cleanup(func() { w.t = before })
}

// read is how a reload reads the configuration.
func (w *world) read() (*config.Config, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next, w.misread
}

func (w *world) start() {
	w.t.Helper()
	handler := w.log
	if handler == nil {
		handler = slog.NewTextHandler(w.t.Output(), nil)
	}
	var err error
	if w.engine, err = serve.Start(w.config, slog.New(handler), serve.WithSource(w.read), serve.WithLevel(&w.level)); err != nil {
		w.t.Fatalf("start the engine: %v", err)
	}
	if err := w.meta.SetWebhookURL("main", w.url("/webhooks/whatsapp/main")); err != nil {
		w.t.Fatalf("webhook URL: %v", err)
	}
}

// stop ends the engine, if it runs.
func (w *world) stop() {
	w.t.Helper()
	w.client.CloseIdleConnections()
	if w.engine != nil {
		stop(w.t, w.engine)
	}
	w.engine = nil
}

func (w *world) url(path string) string { return "http://" + w.engine.Addr().String() + path }

// as is the API as one of the members has it.
func (w *world) as(member string) intervenev1connect.LiveChatServiceClient {
	line := &http.Client{Transport: bearing{tokenOf(member), w.client.Transport}}
	return intervenev1connect.NewLiveChatServiceClient(line, w.url(""))
}

type bearing struct {
	token string
	next  http.RoundTripper
}

func (b bearing) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

// get answers a GET of a member, with its whole body.
func (w *world) get(member, path string) (*http.Response, string) {
	w.t.Helper()
	return w.do(member, http.MethodGet, path, "", nil)
}

func (w *world) do(member, method, path, contentType string, body []byte) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url(path), bytes.NewReader(body))
	if err != nil {
		w.t.Fatalf("make a request: %v", err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	r.Header.Set("Authorization", "Bearer "+tokenOf(member))
	response, err := w.client.Do(r)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatalf("%s %s: read the answer: %v", method, path, err)
	}
	if err := response.Body.Close(); err != nil {
		w.t.Fatalf("%s %s: close the answer: %v", method, path, err)
	}
	return response, string(answer)
}

// deliver posts a webhook as Meta would, and answers the status.
func (w *world) deliver(body []byte) int { return w.deliverTo(w.client, w.url(""), body) }

func (w *world) deliverTo(client *http.Client, address string, body []byte) int {
	mac := hmac.New(sha256.New, []byte(appSecret))
	mac.Write(body)
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, address+"/webhooks/whatsapp/main", bytes.NewReader(body))
	if err != nil {
		w.t.Errorf("make a webhook: %v", err)
		return 0
	}
	r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	response, err := client.Do(r)
	if err != nil {
		w.t.Errorf("deliver a webhook: %v", err)
		return 0
	}
	if err := response.Body.Close(); err != nil {
		w.t.Errorf("deliver a webhook: %v", err)
	}
	return response.StatusCode
}

// until looks until what is there.
func (w *world) until(what string, there func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	again := time.NewTicker(glance)
	defer again.Stop()
	for !there() {
		select {
		case <-ctx.Done():
			w.t.Fatalf("waited %s for %s, and got it not", patience, what)
		case <-again.C:
		}
	}
}

func customer(waID standin.Identity) standin.Customer {
	return standin.Customer{PhoneNumberID: phoneNumber, WAID: waID, Name: "Nora"}
}

// writes lets a customer write m now.
func (w *world) writes(waID standin.Identity, m standin.Message) standin.WAMID {
	w.t.Helper()
	return w.wrote(waID, m, time.Time{})
}

// wrote lets a customer have written m at.
func (w *world) wrote(waID standin.Identity, m standin.Message, at time.Time) standin.WAMID {
	w.t.Helper()
	wamid, err := w.meta.Write(w.t.Context(), customer(waID), m, at)
	if err != nil {
		w.t.Fatalf("the customer writes: %v", err)
	}
	return wamid
}

// cards lists every conversation of acme, wherever it stands.
func (w *world) cards() (all []*intervenev1.Card) {
	w.t.Helper()
	for column := intervenev1.Column_COLUMN_ACTIVE; column <= intervenev1.Column_COLUMN_HISTORY; column++ {
		request := &intervenev1.ListConversationsRequest{Column: column, PageSize: 200}
		for {
			page, err := w.as("asha").ListConversations(w.t.Context(), request)
			if err != nil {
				w.t.Fatalf("ListConversations: %v", err)
			}
			all = append(all, page.GetCards()...)
			if request.PageToken = page.GetNextPageToken(); request.GetPageToken() == "" {
				break
			}
		}
	}
	return all
}

// card waits for the conversation of a number and answers its card.
func (w *world) card(phone string) (card *intervenev1.Card) {
	w.t.Helper()
	w.until("a conversation", func() bool {
		for _, c := range w.cards() {
			if c.GetContact().GetPhone() == phone {
				card = c
				return true
			}
		}
		return false
	})
	return card
}

// chat lets a customer write, and asha intervene. It answers what the customer wrote.
func (w *world) chat(waID standin.Identity) (conversation string, wamid standin.WAMID) {
	w.t.Helper()
	wamid = w.writes(waID, standin.Message{Text: "Hello"})
	conversation = w.card(waID.String()).GetConversationId()
	w.intervene(conversation)
	return conversation, wamid
}

func (w *world) intervene(conversation string) {
	w.t.Helper()
	_, err := w.as("asha").Intervene(w.t.Context(), &intervenev1.InterveneRequest{ConversationId: conversation, CommandId: uuid.NewString()})
	if err != nil {
		w.t.Fatalf("Intervene: %v", err)
	}
}

// says lets asha send r, of which conversation and command are filled in.
func (w *world) says(conversation string, r *intervenev1.SendMessageRequest) *intervenev1.Message {
	w.t.Helper()
	r.ConversationId, r.CommandId = conversation, uuid.NewString()
	sent, err := w.as("asha").SendMessage(w.t.Context(), r)
	if err != nil {
		w.t.Fatalf("SendMessage: %v", err)
	}
	return sent.GetMessage()
}

func text(body string) *intervenev1.SendMessageRequest {
	return &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Text{Text: &intervenev1.Text{Body: body}}}
}

// messages are the newest of a conversation, newest first.
func (w *world) messages(conversation string) []*intervenev1.Message {
	w.t.Helper()
	page, err := w.as("asha").ListMessages(w.t.Context(), &intervenev1.ListMessagesRequest{ConversationId: conversation, PageSize: 200})
	if err != nil {
		w.t.Fatalf("ListMessages: %v", err)
	}
	return page.GetMessages()
}

// message waits for one that is wanted.
func (w *world) message(conversation, what string, wanted func(*intervenev1.Message) bool) (found *intervenev1.Message) {
	w.t.Helper()
	w.until(what, func() bool {
		for _, m := range w.messages(conversation) {
			if wanted(m) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// becomes waits until a message has come as far as delivery.
func (w *world) becomes(m *intervenev1.Message, delivery intervenev1.Delivery) *intervenev1.Message {
	w.t.Helper()
	return w.message(m.GetConversationId(), delivery.String(), func(now *intervenev1.Message) bool {
		return now.GetMessageId() == m.GetMessageId() && now.GetDelivery() == delivery
	})
}

// delivery waits for what the stand-in accepted of a message.
func (w *world) delivery(m *intervenev1.Message) (found standin.Delivery) {
	w.t.Helper()
	w.until("a delivery", func() bool {
		for _, d := range w.meta.Deliveries() {
			if d.CallbackData == m.GetMessageId() {
				found = d
				return true
			}
		}
		return false
	})
	return found
}

// events are all of a conversation so far.
func (w *world) events(conversation string) (all []*intervenev1.ConversationEvent) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	stream, err := w.as("asha").WatchConversation(ctx, &intervenev1.WatchConversationRequest{ConversationId: conversation})
	if err != nil {
		w.t.Fatalf("WatchConversation: %v", err)
	}
	var until uint64
	for stream.Receive() {
		if card := stream.Msg().GetCard(); card != nil && until == 0 {
			until = card.GetVersion()
		}
		all = append(all, stream.Msg().GetEvents().GetEvents()...)
		if n := len(all); n > 0 && all[n-1].GetVersion() >= until {
			break
		}
	}
	if err := stream.Err(); err != nil {
		w.t.Fatalf("WatchConversation: %v", err)
	}
	cancel() // else Close waits for the engine to end the stream
	if err := stream.Close(); err != nil && ctx.Err() == nil {
		w.t.Fatalf("close the stream: %v", err)
	}
	return all
}

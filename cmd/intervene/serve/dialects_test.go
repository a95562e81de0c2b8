package serve_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// withBot starts the world's engine anew with a bot.
func (w *world) withBot(b config.Bot) {
	w.t.Helper()
	w.stop()
	acme := &w.config.Workspaces[0]
	acme.Bot = b
	acme.Tokens = append(acme.Tokens, config.Token{ID: "robot", Name: "robot", Role: config.RoleBot, SHA256: sha256.Sum256([]byte(tokenOf("robot")))})
	w.start()
}

// told waits until a conversation has a message of author with that text, and that
// it reached the customer unless they wrote it.
func (w *world) told(conversation string, author intervenev1.PartyKind, text string) {
	w.t.Helper()
	w.message(conversation, fmt.Sprintf("%q by %s", text, author), func(m *intervenev1.Message) bool {
		content := m.GetContent()
		body := content.GetText().GetBody() + content.GetButtons().GetBody() + content.GetButtonReply().GetTitle()
		return m.GetAuthor().GetKind() == author && body == text &&
			(author == intervenev1.PartyKind_PARTY_KIND_CUSTOMER || m.GetDelivery() >= intervenev1.Delivery_DELIVERY_ACCEPTED)
	})
}

func (w *world) stands(phone string, column intervenev1.Column) {
	w.t.Helper()
	w.until(column.String(), func() bool { return w.card(phone).GetColumn() == column })
}

func (w *world) resolve(conversation string) {
	w.t.Helper()
	if _, err := w.as("asha").Resolve(w.t.Context(), &intervenev1.ResolveRequest{ConversationId: conversation, CommandId: uuid.NewString()}); err != nil {
		w.t.Fatalf("Resolve: %v", err)
	}
}

const nora = standin.Identity("16505550170")

// carry takes a customer through ask, hand-off, resolve and resume, with a bot that
// knows nothing but its own dialect.
func (w *world) carry() {
	w.t.Helper()
	const bot, agent = intervenev1.PartyKind_PARTY_KIND_BOT, intervenev1.PartyKind_PARTY_KIND_AGENT
	w.writes(nora, standin.Message{Text: "hi"})
	conversation := w.card(nora.String()).GetConversationId()
	w.told(conversation, bot, "1: Hello. What can I do for you?")
	w.writes(nora, standin.Message{Text: "a person, please"})
	w.told(conversation, bot, "2: One moment.")
	w.stands(nora.String(), intervenev1.Column_COLUMN_REQUESTING)
	w.intervene(conversation)
	w.writes(nora, standin.Message{Text: "are you a person?"})
	w.says(conversation, text("Yes, I am Asha."))
	w.told(conversation, agent, "Yes, I am Asha.")
	w.resolve(conversation)
	w.stands(nora.String(), intervenev1.Column_COLUMN_ACTIVE)
	w.writes(nora, standin.Message{Text: "hi"})
	w.told(conversation, bot, "3: Hello again. What can I do for you?")

	for _, m := range w.messages(conversation) {
		if m.GetAuthor().GetKind() == bot && strings.Contains(m.GetContent().GetText().GetBody(), "are you a person") {
			w.t.Errorf("the bot was asked what the customer wrote to a person")
		}
	}
}

// rasaBot is a program as one would be built with Rasa: it knows its REST channel,
// and keeps a tracker for each sender.
type rasaBot struct {
	mu       sync.Mutex
	trackers map[string]*tracker
}

type tracker struct {
	messages int
	returned bool
}

func (b *rasaBot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct{ Sender, Message string }
	if r.Method != http.MethodPost || r.URL.Path != "/webhooks/rest/webhook" || json.NewDecoder(r.Body).Decode(&in) != nil || in.Sender == "" {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.trackers[in.Sender]
	if t == nil {
		t = new(tracker)
		b.trackers[in.Sender] = t
	}
	answer := []map[string]any{}
	say := func(text string) {
		t.messages++
		answer = append(answer, map[string]any{"recipient_id": in.Sender, "text": fmt.Sprintf("%d: %s", t.messages, text)})
	}
	switch {
	case in.Message == "/returned":
		t.returned = true
	case strings.Contains(in.Message, "person"):
		say("One moment.")
		answer = append(answer, map[string]any{"recipient_id": in.Sender, "custom": map[string]any{"handoff_host": "https://helpdesk.example", "title": "A person"}})
	case t.returned:
		say("Hello again. What can I do for you?")
	default:
		say("Hello. What can I do for you?")
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// TestRasaBot carries a customer with a bot that speaks Rasa's REST channel alone.
func TestRasaBot(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewServer(&rasaBot{trackers: make(map[string]*tracker)})
	t.Cleanup(server.Close)
	w.withBot(config.Bot{Rasa: &config.BotRasa{URL: server.URL, OnReturned: "/returned"}})
	w.carry()
	if reason := w.card(nora.String()).GetRequestReason(); reason != "" {
		t.Errorf("got reason %q left on the card, want none", reason)
	}
}

// chatwootBot is a program as one would be written for Chatwoot: it reads webhooks,
// and answers through two endpoints of the API.
type chatwootBot struct {
	t      *testing.T
	client *http.Client
	inline bool // answers before its webhook is answered

	mu       sync.Mutex
	api      string
	sessions map[int64]*chatwootSession
	wait     chan struct{} // before it answers; nil: it does not
	events   []string
	busy     sync.WaitGroup
}

type chatwootSession struct {
	messages int
	resolved bool
}

type chatwootEvent struct {
	Event        string
	ID           int64
	Content      string
	MessageType  string `json:"message_type"`
	Account      struct{ ID int64 }
	Status       string
	Conversation struct {
		ID     int64
		Status string
	}
}

func (b *chatwootBot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var e chatwootEvent
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, e.Event)
	id := e.Conversation.ID
	if e.Event == "conversation_resolved" {
		id = e.ID
	}
	s := b.sessions[id]
	if s == nil {
		s = new(chatwootSession)
		b.sessions[id] = s
	}
	switch {
	case e.Event == "conversation_resolved":
		s.resolved = e.Status == "resolved"
	case e.Event == "message_created" && e.MessageType == "incoming" && e.Conversation.Status == "pending":
		s.messages++
		text, handOff := fmt.Sprintf("%d: Hello. What can I do for you?", s.messages), false
		switch {
		case strings.Contains(e.Content, "person"):
			text, handOff = fmt.Sprintf("%d: One moment.", s.messages), true
		case s.resolved:
			text = fmt.Sprintf("%d: Hello again. What can I do for you?", s.messages)
		}
		account, wait := e.Account.ID, b.wait
		answer := func() {
			if wait != nil {
				<-wait
			}
			b.call(account, id, "messages", map[string]any{"content": text, "message_type": "outgoing", "private": false})
			if handOff {
				b.call(account, id, "toggle_status", map[string]any{"status": "open"})
			}
		}
		if b.inline {
			b.mu.Unlock()
			answer()
			b.mu.Lock()
		} else {
			b.busy.Go(answer)
		}
	}
	w.WriteHeader(http.StatusOK)
}

func (b *chatwootBot) at(api string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.api = api
}

// call is one of the API's, as its documentation has it.
func (b *chatwootBot) call(account, conversation int64, what string, body map[string]any) {
	b.mu.Lock()
	url := fmt.Sprintf("%s/api/v1/accounts/%d/conversations/%d/%s", b.api, account, conversation, what)
	b.mu.Unlock()
	payload, err := json.Marshal(body)
	if err != nil {
		b.t.Errorf("marshal: %v", err)
		return
	}
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(payload))
	if err != nil {
		b.t.Errorf("request: %v", err)
		return
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("api_access_token", tokenOf("robot"))
	response, err := b.client.Do(request)
	if err != nil {
		b.t.Errorf("call the API: %v", err)
		return
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	var ok struct {
		ID      int64
		Payload struct {
			Success       bool
			CurrentStatus string `json:"current_status"`
		}
	}
	if err != nil || response.StatusCode != http.StatusOK || json.Unmarshal(answer, &ok) != nil || ok.ID == 0 && ok.Payload.CurrentStatus != "open" {
		b.t.Errorf("%s: got %d %s, error %v; want it done", what, response.StatusCode, answer, err)
	}
}

func newChatwootBot(t *testing.T, inline bool) (*chatwootBot, config.Bot) {
	b := &chatwootBot{t: t, client: &http.Client{Transport: &http.Transport{}}, inline: inline, sessions: make(map[int64]*chatwootSession)}
	server := httptest.NewServer(b)
	t.Cleanup(func() {
		server.Close()
		b.busy.Wait()
		b.client.CloseIdleConnections()
	})
	return b, config.Bot{Chatwoot: &config.BotChatwoot{URL: server.URL + "/webhook", Account: 7, AnswerWithin: time.Minute}}
}

// TestChatwootBot carries a customer with a bot that was written for Chatwoot, be it
// that it answers within its webhook or after.
func TestChatwootBot(t *testing.T) {
	for name, inline := range map[string]bool{"within": true, "after": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b, configured := newChatwootBot(t, inline)
			w.withBot(configured)
			b.at(w.url(""))
			w.carry()
			b.mu.Lock()
			defer b.mu.Unlock()
			if want := []string{"message_created", "message_created", "conversation_resolved", "message_created"}; !slices.Equal(b.events, want) {
				t.Errorf("the bot was told %q, want %q", b.events, want)
			}
		})
	}
}

// TestChatwootBotAnswersAfterARestart: a turn that was accepted before is answered
// after, by the number that the bot knows.
func TestChatwootBotAnswersAfterARestart(t *testing.T) {
	w := newWorld(t)
	b, configured := newChatwootBot(t, false)
	b.wait = make(chan struct{})
	w.withBot(configured)
	w.writes(nora, standin.Message{Text: "hi"})
	conversation := w.card(nora.String()).GetConversationId()
	w.until("the bot's acceptance", func() bool {
		return slices.ContainsFunc(w.events(conversation), func(e *intervenev1.ConversationEvent) bool { return e.GetVersion() == 4 })
	})
	w.stop()
	w.start()
	b.at(w.url(""))
	close(b.wait)
	w.told(conversation, intervenev1.PartyKind_PARTY_KIND_BOT, "1: Hello. What can I do for you?")
}

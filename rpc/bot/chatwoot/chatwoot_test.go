package chatwoot

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/intervenehq/intervene/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const robot = "token-of-robot"

// backend is the real engine over a map: nothing is durable, all is decided as in
// production.
type backend struct {
	mu            sync.Mutex
	conversations map[engine.ConversationID]*engine.Conversation
	events        map[engine.ConversationID][]engine.Event
	searches      int
	err           error // what Do answers, unless nil
}

func (b *backend) Do(_ context.Context, id engine.ConversationID, cmd engine.Command) (engine.Receipt, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return engine.Receipt{}, b.err
	}
	c := b.conversations[id]
	events, err := engine.Decide(c, cmd, engine.Policy{}, engine.InstantOf(time.Now()))
	for i := range events {
		c.Apply(&events[i])
	}
	b.events[id] = append(b.events[id], events...)
	return engine.Receipt{Card: c.Card(), Version: c.Version}, err
}

func (b *backend) BoardRows(yield func(engine.BoardRow) error) (uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.searches++
	for id, c := range b.conversations {
		if err := yield(engine.BoardRow{Conversation: id, Index: c.Index()}); err != nil {
			return 0, err
		}
	}
	return 1, nil
}

// shop is a gateway with one bot, whose webhook is the test's.
type shop struct {
	*backend
	t       *testing.T
	gateway *Gateway
	bot     *Bot
	hook    *httptest.Server
	server  *httptest.Server

	mu      sync.Mutex // connections come and go: webhook and what it is told
	webhook http.HandlerFunc
	told    []map[string]any
}

// answers has the bot's webhook answer so from now on.
func (s *shop) answers(webhook http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.webhook = webhook
}

// hear keeps what the webhook is told, and says how it answers.
func (s *shop) hear(told map[string]any) http.HandlerFunc {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, told)
	return s.webhook
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{t: t, backend: &backend{conversations: make(map[engine.ConversationID]*engine.Conversation), events: make(map[engine.ConversationID][]engine.Event)}}
	s.hook = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var told map[string]any
		if err := json.NewDecoder(r.Body).Decode(&told); err != nil {
			t.Errorf("decode the event: %v", err)
		}
		if webhook := s.hear(told); webhook != nil {
			webhook(w, r)
		}
	}))
	t.Cleanup(s.hook.Close)
	s.forgets()
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.gateway.ServeHTTP(w, r) }))
	t.Cleanup(s.server.Close)
	return s
}

// forgets makes the gateway as it is after a restart.
func (s *shop) forgets() {
	s.gateway = NewGateway(GatewayOptions{
		Commands: s.backend, Board: s.backend, Log: slog.New(slog.DiscardHandler),
		Bot: func(token string) (engine.WorkspaceID, engine.Party, bool) {
			return "acme", engine.Party{Kind: engine.Bot, ID: "robot"}, token == robot
		},
	})
	s.bot = s.gateway.NewBot(Options{HTTP: s.hook.Client(), URL: s.hook.URL, Workspace: "acme", Account: 7, AnswerWithin: time.Minute})
	s.gateway.Serve(s.bot)
}

func (s *shop) opens() engine.ConversationID {
	id := engine.NewConversationID(0, [14]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, byte(len(s.conversations))})
	s.conversations[id] = &engine.Conversation{ID: id}
	s.writes(id, "hi")
	return id
}

func (s *shop) must(id engine.ConversationID, by engine.Party, body engine.CommandBody) {
	s.t.Helper()
	if _, err := s.Do(s.t.Context(), id, engine.Command{Workspace: "acme", By: by, Body: body}); err != nil {
		s.t.Fatalf("%T: %v", body, err)
	}
}

func (s *shop) writes(id engine.ConversationID, text string) {
	s.t.Helper()
	s.must(id, engine.Party{Kind: engine.Customer}, engine.Receive{
		Channel: "main", Contact: engine.Contact{Name: "Nia", WaID: "15550100"}, External: text, SentAt: engine.InstantOf(time.Now()),
		Content: engine.Content{Kind: engine.ContentText, Text: text},
	})
}

// asks asks the bot for the turn that it owes, as the engine does.
func (s *shop) asks(id engine.ConversationID) engine.TurnAnswer {
	s.t.Helper()
	c := s.conversations[id]
	r, err := engine.TurnOf(c, s.events[id][c.TurnStart()-1:])
	if err != nil {
		s.t.Fatalf("TurnOf: %v", err)
	}
	a, err := s.bot.Turn(s.t.Context(), r)
	if err != nil {
		s.t.Fatalf("Turn: %v", err)
	}
	if a.Accepted {
		if _, err := s.Do(s.t.Context(), id, r.Command(r.Accept(a))); err != nil {
			s.t.Fatalf("accept: %v", err)
		}
	}
	return a
}

func (s *shop) calls(id engine.ConversationID, what, body string) (int, map[string]any) {
	s.t.Helper()
	return s.callsAt(Prefix+"7/conversations/"+strconv.FormatInt(numberOf(id), 10)+"/"+what, robot, "application/json", body)
}

func (s *shop) callsAt(path, token, contentType, body string) (int, map[string]any) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.server.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatalf("request: %v", err)
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("api_access_token", token)
	response, err := s.server.Client().Do(request)
	if err != nil {
		s.t.Fatalf("call: %v", err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatalf("read: %v", err)
	}
	var answer map[string]any
	if err := json.Unmarshal(text, &answer); err != nil {
		s.t.Fatalf("got %q, want JSON", text)
	}
	return response.StatusCode, answer
}

func (s *shop) count(id engine.ConversationID, kind engine.EventKind) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, e := range s.events[id] {
		if e.Body.Kind() == kind {
			n++
		}
	}
	return n
}

// TestEvents: what the bot's webhook gets, in Chatwoot's words.
func TestEvents(t *testing.T) {
	s := newShop(t)
	id := s.opens()
	if a := s.asks(id); !a.Accepted || a.Within != time.Minute {
		t.Errorf("got %+v, want it accepted for a minute", a)
	}
	number := float64(numberOf(id))
	got := s.told[0]
	conversation, _ := got["conversation"].(map[string]any)
	contact := map[string]any{"id": number, "name": "Nia", "type": "contact"}
	want := map[string]any{
		"event": "message_created", "content": "hi", "message_type": "incoming", "content_type": "text", "private": false,
		"account": map[string]any{"id": 7.0, "name": "acme"}, "sender": contact,
	}
	for name, value := range want {
		if diff := cmp.Diff(value, got[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for name, value := range map[string]any{"id": number, "status": "pending", "can_reply": true, "channel": "Channel::Whatsapp", "meta": map[string]any{"sender": contact}} {
		if diff := cmp.Diff(value, conversation[name]); diff != "" {
			t.Errorf("conversation.%s (-want +got):\n%s", name, diff)
		}
	}
	if text, _ := json.Marshal(got); strings.Contains(string(text), "15550100") {
		t.Errorf("got the customer's number in %s, want no more than a bot needs", text)
	}
}

// TestAnswers: the first message answers the turn, the others stand on their own.
func TestAnswers(t *testing.T) {
	s := newShop(t)
	id := s.opens()
	s.asks(id)
	for _, text := range []string{"one", "two"} {
		status, answer := s.calls(id, "messages", `{"content": "`+text+`", "message_type": "outgoing", "private": false}`)
		if status != http.StatusOK || answer["content"] != text || answer["message_type"] != 1.0 || answer["conversation_id"] != float64(numberOf(id)) {
			t.Errorf("got %d %v, want the message", status, answer)
		}
	}
	if n := s.count(id, engine.KindMessageQueued); n != 2 || s.conversations[id].Turn.Owed() {
		t.Errorf("got %d messages, turn owed: %t; want two, and none", n, s.conversations[id].Turn.Owed())
	}
	if status, answer := s.calls(id, "toggle_status", `{"status": "open"}`); status != http.StatusOK || s.conversations[id].Column != engine.Requesting {
		t.Errorf("got %d %v and %v, want a person requested", status, answer, s.conversations[id].Column)
	}
	if status, _ := s.calls(id, "toggle_status", `{"status": "pending"}`); status != http.StatusOK || s.conversations[id].Column != engine.Active {
		t.Errorf("got %d and %v, want the request withdrawn", status, s.conversations[id].Column)
	}
}

// TestHandOffAnswers: a bot that asks for a person owes nothing any more.
func TestHandOffAnswers(t *testing.T) {
	for status, want := range map[string]engine.Column{"open": engine.Requesting, "resolved": engine.Active, "snoozed": engine.Active} {
		s := newShop(t)
		id := s.opens()
		s.asks(id)
		code, answer := s.calls(id, "toggle_status", `{"status": "`+status+`"}`)
		payload, _ := answer["payload"].(map[string]any)
		if code != http.StatusOK || payload["success"] != true || payload["current_status"] != status {
			t.Errorf("%s: got %d %v, want it done", status, code, answer)
		}
		if c := s.conversations[id]; c.Column != want || c.Turn.Owed() {
			t.Errorf("%s: got %v, turn owed: %t; want %v, and none", status, c.Column, c.Turn.Owed(), want)
		}
	}
}

// TestNobodyWaits: of a return, and while a person is asked for, the bot is told and
// owes nothing.
func TestNobodyWaits(t *testing.T) {
	s := newShop(t)
	id := s.opens()
	asha := engine.Party{Kind: engine.Agent, ID: "asha"}
	s.must(id, asha, engine.RequestAgent{})
	if a := s.asks(id); a.Accepted || s.told[0]["conversation"].(map[string]any)["status"] != "open" {
		t.Errorf("got %+v, want the bot told that the conversation is open, and nothing owed", a)
	}
	s.must(id, asha, engine.Intervene{})
	s.must(id, asha, engine.Resolve{})
	if a := s.asks(id); a.Accepted || s.told[1]["event"] != "conversation_resolved" || s.told[1]["status"] != "resolved" {
		t.Errorf("got %+v and %v, want the bot told that the conversation was resolved, and nothing owed", a, s.told[1]["event"])
	}
}

// TestFence: what the bot decided before a person had the word nobody is sent, also
// when it comes after they gave it back.
func TestFence(t *testing.T) {
	for _, answered := range []bool{false, true} {
		s := newShop(t)
		id := s.opens()
		s.asks(id)
		if answered {
			s.calls(id, "messages", `{"content": "one"}`)
		}
		asha := engine.Party{Kind: engine.Agent, ID: "asha"}
		s.must(id, asha, engine.RequestAgent{})
		s.must(id, asha, engine.Intervene{})
		s.must(id, asha, engine.Resolve{})
		before := s.count(id, engine.KindMessageQueued)
		if status, answer := s.calls(id, "messages", `{"content": "two"}`); status != http.StatusUnprocessableEntity || answer["error"] != "bot fenced" {
			t.Errorf("answered %t: got %d %v, want it fenced", answered, status, answer)
		}
		if n := s.count(id, engine.KindMessageQueued); n != before || s.count(id, engine.KindBotDiscarded) != 1 {
			t.Errorf("answered %t: got %d messages, want %d, and what the bot said kept", answered, n, before)
		}
	}
}

// TestAfterARestart: the number still finds the conversation, and the bot's message
// answers what was accepted before.
func TestAfterARestart(t *testing.T) {
	s := newShop(t)
	id, other := s.opens(), s.opens()
	s.asks(id)
	s.asks(other)
	s.forgets()
	for _, id := range []engine.ConversationID{id, other} {
		if status, answer := s.calls(id, "messages", `{"content": "one"}`); status != http.StatusOK {
			t.Errorf("got %d %v, want it taken", status, answer)
		}
		if s.conversations[id].Turn.Owed() {
			t.Errorf("got the turn still owed, want it answered")
		}
	}
	if s.searches != 1 {
		t.Errorf("got %d searches of the board, want 1", s.searches)
	}
	s.gateway.numbers.searched = time.Now().Add(time.Hour) // that is, just now, however slow the machine
	if status, _ := s.callsAt(Prefix+"7/conversations/12345/messages", robot, "application/json", `{"content": "x"}`); status != http.StatusTooManyRequests || s.searches != 1 {
		t.Errorf("got %d after %d searches, want an unknown number to cost no second one so soon", status, s.searches)
	}
}

// TestGivenUp: a turn that was given up takes nothing from the bot: it may speak
// until a person does.
func TestGivenUp(t *testing.T) {
	s := newShop(t)
	id := s.opens()
	s.asks(id)
	s.must(id, engine.Party{Kind: engine.Bot}, engine.RequestAgent{}) // as the lapse does
	if status, answer := s.calls(id, "messages", `{"content": "late"}`); status != http.StatusOK || s.count(id, engine.KindMessageQueued) != 1 {
		t.Errorf("got %d %v, want the message sent", status, answer)
	}
}

// TestNote: what is private stays with the agents.
func TestNote(t *testing.T) {
	s := newShop(t)
	id := s.opens()
	s.asks(id)
	if status, answer := s.calls(id, "messages", `{"content": "angry customer", "private": true}`); status != http.StatusOK || answer["private"] != true {
		t.Errorf("got %d %v, want the note", status, answer)
	}
	if s.count(id, engine.KindNoteAdded) != 1 || s.count(id, engine.KindMessageQueued) != 0 || !s.conversations[id].Turn.Owed() {
		t.Error("want a note, no message, and the turn still owed")
	}
}

// TestContents: what a bot may say, in JSON and in forms, and what it may not.
func TestContents(t *testing.T) {
	buttons := `"content_type": "input_select", "content_attributes": {"items": [{"title": "Yes", "value": "y"}, {"title": "No"}]}`
	form := url.Values{"content": {"Sure?"}, "content_type": {"input_select"}, "content_attributes": {`{"items": [{"title": "Yes", "value": "y"}]}`}}
	tests := map[string]struct {
		contentType, body string
		status            int
		want              engine.ContentKind
	}{
		"text":             {"application/json", `{"content": "hi"}`, http.StatusOK, engine.ContentText},
		"buttons":          {"application/json", `{"content": "Sure?", ` + buttons + `}`, http.StatusOK, engine.ContentButtons},
		"form":             {"application/x-www-form-urlencoded", form.Encode(), http.StatusOK, engine.ContentButtons},
		"multipart":        {"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"content\"\r\n\r\nhi\r\n--b--\r\n", http.StatusOK, engine.ContentText},
		"a file":           {"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"attachments[]\"; filename=\"a\"\r\n\r\nhi\r\n--b--\r\n", http.StatusUnprocessableEntity, 0},
		"nothing":          {"application/json", ``, http.StatusUnprocessableEntity, 0},
		"garbage":          {"application/json", `{"content"`, http.StatusUnprocessableEntity, 0},
		"cards":            {"application/json", `{"content": "hi", "content_type": "cards"}`, http.StatusUnprocessableEntity, 0},
		"incoming":         {"application/json", `{"content": "hi", "message_type": "incoming"}`, http.StatusUnprocessableEntity, 0},
		"no items":         {"application/json", `{"content": "hi", "content_type": "input_select"}`, http.StatusUnprocessableEntity, 0},
		"items of nothing": {"application/json", `{"content": "hi", "content_type": "input_select", "content_attributes": {"items": [{}]}}`, http.StatusUnprocessableEntity, 0},
		"too long":         {"application/json", `{"content": "` + strings.Repeat("x", engine.MaxTextRunes+1) + `"}`, http.StatusUnprocessableEntity, 0},
		"far too long":     {"application/json", `{"content": "` + strings.Repeat("x", maxRequestBytes) + `"}`, http.StatusUnprocessableEntity, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			id := s.opens()
			s.asks(id)
			path := Prefix + "7/conversations/" + strconv.FormatInt(numberOf(id), 10) + "/messages"
			status, answer := s.callsAt(path, robot, tt.contentType, tt.body)
			if status != tt.status {
				t.Fatalf("got %d %v, want %d", status, answer, tt.status)
			}
			last := s.events[id][len(s.events[id])-1]
			if status != http.StatusOK {
				if last.Body.Kind() == engine.KindMessageQueued || s.count(id, engine.KindTurnEnded) != 0 {
					t.Errorf("got %s, want the turn still owed", last.Body.Kind())
				}
				return
			}
			for _, e := range s.events[id] {
				if b, ok := e.Body.(engine.MessageQueued); ok && b.Content.Kind != tt.want {
					t.Errorf("got %s, want %s", b.Content.Kind, tt.want)
				}
			}
		})
	}
}

// TestRefusals: who may not call, and what is not there.
func TestRefusals(t *testing.T) {
	s := newShop(t)
	id := s.opens()
	s.asks(id)
	number := strconv.FormatInt(numberOf(id), 10)
	tests := map[string]struct {
		path, token string
		want        int
	}{
		"no token":             {Prefix + "7/conversations/" + number + "/messages", "", http.StatusUnauthorized},
		"another token":        {Prefix + "7/conversations/" + number + "/messages", "nobody's", http.StatusUnauthorized},
		"another account":      {Prefix + "8/conversations/" + number + "/messages", robot, http.StatusNotFound},
		"another conversation": {Prefix + "7/conversations/12345/messages", robot, http.StatusNotFound},
		"no number":            {Prefix + "7/conversations/x/messages", robot, http.StatusNotFound},
		"another endpoint":     {Prefix + "7/contacts", robot, http.StatusNotFound},
		"another status":       {Prefix + "7/conversations/" + number + "/toggle_status", robot, http.StatusUnprocessableEntity},
	}
	for name, tt := range tests {
		if status, answer := s.callsAt(tt.path, tt.token, "application/json", `{"content": "hi", "status": "x"}`); status != tt.want || answer["error"] == "" {
			t.Errorf("%s: got %d %v, want %d", name, status, answer, tt.want)
		}
	}
	for code, want := range map[engine.Code]int{
		engine.CodeOverloaded: http.StatusTooManyRequests, engine.CodeUnavailable: http.StatusServiceUnavailable, engine.CodeCorrupt: http.StatusInternalServerError,
	} {
		s.err = &engine.Error{Code: code}
		if status, answer := s.calls(id, "messages", `{"content": "hi"}`); status != want {
			t.Errorf("%s: got %d %v, want %d", code, status, answer, want)
		}
	}
}

// TestSharedNumber: of two conversations with one number neither is taken for the other.
func TestSharedNumber(t *testing.T) {
	s := newShop(t)
	id := s.opens()
	twin := id
	twin[2]++
	s.conversations[twin] = &engine.Conversation{ID: twin}
	s.writes(twin, "hi")
	if status, _ := s.calls(id, "messages", `{"content": "hi"}`); status != http.StatusNotFound {
		t.Errorf("got %d, want 404: nobody can tell which conversation that is", status)
	}
	c := s.conversations[id]
	r, err := engine.TurnOf(c, s.events[id][c.TurnStart()-1:])
	if err != nil {
		t.Fatalf("TurnOf: %v", err)
	}
	if _, err := s.bot.Turn(t.Context(), r); err == nil {
		t.Error("got the bot told of a conversation that it could not answer, want an error")
	}
}

// TestWebhookFails: none is asked again but where the bot surely got nothing.
func TestWebhookFails(t *testing.T) {
	s := newShop(t)
	id := s.opens()
	c := s.conversations[id]
	r, err := engine.TurnOf(c, s.events[id][c.TurnStart()-1:])
	if err != nil {
		t.Fatalf("TurnOf: %v", err)
	}
	for name, webhook := range map[string]http.HandlerFunc{
		"crashes":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"redirects": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusTemporaryRedirect) },
		"hangs up":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		s.answers(webhook)
		if _, err := s.bot.Turn(t.Context(), r); err == nil || engine.CodeOf(err) != 0 || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: got error %v, want one that is not asked again and repeats nothing", name, err)
		}
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	s.bot.options.URL = gone.URL
	if _, err := s.bot.Turn(t.Context(), r); engine.CodeOf(err) != engine.CodeUnavailable {
		t.Errorf("refused: got error %v, want unavailable", err)
	}
}

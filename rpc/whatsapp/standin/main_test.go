package standin_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	secret     = "an app secret"
	token      = "token-of-the-first-number"
	otherToken = "token-of-the-second-number"
	first      = standin.PhoneNumberID("101")
	second     = standin.PhoneNumberID("202")
	ada        = standin.Identity("4915550100")
	ben        = standin.Identity("4915550101")
)

func newConfig() standin.Config {
	return standin.Config{
		Seed: 7,
		Apps: []standin.App{{ID: "main", Secret: secret, WebhookURL: "http://receiver.test/hook"}},
		Numbers: []standin.Number{
			{ID: first, DisplayPhoneNumber: "15550001", Business: "9001", AccessToken: token, App: "main"},
			{ID: second, DisplayPhoneNumber: "15550002", Business: "9002", AccessToken: otherToken, App: "main"},
		},
	}
}

// start runs a stand-in against a receiver, in memory unless the config
// brings its own transport.
func start(t *testing.T, config standin.Config, r *receiver) *standin.Graph {
	t.Helper()
	if config.Transport == nil {
		config.Transport = inMemory{r}
	}
	g, err := standin.New(config)
	if err != nil {
		t.Fatalf("New: got %v, want no error", err)
	}
	t.Cleanup(g.Close)
	return g
}

// receiver is a webhook: it keeps each POST and answers as it is told.
type receiver struct {
	answer func(nth int) int // nth POST, from 1; nil: 200

	mu    sync.Mutex
	posts []post
}

type post struct {
	at        time.Time
	body      []byte
	signature string
	envelope  envelope
}

type envelope struct {
	Object string
	Entry  []struct {
		ID      string
		Changes []struct {
			Field string
			Value struct {
				Metadata struct {
					PhoneNumberID standin.PhoneNumberID `json:"phone_number_id"`
				}
				Contacts []struct {
					Profile struct{ Name string }
					WAID    standin.Identity `json:"wa_id"`
					UserID  standin.Identity `json:"user_id"`
				}
				Messages []json.RawMessage
				Statuses []status
			}
		}
	}
}

type message struct {
	ID          standin.WAMID
	From        standin.Identity
	FromUserID  standin.Identity `json:"from_user_id"`
	Timestamp   string
	Type        string
	Text        struct{ Body string }
	Context     struct{ From, ID string }
	Interactive struct {
		Type        string
		ButtonReply struct{ ID, Title string } `json:"button_reply"`
		ListReply   struct{ ID, Title string } `json:"list_reply"`
	}
}

type status struct {
	ID              standin.WAMID
	Status          standin.Status
	Timestamp       string
	RecipientID     standin.Identity `json:"recipient_id"`
	RecipientUserID standin.Identity `json:"recipient_user_id"`
	CallbackData    string           `json:"biz_opaque_callback_data"`
	Conversation    map[string]any
	Pricing         map[string]any
	Errors          []struct {
		Code  int
		Title string
	}
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		http.Error(w, "unreadable", http.StatusInternalServerError)
		return
	}
	p := post{at: time.Now(), body: body, signature: request.Header.Get("X-Hub-Signature-256")}
	if err := json.Unmarshal(body, &p.envelope); err != nil {
		http.Error(w, "not JSON", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.posts = append(r.posts, p)
	nth := len(r.posts)
	r.mu.Unlock()
	switch {
	case !verifies(p):
		w.WriteHeader(http.StatusUnauthorized)
	case r.answer != nil:
		w.WriteHeader(r.answer(nth))
	}
}

func (r *receiver) all() []post {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]post(nil), r.posts...)
}

// messages and statuses flatten what came under a right signature.
func (r *receiver) messages(t *testing.T) []message {
	t.Helper()
	var all []message
	for _, p := range r.all() {
		for _, entry := range p.envelope.Entry {
			for _, change := range entry.Changes {
				for _, raw := range change.Value.Messages {
					var m message
					if err := json.Unmarshal(raw, &m); err != nil {
						t.Fatalf("decode message: got %v, want no error", err)
					}
					if verifies(p) {
						all = append(all, m)
					}
				}
			}
		}
	}
	return all
}

func (r *receiver) statuses() []status {
	var all []status
	for _, p := range r.all() {
		for _, entry := range p.envelope.Entry {
			for _, change := range entry.Changes {
				if verifies(p) {
					all = append(all, change.Value.Statuses...)
				}
			}
		}
	}
	return all
}

// verifies is written for the test alone: it must not share a bug with sign.go.
func verifies(p post) bool {
	given, ok := strings.CutPrefix(p.signature, "sha256=")
	if !ok {
		return false
	}
	got, err := hex.DecodeString(given)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(p.body)
	return hmac.Equal(got, mac.Sum(nil))
}

// inMemory is a transport without sockets, so that virtual time passes while a
// request is on its way.
type inMemory struct{ handler http.Handler }

var errConnection = errors.New("connection broke")

func (m inMemory) RoundTrip(request *http.Request) (response *http.Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				panic(p)
			}
			response, err = nil, errConnection
		}
	}()
	if err := request.Context().Err(); err != nil {
		return nil, err
	}
	recorder := httptest.NewRecorder()
	m.handler.ServeHTTP(recorder, request)
	return recorder.Result(), nil
}

// call is one request to the Graph API and what it was answered.
type call struct {
	status int
	header http.Header
	body   string
	err    error

	ID    standin.WAMID
	Error struct {
		Message   string
		Type      string
		Code      int
		Subcode   int    `json:"error_subcode"`
		FBTraceID string `json:"fbtrace_id"`
		ErrorData struct {
			MessagingProduct string `json:"messaging_product"`
			Details          string
		} `json:"error_data"`
	}
}

func request(t *testing.T, g *standin.Graph, method, path, bearer, body string) call {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	response, err := inMemory{g.Handler()}.RoundTrip(r)
	if err != nil {
		return call{err: err}
	}
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("read answer: got %v, want no error", err)
	}
	c := call{status: response.StatusCode, header: response.Header, body: string(answer)}
	var accepted struct{ Messages []struct{ ID standin.WAMID } }
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		if err := errors.Join(json.Unmarshal(answer, &c), json.Unmarshal(answer, &accepted)); err != nil {
			t.Fatalf("decode answer %s: got %v, want no error", answer, err)
		}
	}
	if len(accepted.Messages) > 0 {
		c.ID = accepted.Messages[0].ID
	}
	return c
}

func postSend(t *testing.T, g *standin.Graph, body string) call {
	t.Helper()
	return request(t, g, http.MethodPost, "/v25.0/101/messages", token, body)
}

func sendText(t *testing.T, g *standin.Graph, to standin.Identity, text string) call {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"messaging_product": "whatsapp", "recipient_type": "individual", "to": to, "type": "text",
		"text": map[string]string{"body": text}, "biz_opaque_callback_data": "op-" + text,
	})
	if err != nil {
		t.Fatalf("encode: got %v, want no error", err)
	}
	return postSend(t, g, string(body))
}

func write(t *testing.T, g *standin.Graph, from standin.Identity, text string) standin.WAMID {
	t.Helper()
	customer := standin.Customer{PhoneNumberID: first, WAID: from, Name: "Ada"}
	wamid, err := g.WriteText(t.Context(), customer, text, time.Time{})
	if err != nil {
		t.Fatalf("WriteText: got %v, want no error", err)
	}
	return wamid
}

func settle(t *testing.T, g *standin.Graph) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*24*time.Hour)
	defer cancel()
	if err := g.Settle(ctx); err != nil {
		t.Fatalf("Settle: got %v, want no error", err)
	}
}

func isASCII(b []byte) bool {
	return bytes.IndexFunc(b, func(r rune) bool { return r > 0x7e || r < 0x20 }) < 0
}

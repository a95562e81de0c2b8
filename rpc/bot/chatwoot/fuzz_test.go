package chatwoot

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/fuzztest"
)

// timed is a recorder that takes deadlines, which the gateway insists on.
type timed struct{ *httptest.ResponseRecorder }

func (timed) SetReadDeadline(time.Time) error  { return nil }
func (timed) SetWriteDeadline(time.Time) error { return nil }

// FuzzCall posts any body, as JSON or as a form, to any path below the gateway's:
// nothing panics, and without the bot's token nothing is let in.
//
//	go test -run '^$' -fuzz FuzzCall -fuzztime 10m ./rpc/bot/chatwoot
func FuzzCall(f *testing.F) {
	b := &backend{conversations: make(map[engine.ConversationID]*engine.Conversation), events: make(map[engine.ConversationID][]engine.Event)}
	b.err = &engine.Error{Code: engine.CodeOverloaded} // so that nothing grows
	id := engine.NewConversationID(0, [14]byte{1, 2, 3})
	b.conversations[id] = &engine.Conversation{ID: id, Workspace: "acme", Column: engine.Active}
	g := NewGateway(GatewayOptions{
		Commands: b, Board: b, Log: slog.New(slog.DiscardHandler),
		Bot: func(token string) (engine.WorkspaceID, engine.Party, bool) {
			return "acme", engine.Party{Kind: engine.Bot, ID: "robot"}, token == robot
		},
	})
	g.Serve(g.NewBot(Options{HTTP: http.DefaultClient, Workspace: "acme", Account: 7}))
	g.numbers.learn("acme", id)
	const json, form, parts = "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
	for _, seed := range [][2]string{
		{json, `{"content":"` + fuzztest.Canary + `","private":true}`},
		{json, `{"content":"pick","content_type":"input_select","content_attributes":{"items":[{"title":"A","value":"a"}]}}`},
		{json, `{"status":"open"}`},
		{json, `[]`},
		{json, `{"content_attributes":"{}"}`},
		{json, `{"content":{"a":[1]}}`},
		{form, "content=hi&content_type=input_select&content_attributes=%7B%22items%22%3A%5B%5D%7D"},
		{form, "%zz=1;&&&"},
		{parts, "--b\r\nContent-Disposition: form-data; name=\"content\"\r\n\r\nhi\r\n--b--\r\n"},
		{parts, "--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"x\"\r\n\r\nhi\r\n--b--\r\n"},
	} {
		f.Add(true, seed[0], []byte(seed[1]))
		f.Add(false, seed[0], []byte(seed[1]))
	}
	path := strings.NewReplacer("{account}", "7", "{conversation}", strconv.FormatInt(numberOf(id), 10)).Replace
	f.Fuzz(func(t *testing.T, message bool, contentType string, body []byte) {
		target := path(strings.TrimPrefix(statusPath, "POST "))
		if message {
			target = path(strings.TrimPrefix(messagesPath, "POST "))
		}
		for _, token := range []string{robot, "", "another"} {
			r := httptest.NewRequest(http.MethodPost, target, bytes.NewReader(body))
			r.Header["Content-Type"] = []string{contentType}
			r.Header.Set("Api_access_token", token)
			w := timed{httptest.NewRecorder()}
			fuzztest.Bounded(t, len(body), func() { g.ServeHTTP(w, r) })
			switch {
			case token != robot && w.Code != http.StatusUnauthorized:
				t.Errorf("token %q: got status %d, want %d", token, w.Code, http.StatusUnauthorized)
			case token == robot && w.Code != http.StatusOK && w.Code != http.StatusUnprocessableEntity && w.Code != http.StatusTooManyRequests:
				t.Errorf("got status %d, %s, want 200, 422 or 429", w.Code, w.Body)
			case w.Code == http.StatusUnprocessableEntity && strings.Contains(w.Body.String(), fuzztest.Canary):
				t.Errorf("got %s, want nothing of the body in a refusal", w.Body)
			}
		}
	})
}

package rasa

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/intervenehq/intervene/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, handler http.HandlerFunc) *Bot {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return New(Options{HTTP: server.Client(), URL: server.URL, Token: "s3cr3t", OnReturned: "/returned", Locale: "en"})
}

func turnOf(contents ...engine.Content) engine.TurnRequest {
	r := engine.TurnRequest{
		ID: engine.MessageID{Conversation: engine.NewConversationID(1, [14]byte{1}), Version: 3}, Workspace: "acme", Channel: "main",
		Column: engine.Active, Contact: engine.Contact{Name: "Nia", WaID: "15550100"},
	}
	for i, c := range contents {
		r.Messages = append(r.Messages, engine.TurnMessage{Version: uint64(3 + i), Content: c})
	}
	return r
}

func text(s string) engine.Content { return engine.Content{Kind: engine.ContentText, Text: s} }

// TestMessages: Rasa is sent each message in order, under one sender, and told of a
// person's return first.
func TestMessages(t *testing.T) {
	var sent []map[string]any
	b := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var m map[string]any
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Errorf("decode: %v", err)
		}
		sent = append(sent, m)
		if r.URL.Path != "/webhooks/rest/webhook" || r.Header.Get("Authorization") != "Bearer s3cr3t" {
			t.Errorf("got %s with %q, want the REST channel with the token", r.URL.Path, r.Header.Get("Authorization"))
		}
		_ = json.NewEncoder(w).Encode([]map[string]string{{"recipient_id": "x", "text": "to " + m["message"].(string)}})
	})
	r := turnOf(text("hi"), engine.Content{Kind: engine.ContentButtonReply, Text: "Yes", Payload: "/affirm"}, engine.Content{Kind: engine.ContentImage})
	r.Returned = true
	got, err := b.Turn(t.Context(), r)
	if err != nil {
		t.Fatalf("Turn: %v", err)
	}
	want := engine.TurnAnswer{Say: []engine.Content{text("to /returned"), text("to hi"), text("to /affirm"), text("to [image]")}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	id := r.ID.Conversation.String()
	if diff := cmp.Diff(map[string]any{
		"sender": id, "message": "hi", "metadata": map[string]any{
			"turn_id": id + ".3", "message_id": id + ".3", "workspace_id": "acme", "channel_id": "main", "column": "active",
			"name": "Nia", "locale": "en", "kind": "text",
		},
	}, sent[1]); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}

// TestReplies: what Rasa answers, and what becomes of it.
func TestReplies(t *testing.T) {
	buttons := &engine.Menu{Buttons: []engine.MenuButton{{ID: "/yes", Title: "Yes"}, {ID: "No", Title: "No"}}}
	tests := map[string]struct {
		body string
		want engine.TurnAnswer
	}{
		"nothing":       {`[]`, engine.TurnAnswer{}},
		"text":          {`[{"recipient_id": "x", "text": "hello"}]`, engine.TurnAnswer{Say: []engine.Content{text("hello")}}},
		"buttons":       {`[{"text": "Sure?", "buttons": [{"title": "Yes", "payload": "/yes"}, {"title": "No"}]}]`, engine.TurnAnswer{Say: []engine.Content{{Kind: engine.ContentButtons, Text: "Sure?", Menu: buttons}}}},
		"quick replies": {`[{"text": "Sure?", "quick_replies": [{"title": "Yes", "payload": "/yes"}, {"title": "No"}]}]`, engine.TurnAnswer{Say: []engine.Content{{Kind: engine.ContentButtons, Text: "Sure?", Menu: buttons}}}},
		"image":         {`[{"image": "https://a.example/b.png"}]`, engine.TurnAnswer{Say: []engine.Content{{Kind: engine.ContentImage, Media: &engine.Media{Link: "https://a.example/b.png"}}}}},
		"attachment":    {`[{"attachment": "https://a.example/b.pdf"}]`, engine.TurnAnswer{Say: []engine.Content{{Kind: engine.ContentDocument, Media: &engine.Media{Link: "https://a.example/b.pdf"}}}}},
		"typed attachment": {
			`[{"attachment": {"type": "video", "payload": {"src": "https://a.example/b.mp4"}}}]`,
			engine.TurnAnswer{Say: []engine.Content{{Kind: engine.ContentVideo, Media: &engine.Media{Link: "https://a.example/b.mp4"}}}},
		},
		"long text": {
			`[{"text": "` + strings.Repeat("é", engine.MaxTextRunes+1) + `"}]`,
			engine.TurnAnswer{Say: []engine.Content{text(strings.Repeat("é", engine.MaxTextRunes)), text("é")}},
		},
		"asks for a person": {
			`[{"text": "One moment."}, {"custom": {"intervene": {"request_agent": {"reason": "billing", "summary": "Order 7."}}}}]`,
			engine.TurnAnswer{Say: []engine.Content{text("One moment.")}, Request: true, Reason: "billing", Summary: "Order 7."},
		},
		"withdraws": {`[{"custom": {"intervene": {"withdraw": {}}}}]`, engine.TurnAnswer{Withdraw: true}},
		"hands off as Rasa's examples do": {
			`[{"custom": {"handoff_host": "https://helpdesk.example", "title": "Support"}}]`, engine.TurnAnswer{Request: true, Reason: "Support"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, tt.body) })
			got, err := b.Turn(t.Context(), turnOf(text("hi")))
			if err != nil {
				t.Fatalf("Turn: %v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFailures: none repeats what Rasa said, and none is asked again but where Rasa
// surely got nothing.
func TestFailures(t *testing.T) {
	tests := map[string]http.HandlerFunc{
		"crashes": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "s3cr3t", http.StatusInternalServerError) },
		"is busy": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "s3cr3t", http.StatusServiceUnavailable) },
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
		"garbage": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"text": "s3cr3t"}`) },
		"unusable": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `[{"custom": {"carousel": "s3cr3t"}}]`)
		},
		"floods": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `[{"text": "`+strings.Repeat("s3cr3t", MaxAnswerBytes/5)+`"}]`)
		},
		"hangs up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := serve(t, handler).Turn(t.Context(), turnOf(text("hi")))
			if err == nil || engine.CodeOf(err) != 0 || strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), "127.0.0.1") {
				t.Errorf("got error %v, want one that is not asked again and repeats nothing", err)
			}
		})
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	if _, err := New(Options{HTTP: gone.Client(), URL: gone.URL}).Turn(t.Context(), turnOf(text("hi"))); engine.CodeOf(err) != engine.CodeUnavailable {
		t.Errorf("refused: got error %v, want unavailable", err)
	}
	hanging := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the server does not notice that the client went
		<-r.Context().Done()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := hanging.Turn(ctx, turnOf(text("hi"))); err == nil || engine.CodeOf(err) != 0 {
		t.Errorf("hanging: got error %v, want one that is not asked again", err)
	}
}

package serve_test

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/intervenehq/intervene/cmd/intervene/serve"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// TestConsole: the page is there for everybody; a token opens a session, which
// outlives a restart and reaches what the page needs; the key that seals it is
// nobody else's, and without it all sign in again.
func TestConsole(t *testing.T) {
	w := newWorld(t)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatalf("cookie jar: %v", err)
	}
	browser := &http.Client{Transport: w.client.Transport, Jar: jar}
	if got, body := w.browse(browser, http.MethodGet, "/", ""); got.StatusCode != http.StatusOK || !strings.Contains(body, "Intervene") ||
		!strings.Contains(got.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("got status %d, policy %q, want the page", got.StatusCode, got.Header.Get("Content-Security-Policy"))
	}
	if got, _ := w.browse(browser, http.MethodGet, "/v1/session", ""); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("before the sign-in: got status %d, want 401", got.StatusCode)
	}
	signIn, err := json.Marshal(map[string]string{"token": tokenOf("sue")})
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	if got, body := w.browse(browser, http.MethodPost, "/v1/session", string(signIn)); got.StatusCode != http.StatusNoContent {
		t.Fatalf("sign in: got status %d, body %s, want 204", got.StatusCode, body)
	}

	conversation, _ := w.chat("16505550199")
	client := intervenev1connect.NewLiveChatServiceClient(browser, w.url(""))
	for _, query := range []string{"nora", "+1 650 555-0199", "5550"} {
		page, err := client.FindConversations(t.Context(), &intervenev1.FindConversationsRequest{Query: query})
		if err != nil || len(page.GetCards()) != 1 || page.GetCards()[0].GetConversationId() != conversation {
			t.Errorf("find %q: got %v, error %v, want the conversation", query, page.GetCards(), err)
		}
	}
	w.until("the overview to count it", func() bool { return w.latest(client).GetInterventions() == 1 })
	if _, err := client.Resolve(t.Context(), &intervenev1.ResolveRequest{ConversationId: conversation, CommandId: uuid.NewString()}); err != nil {
		t.Fatalf("Resolve: %v", err)
	}
	w.until("the overview to count that", func() bool { return w.latest(client).GetResolutions() == 1 })

	w.stop()
	key := filepath.Join(w.config.DataDir, serve.SessionKeyName)
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 || info.Size() != 32 {
		t.Errorf("got key %v, error %v, want 32 bytes that nobody else reads", info, err)
	}
	w.start()
	client = intervenev1connect.NewLiveChatServiceClient(browser, w.url(""))
	if got, body := w.browse(browser, http.MethodGet, "/v1/session", ""); got.StatusCode != http.StatusOK || !strings.Contains(body, `"sue"`) {
		t.Errorf("after a restart: got status %d, body %s, want Sue's session", got.StatusCode, body)
	}
	w.until("the overview to read the log", func() bool {
		day := w.latest(client)
		return day.GetInterventions() == 1 && day.GetResolutions() == 1 && day.GetConversations() == 1 && day.GetHolding().GetCount() == 1
	})
	w.stop()
	if err := os.Remove(key); err != nil {
		t.Fatalf("remove the key: %v", err)
	}
	w.start()
	if got, _ := w.browse(browser, http.MethodGet, "/v1/session", ""); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("with another key: got status %d, want 401", got.StatusCode)
	}
}

// latest is today, and yesterday while that is a minute ago.
func (w *world) latest(client intervenev1connect.LiveChatServiceClient) *intervenev1.OverviewPeriod {
	w.t.Helper()
	overview, err := client.GetOverview(w.t.Context(), &intervenev1.GetOverviewRequest{})
	if err != nil {
		w.t.Fatalf("GetOverview: %v", err)
	}
	if len(overview.GetHours()) != 48 || len(overview.GetDays()) != 30 {
		w.t.Fatalf("got %d hours, %d days, want 48, 30", len(overview.GetHours()), len(overview.GetDays()))
	}
	days := overview.GetDays()
	if today := days[len(days)-1]; today.GetConversations() > 0 {
		return today
	}
	return days[len(days)-2]
}

func (w *world) browse(browser *http.Client, method, path, body string) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url(path), bytes.NewReader([]byte(body)))
	if err != nil {
		w.t.Fatalf("make a request: %v", err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := browser.Do(r)
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

// TestSessionKeyOfAll: a key that others can read, or that is none, is refused.
func TestSessionKeyOfAll(t *testing.T) {
	for name, tt := range map[string]struct {
		bytes int
		mode  fs.FileMode
	}{
		"others may read it": {32, 0o644},
		"too short":          {31, 0o600},
		"too long":           {33, 0o600},
	} {
		t.Run(name, func(t *testing.T) {
			c := testConfig(t.TempDir())
			if err := os.MkdirAll(c.DataDir, 0o750); err != nil {
				t.Fatalf("make the folder: %v", err)
			}
			if err := os.WriteFile(filepath.Join(c.DataDir, serve.SessionKeyName), make([]byte, tt.bytes), tt.mode); err != nil {
				t.Fatalf("write the key: %v", err)
			}
			e, err := serve.Start(c, slog.New(slog.DiscardHandler))
			if err == nil {
				stop(t, e)
				t.Fatal("got an engine, want an error")
			}
			if !strings.Contains(err.Error(), "session key") {
				t.Errorf("got error %v, want one of the session key", err)
			}
		})
	}
}

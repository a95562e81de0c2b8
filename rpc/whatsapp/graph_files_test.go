package whatsapp

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// shelf is what was uploaded here, by blob.
type shelf map[engine.BlobID]string

func (s shelf) Open(_ engine.ConversationID, blob engine.BlobID) (io.ReadCloser, error) {
	text, ok := s[blob]
	switch {
	case !ok:
		return nil, &engine.Error{Code: engine.CodeNotFound}
	case text == "":
		return nil, errors.New("disk fails")
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

func pictureOf(blob engine.BlobID) engine.Outbound {
	o := outbound()
	o.Content = engine.Content{Kind: engine.ContentImage, Media: &engine.Media{Blob: blob, MIME: "image/png"}}
	return o
}

// TestGraphUploadsOnce: a file goes to Meta once, however many sends want it at
// once, and its content arrives as it is.
func TestGraphUploadsOnce(t *testing.T) {
	content := strings.Repeat("picture ", 100_000)
	var uploaded, sent atomic.Int32
	e := serveGraph(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/media") {
			uploaded.Add(1)
			checkUpload(t, r, content)
			answering(http.StatusOK, `{"id":"4711"}`)(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || !strings.Contains(string(body), `"image":{"id":"4711"}`) {
			t.Errorf("send: got %s (error %v), want the uploaded image", body, err)
		}
		sent.Add(1)
		answering(http.StatusOK, acceptedBody)(w, r)
	})
	e.uploads.store = shelf{"abc": content}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			result, after := e.Send(t.Context(), pictureOf("abc"))
			wantResult(t, result, after, engine.AttemptResult{State: engine.Accepted, External: "wamid.new"}, 0)
		})
	}
	group.Wait()
	if uploaded.Load() != 1 || sent.Load() != 8 {
		t.Errorf("got %d uploads and %d sends, want 1 and 8", uploaded.Load(), sent.Load())
	}
}

func checkUpload(t *testing.T, r *http.Request, want string) {
	t.Helper()
	if got, want := r.Header.Get("Authorization"), "Bearer "+testToken; got != want {
		t.Errorf("authorization: got %q, want %q", got, want)
	}
	if got, want := r.FormValue("messaging_product")+" "+r.FormValue("type"), "whatsapp image/png"; got != want {
		t.Errorf("fields: got %q, want %q", got, want)
	}
	file, header, err := r.FormFile("file")
	if err != nil {
		t.Errorf("file: got error %v, want one", err)
		return
	}
	got, err := io.ReadAll(file)
	if err != nil || string(got) != want || header.Header.Get("Content-Type") != "image/png" {
		t.Errorf("file: got %d bytes of %s (error %v), want %d of image/png", len(got), header.Header.Get("Content-Type"), err, len(want))
	}
}

// TestGraphUploadFails: nothing of the message is sent, and nothing is unknown.
func TestGraphUploadFails(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		blob   engine.BlobID
		want   engine.AttemptResult
	}{
		{"not there", 200, "{}", "gone", engine.AttemptResult{State: engine.Rejected, Error: errorUploadFailed, Detail: "the file is not there any more"}},
		{"unreadable", 200, "{}", "broken", engine.AttemptResult{State: engine.Queued}},
		{"refused", 400, errorBody(131053), "abc", engine.AttemptResult{State: engine.Rejected, Error: 131053, Detail: "private words"}},
		{"server error", 500, "", "abc", engine.AttemptResult{State: engine.Queued}},
		{"no name", 200, "{}", "abc", engine.AttemptResult{State: engine.Queued}},
		{"token expired", 401, errorBody(190), "abc", engine.AttemptResult{State: engine.Queued, Error: 190, Held: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := serveGraph(t, func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.URL.Path, "/media") {
					t.Errorf("request: got %s, want none but uploads", r.URL.Path)
				}
				answering(tt.status, tt.body)(w, r)
			})
			e.uploads.store = shelf{"abc": "x", "broken": ""}
			result, _ := e.Send(t.Context(), pictureOf(tt.blob))
			if result != tt.want {
				t.Errorf("result: got %+v, want %+v", result, tt.want)
			}
		})
	}
}

// mediaServer answers where a file lies, and the file.
func mediaServer(t *testing.T, place func(self string) string, file http.HandlerFunc) graphEdge {
	t.Helper()
	var self string
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v25.0/4711", func(w http.ResponseWriter, r *http.Request) {
		answering(http.StatusOK, fmt.Sprintf(`{"url":%q,"mime_type":"image/png","id":"4711"}`, place(self)))(w, r)
	})
	mux.HandleFunc("GET /v25.0/4712", answering(http.StatusBadRequest, errorBody(100)))
	mux.HandleFunc("GET /v25.0/4713", answering(http.StatusInternalServerError, ""))
	mux.HandleFunc("GET /file", file)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	self = server.URL
	return newGraphEdge(t, self)
}

func TestGraphFetches(t *testing.T) {
	content := strings.Repeat("voice ", 10_000)
	expired := atomic.Bool{}
	expired.Store(true)
	e := mediaServer(t, func(self string) string { return self + "/file" }, func(w http.ResponseWriter, r *http.Request) {
		if got, want := r.Header.Get("Authorization"), "Bearer "+testToken; got != want {
			t.Errorf("authorization: got %q, want %q", got, want)
		}
		if expired.Swap(false) { // its five minutes are over: it is asked for again
			http.NotFound(w, r)
			return
		}
		answering(http.StatusOK, content)(w, r)
	})
	file, err := e.Fetch(t.Context(), "acme-main", engine.Media{ID: "4711"})
	if err != nil {
		t.Fatalf("Fetch: got error %v, want none", err)
	}
	got, err := io.ReadAll(file)
	if err != nil || string(got) != content {
		t.Errorf("file: got %d bytes (error %v), want %d", len(got), err, len(content))
	}
	if err := file.Close(); err != nil {
		t.Errorf("close: got error %v, want none", err)
	}
}

func TestGraphFetchRefuses(t *testing.T) {
	secret := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a host that is not allowed was asked")
	}))
	defer secret.Close()
	here := func(self string) string { return self + "/file" }
	tests := []struct {
		name  string
		id    string
		place func(self string) string
		want  engine.Code
	}{
		{"gone for good", "4712", here, engine.CodeNotFound},
		{"cannot be told", "4713", here, engine.CodeUnavailable},
		{"malformed id", "../me", here, engine.CodeInvalid},
		{"no id", "", here, engine.CodeInvalid},
		{"file is gone", "4711", func(self string) string { return self + "/nowhere" }, engine.CodeNotFound},
		{"another host", "4711", func(string) string { return secret.URL + "/file" }, engine.CodeInvalid},
		{"plain http to an allowed host", "4711", func(string) string { return "http://lookaside.fbsbx.com/x" }, engine.CodeInvalid},
		{"another port of an allowed host", "4711", func(string) string { return "https://lookaside.fbsbx.com:8443/x" }, engine.CodeInvalid},
		{"an allowed host as user", "4711", func(string) string { return "https://lookaside.fbsbx.com@127.0.0.1/x" }, engine.CodeInvalid},
		{"only ends alike", "4711", func(string) string { return "https://evilfbcdn.net/x" }, engine.CodeInvalid},
		{"no URL", "4711", func(string) string { return "::" }, engine.CodeInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := mediaServer(t, tt.place, answering(http.StatusOK, "x"))
			file, err := e.Fetch(t.Context(), "acme-main", engine.Media{ID: tt.id})
			if got := engine.CodeOf(err); got != tt.want {
				t.Errorf("Fetch: got %v (file %v), want code %v", err, file, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), "127.0.0.1") || strings.Contains(err.Error(), testToken)) {
				t.Errorf("error: got %v, want one that names neither URL nor token", err)
			}
		})
	}
}

// TestGraphDialsNothingPrivate: a name on the list may still lead inside.
func TestGraphDialsNothingPrivate(t *testing.T) {
	inside := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a private address was asked")
	}))
	defer inside.Close()
	config := testConfig()
	config.Apps[0].MediaHosts = []string{"127.0.0.1"}
	g, err := NewGraph(config, slog.New(slog.DiscardHandler), NewMetrics(nil))
	if err != nil {
		t.Fatalf("NewGraph: got error %v, want none", err)
	}
	defer g.Close()
	client := g.media
	response, err := client.Get(inside.URL)
	if err == nil {
		t.Errorf("got status %d, want an error", response.StatusCode)
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestGraphTemplates(t *testing.T) {
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if got, want := r.URL.Path, "/v25.0/99/message_templates"; got != want {
			t.Errorf("path: got %q, want %q", got, want)
		}
		page := `{"data":[{"name":"hello","language":"en_US","status":"APPROVED","category":"UTILITY","parameter_format":"POSITIONAL","components":[{"type":"BODY","text":"Hi"},` +
			`{"type":"BUTTONS","buttons":[{"type":"URL","text":"Open","url":"https://example.com/{{1}}"}]}]},"rotten"],` +
			`"paging":{"cursors":{"after":"next"},"next":"https://graph/next"}}`
		if r.URL.Query().Get("after") == "next" {
			page = `{"data":[{"name":"sale","language":"hi","status":"PAUSED","category":"MARKETING"}],"paging":{"cursors":{"after":"end"}}}`
		}
		answering(http.StatusOK, page)(w, r)
	}))
	defer server.Close()
	e := newGraphEdge(t, server.URL)
	channel := e.served.Load().byID["acme-main"]
	channel.templatesURL = server.URL + "/v25.0/99/message_templates"
	e.served.Load().byID["acme-main"] = channel
	got, err := e.Templates(t.Context(), "acme-main")
	if err != nil {
		t.Fatalf("Templates: got error %v, want none", err)
	}
	want := []engine.TemplateInfo{
		{Name: "hello", Language: "en_US", Status: "APPROVED", Category: engine.Utility, ParameterFormat: "POSITIONAL", Parts: []engine.TemplatePart{
			{Type: "BODY", Text: "Hi"},
			{Type: "BUTTONS", Buttons: []engine.TemplateButton{{Type: "URL", Text: "Open", URL: "https://example.com/{{1}}"}}},
		}},
		{Name: "sale", Language: "hi", Status: "PAUSED", Category: engine.Marketing},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Templates: got %+v, want %+v", got, want)
	}
	if got := requests.Load(); got != 2 {
		t.Errorf("requests: got %d, want one for each page", got)
	}
	if _, err := e.Templates(t.Context(), "zeta-main"); engine.CodeOf(err) != engine.CodeInvalid {
		t.Errorf("without waba_id: got %v, want invalid", err)
	}
}

func TestGraphMarksRead(t *testing.T) {
	var body string
	e := serveGraph(t, func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read: %v", err)
		}
		body = string(text)
		answering(http.StatusOK, `{"success":true}`)(w, r)
	})
	if err := e.MarkRead(t.Context(), "acme-main", "wamid.theirs", true); err != nil {
		t.Fatalf("MarkRead: got error %v, want none", err)
	}
	if want := `{"messaging_product":"whatsapp","status":"read","message_id":"wamid.theirs","typing_indicator":{"type":"text"}}`; body != want {
		t.Errorf("body: got %s, want %s", body, want)
	}
	e = serveGraph(t, answering(http.StatusBadRequest, errorBody(131009)))
	if err := e.MarkRead(t.Context(), "acme-main", "wamid.theirs", false); err == nil {
		t.Error("MarkRead that Meta refuses: got no error, want one")
	}
}

func TestUploadTimesFit(t *testing.T) {
	if UploadWait+graphHeaderTimeout >= engine.AttemptTimeout {
		t.Errorf("got %v for an upload and %v for its send, want less than an attempt's %v", UploadWait, graphHeaderTimeout, engine.AttemptTimeout)
	}
	if UploadRetention >= 30*24*time.Hour {
		t.Errorf("UploadRetention: got %v, want less than Meta's 30 days", UploadRetention)
	}
}

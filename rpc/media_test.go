package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// heard is an answer over plain HTTP.
type heard struct {
	status int
	header http.Header
	body   string
}

// reason is that of a refusal in Connect's JSON.
func (h heard) reason(t *testing.T) string {
	t.Helper()
	var refusal struct {
		Code    string `json:"code"`
		Details []struct {
			Debug struct {
				Reason string `json:"reason"`
			} `json:"debug"`
		} `json:"details"`
	}
	if err := json.Unmarshal([]byte(h.body), &refusal); err != nil || refusal.Code == "" {
		t.Fatalf("got body %q, error %v, want a refusal in JSON", h.body, err)
	}
	for _, d := range refusal.Details {
		if d.Debug.Reason != "" {
			return d.Debug.Reason
		}
	}
	return ""
}

func (e *edge) fetch(token, method, path string, body io.Reader, header ...string) heard {
	e.t.Helper()
	r, err := http.NewRequestWithContext(e.t.Context(), method, edgeURL+path, body)
	if err != nil {
		e.t.Fatalf("make request: %v", err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := e.as(token).Do(r)
	if err != nil {
		e.t.Fatalf("%s %s: %v", method, path, err)
	}
	text := readAll(e.t, response.Body)
	if err := response.Body.Close(); err != nil {
		e.t.Fatalf("close: %v", err)
	}
	return heard{response.StatusCode, response.Header, text}
}

func uploadPath(id engine.ConversationID) string {
	return "/v1/conversations/" + id.String() + "/media"
}

func mediaPath(id engine.MessageID) string { return "/v1/media/" + id.String() }

// receiveFile makes the customer of id send a file, and says how far it has come.
func (e *edge) receiveFile(id engine.ConversationID, media *engine.Media, status engine.RecordMedia) engine.MessageID {
	e.t.Helper()
	e.must(id, engine.Command{Workspace: "acme", By: engine.Party{Kind: engine.Customer}, Body: engine.Receive{
		Channel: "main", Contact: engine.Contact{WaID: "15550100"}, External: media.ID, SentAt: engine.InstantOf(time.Now()),
		Content: engine.Content{Kind: engine.ContentDocument, Media: media},
	}})
	message := e.customers(id)
	if status.State != 0 {
		status.Message, status.Attempt = message.Version, 1
		e.must(id, engine.Command{Workspace: "acme", By: engine.Party{Kind: engine.Engine}, Body: status})
	}
	return message
}

func TestDownload(t *testing.T) {
	e := newEdge(t)
	id := e.held()
	const page = "<script>alert(1)</script>"
	blob := e.files.put(id, page)
	message := e.receiveFile(id, &engine.Media{ID: "m1", MIME: "text/html", Filename: "résumé.html"},
		engine.RecordMedia{State: engine.MediaStored, Blob: blob, Bytes: int64(len(page))})

	got := e.fetch(ashaToken, http.MethodGet, mediaPath(message), nil)
	if got.status != http.StatusOK || got.body != page {
		t.Errorf("got %d %q, want 200 and the file", got.status, got.body)
	}
	for name, want := range map[string]string{
		"Content-Type":                 "application/octet-stream", // nothing that a browser shows
		"Content-Length":               "25",
		"Content-Disposition":          "attachment; filename*=utf-8''r%C3%A9sum%C3%A9.html",
		"X-Content-Type-Options":       "nosniff",
		"Content-Security-Policy":      "default-src 'none'; sandbox",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Etag":                         `"` + string(blob) + `"`,
		"Cache-Control":                "private, max-age=86400, immutable",
		"Vary":                         "Authorization, Cookie",
	} {
		if value := got.header.Get(name); value != want {
			t.Errorf("got %s %q, want %q", name, value, want)
		}
	}
	if head := e.fetch(ashaToken, http.MethodHead, mediaPath(message), nil); head.status != http.StatusOK || head.body != "" || head.header.Get("Content-Length") != "25" {
		t.Errorf("HEAD: got %v, want the headers alone", head)
	}
	again := e.fetch(ashaToken, http.MethodGet, mediaPath(message), nil, "If-None-Match", got.header.Get("Etag"))
	if again.status != http.StatusNotModified || again.body != "" {
		t.Errorf("with the ETag: got %d %q, want 304 alone", again.status, again.body)
	}
	if n := value(t, e.server.metrics.mediaBytes.WithLabelValues(mediaDownload)); n != float64(len(page)) {
		t.Errorf("got %v bytes counted, want %d", n, len(page))
	}
	if n := value(t, e.server.metrics.requests.WithLabelValues(mediaDownload, codeOK)); n != 3 {
		t.Errorf("got %v requests counted, want 3", n)
	}
}

func TestDownloadRefusals(t *testing.T) {
	e := newEdge(t)
	id := e.held()
	text := e.customers(id)
	pending := e.receiveFile(id, &engine.Media{ID: "m1"}, engine.RecordMedia{State: engine.MediaPending, RetryAt: engine.InstantOf(time.Now().Add(time.Minute))})
	failed := e.receiveFile(id, &engine.Media{ID: "m2"}, engine.RecordMedia{State: engine.MediaFailed})
	expired := e.receiveFile(id, &engine.Media{ID: "m3"}, engine.RecordMedia{State: engine.MediaExpired})
	stored := e.receiveFile(id, &engine.Media{ID: "m4"}, engine.RecordMedia{State: engine.MediaStored, Blob: e.files.put(id, "x"), Bytes: 1})
	revoked := e.receiveFile(id, &engine.Media{ID: "m5"}, engine.RecordMedia{State: engine.MediaStored, Blob: e.files.put(id, "y"), Bytes: 1})
	e.must(id, engine.Command{Workspace: "acme", By: engine.Party{Kind: engine.Customer}, Body: engine.Amend{
		Channel: "main", Contact: engine.Contact{WaID: "15550100"}, External: "r5", SentAt: 1, Target: "m5", What: engine.Revoked,
	}})
	none := engine.MessageID{Conversation: id, Version: 1}
	tests := []struct {
		name, token, path string
		status            int
		reason            string
	}{
		{"nobody", "", mediaPath(stored), http.StatusUnauthorized, "UNAUTHENTICATED"},
		{"bot", robotToken, mediaPath(stored), http.StatusForbidden, "FORBIDDEN"},
		{"another workspace", oliToken, mediaPath(stored), http.StatusNotFound, "NOT_FOUND"},
		{"no id", ashaToken, "/v1/media/nonsense", http.StatusBadRequest, "INVALID"},
		{"no message", ashaToken, mediaPath(none), http.StatusNotFound, "NOT_FOUND"},
		{"text", ashaToken, mediaPath(text), http.StatusNotFound, "NOT_FOUND"},
		{"pending", ashaToken, mediaPath(pending), http.StatusServiceUnavailable, "MEDIA_PENDING"},
		{"failed", ashaToken, mediaPath(failed), http.StatusNotFound, "MEDIA_FAILED"},
		{"expired", ashaToken, mediaPath(expired), http.StatusNotFound, "MEDIA_EXPIRED"},
		{"taken back", ashaToken, mediaPath(revoked), http.StatusNotFound, "NOT_FOUND"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := e.fetch(tt.token, http.MethodGet, tt.path, nil)
			if reason := got.reason(t); got.status != tt.status || reason != tt.reason {
				t.Errorf("got %d, %s, want %d, %s", got.status, reason, tt.status, tt.reason)
			}
			if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Etag") != "" {
				t.Errorf("got header %v, want nothing that is kept", got.header)
			}
			if after := got.header.Get("Retry-After"); (after != "") != (tt.status == http.StatusServiceUnavailable) {
				t.Errorf("got Retry-After %q, want it with 503 alone", after)
			}
		})
	}
}

// TestUpload: what is uploaded can be sent, and read by the message.
func TestUpload(t *testing.T) {
	e := newEdge(t)
	id := e.held()
	got := e.fetch(ashaToken, http.MethodPost, uploadPath(id), strings.NewReader("a picture"), "Content-Type", "image/png")
	var u uploaded
	if err := json.Unmarshal([]byte(got.body), &u); err != nil || got.status != http.StatusOK {
		t.Fatalf("got %d %q, error %v, want 200 and JSON", got.status, got.body, err)
	}
	if diff := cmp.Diff(uploaded{BlobID: e.files.put(id, "a picture"), MIMEType: "image/png", Bytes: 9}, u); diff != "" {
		t.Errorf("got a difference (-want +got):\n%s", diff)
	}
	sent, err := e.client(ashaToken).SendMessage(t.Context(), &intervenev1.SendMessageRequest{
		ConversationId: id.String(), CommandId: newCommandID(), Content: &intervenev1.SendMessageRequest_Image{Image: &intervenev1.Media{
			Source: &intervenev1.Media_BlobId{BlobId: string(u.BlobID)}, MimeType: u.MIMEType, Caption: "look",
		}},
	})
	if err != nil {
		t.Fatalf("SendMessage: %v", err)
	}
	file := e.fetch(benToken, http.MethodGet, "/v1/media/"+sent.GetMessage().GetMessageId(), nil)
	if file.body != "a picture" || file.header.Get("Content-Type") != "image/png" || file.header.Get("Content-Disposition") != "attachment" {
		t.Errorf("got %v, want the picture", file)
	}
}

// TestTypeOfFileIsOneLine: a type may hold line ends where spaces may be, and goes
// into headers, ours and those of the form that WhatsApp gets.
func TestTypeOfFileIsOneLine(t *testing.T) {
	e := newEdge(t)
	id := e.held()
	sent, err := e.client(ashaToken).SendMessage(t.Context(), &intervenev1.SendMessageRequest{
		ConversationId: id.String(), CommandId: newCommandID(), Content: &intervenev1.SendMessageRequest_Image{Image: &intervenev1.Media{
			Source: &intervenev1.Media_BlobId{BlobId: string(e.files.put(id, "a picture"))}, MimeType: "image/png;\r\n\r\n x=y",
		}},
	})
	if err != nil {
		t.Fatalf("SendMessage: %v", err)
	}
	if got, want := sent.GetMessage().GetContent().GetImage().GetMimeType(), "image/png; x=y"; got != want {
		t.Errorf("got type %q, want %q", got, want)
	}
}

func TestUploadRefusals(t *testing.T) {
	e := newEdge(t)
	id := e.held()
	huge := strings.Repeat("x", 500<<10+1)
	tests := []struct {
		name, token, path, contentType string
		body                           io.Reader
		status                         int
		reason                         string
	}{
		{"nobody", "", uploadPath(id), "image/png", strings.NewReader("x"), http.StatusUnauthorized, "UNAUTHENTICATED"},
		{"another workspace", oliToken, uploadPath(id), "image/png", strings.NewReader("x"), http.StatusNotFound, "NOT_FOUND"},
		{"no conversation", ashaToken, "/v1/conversations/x/media", "image/png", strings.NewReader("x"), http.StatusBadRequest, "INVALID"},
		{"no type", ashaToken, uploadPath(id), "", strings.NewReader("x"), http.StatusBadRequest, "INVALID"},
		{"type that WhatsApp does not take", ashaToken, uploadPath(id), "text/html", strings.NewReader("x"), http.StatusBadRequest, "INVALID"},
		{"nothing", ashaToken, uploadPath(id), "image/png", strings.NewReader(""), http.StatusBadRequest, "INVALID"},
		{"too large, as announced", ashaToken, uploadPath(id), "image/webp", strings.NewReader(huge), http.StatusBadRequest, "INVALID"},
		{"too large, not announced", ashaToken, uploadPath(id), "image/webp", io.MultiReader(strings.NewReader(huge)), http.StatusBadRequest, "INVALID"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := e.fetch(tt.token, http.MethodPost, tt.path, tt.body, "Content-Type", tt.contentType)
			if reason := got.reason(t); got.status != tt.status || reason != tt.reason {
				t.Errorf("got %d, %s, want %d, %s", got.status, reason, tt.status, tt.reason)
			}
		})
	}
	if len(e.files.kept) != 0 {
		t.Errorf("got files kept of %d conversations, want none", len(e.files.kept))
	}
	if got := e.fetch(robotToken, http.MethodPost, uploadPath(id), strings.NewReader("x"), "Content-Type", "image/png"); got.status != http.StatusOK {
		t.Errorf("bot: got %d %q, want 200", got.status, got.body)
	}
}

// endless is a body that never ends and never comes.
type endless struct{ released chan struct{} }

func (b endless) Read([]byte) (int, error) {
	<-b.released
	return 0, io.ErrUnexpectedEOF
}

// TestStalledUpload: a caller who stands still is let go of, and leaves nothing.
func TestStalledUpload(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			e := newEdge(t)
			id := e.held()
			body := endless{make(chan struct{})}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, edgeURL+uploadPath(id), body)
			if err != nil {
				t.Fatalf("make request: %v", err)
			}
			r.Header.Set("Content-Type", "image/png")
			start := time.Now()
			time.AfterFunc(transferPause+time.Second, func() { close(body.released) })
			client := &http.Client{Transport: bearerTransport{ashaToken, e.transport(http2)}}
			response, err := client.Do(r)
			if err == nil {
				err = errors.Join(response.Body.Close(), errors.New(response.Status))
			}
			if got := time.Since(start); got < transferPause || got > transferPause+2*time.Second {
				t.Errorf("HTTP/2 %t: got the end after %v (%v), want it after %v", http2, got, err, transferPause)
			}
			<-body.released
			synctest.Wait()
			if len(e.files.kept) != 0 {
				t.Errorf("HTTP/2 %t: got a file kept, want none", http2)
			}
		})
	}
}

// slow is a body of so many pieces, each after a pause.
type slow struct {
	pieces int
	pause  time.Duration
}

func (s *slow) Read(p []byte) (int, error) {
	if s.pieces == 0 {
		return 0, io.EOF
	}
	s.pieces--
	time.Sleep(s.pause)
	return copy(p, "piece"), nil
}

// TestSlowUpload: who is slow is waited for, but not for ever.
func TestSlowUpload(t *testing.T) {
	tests := []struct {
		name   string
		pieces int
		want   bool
	}{
		{"two minutes", 6, true},
		{"ten minutes", 30, false},
	}
	for _, tt := range tests {
		for _, http2 := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				e := newEdge(t)
				id := e.held()
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				r, err := http.NewRequestWithContext(ctx, http.MethodPost, edgeURL+uploadPath(id), &slow{tt.pieces, 20 * time.Second})
				if err != nil {
					t.Fatalf("make request: %v", err)
				}
				r.Header.Set("Content-Type", "image/png")
				start := time.Now()
				client := &http.Client{Transport: bearerTransport{ashaToken, e.transport(http2)}}
				response, err := client.Do(r)
				done := err == nil && response.StatusCode == http.StatusOK
				if err == nil {
					if err := response.Body.Close(); err != nil {
						t.Errorf("close: %v", err)
					}
				}
				if done != tt.want || time.Since(start) > transferTimeout+time.Minute {
					t.Errorf("%s, HTTP/2 %t: got done %t after %v, want %t", tt.name, http2, done, time.Since(start), tt.want)
				}
				time.Sleep(time.Minute) // whoever still reads the body comes to its end
			})
		}
	}
}

// short is a store whose file is not as long as it says.
type short struct{ *files }

func (s short) Open(id engine.ConversationID, blob engine.BlobID) (io.ReadCloser, int64, error) {
	file, bytes, err := s.files.Open(id, blob)
	return file, bytes + 1, err
}

// broken is a file that fails after its first bytes.
type broken struct{ *files }

func (broken) Open(engine.ConversationID, engine.BlobID) (io.ReadCloser, int64, error) {
	fails := io.MultiReader(strings.NewReader(strings.Repeat("x", transferBytes)), failing{})
	return io.NopCloser(fails), 2 * transferBytes, nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the disk is gone") }

// TestHalfAFileIsNoFile: what breaks off must not look whole.
func TestHalfAFileIsNoFile(t *testing.T) {
	for name, store := range map[string]func(*files) Media{
		"short": func(f *files) Media { return short{f} }, "broken": func(f *files) Media { return broken{f} },
	} {
		e := newEdge(t, func(o *Options) { o.Media = store(o.Media.(*files)) })
		id := e.held()
		blob := e.files.put(id, "file")
		message := e.receiveFile(id, &engine.Media{ID: "m1"}, engine.RecordMedia{State: engine.MediaStored, Blob: blob, Bytes: 4})
		for _, http2 := range []bool{false, true} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, edgeURL+mediaPath(message), nil)
			if err != nil {
				t.Fatalf("make request: %v", err)
			}
			client := &http.Client{Transport: bearerTransport{ashaToken, e.transport(http2)}}
			response, err := client.Do(r)
			if err == nil {
				_, err = io.Copy(io.Discard, response.Body)
				if closed := response.Body.Close(); closed != nil && err == nil {
					err = closed
				}
			}
			if err == nil {
				t.Errorf("%s, HTTP/2 %t: got a whole file, want an error", name, http2)
			}
		}
		if got := value(t, e.server.metrics.requests.WithLabelValues(mediaDownload, "internal")); got != 2 {
			t.Errorf("%s: got %v failures counted, want 2", name, got)
		}
	}
}

// TestTransfersAreLimited: a transfer is one of its caller's streams.
func TestTransfersAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t, func(o *Options) { o.MaxStreamsEach = 1 })
		id := e.held()
		body, rest := io.Pipe()
		done := make(chan heard)
		go func() { done <- e.fetch(ashaToken, http.MethodPost, uploadPath(id), body, "Content-Type", "image/png") }()
		synctest.Wait()
		second := e.fetch(ashaToken, http.MethodPost, uploadPath(id), bytes.NewReader([]byte("x")), "Content-Type", "image/png")
		if reason := second.reason(t); second.status != http.StatusTooManyRequests || reason != "TOO_MANY_STREAMS" {
			t.Errorf("got %d, %s, want 429, TOO_MANY_STREAMS", second.status, reason)
		}
		if _, err := rest.Write([]byte("x")); err != nil {
			t.Errorf("write: %v", err)
		}
		if err := rest.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if first := <-done; first.status != http.StatusOK {
			t.Errorf("got %d %q, want 200", first.status, first.body)
		}
		if third := e.fetch(ashaToken, http.MethodPost, uploadPath(id), strings.NewReader("x"), "Content-Type", "image/png"); third.status != http.StatusOK {
			t.Errorf("got %d once the first is done, want 200", third.status)
		}
	})
}

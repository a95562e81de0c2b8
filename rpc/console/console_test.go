package console

import (
	"compress/gzip"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

// served is a small page behind a mux that has something else, too.
func served(t *testing.T) http.Handler {
	t.Helper()
	c, err := newConsole(fstest.MapFS{
		"index.html":     {Data: []byte(strings.Repeat("<p>hello</p>", 100))},
		"favicon.ico":    {Data: []byte(strings.Repeat("i", 1000))},
		"assets/app.js":  {Data: []byte(strings.Repeat("f();", 100))},
		"assets/tiny.js": {Data: []byte("f()")},
		"assets/en.json": {Data: []byte("{}")},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("newConsole: %v", err)
	}
	mux := http.NewServeMux()
	c.Handle(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	return mux
}

func ask(t *testing.T, h http.Handler, method, path string, header http.Header) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	r.Header = header
	if header == nil {
		r.Header = make(http.Header)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t *testing.T, r io.Reader) string {
	t.Helper()
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(body)
}

func TestFiles(t *testing.T) {
	h := served(t)
	tests := []struct {
		method, path string
		status       int
		contentType  string
	}{
		{http.MethodGet, "/", http.StatusOK, "text/html; charset=utf-8"},
		{http.MethodHead, "/", http.StatusOK, "text/html; charset=utf-8"},
		{http.MethodGet, "/assets/app.js", http.StatusOK, "text/javascript; charset=utf-8"},
		{http.MethodGet, "/assets/en.json", http.StatusOK, "application/json"},
		{http.MethodGet, "/favicon.ico", http.StatusOK, "image/x-icon"},
		{http.MethodGet, "/assets/none.js", http.StatusNotFound, "text/plain; charset=utf-8"},
		{http.MethodGet, "/assets/", http.StatusNotFound, "text/plain; charset=utf-8"},
		// The rest is somebody else's.
		{http.MethodPost, "/", http.StatusTeapot, ""},
		{http.MethodGet, "/index.html", http.StatusTeapot, ""},
		{http.MethodPost, "/assets/app.js", http.StatusTeapot, ""},
		{http.MethodGet, "/v1/session", http.StatusTeapot, ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			got := ask(t, h, tt.method, tt.path, nil)
			if got.StatusCode != tt.status || got.Header.Get("Content-Type") != tt.contentType {
				t.Errorf("got status %d, type %q, want %d, %q", got.StatusCode, got.Header.Get("Content-Type"), tt.status, tt.contentType)
			}
			if tt.status == http.StatusTeapot {
				return
			}
			for _, want := range headers {
				if got.Header.Get(want.name) != want.value {
					t.Errorf("%s: got %q, want %q", want.name, got.Header.Get(want.name), want.value)
				}
			}
		})
	}
}

// TestRevalidation: what a browser has is not sent again, in the encoding that it
// has, and a changed file is.
func TestRevalidation(t *testing.T) {
	h := served(t)
	gzipped := http.Header{"Accept-Encoding": {"br, gzip"}}
	plain, zipped := ask(t, h, http.MethodGet, "/assets/app.js", nil), ask(t, h, http.MethodGet, "/assets/app.js", gzipped)
	if plain.Header.Get("Etag") == zipped.Header.Get("Etag") {
		t.Errorf("got one ETag %q for two encodings, want two", plain.Header.Get("Etag"))
	}
	for _, r := range []*http.Response{plain, zipped} {
		if r.Header.Get("Cache-Control") != "no-cache" || r.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("got Cache-Control %q, Vary %q, want no-cache, Accept-Encoding", r.Header.Get("Cache-Control"), r.Header.Get("Vary"))
		}
	}
	tests := []struct {
		name, encoding, etag string
		want                 int
	}{
		{"the same", "", plain.Header.Get("Etag"), http.StatusNotModified},
		{"the same, compressed", "gzip", zipped.Header.Get("Etag"), http.StatusNotModified},
		{"weakened by a proxy", "", "W/" + plain.Header.Get("Etag"), http.StatusNotModified},
		{"one of several", "", `"x", ` + plain.Header.Get("Etag"), http.StatusNotModified},
		{"the other encoding's", "gzip", plain.Header.Get("Etag"), http.StatusOK},
		{"another file's", "", ask(t, h, http.MethodGet, "/", nil).Header.Get("Etag"), http.StatusOK},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, h, http.MethodGet, "/assets/app.js", http.Header{"If-None-Match": {tt.etag}, "Accept-Encoding": {tt.encoding}})
			if got.StatusCode != tt.want {
				t.Errorf("got status %d, want %d", got.StatusCode, tt.want)
			}
			if body := bodyOf(t, got.Body); (body == "") != (tt.want == http.StatusNotModified) {
				t.Errorf("got a body of %d bytes with status %d", len(body), got.StatusCode)
			}
		})
	}
}

func TestCompression(t *testing.T) {
	h := served(t)
	want := bodyOf(t, ask(t, h, http.MethodGet, "/assets/app.js", nil).Body)
	tests := []struct {
		path, accept, want string
	}{
		{"/assets/app.js", "gzip", "gzip"},
		{"/assets/app.js", "br;q=1.0, GZIP;q=0.5", "gzip"},
		{"/assets/app.js", "gzip;q=0", ""},
		{"/assets/app.js", "identity", ""},
		{"/assets/app.js", "", ""},
		{"/assets/tiny.js", "gzip", ""}, // it would grow
		{"/favicon.ico", "gzip", ""},
	}
	for _, tt := range tests {
		got := ask(t, h, http.MethodGet, tt.path, http.Header{"Accept-Encoding": {tt.accept}})
		if encoding := got.Header.Get("Content-Encoding"); encoding != tt.want {
			t.Errorf("%s for %q: got encoding %q, want %q", tt.path, tt.accept, encoding, tt.want)
			continue
		}
		if tt.want == "" {
			continue
		}
		zipped, err := gzip.NewReader(got.Body)
		if err != nil {
			t.Fatalf("read gzip: %v", err)
		}
		if body := bodyOf(t, zipped); body != want {
			t.Errorf("%s: got another body once unzipped, want the plain one", tt.path)
		}
	}
}

func TestPagesThatCannotBeServed(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"no page":      {"assets/app.js": {}},
		"unknown type": {"index.html": {}, "assets/app.js.map": {}},
	} {
		if _, err := newConsole(files, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: got a console, want an error", name)
		}
	}
}

// inlined is what the policy forbids in a page, and what of it asks other origins.
var inlined = regexp.MustCompile(`(?i)<style|\sstyle=|<script(?:>|\s[^>]*>\s*[^\s<])|\son[a-z]+=|(?:src|href)="(?:https?:)?//|javascript:`)

// TestEmbeddedPage: what is embedded can be served, and the policy lets it work.
func TestEmbeddedPage(t *testing.T) {
	c, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	html := string(c.files["/"].plain.body)
	if found := inlined.FindString(html); found != "" {
		t.Errorf("got %q in the page, want nothing that its own policy forbids", found)
	}
	for _, reference := range regexp.MustCompile(`(?:src|href)="(/[^"]+)"`).FindAllStringSubmatch(html, -1) {
		if _, ok := c.files[reference[1]]; !ok {
			t.Errorf("got a reference to %s, want one to a file that is there", reference[1])
		}
	}
}

func TestInlinedFindsViolations(t *testing.T) {
	for _, bad := range []string{
		`<style>p{}</style>`, `<p style="x">`, `<script>f()</script>`, `<script type="module">f()</script>`, `<p onclick="f()">`,
		`<script src="https://cdn.test/x.js"></script>`, `<link href="//cdn.test/x.css">`, `<a href="javascript:f()">`,
	} {
		if !inlined.MatchString(bad) {
			t.Errorf("%s: got nothing found, want a violation", bad)
		}
	}
	if good := `<script type="module" src="/assets/app.js"></script><link rel="stylesheet" href="/assets/app.css">`; inlined.MatchString(good) {
		t.Errorf("%s: got %q found, want nothing", good, inlined.FindString(good))
	}
}

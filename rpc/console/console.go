// Package console serves the Live Chat console: the page that agents work in, and
// what it is made of.
//
// The page is built from the TypeScript sources that lie beside this package, and
// its files are committed under dist and embedded. It speaks to the Connect edge as
// any other frontend does. This package never asks who is there, and never says
// anything about a workspace: what it serves is the same for everybody.
package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// writeTimeout bounds one answer on its way to a slow reader.
const writeTimeout = time.Minute

// page is what is served at the root.
const page = "index.html"

//go:embed dist
var built embed.FS

// Console serves the embedded page. It is safe for concurrent use.
type Console struct {
	files map[string]*file // by path, as in a URL
	log   *slog.Logger
}

// file is one file as it goes to a browser.
type file struct {
	contentType   string
	plain, zipped variant
}

// variant is a file in one encoding; without a body there is none.
type variant struct {
	body []byte
	etag string
}

// New takes the embedded page. A file whose type nobody knows is an error: it
// should not have been built.
func New(log *slog.Logger) (*Console, error) {
	dist, err := fs.Sub(built, "dist")
	if err != nil {
		return nil, fmt.Errorf("embedded console: %w", err)
	}
	return newConsole(dist, log)
}

func newConsole(dist fs.FS, log *slog.Logger) (*Console, error) {
	c := &Console{files: make(map[string]*file), log: log}
	err := fs.WalkDir(dist, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(dist, name)
		if err != nil {
			return err
		}
		f, err := newFile(name, body)
		if err != nil {
			return err
		}
		c.files["/"+name] = f
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read console: %w", err)
	}
	root, ok := c.files["/"+page]
	if !ok {
		return nil, errors.New("read console: there is no " + page)
	}
	delete(c.files, "/"+page) // it has one address
	c.files["/"] = root
	return c, nil
}

// contentTypes are those of all files that a page may be made of. What is already
// compressed is not compressed again.
var contentTypes = map[string]struct {
	name     string
	compress bool
}{
	".html":        {"text/html; charset=utf-8", true},
	".js":          {"text/javascript; charset=utf-8", true},
	".css":         {"text/css; charset=utf-8", true},
	".json":        {"application/json", true},
	".svg":         {"image/svg+xml", true},
	".webmanifest": {"application/manifest+json", true},
	".txt":         {"text/plain; charset=utf-8", true},
	".ico":         {"image/x-icon", false},
	".png":         {"image/png", false},
	".woff2":       {"font/woff2", false},
	".mp3":         {"audio/mpeg", false},
	".ogg":         {"audio/ogg", false},
	".wav":         {"audio/wav", true},
}

func newFile(name string, body []byte) (*file, error) {
	kind, ok := contentTypes[path.Ext(name)]
	if !ok {
		return nil, fmt.Errorf("%s: no content type is known for it", name)
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:16])
	f := &file{contentType: kind.name, plain: variant{body, `"` + hash + `"`}}
	if !kind.compress {
		return f, nil
	}
	zipped, err := compress(body)
	if err != nil {
		return nil, fmt.Errorf("compress %s: %w", name, err)
	}
	if len(zipped) < len(body) {
		f.zipped = variant{zipped, `"` + hash + `-gzip"`}
	}
	return f, nil
}

func compress(body []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Handle serves the console's files, and nothing else, on mux.
func (c *Console) Handle(mux *http.ServeMux) {
	for name := range c.files {
		if name == "/" {
			name = "/{$}"
		}
		mux.Handle("GET "+name, c)
	}
	mux.Handle("GET /assets/", c) // what is not there is not found, whoever asks
}

// ServeHTTP answers with a file.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		c.log.DebugContext(r.Context(), "an answer cannot be limited in time", "error", err)
	}
	header := w.Header()
	for _, h := range headers {
		header.Set(h.name, h.value)
	}
	f, ok := c.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	v := &f.plain
	if f.zipped.body != nil {
		header.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Values("Accept-Encoding")) {
			v = &f.zipped
			header.Set("Content-Encoding", "gzip")
		}
	}
	// Names are stable: a browser asks each time whether it has the newest.
	header.Set("Cache-Control", "no-cache")
	header.Set("Etag", v.etag)
	if matches(r.Header.Values("If-None-Match"), v.etag) {
		header.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", f.contentType)
	header.Set("Content-Length", strconv.Itoa(len(v.body)))
	if _, err := w.Write(v.body); err != nil {
		c.log.DebugContext(r.Context(), "a file of the console was not read", "error", err)
	}
}

// acceptsGzip reads the only thing of Accept-Encoding that matters here.
func acceptsGzip(values []string) bool {
	for value := range strings.SplitSeq(strings.Join(values, ","), ",") {
		coding, parameters, _ := strings.Cut(value, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		quality, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(parameters)), "q=")
		if !ok {
			return true
		}
		q, err := strconv.ParseFloat(quality, 64)
		return err == nil && q > 0
	}
	return false
}

// matches reports whether one of the entity tags of If-None-Match is etag.
func matches(values []string, etag string) bool {
	for value := range strings.SplitSeq(strings.Join(values, ","), ",") {
		value = strings.TrimPrefix(strings.TrimSpace(value), "W/")
		if value == etag || value == "*" {
			return true
		}
	}
	return false
}

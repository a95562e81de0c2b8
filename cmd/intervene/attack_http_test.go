//go:build linux

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	// attackTimeout ends an attack whose connection the engine never closes.
	attackTimeout = 60 * time.Second
	// bodySlack is what a body may have sent that nobody reads: the buffers of both
	// sockets, and what net/http and connect read on to keep a connection.
	bodySlack = 24 << 20
	listPath  = "/intervene.v1.LiveChatService/ListConversations"
)

// dial opens a connection to the engine that ends with the test.
func (v *target) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := v.connect(t)
	if err != nil {
		t.Fatalf("dial the engine: %v", err)
	}
	return c
}

// connect is dial for attackers: they run beside the test's goroutine, which alone
// may end it.
func (v *target) connect(t *testing.T) (net.Conn, error) {
	c, err := net.Dial("tcp", *v.address.Load())
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, c.SetDeadline(time.Now().Add(attackTimeout))
}

// each runs n attackers at the same time and waits for them.
func each(n int, attack func(n int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { attack(i) })
	}
	all.Wait()
}

// endless are zeros, counted, until somebody stops asking.
type endless struct{ sent atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	clear(p)
	e.sent.Add(int64(len(p)))
	return len(p), nil
}

// post sends a request over a connection of its own and answers the status; 0: it
// was cut off. It must end.
func (v *target) post(t *testing.T, path, contentType, agent string, body io.Reader, header ...string) int {
	ctx, cancel := context.WithTimeout(t.Context(), attackTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+*v.address.Load()+path, body)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return 0
	}
	r.Header.Set("Content-Type", contentType)
	if agent != "" {
		r.Header.Set("Authorization", "Bearer "+v.members[agent].token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(r)
	if err != nil {
		if ctx.Err() != nil {
			t.Errorf("%s: got no end in %s, want one", path, attackTimeout)
		}
		return 0
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return response.StatusCode
}

// oversized sends bodies without an end, and small ones that become large: each is
// refused, and nothing of a size is read or held.
func (v *target) oversized(t *testing.T) {
	webhook := "/webhooks/whatsapp/" + siteApp
	upload := "/v1/conversations/" + v.honest.id + "/media"
	bomb := v.bomb(t)
	for _, attack := range []struct {
		name, path, contentType, agent string
		limit                          int64 // of what may be read
		want                           []int
	}{
		// More than 64 MiB of bodies at the same time are told to come again.
		{"webhook", webhook, "application/json", "", 4 << 20, []int{0, http.StatusRequestEntityTooLarge, http.StatusServiceUnavailable}},
		{"webhook of nobody", webhook + "x", "application/json", "", 0, []int{0, http.StatusNotFound}},
		{"command", listPath, "application/json", agentNames[2], 128 << 10, []int{0, http.StatusTooManyRequests}},
		{"command of nobody", listPath, "application/json", "", 0, []int{0, http.StatusUnauthorized}},
		{"stream", "/intervene.v1.LiveChatService/WatchBoard", "application/connect+json", agentNames[2], 128 << 10, []int{0, http.StatusOK}},
		{"upload", upload, "image/jpeg", botName, 5 << 20, []int{0, http.StatusBadRequest}},
		{"sign-in", "/v1/session", "application/json", "", 4 << 10, []int{0, http.StatusBadRequest}},
		{"console", "/", "text/plain", "", 0, []int{0, http.StatusNotFound, http.StatusMethodNotAllowed}},
	} {
		each(4*v.scale, func(int) {
			var body endless
			status := v.post(t, attack.path, attack.contentType, attack.agent, &body)
			if !slices.Contains(attack.want, status) {
				t.Errorf("%s: got status %d, want one of %d", attack.name, status, attack.want)
			}
			if sent := body.sent.Load(); sent > attack.limit+bodySlack {
				t.Errorf("%s: got %d bytes read, want at most %d and what buffers hold", attack.name, sent, attack.limit)
			}
		})
	}
	each(16*v.scale, func(int) {
		if status := v.post(t, listPath, "application/json", agentNames[2], bytes.NewReader(bomb), "Content-Encoding", "gzip"); status != http.StatusTooManyRequests {
			t.Errorf("gzip bomb: got status %d, want %d", status, http.StatusTooManyRequests)
		}
	})
}

// bomb is 128 MiB in a few hundred KiB.
func (v *target) bomb(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := io.CopyN(w, new(endless), 128<<20)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatalf("make a bomb: %v", err)
	}
	return out.Bytes()
}

// headers sends headers of many bytes, and many of few: they are refused, and the
// largest that are allowed are not.
func (v *target) headers(t *testing.T) {
	large := "X-Large: " + strings.Repeat("x", 1<<20) + "\r\n"
	var many strings.Builder
	for n := range 10_000 {
		fmt.Fprintf(&many, "X-%d: %d\r\n", n, n)
	}
	for _, attack := range []struct{ name, header string }{
		{"one of 1 MiB", large},
		{"10,000", many.String()},
		{"a line without an end", strings.Repeat("x", 1<<20)},
		{"a request line without an end", ""},
	} {
		each(16*v.scale, func(int) {
			c, err := v.connect(t)
			if err != nil {
				t.Errorf("%s: dial the engine: %v", attack.name, err)
				return
			}
			request := "GET / HTTP/1.1\r\nHost: engine\r\n" + attack.header + "\r\n"
			if attack.header == "" {
				request = "GET /" + strings.Repeat("x", 1<<20)
			}
			_, _ = io.WriteString(c, request) // it may be cut off
			answer, err := io.ReadAll(io.LimitReader(c, 64<<10))
			if isTimeout(err) {
				t.Errorf("%s: got a connection that stays open, want it closed", attack.name)
			}
			if len(answer) > 0 && !bytes.HasPrefix(answer, []byte("HTTP/1.1 431")) && !bytes.HasPrefix(answer, []byte("HTTP/1.1 400")) {
				t.Errorf("%s: got %.40q, want 431", attack.name, answer)
			}
		})
	}
	if status := v.post(t, listPath, "application/json", agentNames[2], strings.NewReader(`{"column":"COLUMN_ACTIVE"}`), "X-Large", strings.Repeat("x", 24<<10)); status != http.StatusOK {
		t.Errorf("a header of 24 KiB: got status %d, want 200", status)
	}
}

func isTimeout(err error) bool {
	failed, ok := errors.AsType[net.Error](err)
	return ok && failed.Timeout()
}

// idleConnections opens 2,000 that say nothing, or nothing more.
func (v *target) idleConnections(t *testing.T) {
	var conns []net.Conn
	for n := range 2000 {
		c := v.dial(t)
		conns = append(conns, c)
		var err error
		switch n % 4 {
		case 1:
			_, err = io.WriteString(c, clientPreface)
		case 2:
			_, err = io.WriteString(c, "GET / HTTP/1.1\r\n")
		case 3:
			_, err = io.WriteString(c, "GET /nothing HTTP/1.1\r\nHost: engine\r\n\r\n")
		}
		if err != nil {
			t.Fatalf("connection %d: got error %v, want it taken", n, err)
		}
	}
	v.honest.waitFor(t, 50)
	if got := v.metrics(t)[`intervene_connections_open{listener="public"}`]; got < float64(len(conns)) {
		t.Errorf("open: got %v, want %d or more", got, len(conns))
	}
	for _, c := range conns {
		_ = c.Close()
	}
}

// signed is a webhook's body with the header that proves it.
func (s *site) signed(body []byte) string {
	mac := hmac.New(sha256.New, []byte(s.appSecret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// redelivery posts the same signed delivery 10,000 times over 64 connections: each
// is answered 200, or 503 and 200 when it comes again, and there is one message.
func (v *target) redelivery(t *testing.T) {
	const posts, connections = 10_000, 64
	body := []byte(fmt.Sprintf(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"messaging_product":"whatsapp",`+
		`"metadata":{"display_phone_number":"15550199","phone_number_id":%q},"contacts":[{"profile":{"name":"Storm"},"wa_id":"15550042"}],`+
		`"messages":[{"from":"15550042","id":"wamid.storm","timestamp":"%d","type":"text","text":{"body":"again and again"}}]}}]}]}`, siteNumber, time.Now().Unix()))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	var left, busy atomic.Int64
	left.Store(posts * int64(v.scale))
	signature, address := v.signed(body), "http://"+*v.address.Load()+"/webhooks/whatsapp/"+siteApp
	each(connections, func(int) {
		for left.Add(-1) >= 0 {
			status := http.StatusServiceUnavailable
			for status == http.StatusServiceUnavailable && t.Context().Err() == nil {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, bytes.NewReader(body))
				if err != nil {
					t.Errorf("post: %v", err)
					return
				}
				r.Header.Set("X-Hub-Signature-256", signature)
				response, err := client.Do(r)
				if err != nil {
					t.Errorf("post: got error %v, want an answer", err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				if status = response.StatusCode; status == http.StatusServiceUnavailable {
					busy.Add(1)
				}
			}
			if status != http.StatusOK {
				t.Errorf("post: got status %d, want 200", status)
			}
		}
	})
	t.Logf("%d deliveries, %d times told to come again", posts*v.scale, busy.Load())
	m := newMirror()
	if err := m.update(t.Context(), newCaller(t, v.site, supervisorName)); err != nil {
		t.Fatalf("read what is there: %v", err)
	}
	received := 0
	for _, c := range m.conversations {
		for _, e := range c.events {
			if e.GetMessage().GetContent().GetText().GetBody() == "again and again" {
				received++
			}
		}
	}
	if received != 1 {
		t.Errorf("messages: got %d, want 1", received)
	}
}

// slow is one request that is sent a byte at a time.
type slow struct {
	name, begin string
	within      time.Duration // until the engine must have closed it
}

// TestSlowRequests sends headers and bodies a byte at a time, over hundreds of
// connections: the engine closes each in its time, and the honest are served.
func TestSlowRequests(t *testing.T) {
	t.Parallel()
	v := newTarget(t)
	const margin = 10 * time.Second // the machine may be busy
	// A body has 30 s. What comes after a procedure has answered, net/http now and then
	// takes for the beginning of another request, which has 10 s more.
	const bodyAndHeader = 40 * time.Second
	post := func(path, header string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: engine\r\nContent-Length: 4000\r\nContent-Type: application/json\r\n" + header + "\r\n"
	}
	bearer := "Authorization: Bearer " + v.members[agentNames[2]].token + "\r\n"
	var cut atomic.Int64
	kinds := []slow{
		{"header", "GET / HTTP/1.1\r\nHost: engine\r\nX-Slow: ", 10 * time.Second},
		{"request line", "GET /", 10 * time.Second},
		{"webhook", post("/webhooks/whatsapp/"+siteApp, "X-Hub-Signature-256: sha256="+strings.Repeat("0", 64)+"\r\n"), 10 * time.Second},
		{"webhook of nobody", post("/webhooks/whatsapp/nobody", ""), 30 * time.Second},
		{"command", post(listPath, bearer), bodyAndHeader},
		{"command of nobody", post(listPath, ""), bodyAndHeader},
		{"sign-in", post("/v1/session", ""), 30 * time.Second},
		{"nothing", post("/nothing", ""), 30 * time.Second},
		{"page", strings.Replace(post("/", ""), "POST", "GET", 1), 30 * time.Second},
		{"HTTP/2", clientPreface + "\x00\x00\x10", 30 * time.Second},
	}
	v.honest.reset()
	each(len(kinds)*30*v.scale, func(n int) {
		kind := kinds[n%len(kinds)]
		if kind.name == "HTTP/2" {
			kind.within = 2 * time.Minute // as any that idles; it costs nothing more
		}
		c, err := net.Dial("tcp", *v.address.Load())
		if err != nil {
			t.Errorf("%s: %v", kind.name, err)
			return
		}
		defer func() { _ = c.Close() }()
		began := time.Now()
		_, err = io.WriteString(c, kind.begin)
		for err == nil && time.Since(began) < min(kind.within, bodyAndHeader)+margin && rest(t.Context(), 200*time.Millisecond) {
			_, err = c.Write([]byte("x"))
		}
		switch {
		case err != nil:
			cut.Add(1)
		case kind.name != "HTTP/2":
			t.Errorf("%s: got a connection that is open after %s, want it closed", kind.name, time.Since(began))
		}
	})
	t.Logf("%d connections were closed; honest: %s", cut.Load(), v.honest.told())
	v.recovers(t)
	v.honest.end(t)
	v.stop(t)
	v.verify(t)
}

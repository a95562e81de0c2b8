package whatsapp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/intervenehq/intervene/engine"
)

// inbox is an Inbox in memory: it keeps what it took and answers as answer says.
type inbox struct {
	answer func(ctx context.Context, item engine.Inbound) error // nil: durable

	mu    sync.Mutex
	items []engine.Inbound
}

func (i *inbox) Receive(ctx context.Context, items []engine.Inbound) []error {
	errs := make([]error, len(items))
	for n, item := range items {
		if i.answer != nil {
			errs[n] = i.answer(ctx, item)
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.items = append(i.items, items...)
	return errs
}

func (i *inbox) externals() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	var externals []string
	for _, item := range i.items {
		externals = append(externals, externalOf(&item))
	}
	return externals
}

// externalOf is what Meta calls an item; a choice about consent has no name.
func externalOf(item *engine.Inbound) string {
	switch {
	case item.Message != nil:
		return item.Message.External
	case item.Amend != nil:
		return item.Amend.External
	case item.Echo != nil:
		return item.Echo.External
	case item.Change != nil:
		return item.Change.External
	case item.Status != nil:
		return item.Status.External
	default:
		return ""
	}
}

// logBuffer is a log that tests read.
type logBuffer struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.String()
}

func (b *logBuffer) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(b, nil)) }

// edge is a webhook with everything around it.
type edge struct {
	*Webhook
	inbox    *inbox
	log      *logBuffer
	registry *prometheus.Registry
}

func newEdge(t *testing.T) edge {
	t.Helper()
	e := edge{inbox: &inbox{}, log: &logBuffer{}, registry: prometheus.NewRegistry()}
	webhook, err := NewWebhook(testConfig(), e.inbox, e.log.logger(), NewMetrics(e.registry))
	if err != nil {
		t.Fatalf("NewWebhook: got error %v, want none", err)
	}
	e.Webhook = webhook
	return e
}

// handler is the webhook where it is mounted.
func (e edge) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(WebhookPattern, e.Webhook)
	return mux
}

func (e edge) answer(r *http.Request) *http.Response {
	recorder := httptest.NewRecorder()
	e.handler().ServeHTTP(recorder, r)
	return recorder.Result()
}

// post delivers body to app, signed with secret.
func (e edge) post(app AppID, secret Secret, body []byte) *http.Response {
	return e.answer(signedRequest(app, secret, body))
}

func signedRequest(app AppID, secret Secret, body []byte) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/webhooks/whatsapp/"+string(app), bytes.NewReader(body))
	r.Header.Set(signatureHeader, sign(secret, body))
	return r
}

func sign(secret Secret, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return signaturePrefix + hex.EncodeToString(mac.Sum(nil))
}

func wantStatus(t *testing.T, response *http.Response, want int) {
	t.Helper()
	if response.StatusCode != want {
		t.Errorf("status: got %d, want %d", response.StatusCode, want)
	}
}

// family is one of the registry's.
func (e edge) family(t *testing.T, name string) *dto.MetricFamily {
	t.Helper()
	families, err := e.registry.Gather()
	if err != nil {
		t.Fatalf("gather: %v", err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family
		}
	}
	t.Fatalf("got no metric %s, want it", name)
	return nil
}

func wantAck(t *testing.T, e edge, want ack) {
	t.Helper()
	got := make(map[string]uint64)
	for _, m := range e.family(t, "intervene_webhook_ack_duration_seconds").GetMetric() {
		if n := m.GetHistogram().GetSampleCount(); n > 0 {
			got[m.GetLabel()[0].GetValue()] = n
		}
	}
	if len(got) != 1 || got[string(want)] == 0 {
		t.Fatalf("outcomes observed: got %v, want only %s", got, want)
	}
	e.metrics.ackDuration.DeleteLabelValues(string(want)) // the next is looked for alone
}

func TestWebhookHandshake(t *testing.T) {
	query := func(mode, token, challenge string) string {
		return "?" + url.Values{"hub.mode": {mode}, "hub.verify_token": {token}, "hub.challenge": {challenge}}.Encode()
	}
	tests := []struct {
		name, target string
		want         int
		ack          ack
	}{
		{"right token", "main" + query("subscribe", testVerify, "1158201444"), http.StatusOK, ackHandshake},
		{"longest challenge", "main" + query("subscribe", testVerify, strings.Repeat("7", MaxChallengeBytes)), http.StatusOK, ackHandshake},
		{"challenge of markup", "main" + query("subscribe", testVerify, "<script>"), http.StatusOK, ackHandshake},
		{"wrong token", "main" + query("subscribe", testVerify+"x", "1"), http.StatusForbidden, ackForbidden},
		{"another app's token", "other" + query("subscribe", testVerify, "1"), http.StatusForbidden, ackForbidden},
		{"no token", "main" + query("subscribe", "", "1"), http.StatusForbidden, ackForbidden},
		{"another mode", "main" + query("unsubscribe", testVerify, "1"), http.StatusForbidden, ackForbidden},
		{"no query", "main", http.StatusForbidden, ackForbidden},
		{"no challenge", "main" + query("subscribe", testVerify, ""), http.StatusBadRequest, ackBadRequest},
		{"endless challenge", "main" + query("subscribe", testVerify, strings.Repeat("7", MaxChallengeBytes+1)), http.StatusBadRequest, ackBadRequest},
		{"unknown app", "nobody" + query("subscribe", testVerify, "1"), http.StatusNotFound, ackNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEdge(t)
			r := httptest.NewRequest(http.MethodGet, "/webhooks/whatsapp/"+tt.target, nil)
			response := e.answer(r)
			wantStatus(t, response, tt.want)
			wantAck(t, e, tt.ack)
			text, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatalf("read the answer: %v", err)
			}
			if got, want := response.Header.Get("Content-Type"), "text/plain; charset=utf-8"; got != want {
				t.Errorf("content type: got %q, want %q", got, want)
			}
			if got, want := response.Header.Get("X-Content-Type-Options"), "nosniff"; got != want {
				t.Errorf("sniffing: got %q, want %q", got, want)
			}
			if challenge := r.URL.Query().Get("hub.challenge"); (string(text) == challenge) != (tt.want == http.StatusOK) {
				t.Errorf("body: got %q for challenge %q and status %d", text, challenge, tt.want)
			}
		})
	}
}

func TestWebhookMethods(t *testing.T) {
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodHead, http.MethodOptions} {
		e := newEdge(t)
		response := e.answer(httptest.NewRequest(method, "/webhooks/whatsapp/main", nil))
		wantStatus(t, response, http.StatusMethodNotAllowed)
		wantAck(t, e, ackMethodNotAllowed)
		if got, want := response.Header.Get("Allow"), "GET, POST"; got != want {
			t.Errorf("%s: Allow: got %q, want %q", method, got, want)
		}
	}
}

func TestWebhookSignature(t *testing.T) {
	// As Meta writes it: ASCII alone, slashes escaped. Written again by anybody
	// else it is another body.
	escaped := textDelivery(`caf\u00e9 \ud83d\ude00 a\/b`)
	unescaped := textDelivery(`café 😀 a/b`)
	tests := []struct {
		name      string
		app       AppID
		signature string
		want      int
	}{
		{"first secret", "main", sign(testSecret, escaped), http.StatusOK},
		{"second secret, while one rotates", "main", sign(nextSecret, escaped), http.StatusOK},
		{"upper-case digits", "main", signaturePrefix + strings.ToUpper(sign(testSecret, escaped)[len(signaturePrefix):]), http.StatusOK},
		{"another app's secret", "main", sign("other-secret", escaped), http.StatusUnauthorized},
		{"this app's secret on another", "other", sign(testSecret, escaped), http.StatusUnauthorized},
		{"of the same JSON, unescaped", "main", sign(testSecret, unescaped), http.StatusUnauthorized},
		{"of nothing", "main", sign(testSecret, nil), http.StatusUnauthorized},
		{"missing", "main", "", http.StatusUnauthorized},
		{"without prefix", "main", sign(testSecret, escaped)[len(signaturePrefix):], http.StatusUnauthorized},
		{"of another hash", "main", "sha1=" + sign(testSecret, escaped)[len(signaturePrefix):], http.StatusUnauthorized},
		{"prefix alone", "main", signaturePrefix, http.StatusUnauthorized},
		{"cut", "main", sign(testSecret, escaped)[:40], http.StatusUnauthorized},
		{"no hex", "main", signaturePrefix + strings.Repeat("zz", 32), http.StatusUnauthorized},
		{"longer", "main", sign(testSecret, escaped) + "00", http.StatusUnauthorized},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEdge(t)
			r := signedRequest(tt.app, testSecret, escaped)
			r.Header.Del(signatureHeader)
			if tt.signature != "" {
				r.Header.Set(signatureHeader, tt.signature)
			}
			wantStatus(t, e.answer(r), tt.want)
			var want []string
			if tt.want == http.StatusOK {
				want = []string{"wamid.0"}
				wantAck(t, e, ackOK)
			} else {
				wantAck(t, e, ackUnauthorized)
			}
			if got := e.inbox.externals(); !slices.Equal(got, want) {
				t.Errorf("items: got %v, want %v", got, want)
			}
		})
	}
}

func TestWebhookBodies(t *testing.T) {
	padded := func(size int) []byte {
		body := textDelivery("x")
		return append(body, bytes.Repeat([]byte(" "), size-len(body))...)
	}
	tests := []struct {
		name   string
		secret Secret
		body   []byte
		want   int
		ack    ack
	}{
		{"signed, but not JSON", testSecret, []byte("hello"), http.StatusBadRequest, ackBadRequest},
		{"signed, but empty", testSecret, nil, http.StatusBadRequest, ackBadRequest},
		{"signed, but a list", testSecret, []byte("[]"), http.StatusBadRequest, ackBadRequest},
		{"signed, but without entries", testSecret, []byte("{}"), http.StatusBadRequest, ackBadRequest},
		{"not JSON and not signed", "wrong", []byte("hello"), http.StatusUnauthorized, ackUnauthorized},
		{"nothing for us", testSecret, []byte(`{"object":"whatsapp_business_account","entry":[]}`), http.StatusOK, ackOK},
		{"as large as may be", testSecret, padded(MaxWebhookBytes), http.StatusOK, ackOK},
		{"one byte larger", testSecret, padded(MaxWebhookBytes + 1), http.StatusRequestEntityTooLarge, ackTooLarge},
		{"larger, and not signed", "wrong", padded(MaxWebhookBytes * 2), http.StatusRequestEntityTooLarge, ackTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEdge(t)
			wantStatus(t, e.post("main", tt.secret, tt.body), tt.want)
			wantAck(t, e, tt.ack)
			if held := e.bytes.used.Load(); held != 0 {
				t.Errorf("bytes in flight after the answer: got %d, want 0", held)
			}
		})
	}
}

// TestWebhookReadsNoFurtherThanTheCap: what comes after is not even looked at.
func TestWebhookReadsNoFurtherThanTheCap(t *testing.T) {
	e := newEdge(t)
	read := 0
	endless := readerFunc(func(p []byte) (int, error) {
		read += len(p)
		return len(p), nil
	})
	wantStatus(t, e.answer(httptest.NewRequest(http.MethodPost, "/webhooks/whatsapp/main", endless)), http.StatusRequestEntityTooLarge)
	if want := MaxWebhookBytes + 1; read != want {
		t.Errorf("bytes read: got %d, want %d", read, want)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestWebhookBodyThatBreaks(t *testing.T) {
	e := newEdge(t)
	broken := io.MultiReader(strings.NewReader("{"), iotest.ErrReader(io.ErrUnexpectedEOF))
	wantStatus(t, e.answer(httptest.NewRequest(http.MethodPost, "/webhooks/whatsapp/main", broken)), http.StatusRequestTimeout)
	wantAck(t, e, ackHungUp)
}

// TestWebhookAnswers: 200 only when nothing would be gained by a redelivery.
func TestWebhookAnswers(t *testing.T) {
	tests := []struct {
		name string
		err  error // of the second of three items
		want int
	}{
		{"durable", nil, http.StatusOK},
		{"invalid", engine.Errorf(engine.CodeInvalid, "x"), http.StatusOK},
		{"not found", &engine.Error{Code: engine.CodeNotFound}, http.StatusOK},
		{"forbidden, wrapped", fmt.Errorf("receive: %w", &engine.Error{Code: engine.CodeForbidden}), http.StatusOK},
		{"unavailable", &engine.Error{Code: engine.CodeUnavailable}, http.StatusServiceUnavailable},
		{"overloaded", &engine.Error{Code: engine.CodeOverloaded}, http.StatusServiceUnavailable},
		{"unknown outcome", &engine.Error{Code: engine.CodeUnknownOutcome}, http.StatusServiceUnavailable},
		{"full", &engine.Error{Code: engine.CodeFull}, http.StatusServiceUnavailable},
		{"corrupt", &engine.Error{Code: engine.CodeCorrupt}, http.StatusServiceUnavailable},
		{"conflict", &engine.Error{Code: engine.CodeConflict}, http.StatusServiceUnavailable},
		{"of another kind", errors.New("x"), http.StatusServiceUnavailable},
		{"out of time", context.DeadlineExceeded, http.StatusServiceUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEdge(t)
			e.inbox.answer = func(_ context.Context, item engine.Inbound) error {
				if item.Message.External == "wamid.1" {
					return tt.err
				}
				return nil
			}
			response := e.post("main", testSecret, textDelivery("a", "b", "c"))
			wantStatus(t, response, tt.want)
			if got, want := e.inbox.externals(), []string{"wamid.0", "wamid.1", "wamid.2"}; !slices.Equal(got, want) {
				t.Errorf("items: got %v, want %v", got, want)
			}
			if got := response.Header.Get("Retry-After") != ""; got != (tt.want == http.StatusServiceUnavailable) {
				t.Errorf("Retry-After: got %q with status %d", response.Header.Get("Retry-After"), tt.want)
			}
			refusedItems := testutil.ToFloat64(e.metrics.refused.WithLabelValues(engine.CodeOf(tt.err).String()))
			if want := tt.err != nil && tt.want == http.StatusOK; (refusedItems == 1) != want {
				t.Errorf("items counted as refused: got %v, want counted: %v", refusedItems, want)
			}
			undurable := testutil.ToFloat64(e.metrics.undurable.WithLabelValues(engine.CodeOf(tt.err).String()))
			if want := tt.want != http.StatusOK; (undurable == 1) != want {
				t.Errorf("items counted as not durable: got %v, want counted: %v", undurable, want)
			}
		})
	}
}

// TestWebhookWaitsNoLongerThanItsTimeout: an Inbox that hangs is left.
func TestWebhookWaitsNoLongerThanItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		e.inbox.answer = func(ctx context.Context, _ engine.Inbound) error {
			<-ctx.Done()
			return ctx.Err()
		}
		start := time.Now()
		wantStatus(t, e.post("main", testSecret, textDelivery("a")), http.StatusServiceUnavailable)
		if got := time.Since(start); got != WebhookTimeout {
			t.Errorf("answered after: got %v, want %v", got, WebhookTimeout)
		}
	})
}

// TestWebhookFinishesWhatItBegan: a client that hangs up stops nothing.
func TestWebhookFinishesWhatItBegan(t *testing.T) {
	e := newEdge(t)
	ctx, hangUp := context.WithCancel(t.Context())
	e.inbox.answer = func(ctx context.Context, _ engine.Inbound) error {
		hangUp()
		return ctx.Err()
	}
	wantStatus(t, e.answer(signedRequest("main", testSecret, textDelivery("a")).WithContext(ctx)), http.StatusOK)
}

// pipedServer is the webhook behind a server on one connection in memory, so
// that its deadlines run in virtual time.
func pipedServer(t *testing.T, e edge) (client net.Conn, stop func()) {
	t.Helper()
	client, connection := net.Pipe()
	listener := &pipeListener{connections: make(chan net.Conn, 1), closed: make(chan struct{})}
	listener.connections <- connection
	server := &http.Server{Handler: e.handler()}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	return client, func() {
		if err := client.Close(); err != nil {
			t.Errorf("close the connection: %v", err)
		}
		if err := server.Close(); err != nil {
			t.Errorf("close the server: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: got %v, want %v", err, http.ErrServerClosed)
		}
	}
}

// TestWebhookGivesUpASlowBody: who does not send what was announced is left.
func TestWebhookGivesUpASlowBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, stop := pipedServer(t, newEdge(t))
		defer stop()
		start := time.Now()
		if _, err := io.WriteString(client, "POST /webhooks/whatsapp/main HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"); err != nil {
			t.Fatalf("write: %v", err)
		}
		response, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatalf("read the answer: %v", err)
		}
		wantStatus(t, response, http.StatusRequestTimeout)
		if got := time.Since(start); got != BodyTimeout {
			t.Errorf("answered after: got %v, want %v", got, BodyTimeout)
		}
	})
}

// TestWebhookMayTakeLongerThanItsBody: the body's deadline does not outlive the
// body, and the connection goes on after a long wait for the Inbox.
func TestWebhookMayTakeLongerThanItsBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		e.inbox.answer = func(context.Context, engine.Inbound) error {
			time.Sleep(BodyTimeout + time.Second)
			return nil
		}
		client, stop := pipedServer(t, e)
		defer stop()
		answers := bufio.NewReader(client)
		for range 2 {
			r := signedRequest("main", testSecret, textDelivery("a"))
			if err := r.Write(client); err != nil {
				t.Fatalf("write: %v", err)
			}
			response, err := http.ReadResponse(answers, r)
			if err != nil {
				t.Fatalf("read the answer: %v", err)
			}
			wantStatus(t, response, http.StatusOK)
			if response.Close {
				t.Error("connection: got closed, want kept")
			}
		}
	})
}

// pipeListener accepts what stands in connections.
type pipeListener struct {
	connections chan net.Conn
	closed      chan struct{}
	once        sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.connections:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func TestWebhookBoundsDeliveriesInFlight(t *testing.T) {
	e := newEdge(t)
	e.deliveries.limit = 1
	entered, release := make(chan struct{}), make(chan struct{})
	e.inbox.answer = func(context.Context, engine.Inbound) error {
		close(entered)
		<-release
		return nil
	}
	first := make(chan int)
	go func() { first <- e.post("main", testSecret, textDelivery("a")).StatusCode }()
	<-entered
	response := e.post("main", testSecret, textDelivery("b"))
	wantStatus(t, response, http.StatusServiceUnavailable)
	if response.Header.Get("Retry-After") == "" {
		t.Error("Retry-After: got none, want one")
	}
	// Strangers use up nothing, and learn nothing.
	wantStatus(t, e.post("main", "wrong", textDelivery("c")), http.StatusUnauthorized)
	if got := testutil.ToFloat64(e.metrics.inflightDeliveries); got != 1 {
		t.Errorf("deliveries in flight: got %v, want 1", got)
	}
	close(release)
	if got := <-first; got != http.StatusOK {
		t.Errorf("first delivery: got %d, want %d", got, http.StatusOK)
	}
	e.inbox.answer = nil
	wantStatus(t, e.post("main", testSecret, textDelivery("d")), http.StatusOK)
	if got := testutil.ToFloat64(e.metrics.inflightDeliveries); got != 0 {
		t.Errorf("deliveries in flight at the end: got %v, want 0", got)
	}
}

// messageFrom is one message of a customer, as it stands in a value.
func messageFrom(waID, external string) string {
	return fmt.Sprintf(`{"from":%q,"id":%q,"timestamp":"1760000000","type":"text","text":{"body":"x"}}`, waID, external)
}

// TestWebhookBoundsEachContact: whoever floods their conversation waits, and is
// refused, alone.
func TestWebhookBoundsEachContact(t *testing.T) {
	e := newEdge(t)
	entered, release := make(chan struct{}), make(chan struct{})
	e.inbox.answer = func(_ context.Context, item engine.Inbound) error {
		if item.Message.Contact.WaID == "flood" {
			entered <- struct{}{}
			<-release
		}
		return nil
	}
	post := func(messages ...string) *http.Response {
		return e.post("main", testSecret, valueDelivery(`"messages":[`+strings.Join(messages, ",")+`]`))
	}
	held := make(chan int)
	for n := range MaxInflightEach {
		go func() {
			held <- post(messageFrom("flood", fmt.Sprintf("f%d", n)), messageFrom("other", fmt.Sprintf("o%d", n))).StatusCode
		}()
		<-entered
	}
	wantStatus(t, post(messageFrom("flood", "too much")), http.StatusServiceUnavailable)
	wantStatus(t, post(messageFrom("calm", "a")), http.StatusOK)
	// In company the flood stays behind, whole, and the company goes on.
	wantStatus(t, post(messageFrom("calm", "b"), messageFrom("flood", "too much"), messageFrom("calm", "c"), messageFrom("flood", "far too much")),
		http.StatusServiceUnavailable)
	if got, want := e.inbox.externals(), []string{"a", "b", "c"}; !slices.Equal(got, want) {
		t.Errorf("taken in beside the flood: got %q, want %q", got, want)
	}
	if got := testutil.ToFloat64(e.metrics.undurable.WithLabelValues(engine.CodeOverloaded.String())); got != 3 {
		t.Errorf("items refused: got %v, want 3", got)
	}
	close(release)
	for range MaxInflightEach {
		if got := <-held; got != http.StatusOK {
			t.Errorf("delivery of the flood that had its share: got %d, want %d", got, http.StatusOK)
		}
	}
	if got := len(e.contacts.used); got != 0 {
		t.Errorf("shares in use at the end: got %d, want 0", got)
	}
	go func() { <-entered }()
	wantStatus(t, post(messageFrom("flood", "again")), http.StatusOK)
}

func TestWebhookBoundsBytesInFlight(t *testing.T) {
	e := newEdge(t)
	body := textDelivery("a")
	e.bytes.limit = int64(len(body))
	wantStatus(t, e.post("main", testSecret, body), http.StatusOK)
	wantStatus(t, e.post("main", testSecret, append(body, ' ')), http.StatusServiceUnavailable)
	// A length that is only promised uses up nothing.
	promised := httptest.NewRequest(http.MethodPost, "/webhooks/whatsapp/main", strings.NewReader("{"))
	promised.ContentLength = MaxWebhookBytes
	wantStatus(t, e.answer(promised), http.StatusUnauthorized)
	wantStatus(t, e.post("main", testSecret, body), http.StatusOK)
	if got := testutil.ToFloat64(e.metrics.inflightBytes); got != 0 {
		t.Errorf("bytes in flight at the end: got %v, want 0", got)
	}
}

// TestWebhookLogsNoContent: the records say what kind of thing was wrong, and
// nothing that a customer wrote or is known by. All of that is a canary here: a
// word that no record has of its own.
func TestWebhookLogsNoContent(t *testing.T) {
	e := newEdge(t)
	(*e.apps.Load())["main"].channels["number-canary"] = (*e.apps.Load())["main"].channels["1001"]
	e.inbox.answer = func(context.Context, engine.Inbound) error {
		return &engine.Error{Code: engine.CodeInvalid, Field: "x", Problem: "y"}
	}
	items := []string{
		`{"from":"wa-id-canary","id":"wamid.canary","timestamp":"canary","type":"text","text":{"body":"text canary"}}`,
		`{"from":"wa-id-canary","from_user_id":"user-id-canary","id":"wamid.canary","timestamp":"1760000000","type":"type-canary"}`,
		`{"from":"wa-id-canary","id":"wamid.canary","timestamp":"1760000000","type":"unsupported","errors":[{"code":131051,"title":"canary","error_data":{"details":"canary"}}]}`,
		`{"from":"wa-id-canary","id":"wamid.canary","timestamp":"1760000000","type":"text","text":{"body":"text canary"},"context":"canary"}`,
	}
	for _, sample := range samples {
		items = append(items, sample.named("wamid.canary"))
	}
	body := valueDelivery(`"contacts":[{"profile":{"name":"Name Canary"},"wa_id":"wa-id-canary"}],"messages":[` + strings.Join(items, ",") + `],
		"statuses":[{"id":"wamid.canary","status":"status-canary"},{"id":"wamid.canary","status":"failed","timestamp":"1760000000","errors":[{"code":1,"title":"canary"}]}]`)
	body = bytes.Replace(body, []byte(`"1001"`), []byte(`"number-canary"`), 1)
	wantStatus(t, e.post("main", testSecret, body), http.StatusOK)
	wantStatus(t, e.post("main", testSecret, []byte(`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"field-canary"},{"field":"account_update"},
		{"field":"user_preferences","value":{"metadata":{"phone_number_id":"number-canary"},"user_preferences":[{"wa_id":"wa-id-canary","value":"canary"}]}}]}]}`)), http.StatusOK)
	wantStatus(t, e.post("main", testSecret, []byte(`{"words canary`)), http.StatusBadRequest)
	log := e.log.String()
	for _, want := range []string{
		`"kind":"message","reason":"bad_timestamp","items":1`, `"kind":"message","reason":"bad_user_id","items":1`,
		`"kind":"status","reason":"unknown_status"`, `"kind":"consent","reason":"unknown_consent"`, `"code":131051,"errors":`,
		`"code":"invalid","items":`, `"field":"other"`, `"field":"account_update"`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("log: got %s, want a record with %s", log, want)
		}
	}
	families, err := e.registry.Gather()
	if err != nil {
		t.Fatalf("gather: %v", err)
	}
	for _, family := range families {
		log += family.String()
	}
	if at := strings.Index(strings.ToLower(log), "canary"); at >= 0 {
		t.Errorf("log and metrics: got a canary in them, want none:\n%s", log[max(0, at-200):at])
	}
}

func TestWebhookMetrics(t *testing.T) {
	e := newEdge(t)
	body := valueDelivery(`"messages":[{"from":"1","id":"a","timestamp":"1760000000","type":"text","text":{"body":"x"}},{"from":"1","id":"b","timestamp":"1760000000","type":"order"}],
		"statuses":[{"id":"c","status":"sent","timestamp":"1760000000"},{"id":"c","status":"deleted"}]`)
	before := time.Now()
	wantStatus(t, e.post("main", testSecret, body), http.StatusOK)
	got := make(map[string]float64)
	for _, m := range e.family(t, "intervene_webhook_events_total").GetMetric() {
		if n := m.GetCounter().GetValue(); n > 0 {
			got[m.GetLabel()[0].GetValue()] = n
		}
	}
	if want := map[string]float64{"status_deleted": 1, "status_sent": 1, "text": 1, "unsupported": 1}; !maps.Equal(got, want) {
		t.Errorf("events: got %v, want %v", got, want)
	}
	last := testutil.ToFloat64(e.metrics.lastEvent.WithLabelValues("acme-main"))
	if earliest := float64(before.UnixMilli()) / 1000; last < earliest {
		t.Errorf("last event: got %s, want at least %s", formatSeconds(last), formatSeconds(earliest))
	}
	problems, err := testutil.GatherAndLint(e.registry)
	if err != nil {
		t.Fatalf("lint: %v", err)
	}
	for _, problem := range problems {
		t.Errorf("metric %s: %s", problem.Metric, problem.Text)
	}
}

func formatSeconds(s float64) string { return strconv.FormatFloat(s, 'f', 3, 64) }

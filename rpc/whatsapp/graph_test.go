package whatsapp

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/intervenehq/intervene/engine"
)

// graphEdge is a Graph that talks to a server of the test's.
type graphEdge struct {
	*Graph
	log      *logBuffer
	registry *prometheus.Registry
}

// newGraphEdge makes a Graph for the server at baseURL whose jitter is always
// at its longest.
func newGraphEdge(t *testing.T, baseURL string) graphEdge {
	t.Helper()
	config := testConfig()
	config.Apps[0].GraphBaseURL = baseURL
	e := graphEdge{log: &logBuffer{}, registry: prometheus.NewRegistry()}
	metrics := NewMetrics(e.registry)
	graph, err := NewGraph(config, e.log.logger(), metrics)
	if err != nil {
		t.Fatalf("NewGraph: got error %v, want none", err)
	}
	graph.draw = func(longest time.Duration) time.Duration { return longest }
	graph.pace.draw = graph.draw
	graph.failures.Interval, graph.failures.Every = 0, 1
	e.Graph = graph
	t.Cleanup(graph.Close)
	return e
}

// serveGraph answers every send with handler.
func serveGraph(t *testing.T, handler http.HandlerFunc) graphEdge {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return newGraphEdge(t, server.URL)
}

// answering answers every send alike.
func answering(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		if _, err := io.WriteString(w, body); err != nil {
			panic(err)
		}
	}
}

const acceptedBody = `{"messaging_product":"whatsapp","contacts":[{"input":"+15550123","wa_id":"15550123"}],"messages":[{"id":"wamid.new"}]}`

func errorBody(code int) string {
	return fmt.Sprintf(`{"error":{"message":"(#%d) private words 15550123","type":"OAuthException","code":%d,"error_data":{"details":"private words"},"fbtrace_id":"x"}}`, code, code)
}

func outbound() engine.Outbound {
	return engine.Outbound{
		ID:      engine.MessageID{Conversation: engine.ConversationID{15: 1}, Version: 7},
		Channel: "acme-main",
		To:      engine.Contact{Name: "Ana", WaID: "15550123", UserID: "US.ana1"},
		Content: engine.Content{Kind: engine.ContentText, Text: `Your parcel <& more> comes "today" 😀`},
		Attempt: 1,
	}
}

func wantResult(t *testing.T, got engine.AttemptResult, retryAfter time.Duration, want engine.AttemptResult, wantAfter time.Duration) {
	t.Helper()
	if got != want {
		t.Errorf("result: got %+v, want %+v", got, want)
	}
	if retryAfter != wantAfter {
		t.Errorf("retry after: got %v, want %v", retryAfter, wantAfter)
	}
}

func TestGraphSendsText(t *testing.T) {
	tests := []struct {
		name, fixture string
		to            engine.Contact
	}{
		{"to a number", "text.json", engine.Contact{WaID: "15550123", UserID: "US.ana1"}},
		{"to a user id, for want of a number", "text_to_user_id.json", engine.Contact{UserID: "US.ana1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var path, authorization, contentType string
			var length int64
			var body []byte
			e := serveGraph(t, func(w http.ResponseWriter, r *http.Request) {
				path, authorization, contentType, length = r.Method+" "+r.URL.String(), r.Header.Get("Authorization"), r.Header.Get("Content-Type"), r.ContentLength
				var err error
				if body, err = io.ReadAll(r.Body); err != nil {
					t.Errorf("read the send: %v", err)
				}
				answering(http.StatusOK, acceptedBody)(w, r)
			})
			o := outbound()
			o.To = tt.to
			result, after := e.Send(t.Context(), o)
			wantResult(t, result, after, engine.AttemptResult{State: engine.Accepted, External: "wamid.new"}, 0)
			if want := "POST /v25.0/1001/messages"; path != want {
				t.Errorf("request: got %q, want %q", path, want)
			}
			if want := "Bearer " + testToken; authorization != want {
				t.Errorf("authorization: got %q, want %q", authorization, want)
			}
			if want := "application/json"; contentType != want {
				t.Errorf("content type: got %q, want %q", contentType, want)
			}
			if want := int64(len(body)); length != want {
				t.Errorf("content length: got %d, want %d", length, want)
			}
			fixture, err := os.ReadFile("testdata/send/" + tt.fixture)
			if err != nil {
				t.Fatalf("read the fixture: %v", err)
			}
			if got, want := decoded(t, body), decoded(t, fixture); !reflect.DeepEqual(got, want) {
				t.Errorf("body: got %v, want %v", got, want)
			}
		})
	}
}

func decoded(t *testing.T, text []byte) any {
	t.Helper()
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatalf("decode: %v", err)
	}
	return value
}

func TestGraphSendsNothingThatItCannot(t *testing.T) {
	var requests atomic.Int32
	e := serveGraph(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		answering(http.StatusOK, acceptedBody)(w, r)
	})
	tests := []struct {
		name      string
		change    func(*engine.Outbound)
		want      engine.AttemptResult
		wantAfter time.Duration
	}{
		{"content of another kind", func(o *engine.Outbound) { o.Content.Kind = engine.ContentUnsupported }, engine.AttemptResult{State: engine.Rejected}, 0},
		{"contact without identity", func(o *engine.Outbound) { o.To = engine.Contact{Name: "Ana"} }, engine.AttemptResult{State: engine.Rejected}, 0},
		{"channel that is not configured", func(o *engine.Outbound) { o.Channel = "gone" }, engine.AttemptResult{State: engine.Queued, Held: true}, 5 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := outbound()
			tt.change(&o)
			result, after := e.Send(t.Context(), o)
			wantResult(t, result, after, tt.want, tt.wantAfter)
		})
	}
	if got := requests.Load(); got != 0 {
		t.Errorf("requests: got %d, want none", got)
	}
}

// TestGraphErrorCodes: each code of Meta's means the same with whatever status.
func TestGraphErrorCodes(t *testing.T) {
	type outcome struct {
		state engine.DeliveryState
		after time.Duration // after the third attempt, jitter at its longest
		held  bool
	}
	tests := []struct {
		name  string
		codes []int
		want  outcome
	}{
		{"back off the number", []int{130429}, outcome{engine.Queued, 16 * time.Second, true}},
		{"back off for a quota", []int{4, 80007}, outcome{engine.Queued, 16 * time.Minute, true}},
		{"back off the pair", []int{131056}, outcome{engine.Queued, 16 * time.Second, false}},
		{"ambiguous", []int{1, 2, 131000, 131016, 131057, 133004}, outcome{engine.Unknown, 0, false}},
		{"pause", []int{190, 0, 3, 10, 200, 230, 299, 368, 131031, 131048, 131042, 131045, 133010, 130497, 131064}, outcome{engine.Queued, 5 * time.Minute, true}},
		{"needs a template", []int{131047}, outcome{engine.Rejected, 0, false}},
		{"permanent", []int{131026, 131051, 131021, 131008, 131009, 100, 131053, 130472, 131050, 131062}, outcome{engine.Rejected, 0, false}},
		{"not before 24 hours", []int{131049}, outcome{engine.Rejected, 0, false}},
		{"template is wrong", []int{132000, 132001, 132005, 132007, 132012, 132015, 132016, 132068, 132069}, outcome{engine.Rejected, 0, false}},
	}
	tested := 0
	for _, tt := range tests {
		for _, code := range tt.codes {
			tested++
			for _, status := range []int{http.StatusOK, http.StatusBadRequest, http.StatusTooManyRequests, http.StatusInternalServerError} {
				t.Run(fmt.Sprintf("%s/%d/%d", tt.name, code, status), func(t *testing.T) {
					e := serveGraph(t, answering(status, errorBody(code)))
					o := outbound()
					o.Attempt = 3
					result, after := e.Send(t.Context(), o)
					wantResult(t, result, after, engine.AttemptResult{
						State: tt.want.state, Error: int32(code), Detail: detailUnless(tt.want.held), Held: tt.want.held,
					}, tt.want.after)
					label := codeLabel(int32(code))
					if got := testutil.ToFloat64(e.metrics.graphRequests.WithLabelValues("send", tt.want.state.String(), label)); got != 1 || label == codeLabelOther {
						t.Errorf("requests counted under %q: got %v, want 1 under a name of its own", label, got)
					}
					if got := testutil.ToFloat64(e.metrics.graphPauses.WithLabelValues("acme-main")); (got == 1) != (tt.name == "pause") {
						t.Errorf("pauses: got %v with code %d", got, code)
					}
				})
			}
		}
	}
	if want := len(actions) + 3; tested != want { // three of 200 to 299
		t.Errorf("codes tested: got %d, want all %d of the table", tested, want)
	}
}

// detailUnless is what errorBody says of the error: a send that is held keeps none.
func detailUnless(held bool) string {
	if held {
		return ""
	}
	return "private words"
}

// TestGraphAnswersWithoutKnownCode: then the status has to say it.
func TestGraphAnswersWithoutKnownCode(t *testing.T) {
	const unknown = 999_999
	tests := []struct {
		status    int
		body      string
		want      engine.AttemptResult
		wantAfter time.Duration
	}{
		{http.StatusOK, acceptedBody, engine.AttemptResult{State: engine.Accepted, External: "wamid.new"}, 0},
		{http.StatusOK, "\n " + acceptedBody, engine.AttemptResult{State: engine.Accepted, External: "wamid.new"}, 0},
		{http.StatusCreated, acceptedBody, engine.AttemptResult{State: engine.Accepted, External: "wamid.new"}, 0},
		{http.StatusOK, `{"messages":[]}`, engine.AttemptResult{State: engine.Unknown}, 0},
		{http.StatusOK, `{"messages":[{"id":7}]}`, engine.AttemptResult{State: engine.Unknown}, 0},
		{http.StatusOK, `{"messages":[{"id":"` + strings.Repeat("x", MaxExternalBytes+1) + `"}]}`, engine.AttemptResult{State: engine.Unknown}, 0},
		{http.StatusOK, `{"messages":"x"}`, engine.AttemptResult{State: engine.Unknown}, 0},
		{http.StatusOK, `{}`, engine.AttemptResult{State: engine.Unknown}, 0},
		{http.StatusOK, `<html>`, engine.AttemptResult{State: engine.Unknown}, 0},
		{http.StatusOK, ``, engine.AttemptResult{State: engine.Unknown}, 0},
		{http.StatusOK, errorBody(unknown), engine.AttemptResult{State: engine.Unknown, Error: unknown, Detail: "private words"}, 0},
		{http.StatusBadRequest, errorBody(unknown), engine.AttemptResult{State: engine.Rejected, Error: unknown, Detail: "private words"}, 0},
		{http.StatusUnauthorized, errorBody(unknown), engine.AttemptResult{State: engine.Queued, Error: unknown, Held: true}, 5 * time.Minute},
		{http.StatusTooManyRequests, errorBody(unknown), engine.AttemptResult{State: engine.Queued, Error: unknown, Held: true}, time.Second},
		{http.StatusBadGateway, errorBody(unknown), engine.AttemptResult{State: engine.Unknown, Error: unknown, Detail: "private words"}, 0},
		{http.StatusBadRequest, `{"error":{"code":"x"}}`, engine.AttemptResult{State: engine.Rejected}, 0},
		{http.StatusBadRequest, `{"error":"x"}`, engine.AttemptResult{State: engine.Rejected}, 0},
		{http.StatusBadRequest, `<html>`, engine.AttemptResult{State: engine.Rejected}, 0},
		{http.StatusUnauthorized, `<html>`, engine.AttemptResult{State: engine.Queued, Held: true}, 5 * time.Minute},
		{http.StatusForbidden, `<html>`, engine.AttemptResult{State: engine.Queued, Held: true}, 5 * time.Minute},
		{http.StatusNotFound, `<html>`, engine.AttemptResult{State: engine.Queued, Held: true}, 5 * time.Minute},
		{http.StatusRequestTimeout, `<html>`, engine.AttemptResult{State: engine.Unknown}, 0},
		{http.StatusTooManyRequests, `<html>`, engine.AttemptResult{State: engine.Queued, Held: true}, time.Second},
		{http.StatusInternalServerError, `<html>`, engine.AttemptResult{State: engine.Unknown}, 0},
		{http.StatusServiceUnavailable, ``, engine.AttemptResult{State: engine.Unknown}, 0},
		{http.StatusGatewayTimeout, ``, engine.AttemptResult{State: engine.Unknown}, 0},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprintf("%d/%d", i, tt.status), func(t *testing.T) {
			e := serveGraph(t, answering(tt.status, tt.body))
			result, after := e.Send(t.Context(), outbound())
			wantResult(t, result, after, tt.want, tt.wantAfter)
		})
	}
}

func TestGraphHonoursRetryAfter(t *testing.T) {
	for _, code := range []int{130429, 4, 80007, 131056} {
		e := serveGraph(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "3600")
			answering(http.StatusTooManyRequests, errorBody(code))(w, r)
		})
		if result, after := e.Send(t.Context(), outbound()); result.State != engine.Queued || after < time.Hour {
			t.Errorf("code %d: got %s after %v, want %s after at least an hour", code, result.State, after, engine.Queued)
		}
	}
}

// TestGraphFollowsNoRedirect: the token and the message go nowhere else.
func TestGraphFollowsNoRedirect(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for _, status := range []int{http.StatusMovedPermanently, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		e := serveGraph(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) })
		result, after := e.Send(t.Context(), outbound())
		wantResult(t, result, after, engine.AttemptResult{State: engine.Queued, Held: true}, 5*time.Minute)
	}
	if got := elsewhere.Load(); got != 0 {
		t.Errorf("requests elsewhere: got %d, want none", got)
	}
}

// TestGraphKeepsSecrets: neither log nor metrics say who was written what.
func TestGraphKeepsSecrets(t *testing.T) {
	server := httptest.NewServer(answering(http.StatusUnauthorized, errorBody(190)))
	defer server.Close()
	e := newGraphEdge(t, server.URL)
	e.Send(t.Context(), outbound())
	server.Close()
	e.Send(t.Context(), outbound()) // refused
	o := outbound()
	o.To = engine.Contact{Name: "Ana"}
	e.Send(t.Context(), o)
	text := e.log.String()
	for _, want := range []string{`"code":190`, "no answer from the Graph API", "cannot be encoded", "acme-main"} {
		if !strings.Contains(text, want) {
			t.Errorf("log: got %s, want a record with %q", text, want)
		}
	}
	families, err := e.registry.Gather()
	if err != nil {
		t.Fatalf("gather: %v", err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() { // all but labels are names and numbers
			text += fmt.Sprint(m.GetLabel())
		}
	}
	for _, secret := range []string{testToken, "15550123", "US.ana1", "Ana", "parcel", "private", "1001"} {
		if strings.Contains(text, secret) {
			t.Errorf("log and metrics: got %q in them, want it nowhere:\n%s", secret, text)
		}
	}
}

func TestGraphTimeoutComesBeforeTheAttempts(t *testing.T) {
	if GraphTimeout >= engine.AttemptTimeout {
		t.Errorf("GraphTimeout: got %v, want less than engine.AttemptTimeout, %v", GraphTimeout, engine.AttemptTimeout)
	}
}

// TestGraphTimeouts runs in virtual time over a connection in memory.
func TestGraphTimeouts(t *testing.T) {
	tests := []struct {
		name  string
		dial  func(ctx context.Context) (net.Conn, error)
		want  engine.AttemptResult
		after time.Duration
		took  time.Duration
	}{
		{
			name: "nobody answers the dial",
			dial: func(ctx context.Context) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() },
			want: engine.AttemptResult{State: engine.Queued}, after: time.Second, took: GraphTimeout,
		},
		{
			name: "nobody answers the request",
			dial: func(context.Context) (net.Conn, error) { return answeringPipe(""), nil },
			want: engine.AttemptResult{State: engine.Unknown}, took: graphHeaderTimeout,
		},
		{
			name: "the answer never ends",
			dial: func(context.Context) (net.Conn, error) {
				return answeringPipe("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"), nil
			},
			want: engine.AttemptResult{State: engine.Unknown}, took: GraphTimeout,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newGraphEdge(t, "http://graph.invalid")
				e.transport.Proxy = nil
				e.transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return tt.dial(ctx) }
				start := time.Now()
				result, after := e.Send(t.Context(), outbound())
				wantResult(t, result, after, tt.want, tt.after)
				if got := time.Since(start); got != tt.took {
					t.Errorf("took: got %v, want %v", got, tt.took)
				}
			})
		})
	}
}

// answeringPipe is a connection whose other end reads all there is, writes
// answer once something came, and then stays silent.
func answeringPipe(answer string) net.Conn {
	client, server := net.Pipe()
	go func() {
		buffer := make([]byte, 64<<10)
		// Errors here mean that the client left, which is what ends this.
		for answered := false; ; answered = true {
			if _, err := server.Read(buffer); err != nil {
				return
			}
			if answered || answer == "" {
				continue
			}
			if _, err := io.WriteString(server, answer); err != nil {
				return
			}
		}
	}()
	return client
}

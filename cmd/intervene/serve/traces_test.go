package serve_test

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// collector takes OTLP over HTTP and keeps the spans.
type collector struct {
	t     *testing.T
	url   string
	hangs chan struct{} // until it is closed nothing is botSaid; nil: all is

	mu      sync.Mutex
	asked   int
	headers http.Header
	spans   []*tracepb.Span
}

func newCollector(t *testing.T, hangs chan struct{}) *collector {
	t.Helper()
	c := &collector{t: t, hangs: hangs}
	server := httptest.NewServer(http.HandlerFunc(c.take))
	c.url = server.URL
	t.Cleanup(server.Close)
	if hangs != nil {
		t.Cleanup(func() { close(hangs) }) // before the server closes
	}
	return c
}

func (c *collector) take(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.asked++
	c.headers = r.Header
	c.mu.Unlock()
	if c.hangs != nil {
		<-c.hangs
		return
	}
	packed, err := gzip.NewReader(r.Body)
	if err != nil {
		c.t.Errorf("traces: got error %v, want gzip", err)
		return
	}
	body, err := io.ReadAll(packed)
	request := new(collectorpb.ExportTraceServiceRequest)
	if err == nil {
		err = proto.Unmarshal(body, request)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		c.t.Errorf("traces: got error %v at %s, want an ExportTraceServiceRequest at /v1/traces", err, r.URL.Path)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// forget drops what came so far.
func (c *collector) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spans = nil
}

func (c *collector) all() []*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// span waits for the first that is called name and that fits.
func (c *collector) span(w *world, name string, fits ...func(*tracepb.Span) bool) (found *tracepb.Span) {
	w.t.Helper()
	w.until("span "+name, func() bool {
		for _, s := range c.all() {
			if s.GetName() == name && !slices.ContainsFunc(fits, func(fit func(*tracepb.Span) bool) bool { return !fit(s) }) {
				found = s
				return true
			}
		}
		return false
	})
	return found
}

func within(parent *tracepb.Span) func(*tracepb.Span) bool {
	return func(s *tracepb.Span) bool {
		return string(s.GetTraceId()) == string(parent.GetTraceId()) && string(s.GetParentSpanId()) == string(parent.GetSpanId())
	}
}

// linkedTo fits the root of a trace of its own.
func linkedTo(origin *tracepb.Span) func(*tracepb.Span) bool {
	return func(s *tracepb.Span) bool {
		return len(s.GetParentSpanId()) == 0 && len(s.GetLinks()) == 1 && string(s.GetTraceId()) != string(origin.GetTraceId()) &&
			string(s.GetLinks()[0].GetTraceId()) == string(origin.GetTraceId()) && string(s.GetLinks()[0].GetSpanId()) == string(origin.GetSpanId())
	}
}

func having(key, value string) func(*tracepb.Span) bool {
	return func(s *tracepb.Span) bool { return attributeOf(s.GetAttributes(), key) == value }
}

func attributeOf(attributes []*commonpb.KeyValue, key string) string {
	for _, a := range attributes {
		if a.GetKey() == key {
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}

// tracedBot says what it is told to, and keeps the traceparent of each turn.
type tracedBot struct {
	answer string

	mu      sync.Mutex
	parents []string
}

func (b *tracedBot) Turn(ctx context.Context, _ *intervenev1.TurnRequest) (*intervenev1.TurnResponse, error) {
	call, _ := connect.CallInfoForHandlerContext(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.parents = append(b.parents, call.RequestHeader().Get("Traceparent"))
	return &intervenev1.TurnResponse{Actions: submission(&intervenev1.TurnRequest{}, b.answer).GetActions()}, nil
}

func (w *world) withTraces(url string, b *tracedBot) {
	w.t.Helper()
	mux := http.NewServeMux()
	mux.Handle(intervenev1connect.NewBotServiceHandler(b))
	server := httptest.NewServer(mux)
	w.t.Cleanup(server.Close)
	w.config.Traces = &config.Traces{Endpoint: url, Sample: 1, Headers: map[string]config.Secret{"x-team": config.NewSecret("ours")}}
	w.withBot(config.Bot{Connect: &config.BotConnect{URL: server.URL}})
}

const (
	customerSaid = "canary of the customer"
	botSaid      = "canary of the bot"
	callersTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
)

// TestTraces follows one message from the webhook to the send of its answer, across
// the two places where work waits in the journal; then an agent's own call. Nothing
// that goes to the collector tells who wrote, or what.
func TestTraces(t *testing.T) {
	w, c, b := newWorld(t), newCollector(t, nil), &tracedBot{answer: botSaid}
	w.withTraces(c.url, b)
	w.writes(nora, standin.Message{Text: customerSaid})
	conversation := w.card(nora.String()).GetConversationId()
	w.told(conversation, intervenev1.PartyKind_PARTY_KIND_BOT, botSaid)

	received := c.span(w, "command", having("intervene.command", "receive"))
	c.span(w, "webhook", func(s *tracepb.Span) bool { return within(s)(received) && len(s.GetParentSpanId()) == 0 })
	c.span(w, "commit", within(received))
	turn := c.span(w, "turn", linkedTo(received), having("intervene.state", "answered"))
	answer := c.span(w, "command", within(turn), having("intervene.command", "answer_turn"))
	c.span(w, "commit", within(answer))
	send := c.span(w, "send", linkedTo(answer), having("intervene.state", "accepted"))
	c.span(w, "graph send", within(send))
	c.span(w, "command", within(send), having("intervene.command", "record_attempt"))
	for _, s := range []*tracepb.Span{received, turn, answer, send} {
		if got := attributeOf(s.GetAttributes(), "intervene.conversation"); got != conversation {
			t.Errorf("%s: got conversation %q, want %q", s.GetName(), got, conversation)
		}
	}
	b.mu.Lock()
	want := "00-" + hex.EncodeToString(turn.GetTraceId()) + "-" + hex.EncodeToString(turn.GetSpanId()) + "-01"
	if got := b.parents[0]; got != want {
		t.Errorf("bot: got traceparent %q, want the turn's, %q", got, want)
	}
	b.mu.Unlock()

	w.requestAgent(conversation, callersTrace)
	call := c.span(w, "intervene.v1.LiveChatService/RequestAgent")
	if got := hex.EncodeToString(call.GetTraceId()) + "-" + hex.EncodeToString(call.GetParentSpanId()); got != callersTrace[3:len(callersTrace)-3] {
		t.Errorf("call: got it within %s, want within the caller's %s", got, callersTrace)
	}
	c.span(w, "command", within(call), having("intervene.command", "request_agent"))
	if got := c.headers.Get("X-Team"); got != "ours" {
		t.Errorf("collector: got header %q, want ours", got)
	}
	w.stop()
	wantNoCanary(t, c.all())
}

// requestAgent calls as asha, who records her calls as parent says.
func (w *world) requestAgent(conversation, parent string) {
	w.t.Helper()
	ctx, call := connect.NewClientContext(w.t.Context())
	call.RequestHeader().Set("Traceparent", parent)
	call.RequestHeader().Set("Tracestate", "canary=of-the-caller")
	if _, err := w.as("asha").RequestAgent(ctx, &intervenev1.RequestAgentRequest{
		ConversationId: conversation, CommandId: uuid.NewString(), Reason: "canary of the agent",
	}); err != nil {
		w.t.Fatalf("RequestAgent: %v", err)
	}
}

// wantNoCanary looks through everything of the spans that is text.
func wantNoCanary(t *testing.T, spans []*tracepb.Span) {
	t.Helper()
	if len(spans) < 10 {
		t.Fatalf("got %d spans, want those of all that happened", len(spans))
	}
	for _, s := range spans {
		for _, secret := range []string{"canary", string(nora), "Nora", phoneNumber, "15550199", "wamid", accessToken, "127.0.0.1"} {
			if text := s.String(); strings.Contains(text, secret) {
				t.Errorf("span: got %q in it, want nobody and nothing that was said:\n%s", secret, text)
			}
		}
	}
}

// TestTracesOutliveARestart: what was queued before a restart and sent after it is
// linked to where it was queued.
func TestTracesOutliveARestart(t *testing.T) {
	w, c := newWorld(t), newCollector(t, nil)
	w.withTraces(c.url, &tracedBot{answer: botSaid})
	w.meets(standin.Rule{Name: "down", Fault: standin.FaultError, Code: 131056, Type: "text", Always: true})
	w.writes(nora, standin.Message{Text: customerSaid})
	answer := c.span(w, "command", having("intervene.command", "answer_turn"))
	c.span(w, "send", linkedTo(answer), having("intervene.state", "queued"))
	w.stop()
	c.forget()
	w.meta.ClearFaults()
	w.start()
	send := c.span(w, "send", linkedTo(answer), having("intervene.state", "accepted"))
	c.span(w, "graph send", within(send))
}

// TestACollectorThatHangs harms nobody, and holds up no stop.
func TestACollectorThatHangs(t *testing.T) {
	w, c := newWorld(t), newCollector(t, make(chan struct{}))
	w.withTraces(c.url, &tracedBot{answer: botSaid})
	w.writes(nora, standin.Message{Text: customerSaid})
	w.told(w.card(nora.String()).GetConversationId(), intervenev1.PartyKind_PARTY_KIND_BOT, botSaid)
	w.until("a batch that hangs", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.asked > 0
	})
	w.told(w.card(nora.String()).GetConversationId(), intervenev1.PartyKind_PARTY_KIND_BOT, botSaid)
	start := time.Now()
	w.stop()
	if took := time.Since(start); took > config.DefaultDrainLimit/2 {
		t.Errorf("stop: got it after %s, want it soon: the drain has %s in all", took, config.DefaultDrainLimit)
	}
}

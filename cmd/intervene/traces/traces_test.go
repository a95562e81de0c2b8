package traces

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// record makes traces of a share, whose spans go to the exporter.
func record(t *testing.T, share float64, to sdk.SpanExporter) (*Traces, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	traces, err := New(Options{
		Share: share, Registerer: prometheus.NewRegistry(), Log: slog.New(slog.NewTextHandler(&log, nil)), exporter: to,
	})
	if err != nil {
		t.Fatalf("new: got error %v, want none", err)
	}
	return traces, &log
}

// keeper keeps what it is given beyond its end, or answers err, or hangs until its
// context ends.
type keeper struct {
	tracetest.InMemoryExporter
	err   error
	hangs bool
}

func (k *keeper) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if k.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	if k.err != nil {
		return k.err
	}
	return k.InMemoryExporter.ExportSpans(ctx, spans)
}

func (*keeper) Shutdown(context.Context) error { return nil }

func wantCounts(t *testing.T, e *export, exported, full, failed, stopped float64) {
	t.Helper()
	for name, c := range map[string]struct {
		metric prometheus.Collector
		want   float64
	}{
		"exported": {e.exported, exported}, reasonFull: {e.dropped.WithLabelValues(reasonFull), full},
		reasonFailed: {e.dropped.WithLabelValues(reasonFailed), failed}, reasonStopped: {e.dropped.WithLabelValues(reasonStopped), stopped},
	} {
		if got := testutil.ToFloat64(c.metric); got != c.want {
			t.Errorf("%s: got %v spans, want %v", name, got, c.want)
		}
	}
}

// TestSpans: what one thing leads to at once is within it, what it leads to later is
// linked to it, and what nobody records leads to nothing.
func TestSpans(t *testing.T) {
	keeper := new(keeper)
	traces, _ := record(t, 1, keeper)
	ctx, root := traces.Begin(t.Context(), "root")
	_, child := traces.Within(ctx, "child")
	child.Set(slog.String("conversation", "c"), slog.Duration("wait", time.Second), slog.Int("attempt", 2))
	child.End(&engine.Error{Code: engine.CodeStaleEpoch, Err: errors.New("canary")})
	_, later := traces.After(t.Context(), "later", child.Trace())
	later.End(errors.New("canary"))
	root.End(nil)
	if _, none := traces.After(t.Context(), "none", ""); none != nil {
		t.Errorf("after nothing: got span %v, want none", none)
	}
	if _, none := traces.Within(t.Context(), "none"); none != nil {
		t.Errorf("within nothing: got span %v, want none", none)
	}
	traces.Stop(t.Context())

	wantCounts(t, traces.export, 3, 0, 0, 0)
	spans := keeper.GetSpans()
	if len(spans) != 3 {
		t.Fatalf("got %d spans, want 3", len(spans))
	}
	c, l, r := spans[0], spans[1], spans[2]
	if c.Parent.SpanID() != r.SpanContext.SpanID() || c.SpanContext.TraceID() != r.SpanContext.TraceID() {
		t.Errorf("child: got it within %v, want within the root", c.Parent)
	}
	if l.Parent.IsValid() || len(l.Links) != 1 || l.Links[0].SpanContext.SpanID() != c.SpanContext.SpanID() || l.SpanContext.TraceID() == r.SpanContext.TraceID() {
		t.Errorf("later: got parent %v, links %v, want a trace of its own, linked to the child", l.Parent, l.Links)
	}
	const want = "[{intervene.conversation {STRING c}} {intervene.wait {FLOAT64 1}} {intervene.attempt {INT64 2}} {intervene.outcome {STRING stale epoch}}]"
	var got strings.Builder
	got.WriteString("[")
	for i, a := range c.Attributes {
		if i > 0 {
			got.WriteString(" ")
		}
		got.WriteString("{" + string(a.Key) + " {" + a.Value.Type().String() + " " + a.Value.String() + "}}")
	}
	got.WriteString("]")
	if got.String() != want {
		t.Errorf("attributes: got %s, want %s", got.String(), want)
	}
	if l.Status.Description != "" || len(l.Events) != 0 {
		t.Errorf("error: got %v, %v, want none of its text", l.Status, l.Events)
	}
}

// TestShare records about as much as was asked for.
func TestShare(t *testing.T) {
	traces, _ := record(t, 0.01, new(keeper))
	defer traces.Stop(t.Context())
	const tries = 100_000
	n := 0
	for range tries {
		if _, span := traces.Begin(t.Context(), "root"); span != nil {
			n++
		}
	}
	if n < tries/200 || n > tries/50 {
		t.Errorf("got %d of %d recorded, want about 1 %%", n, tries)
	}
}

// TestFullQueue: what finds no room is dropped and counted, and holds nobody up.
func TestFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traces, _ := record(t, 1, &keeper{hangs: true})
		for range MaxWaiting + 100 {
			_, span := traces.Begin(t.Context(), "root")
			span.End(nil)
		}
		wantCounts(t, traces.export, 0, 100, 0, 0)
		start := time.Now()
		traces.Stop(t.Context())
		if took := time.Since(start); took > FlushTimeout {
			t.Errorf("stop: got it after %s, want at most %s", took, FlushTimeout)
		}
		wantCounts(t, traces.export, 0, 100, 0, MaxWaiting)
	})
}

// TestFailingCollector: each batch counts, and few lines tell of it.
func TestFailingCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traces, log := record(t, 1, &keeper{err: errors.New("refused " + strings.Repeat("x", 10_000))})
		for range 10 {
			_, span := traces.Begin(t.Context(), "root")
			span.End(nil)
			time.Sleep(2 * BatchInterval)
		}
		traces.Stop(t.Context())
		wantCounts(t, traces.export, 0, 0, 10, 0)
		if lines := strings.Count(log.String(), "\n"); lines != 1 || log.Len() > 2*maxReasonBytes {
			t.Errorf("got %d lines of %d bytes, want a short one", lines, log.Len())
		}
	})
}

// TestWebhook: whoever sends it, its trace begins here; no status is lost, no
// deadline out of reach.
func TestWebhook(t *testing.T) {
	keeper := new(keeper)
	traces, _ := record(t, 1, keeper)
	handler := traces.Webhook(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !recording(r.Context()) {
			t.Error("webhook: got no span, want one")
		}
		if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
			t.Errorf("deadline: got error %v, want none", err)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	server := httptest.NewServer(handler)
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, http.NoBody)
	if err != nil {
		t.Fatalf("request: %v", err)
	}
	request.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatalf("post: %v", err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("got status %d, error %v, want 503", response.StatusCode, err)
	}
	server.Close()
	traces.Stop(t.Context())
	spans := keeper.GetSpans()
	if len(spans) != 1 || spans[0].Parent.IsValid() || spans[0].Attributes[0] != statusKey.Int(http.StatusServiceUnavailable) {
		t.Errorf("got spans %v, want one of its own, with 503", spans)
	}
}

// TestLogger: a line within a trace names it, and no other does.
func TestLogger(t *testing.T) {
	traces, _ := record(t, 1, new(keeper))
	defer traces.Stop(t.Context())
	var out bytes.Buffer
	log := Logger(slog.New(slog.NewTextHandler(&out, nil))).With("conversation", "c")
	ctx, span := traces.Begin(t.Context(), "root")
	defer span.End(nil)
	log.WarnContext(ctx, "within")
	log.Warn("without")
	lines := strings.Split(out.String(), "\n")
	id := contextOf(span.Trace()).TraceID().String()
	if !strings.Contains(lines[0], "conversation=c trace="+id) || strings.Contains(lines[1], "trace=") {
		t.Errorf("got %q, want the trace %s in the first line alone", lines, id)
	}
}

// TestTraceIsRead: what is no trace leads nowhere.
func TestTraceIsRead(t *testing.T) {
	for _, origin := range []engine.Trace{"", "short", engine.Trace(make([]byte, engine.TraceBytes))} {
		if c := contextOf(origin); c.IsValid() {
			t.Errorf("%q: got context %v, want none", origin, c)
		}
	}
}

// BenchmarkShare is what a webhook with one message spends on its three spans.
//
//	go test -run '^$' -bench Share -benchmem ./cmd/intervene/traces
func BenchmarkShare(b *testing.B) {
	for _, share := range []float64{0, 0.01, 1} {
		b.Run(strconv.FormatFloat(share, 'g', -1, 64), func(b *testing.B) {
			traces, err := New(Options{Share: share, Log: slog.New(slog.DiscardHandler), exporter: tracetest.NewNoopExporter()})
			if err != nil {
				b.Fatalf("new: %v", err)
			}
			defer traces.Stop(b.Context())
			b.ReportAllocs()
			for b.Loop() {
				ctx, webhook := traces.Begin(b.Context(), "webhook")
				ctx, command := traces.Within(ctx, "command")
				_, commit := traces.Within(ctx, "commit")
				for _, s := range []actors.Span{commit, command, webhook} {
					if s != nil {
						s.Set(slog.String("conversation", "00000000000000000000000000"))
						s.End(nil)
					}
				}
			}
		})
	}
}

// Package traces tells an OpenTelemetry collector what the engine did: it makes
// spans of what the parts say in words of their own, and hands them over in OTLP.
//
// It never holds anybody up and never fails anybody: what finds no room, or no
// collector, is dropped and counted. It never passes on what somebody wrote, nor
// anybody's name or number. It alone knows OpenTelemetry; where traces are not
// configured there is none of it.
package traces

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	// MaxWaiting bounds the spans that wait for the collector. Those that find no
	// room are dropped.
	MaxWaiting = 4096
	// MaxBatch bounds those that go to it at once, BatchInterval how long they wait
	// for others.
	MaxBatch      = 512
	BatchInterval = 2 * time.Second
	// ExportTimeout bounds the handing over of one batch, with all repetitions.
	ExportTimeout = 5 * time.Second
	// FlushTimeout bounds what is handed over at the end.
	FlushTimeout = 2 * time.Second

	// tracesPath is where a collector takes traces, below its base URL.
	tracesPath = "/v1/traces"
	scope      = "github.com/intervenehq/intervene"
)

// Options are what traces are made with. Endpoint and Share are required.
type Options struct {
	// Endpoint is the base URL of a collector that takes OTLP over HTTP.
	Endpoint string
	// Share is how much of what begins here is recorded, above 0 to 1.
	Share float64
	// Headers go along with every request to the collector.
	Headers map[string]string
	// Version is that of this binary.
	Version    string
	Registerer prometheus.Registerer
	Log        *slog.Logger

	exporter sdk.SpanExporter // instead of a collector's, for tests
}

// Traces records what the parts of one engine do. It is safe for concurrent use.
type Traces struct {
	share    float64
	tracer   trace.Tracer
	provider *sdk.TracerProvider
	export   *export
	client   *http.Client
}

// New starts what hands spans over. It connects to nothing before there are some.
// Stop ends it.
func New(o Options) (*Traces, error) {
	t := &Traces{share: o.Share, client: newClient()}
	exporter := o.exporter
	if exporter == nil {
		var err error
		if exporter, err = otlptracehttp.New(context.Background(),
			otlptracehttp.WithEndpointURL(o.Endpoint+tracesPath), otlptracehttp.WithHeaders(o.Headers),
			otlptracehttp.WithHTTPClient(t.client), otlptracehttp.WithTimeout(ExportTimeout),
			otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
			otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
				Enabled: true, InitialInterval: ExportTimeout / 10, MaxInterval: ExportTimeout / 2, MaxElapsedTime: ExportTimeout,
			}),
		); err != nil {
			return nil, fmt.Errorf("make the exporter of traces: %w", err)
		}
	}
	t.export = newExport(exporter, o.Registerer, o.Log)
	t.provider = sdk.NewTracerProvider(
		// What is not to be recorded is not begun, see Begin.
		sdk.WithSampler(sdk.AlwaysSample()), sdk.WithSpanProcessor(t.export.processor()),
		sdk.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "intervene"), attribute.String("service.version", o.Version))),
	)
	t.tracer = t.provider.Tracer(scope)
	return t, nil
}

// newClient goes nowhere that a collector sends it: its headers may be secrets.
func newClient() *http.Client {
	client := &http.Client{
		Timeout:       ExportTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		client.Transport = standard.Clone()
	}
	return client
}

// Stop hands over what waits, within FlushTimeout, and drops the rest. Nothing may
// be recorded any more.
func (t *Traces) Stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, FlushTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.export.failed(0, fmt.Errorf("hand over the last spans: %w", err))
	}
	t.export.end()
	t.client.CloseIdleConnections()
}

// drawn says whether a trace that begins here is one of the share.
func (t *Traces) drawn() bool { return t.share >= 1 || rand.Float64() < t.share }

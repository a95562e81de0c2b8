package traces

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"golang.org/x/time/rate"
)

const (
	// logInterval paces the log of failures: an outage fails every batch.
	logInterval = time.Minute
	// maxReasonBytes bounds what of a collector's answer is logged.
	maxReasonBytes = 300
)

// Values of the label reason.
const (
	reasonFull    = "queue_full"
	reasonFailed  = "export_failed"
	reasonStopped = "stopped"
)

// export brings spans to the collector, and counts those that do not get there.
type export struct {
	to       sdk.SpanExporter
	log      *slog.Logger
	failures rate.Sometimes
	waiting  atomic.Int64

	// ctx ends when nobody waits for the last batches any more; done is closed when
	// the processor has let go.
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}

	*metrics
}

func newExport(to sdk.SpanExporter, registerer prometheus.Registerer, log *slog.Logger) *export {
	e := &export{
		to: to, log: log, failures: rate.Sometimes{First: 1, Interval: logInterval}, done: make(chan struct{}), metrics: newMetrics(registerer),
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e
}

// processor is the SDK's, which batches and drops what it has no room for without a
// word. So nothing comes to it that has none.
func (e *export) processor() sdk.SpanProcessor {
	return counting{sdk.NewBatchSpanProcessor(e,
		sdk.WithMaxQueueSize(MaxWaiting), sdk.WithMaxExportBatchSize(MaxBatch),
		sdk.WithBatchTimeout(BatchInterval), sdk.WithExportTimeout(ExportTimeout)), e}
}

type counting struct {
	sdk.SpanProcessor
	export *export
}

// OnEnd lets a span wait, if there is room.
func (c counting) OnEnd(span sdk.ReadOnlySpan) {
	if c.export.waiting.Add(1) > MaxWaiting {
		c.export.waiting.Add(-1)
		c.export.dropped.WithLabelValues(reasonFull).Inc()
		return
	}
	c.SpanProcessor.OnEnd(span)
}

// ExportSpans never fails: whoever asks could only tell the whole process's logger.
func (e *export) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if e.ctx.Err() != nil {
		return nil // end counts them
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.ctx, cancel)()
	err := e.to.ExportSpans(ctx, spans)
	if err != nil && e.ctx.Err() != nil {
		return nil
	}
	e.waiting.Add(-int64(len(spans)))
	if err != nil {
		e.failed(len(spans), err)
	} else {
		e.exported.Add(float64(len(spans)))
	}
	return nil
}

// failed counts and, seldom, tells.
func (e *export) failed(spans int, err error) {
	e.dropped.WithLabelValues(reasonFailed).Add(float64(spans))
	e.failures.Do(func() {
		reason := err.Error()
		e.log.Warn("spans do not reach the collector of traces", slog.Int("spans", spans), slog.String("error", reason[:min(len(reason), maxReasonBytes)]))
	})
}

// Shutdown is the processor's last word.
func (e *export) Shutdown(ctx context.Context) error {
	defer close(e.done)
	return e.to.Shutdown(ctx)
}

// end gives up what is under way, waits until the processor has let go, and counts
// what did not get there.
func (e *export) end() {
	e.cancel()
	<-e.done
	e.dropped.WithLabelValues(reasonStopped).Add(float64(e.waiting.Swap(0)))
}

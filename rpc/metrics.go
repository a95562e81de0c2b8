package rpc

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// Values of the label code, besides Connect's own names.
const (
	codeOK = "ok"
	// codeMalformed is a request that could not be decoded.
	codeMalformed = "malformed"
)

// metrics are those of one edge. Labels are procedures, codes and reasons, all
// of them closed sets.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec

	streamsOpen  *prometheus.GaugeVec
	streamsEnded *prometheus.CounterVec
	resets       *prometheus.CounterVec
	goAways      *prometheus.CounterVec
	frames       *prometheus.CounterVec
	lag          prometheus.Histogram
	views        prometheus.Gauge
	paused       prometheus.Counter

	mediaBytes        *prometheus.CounterVec
	templateRefreshes *prometheus.CounterVec
	receipts          *prometheus.CounterVec
}

// Classic buckets, in seconds.
var (
	callBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15}
	lagBuckets  = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
)

// newMetrics registers the metrics; with a nil registerer they count unseen.
// Running is how many calls a limiter counts.
func newMetrics(registerer prometheus.Registerer, running func() int64) (*metrics, error) {
	r := &registration{to: registerer}
	add(r, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "intervene_rpc_calls_running", Help: "Calls under way that are no streams.",
	}, func() float64 { return float64(running()) }))
	m := &metrics{
		requests: r.counters("intervene_rpc_requests_total",
			"Calls that were answered, by procedure and Connect code; malformed ones could not be decoded. A stream counts when it ends.", "procedure", "code"),
		duration: add(r, prometheus.NewHistogramVec(histogramOpts("intervene_rpc_request_duration_seconds",
			"How long unary calls took from decoded request to answer, by procedure.", callBuckets), []string{"procedure"})),
		streamsOpen:  r.gauges("intervene_rpc_streams_open", "Streams that are open, by procedure.", "procedure"),
		streamsEnded: r.counters("intervene_rpc_streams_ended_total", "Streams that ended, by procedure and by what ended them.", "procedure", "reason"),
		resets:       r.counters("intervene_rpc_stream_resets_total", "Resets sent on board streams, by reason.", "reason"),
		goAways:      r.counters("intervene_rpc_stream_goaways_total", "Streams that were asked to reconnect, by procedure.", "procedure"),
		frames:       r.counters("intervene_rpc_stream_frames_total", "Frames sent on streams, heartbeats too, by procedure.", "procedure"),
		lag: add(r, prometheus.NewHistogram(histogramOpts("intervene_rpc_stream_lag_seconds",
			"How long a board's change waited for its stream, until it was handed to the connection.", lagBuckets))),
		views: add(r, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "intervene_rpc_views", Help: "Boards that at least one stream shows; streams with the same query share one.",
		})),
		paused: add(r, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "intervene_rpc_view_pause_seconds_total",
			Help: "How long boards held changes back to keep deliveries within their share of the CPU.",
		})),
		mediaBytes: r.counters("intervene_rpc_media_bytes_total",
			"Bytes of files that were sent to callers or taken from them, by procedure.", "procedure"),
		templateRefreshes: r.counters("intervene_rpc_template_refreshes_total",
			"Lists of templates that were asked of the platform, by outcome.", "outcome"),
		receipts: r.counters("intervene_rpc_receipts_total",
			"Read receipts and typing indicators, by outcome; dropped ones found too many waiting.", "outcome"),
	}
	m.begin()
	return m, r.err
}

// begin has counters at 0, or a rate would not see the first one. Requests are not
// among them: most codes are no procedure's.
func (m *metrics) begin() {
	for _, procedure := range []string{
		intervenev1connect.LiveChatServiceWatchBoardProcedure, intervenev1connect.LiveChatServiceWatchConversationProcedure,
	} {
		m.streamsOpen.WithLabelValues(procedure)
		m.frames.WithLabelValues(procedure)
		m.goAways.WithLabelValues(procedure)
		for _, reason := range []string{
			endedByCaller, endedByDrain, endedByAge, endedByRevoke, endedByExpiry, endedByStall, endedByBackend, endedByFailure,
		} {
			m.streamsEnded.WithLabelValues(procedure, reason)
		}
	}
	for _, reason := range intervenev1.ResetReason_name {
		m.resets.WithLabelValues(reason)
	}
	for _, path := range []string{mediaDownload, mediaUpload} {
		m.mediaBytes.WithLabelValues(path)
	}
	for _, outcome := range []string{refreshDone, refreshFailed} {
		m.templateRefreshes.WithLabelValues(outcome)
	}
	for _, outcome := range []string{receiptTold, receiptDropped, receiptFailed} {
		m.receipts.WithLabelValues(outcome)
	}
}

// histogramOpts asks for native buckets, which are bounded, beside the classic ones.
func histogramOpts(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
	}
}

// registration registers metrics as they are made, and keeps the first error.
type registration struct {
	to  prometheus.Registerer // nil: nobody
	err error
}

func add[C prometheus.Collector](r *registration, c C) C {
	if r.to == nil || r.err != nil {
		return c
	}
	if err := r.to.Register(c); err != nil {
		r.err = fmt.Errorf("register metrics: %w", err)
	}
	return c
}

func (r *registration) counters(name, help string, labels ...string) *prometheus.CounterVec {
	return add(r, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels))
}

func (r *registration) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return add(r, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels))
}

// answered counts one call. A nil err is a success.
func (m *metrics) answered(ctx context.Context, procedure string, err error) {
	if c, ok := callOf(ctx); ok {
		c.answered = true
	}
	code := codeOK
	if err != nil {
		code = connect.CodeOf(err).String()
	}
	m.requests.WithLabelValues(procedure, code).Inc()
}

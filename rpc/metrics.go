package rpc

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"
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

	calls        prometheus.Gauge
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

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "intervene_rpc_requests_total",
			Help: "Calls that were answered, by procedure and Connect code; malformed ones could not be decoded. A stream counts when it ends.",
		}, []string{"procedure", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            "intervene_rpc_request_duration_seconds",
			Help:                            "How long unary calls took from decoded request to answer, by procedure.",
			Buckets:                         []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"procedure"}),
		calls: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "intervene_rpc_calls_running",
			Help: "Calls under way that are no streams.",
		}),
		streamsOpen: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "intervene_rpc_streams_open",
			Help: "Streams that are open, by procedure.",
		}, []string{"procedure"}),
		streamsEnded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "intervene_rpc_streams_ended_total",
			Help: "Streams that ended, by procedure and by what ended them.",
		}, []string{"procedure", "reason"}),
		resets: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "intervene_rpc_stream_resets_total",
			Help: "Resets sent on board streams, by reason.",
		}, []string{"reason"}),
		goAways: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "intervene_rpc_stream_goaways_total",
			Help: "Streams that were asked to reconnect, by procedure.",
		}, []string{"procedure"}),
		frames: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "intervene_rpc_stream_frames_total",
			Help: "Frames sent on streams, heartbeats too, by procedure.",
		}, []string{"procedure"}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:                            "intervene_rpc_stream_lag_seconds",
			Help:                            "How long a board's change waited for its stream, until it was handed to the connection.",
			Buckets:                         []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}),
		views: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "intervene_rpc_views",
			Help: "Boards that at least one stream shows; streams with the same query share one.",
		}),
		paused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "intervene_rpc_view_pause_seconds_total",
			Help: "How long boards held changes back to keep deliveries within their share of the CPU.",
		}),
		mediaBytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "intervene_rpc_media_bytes_total",
			Help: "Bytes of files that were sent to callers or taken from them, by procedure.",
		}, []string{"procedure"}),
		templateRefreshes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "intervene_rpc_template_refreshes_total",
			Help: "Lists of templates that were asked of the platform, by outcome.",
		}, []string{"outcome"}),
		receipts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "intervene_rpc_receipts_total",
			Help: "Read receipts and typing indicators, by outcome; dropped ones found too many waiting.",
		}, []string{"outcome"}),
	}
	if registerer == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.calls, m.streamsOpen, m.streamsEnded, m.resets, m.goAways, m.frames, m.lag, m.views, m.paused, m.mediaBytes, m.templateRefreshes, m.receipts} {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
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

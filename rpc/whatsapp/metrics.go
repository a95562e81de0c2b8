package whatsapp

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/intervenehq/intervene/engine"
)

// Metrics are those of one Webhook and one Graph. No label's value comes from
// what Meta delivers or answers: each is one of a list, or a configured channel.
type Metrics struct {
	ackDuration        *prometheus.HistogramVec
	events             *prometheus.CounterVec
	fields             *prometheus.CounterVec
	oddities           *prometheus.CounterVec
	refused            *prometheus.CounterVec
	undurable          *prometheus.CounterVec
	lastEvent          *prometheus.GaugeVec
	inflightBytes      prometheus.Gauge
	inflightDeliveries prometheus.Gauge

	graphRequests *prometheus.CounterVec
	graphDuration *prometheus.HistogramVec
	graphPauses   *prometheus.CounterVec

	graphWaits         *prometheus.CounterVec
	graphRetriesDenied *prometheus.CounterVec
	graphBreaker       *prometheus.GaugeVec
}

// NewMetrics registers the package's metrics; with a nil registerer they count
// unseen.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	factory := promauto.With(registerer)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return factory.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return factory.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return factory.NewHistogramVec(prometheus.HistogramOpts{
			Name: name, Help: help, Buckets: buckets,
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
		}, labels)
	}
	m := &Metrics{
		// Meta asks for a median of at most 250 ms and under 1 % over 1 s.
		ackDuration: histogram("intervene_webhook_ack_duration_seconds",
			"From a webhook request's first byte to its answer, by how it was answered.",
			[]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20}, "outcome"),
		events: counter("intervene_webhook_events_total",
			"What came for configured channels, redeliveries included, by kind: messages by that of their content, what amends them, echoes, changes of contacts and consent, statuses.", "kind"),
		fields: counter("intervene_webhook_fields_total",
			"Changes of other webhook fields than messages, acted on or not, by field.", "field"),
		oddities: counter("intervene_webhook_oddities_total",
			"What signed webhooks held and was not taken in, or only in part; reason unknown_channel counts items of numbers that are not configured.", "kind", "reason"),
		refused: counter("intervene_webhook_items_refused_total",
			"Items that were refused for good and are not asked for again, by code.", "code"),
		undurable: counter("intervene_webhook_items_undurable_total",
			"Items that could not be made durable, so that their webhook was answered 503, by code.", "code"),
		lastEvent: factory.NewGaugeVec(prometheus.GaugeOpts{
			Name: "intervene_webhook_last_event_timestamp_seconds",
			Help: "When a signed webhook last held something of the channel.",
		}, []string{"channel"}),
		inflightBytes: gauge("intervene_webhook_inflight_bytes",
			"Bytes of webhook bodies held in memory."),
		inflightDeliveries: gauge("intervene_webhook_inflight_deliveries",
			"Signed webhooks that are not answered yet."),
		graphRequests: counter("intervene_graph_requests_total",
			"Requests to the Graph API, by operation, outcome and the error's code.", "operation", "outcome", "code"),
		graphDuration: histogram("intervene_graph_request_duration_seconds",
			"Duration of requests to the Graph API, by operation.",
			[]float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20}, "operation"),
		graphPauses: counter("intervene_graph_pauses_total",
			"Sends put off because Meta refuses the whole channel: its token, its account or its number needs an operator.", "channel"),
		graphWaits: counter("intervene_graph_waits_total",
			"Times that a send was not attempted yet, by why: the number's pace, the contact's pace, Meta's own backoff, or the open breaker.", "channel", "reason"),
		graphRetriesDenied: counter("intervene_graph_retries_denied_total",
			"Retries that wait for long because too many of the number's sends are retries.", "channel"),
		graphBreaker: factory.NewGaugeVec(prometheus.GaugeOpts{
			Name: "intervene_graph_breaker_open",
			Help: "1 while the number's breaker holds its sends back or lets them through one by one, 0 while all is well.",
		}, []string{"channel"}),
	}
	m.begin()
	return m
}

// begin has counters at 0, or a rate would not see the first one. Requests to the Graph
// API are not among them: most codes are no operation's.
func (m *Metrics) begin() {
	for _, answer := range acks {
		m.ackDuration.WithLabelValues(string(answer))
	}
	for kind := range engine.ContentKinds() {
		m.events.WithLabelValues(string(eventOf(kind)))
	}
	for _, kind := range eventKinds {
		m.events.WithLabelValues(string(kind))
	}
	m.fields.WithLabelValues(otherField)
	for field := range otherFields {
		m.fields.WithLabelValues(field)
	}
	for _, kind := range oddityKinds {
		for _, reason := range oddityReasons {
			m.oddities.WithLabelValues(string(kind), string(reason))
		}
	}
	m.undurable.WithLabelValues(engine.Code(0).String())
	for code := range engine.Codes() {
		if refused(&engine.Error{Code: code}) {
			m.refused.WithLabelValues(code.String())
		} else {
			m.undurable.WithLabelValues(code.String())
		}
	}
	m.graphPauses.WithLabelValues(unknownChannelLabel)
}

// beginChannel has those of a channel at 0.
func (m *Metrics) beginChannel(channel engine.ChannelID) {
	m.breaker(channel, breakerClosed)
	m.graphPauses.WithLabelValues(string(channel))
	m.graphRetriesDenied.WithLabelValues(string(channel))
	for _, reason := range waitReasons {
		m.graphWaits.WithLabelValues(string(channel), string(reason))
	}
}

func (m *Metrics) ack(answer ack, took time.Duration) {
	m.ackDuration.WithLabelValues(string(answer)).Observe(took.Seconds())
}

// delivered counts what one signed POST held.
func (m *Metrics) delivered(d delivery, now time.Time) {
	for kind, n := range d.events {
		m.events.WithLabelValues(string(kind)).Add(float64(n))
	}
	for field, n := range d.fields {
		m.fields.WithLabelValues(field).Add(float64(n))
	}
	for what, n := range d.oddities {
		m.oddities.WithLabelValues(string(what.kind), string(what.reason)).Add(float64(n))
	}
	for channel := range d.channels {
		m.lastEvent.WithLabelValues(string(channel)).Set(float64(now.UnixMilli()) / 1000)
	}
}

// graphOperation is what was asked of the Graph API.
type graphOperation string

const (
	operationSend      graphOperation = "send"
	operationUpload    graphOperation = "upload"
	operationDownload  graphOperation = "download"
	operationTemplates graphOperation = "templates"
	operationReceipt   graphOperation = "receipt"
)

// breakerState is what the gauge of a breaker says.
type breakerState float64

const (
	breakerClosed breakerState = 0
	breakerOpen   breakerState = 1
)

func (m *Metrics) breaker(channel engine.ChannelID, state breakerState) {
	m.graphBreaker.WithLabelValues(string(channel)).Set(float64(state))
}

// forgetBreaker: the channel is no more, and its breaker holds nothing back.
func (m *Metrics) forgetBreaker(channel engine.ChannelID) {
	m.graphBreaker.DeleteLabelValues(string(channel))
}

// graphCall counts a request that is no send.
func (m *Metrics) graphCall(operation graphOperation, answer graphAnswer, took time.Duration) {
	outcome := "failed"
	switch {
	case answer.failure == nil && isSuccess(answer.status):
		outcome = "ok"
	case answer.failure == nil && answer.status != 0:
		outcome = "refused"
	}
	m.graphRequests.WithLabelValues(string(operation), outcome, codeLabelOf(answer)).Inc()
	m.graphDuration.WithLabelValues(string(operation)).Observe(took.Seconds())
}

func (m *Metrics) graphRequest(operation graphOperation, state engine.DeliveryState, code string, took time.Duration) {
	m.graphRequests.WithLabelValues(string(operation), state.String(), code).Inc()
	m.graphDuration.WithLabelValues(string(operation)).Observe(took.Seconds())
}

package traces

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are those of the way to the collector.
type metrics struct {
	exported prometheus.Counter
	dropped  *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	factory := promauto.With(registerer)
	m := &metrics{
		exported: factory.NewCounter(prometheus.CounterOpts{
			Name: "intervene_traces_exported_total", Help: "Spans that the collector of traces took.",
		}),
		dropped: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "intervene_traces_dropped_total",
			Help: "Spans that never reached the collector of traces, by reason: too many waited, it failed or refused, or the engine stopped first.",
		}, []string{"reason"}),
	}
	for _, reason := range []string{reasonFull, reasonFailed, reasonStopped} {
		m.dropped.WithLabelValues(reason)
	}
	return m
}

package media

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/engine"
)

// metrics are those of one store. No label grows with the data.
type metrics struct {
	puts     *prometheus.CounterVec
	bytes    prometheus.Counter
	removals prometheus.Counter
}

func newMetrics() *metrics {
	m := &metrics{
		puts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "intervene_media_puts_total", Help: "Files given to be stored, by how that ended.",
		}, []string{"outcome"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "intervene_media_stored_bytes_total", Help: "Bytes of files that were stored.",
		}),
		removals: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "intervene_media_removals_total", Help: "Conversations whose files were removed.",
		}),
	}
	// From 0 on, or a rate would not see the first one. Other codes are the caller's.
	for _, outcome := range []string{putStored, putNotRead, engine.CodeFull.String(), engine.CodeUnavailable.String()} {
		m.puts.WithLabelValues(outcome)
	}
	return m
}

// How a file that was given ended, besides codes: values of a metric's label.
const (
	putStored  = "stored"
	putNotRead = "not read"
)

func (m *metrics) register(to prometheus.Registerer) {
	if to != nil {
		to.MustRegister(m.puts, m.bytes, m.removals)
	}
}

// stored counts how a file that was given ended.
func (m *metrics) stored(size int64, err error) {
	switch code := engine.CodeOf(err); {
	case err == nil:
		m.puts.WithLabelValues(putStored).Inc()
		m.bytes.Add(float64(size))
	case code != 0:
		m.puts.WithLabelValues(code.String()).Inc()
	default:
		m.puts.WithLabelValues(putNotRead).Inc()
	}
}

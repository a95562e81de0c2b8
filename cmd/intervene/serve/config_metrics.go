package serve

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// configMetrics tell how reading the configuration went.
type configMetrics struct {
	reloads  *prometheus.CounterVec
	good, at prometheus.Gauge
}

const (
	reloadDone    = "done"
	reloadRefused = "refused"
)

func newConfigMetrics(registerer prometheus.Registerer) *configMetrics {
	m := &configMetrics{
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "intervene_config_reloads_total", Help: "Reloads of the configuration, by what became of them: done or refused.",
		}, []string{"outcome"}),
		good: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "intervene_config_last_reload_good", Help: "1 unless the newest reload was refused, and the configuration before it stays in force.",
		}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "intervene_config_last_reload_timestamp_seconds", Help: "When the configuration that is in force was read.",
		}),
	}
	m.reloads.WithLabelValues(reloadDone)
	m.reloads.WithLabelValues(reloadRefused)
	m.good.Set(1)
	m.at.SetToCurrentTime()
	registerer.MustRegister(m.reloads, m.good, m.at)
	return m
}

func (m *configMetrics) reloaded(err error) {
	if err != nil {
		m.reloads.WithLabelValues(reloadRefused).Inc()
		m.good.Set(0)
		return
	}
	m.reloads.WithLabelValues(reloadDone).Inc()
	m.good.Set(1)
	m.at.Set(float64(time.Now().UnixMilli()) / 1000)
}

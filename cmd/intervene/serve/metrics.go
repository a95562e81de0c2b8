package serve

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// buildInfo tells what the binary was built from.
func buildInfo() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "intervene_build_info", Help: "1, labelled with what the binary was built from.",
		ConstLabels: prometheus.Labels{"version": Version()},
	}, func() float64 { return 1 })
}

// backupMetrics are those of backups.
type backupMetrics struct {
	results  *prometheus.CounterVec
	good     prometheus.Gauge
	duration prometheus.Gauge
	bytes    prometheus.Gauge
	newest   atomic.Int64 // when it was made; 0: there is none
}

func newBackupMetrics(to prometheus.Registerer) *backupMetrics {
	m := &backupMetrics{
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "intervene_backups_total", Help: "Backups by how they ended.",
		}, []string{"outcome"}),
		good: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "intervene_backup_last_good", Help: "1 unless the last backup that began failed.",
		}),
		duration: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "intervene_backup_duration_seconds", Help: "How long the newest good backup took.",
		}),
		bytes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "intervene_backup_bytes", Help: "How much the files of the newest good backup hold.",
		}),
	}
	age := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "intervene_backup_age_seconds", Help: "How long ago the newest good backup was begun; +Inf while there is none.",
	}, m.age)
	m.good.Set(1)
	for _, outcome := range []string{"done", "failed", "refused"} {
		m.results.WithLabelValues(outcome)
	}
	to.MustRegister(m.results, m.good, m.duration, m.bytes, age)
	return m
}

func (m *backupMetrics) age() float64 {
	newest := m.newest.Load()
	if newest == 0 {
		return math.Inf(1)
	}
	return max(0, time.Since(time.UnixMilli(newest)).Seconds())
}

// made tells of the newest good backup; nothing when there is none.
func (m *backupMetrics) made(newest newestBackup) {
	if newest.MadeAt.IsZero() {
		return
	}
	m.newest.Store(newest.MadeAt.UnixMilli())
	m.duration.Set(newest.Seconds)
	m.bytes.Set(float64(newest.Bytes))
}

func (m *backupMetrics) ended(outcome string) {
	m.results.WithLabelValues(outcome).Inc()
	switch outcome {
	case "done":
		m.good.Set(1)
	case "failed":
		m.good.Set(0)
	}
}

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

// registerHealth adds what /readyz says.
func (e *Engine) registerHealth() {
	e.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "intervene_ready", Help: "What /readyz says: 1 while callers should come here, else 0.",
	}, func() float64 { return oneIf(e.Ready()) }))
	for _, c := range e.checks() {
		e.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "intervene_unready_reasons", Help: "1 for each reason why callers should not come here.",
			ConstLabels: prometheus.Labels{"reason": c.reason},
		}, func() float64 {
			for _, now := range e.checks() {
				if now.reason == c.reason {
					return oneIf(now.problem != "")
				}
			}
			return 0
		}))
	}
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// register adds the metric of a listener with TLS.
func (c *certificate) register(registerer prometheus.Registerer) {
	registerer.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "intervene_tls_certificate_expiry_timestamp_seconds",
		Help: "When the certificate that the public listener shows is over.",
	}, func() float64 { return float64(c.expiry().Unix()) }))
}

// connectionMetrics are those of all listeners.
type connectionMetrics struct {
	open    *prometheus.GaugeVec
	limit   *prometheus.GaugeVec
	refused *prometheus.CounterVec
	faults  *prometheus.CounterVec
}

func newConnectionMetrics(to prometheus.Registerer) *connectionMetrics {
	m := &connectionMetrics{
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "intervene_connections_open", Help: "Connections that are open, by listener.",
		}, []string{"listener"}),
		limit: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "intervene_connections_limit", Help: "How many connections may be open, by listener.",
		}, []string{"listener"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "intervene_connections_refused_total", Help: "Connections that were closed at once, because as many were open as may be.",
		}, []string{"listener"}),
		faults: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "intervene_connection_faults_total", Help: "What net/http complained of, as of broken HTTP/2, logged or not.",
		}, []string{"listener"}),
	}
	to.MustRegister(m.open, m.limit, m.refused, m.faults)
	return m
}

// registerMemory adds what is known of the memory.
func registerMemory(to prometheus.Registerer, m *memory) {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	to.MustRegister(
		gauge("intervene_memory_limit_bytes", "The process's memory limit; 0: there is none, and nothing is refused for lack of memory.",
			func() float64 { return float64(m.limit) }),
		gauge("intervene_memory_used_bytes", "Memory that cannot be given back now, as of the last look; 0 without a limit.",
			func() float64 { return float64(m.inUse.Load()) }),
		gauge("intervene_memory_shedding", "1 while work is refused for lack of memory, else 0.",
			func() float64 { return oneIf(m.short()) }),
	)
}

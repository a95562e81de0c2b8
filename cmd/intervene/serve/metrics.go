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

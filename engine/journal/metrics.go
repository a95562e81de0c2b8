package journal

import (
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/engine"
)

// metrics are those of one journal. No label grows with the data.
type metrics struct {
	commitDuration prometheus.Histogram
	syncDuration   prometheus.Histogram
	batchSize      prometheus.Histogram
	appends        *prometheus.CounterVec
	succeeded      prometheus.Counter
	behind         prometheus.Counter
	stalls         prometheus.Counter
	corruptions    prometheus.Counter
	free           prometheus.Gauge
	earlyDropped   prometheus.Counter
	purgeDuration  prometheus.Histogram
	purges         *prometheus.CounterVec
	purged         prometheus.Counter
	registered     []prometheus.Collector
}

// histogram has native buckets, which are bounded, beside classic ones: a factor
// alone would drop the latter.
func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
	})
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func counters(name, help, label string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
}

func gaugeOf(name, help string, value func() float64) prometheus.GaugeFunc {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
}

func newMetrics() *metrics {
	durations := prometheus.ExponentialBuckets(0.0001, 2, 17) // 0.1 ms to 6.5 s
	m := &metrics{
		commitDuration: histogram("intervene_journal_commit_duration_seconds",
			"How long a batch of appends took from the committer until it was durable.", durations),
		syncDuration: histogram("intervene_journal_sync_duration_seconds",
			"How long an applied batch waited for its fsync.", durations),
		batchSize: histogram("intervene_journal_batch_appends",
			"How many appends the committer took at once.", prometheus.ExponentialBuckets(1, 2, 13)),
		appends: counters("intervene_journal_appends_total", "Appends by how they ended.", "outcome"),
		behind: counter("intervene_journal_ring_behind_total",
			"Reads of the log that were so far behind that they went to the disk."),
		stalls:      counter("intervene_journal_write_stalls_total", "How often Pebble delayed writes."),
		corruptions: counter("intervene_journal_corruptions_total", "How often Pebble found damage on the disk."),
		free: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "intervene_journal_disk_free_bytes", Help: "Free space where the journal lives.",
		}),
		earlyDropped: counter("intervene_journal_early_dropped_total",
			"Statuses of messages that nobody here has sent which were dropped to make room for newer ones."),
		purgeDuration: histogram("intervene_journal_purge_duration_seconds",
			"How long it took until no file held what had been erased.", prometheus.ExponentialBuckets(0.05, 2, 13)), // 50 ms to 205 s
		purges: counters("intervene_journal_purges_total", "Purges that had anything to do, by how they ended.", "outcome"),
		purged: counter("intervene_journal_purged_conversations_total", "Erased conversations whose bytes were removed."),
	}
	m.succeeded = m.appends.WithLabelValues("durable")
	// From 0 on, or a rate would not see the first one.
	for code := engine.CodeOverloaded; code <= engine.CodeCorrupt; code++ {
		m.appends.WithLabelValues(code.String())
	}
	for _, outcome := range []string{purgeDone, purgeInterrupted} {
		m.purges.WithLabelValues(outcome)
	}
	return m
}

// appended counts how an append ended, and passes that on.
func (m *metrics) appended(err error) error {
	if err == nil {
		m.succeeded.Inc()
		return nil
	}
	m.appends.WithLabelValues(engine.CodeOf(err).String()).Inc()
	return err
}

// How a purge ended: values of a metric's label.
const (
	purgeDone        = "done"
	purgeInterrupted = "interrupted"
)

// purgeEnded counts how a purge of n conversations ended, and passes that on.
func (m *metrics) purgeEnded(began time.Time, n int, err error) error {
	if err != nil {
		m.purges.WithLabelValues(purgeInterrupted).Inc()
		return err
	}
	m.purges.WithLabelValues(purgeDone).Inc()
	m.purgeDuration.Observe(now().Sub(began).Seconds())
	m.purged.Add(float64(n))
	return nil
}

// register tells j's registerer of the metrics.
func (m *metrics) register(j *Journal) {
	to := j.options.Registerer
	if to == nil {
		return
	}
	held := func(kind engine.DueKind) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "intervene_journal_held_conversations",
			Help:        "Conversations whose work of a kind waits for an operator since the journal was restored.",
			ConstLabels: prometheus.Labels{"kind": kind.String()},
		}, func() float64 { return float64(j.held.length(kind)) })
	}
	m.registered = []prometheus.Collector{
		m.commitDuration, m.syncDuration, m.batchSize, m.appends, m.behind, m.stalls, m.corruptions, m.free,
		m.earlyDropped, m.purgeDuration, m.purges, m.purged, newStoreCollector(j),
		gaugeOf("intervene_journal_queued_appends", "Appends that wait for the committer.",
			func() float64 { return float64(j.queue.length()) }),
		gaugeOf("intervene_journal_unsynced_appends", "Appends that are applied and not yet durable.",
			func() float64 { return float64(j.Unsynced()) }),
		gaugeOf("intervene_journal_early_statuses", "Statuses that are kept for messages which nobody here has sent yet.",
			func() float64 { return float64(j.early.Load()) }),
		gaugeOf("intervene_outbox_pending",
			"Conversations with sends that are queued and not settled, held ones too: each sends one message at a time. "+
				"Counted once at the start, then kept by every append.",
			func() float64 { return float64(j.due.sends.Load()) }),
		held(engine.DueSend), held(engine.DueTurn),
	}
	to.MustRegister(m.registered...)
}

func (m *metrics) unregister(from prometheus.Registerer) {
	for _, c := range m.registered {
		from.Unregister(c)
	}
}

// storeFigure is one of Pebble's own figures.
type storeFigure struct {
	description *prometheus.Desc
	kind        prometheus.ValueType
	value       func(*pebble.Metrics) float64
}

// storeCollector asks Pebble when it is asked itself.
type storeCollector struct {
	journal *Journal
	figures []storeFigure
}

func newStoreCollector(j *Journal) *storeCollector {
	figure := func(kind prometheus.ValueType, name, help string, value func(*pebble.Metrics) float64) storeFigure {
		return storeFigure{prometheus.NewDesc("intervene_journal_pebble_"+name, help, nil, nil), kind, value}
	}
	const counter, gauge = prometheus.CounterValue, prometheus.GaugeValue
	return &storeCollector{journal: j, figures: []storeFigure{
		figure(gauge, "disk_bytes", "Space that Pebble's files take.",
			func(m *pebble.Metrics) float64 { return float64(m.DiskSpaceUsage()) }),
		figure(gauge, "read_amplification", "Sorted runs that a read may have to look into.",
			func(m *pebble.Metrics) float64 { return float64(m.ReadAmp()) }),
		figure(counter, "flushes_total", "Memtables written to tables.",
			func(m *pebble.Metrics) float64 { return float64(m.Flush.Count) }),
		figure(counter, "compactions_total", "Compactions done.",
			func(m *pebble.Metrics) float64 { return float64(m.Compact.Count) }),
		figure(gauge, "compaction_debt_bytes", "What is estimated to be left to compact.",
			func(m *pebble.Metrics) float64 { return float64(m.Compact.EstimatedDebt) }),
		figure(gauge, "memtable_bytes", "Memory that memtables take.",
			func(m *pebble.Metrics) float64 { return float64(m.MemTable.Size) }),
		figure(gauge, "wal_bytes", "Live data in the write-ahead log: what a start after a crash replays.",
			func(m *pebble.Metrics) float64 { return float64(m.WAL.Size) }),
		figure(counter, "wal_written_bytes_total", "Bytes written to the write-ahead log.",
			func(m *pebble.Metrics) float64 { return float64(m.WAL.BytesWritten) }),
		figure(gauge, "block_cache_bytes", "Memory that cached blocks take.",
			func(m *pebble.Metrics) float64 { return float64(m.BlockCache.Size) }),
		figure(counter, "block_cache_hits_total", "Blocks found in the cache.",
			func(m *pebble.Metrics) float64 { return float64(m.BlockCache.Hits) }),
		figure(counter, "block_cache_misses_total", "Blocks read from the disk.",
			func(m *pebble.Metrics) float64 { return float64(m.BlockCache.Misses) }),
	}}
}

func (c *storeCollector) Describe(to chan<- *prometheus.Desc) {
	for _, f := range c.figures {
		to <- f.description
	}
}

func (c *storeCollector) Collect(to chan<- prometheus.Metric) {
	if c.journal.enter() != nil {
		return // closed: there is nothing to ask
	}
	defer c.journal.leave()
	m := c.journal.db.Metrics()
	for _, f := range c.figures {
		to <- prometheus.MustNewConstMetric(f.description, f.kind, f.value(m))
	}
}

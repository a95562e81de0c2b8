package serve

import (
	"log/slog"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/actors"
)

const (
	// memoryInterval is how often is looked at how much memory is in use. At 100 MB
	// of garbage a second the limit is still far when it is seen.
	memoryInterval = 100 * time.Millisecond
	// relieveShare of the limit in use: conversations go that nobody used for
	// relieveUnused. shedShare: nothing is taken any more, until it is shedUntil again.
	relieveShare, shedShare, shedUntil = 0.70, 0.85, 0.75

	relieveUnused = 5 * time.Second
	// relieveInterval is how long a relief may take to show: the garbage collector
	// has to pass.
	relieveInterval = time.Second

	// usualCacheBytes is the journal's block cache while there is memory for it, and
	// cacheShare its part of a limit else.
	usualCacheBytes = 256 << 20
	minCacheBytes   = 16 << 20
	cacheShare      = 8
	// minMemoryLimit is what the journal's tables in memory and its cache need, and as
	// much again.
	minMemoryLimit = 768 << 20
)

// memory watches over the process's memory limit (GOMEMLIMIT, or the container's):
// it has work refused before the garbage collector does nothing but collect, and the
// system ends the process.
type memory struct {
	limit    uint64 // 0: there is none, and nothing is watched
	log      *slog.Logger
	shedding atomic.Bool
	inUse    atomic.Uint64 // as of the last look

	// Owned by watch.
	samples  []metrics.Sample
	relieved time.Time
}

// The runtime's figures that add up to what cannot be given back now: what the last
// collection found alive, and what is no heap.
const (
	liveHeap     = "/gc/heap/live:bytes"
	stacksInHeap = "/memory/classes/heap/stacks:bytes"
	stacksOfOS   = "/memory/classes/os-stacks:bytes"
	other        = "/memory/classes/other:bytes"
	profiling    = "/memory/classes/profiling/buckets:bytes"
	mcacheInuse  = "/memory/classes/metadata/mcache/inuse:bytes"
	mspanInuse   = "/memory/classes/metadata/mspan/inuse:bytes"
	metadata     = "/memory/classes/metadata/other:bytes"
)

func newMemory(to prometheus.Registerer, log *slog.Logger) *memory {
	m := &memory{log: log}
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		m.limit = uint64(limit)
	}
	for _, name := range []string{liveHeap, stacksInHeap, stacksOfOS, other, profiling, mcacheInuse, mspanInuse, metadata} {
		m.samples = append(m.samples, metrics.Sample{Name: name})
	}
	registerMemory(to, m)
	if m.limit > 0 && m.limit < minMemoryLimit {
		log.Warn("the memory limit is lower than what the engine is built for", slog.Uint64("limit_bytes", m.limit), slog.Uint64("wanted_bytes", minMemoryLimit))
	}
	return m
}

// short reports that nothing more should be taken.
func (m *memory) short() bool { return m.shedding.Load() }

// cacheBytes is what the journal may cache.
func (m *memory) cacheBytes() int64 {
	if m.limit == 0 {
		return usualCacheBytes
	}
	return min(usualCacheBytes, max(minCacheBytes, int64(m.limit/cacheShare)))
}

// watch looks at the memory until stop is closed.
func (m *memory) watch(router *actors.Router, stop <-chan struct{}) {
	if m.limit == 0 {
		return
	}
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-tick.C:
			m.look(router, m.used(), now)
		}
	}
}

// look decides what used bytes mean.
func (m *memory) look(router *actors.Router, used uint64, now time.Time) {
	m.inUse.Store(used)
	share := float64(used) / float64(m.limit)
	if share >= relieveShare && now.Sub(m.relieved) >= relieveInterval {
		m.relieved = now
		router.Relieve(relieveUnused)
		if m.short() {
			runtime.GC() // who refuses work makes no garbage, and would never see it go
		}
	}
	switch shedding := m.shedding.Load(); {
	case !shedding && share >= shedShare:
		m.shed(router, true, used)
	case shedding && share < shedUntil:
		m.shed(router, false, used)
	}
}

func (m *memory) shed(router *actors.Router, on bool, used uint64) {
	m.shedding.Store(on)
	router.Shed(on)
	if on {
		m.log.Error("memory is short: work is refused", slog.Uint64("used_bytes", used), slog.Uint64("limit_bytes", m.limit))
	} else {
		m.log.Info("there is memory again: work is taken", slog.Uint64("used_bytes", used), slog.Uint64("limit_bytes", m.limit))
	}
}

func (m *memory) used() (sum uint64) {
	metrics.Read(m.samples)
	for i := range m.samples {
		sum += m.samples[i].Value.Uint64()
	}
	return sum
}

//go:build unix

package journal

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/cockroachdb/pebble/v2"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal/journaltest"
)

// BenchmarkAppend compares Append with Pebble alone: the same keys and bytes, put
// by one committer into batches whose fsyncs a second goroutine waits for, on the
// same disk. The two take turns in slices of one run, so that a machine that is
// shared slows both. An append is one step of a chat: a message of the customer,
// the bot's answer, and the three steps of its delivery. What is appended, and
// for Pebble what it is encoded to, is made while no clock runs.
//
//	go test -run '^$' -bench Append -benchtime 10s ./engine/journal
func BenchmarkAppend(b *testing.B) {
	eachLoad(b, func(b *testing.B, inFlight, hot int) {
		j := benchmarkJournal(b)
		base := newBase(b)
		load := newLoad(inFlight, hot)
		slice := func(n int, subject, pebble *meter) {
			dealt, _ := load.next(b, n)
			rows := base.encode(b, dealt)
			laps, pebbleLaps := subject.laps(inFlight, n), pebble.laps(inFlight, n)
			subject.time(n, func() { appendAll(b, j, dealt, laps) })
			pebble.time(n, func() { base.write(rows, pebbleLaps) })
		}
		compare(b, j, base, inFlight, hot, slice)
	})
}

// eachLoad runs a comparison at each concurrency and number of conversations.
// Alone, an append waits for an fsync of its own: that is for fewer of them.
func eachLoad(b *testing.B, run func(b *testing.B, inFlight, hot int)) {
	b.Run("hot=100/inflight=1", func(b *testing.B) { run(b, 1, 100) })
	for _, hot := range []int{10_000, 100_000} {
		for _, inFlight := range []int{16, 256, 4096} {
			b.Run(fmt.Sprintf("hot=%d/inflight=%d", hot, inFlight), func(b *testing.B) { run(b, inFlight, hot) })
		}
	}
}

// sliceOf is how many appends one turn takes: some tenths of a second.
func sliceOf(inFlight int) int {
	switch {
	case inFlight == 1:
		return 250
	case inFlight <= 16:
		return 4_000
	case inFlight <= 256:
		return 16_000
	}
	return 1 << 16
}

// compare opens every conversation with one chat, then lets subject and Pebble
// take turns until the benchmark's time is over.
func compare(b *testing.B, j *Journal, base *base, inFlight, hot int, slice func(n int, subject, pebble *meter)) {
	n := sliceOf(inFlight)
	var opening, subject, pebble meter
	for done := 0; done < hot*chatSteps; done += n {
		slice(n, &opening, &opening)
	}
	before, beforeBase := walOf(j.db), walOf(base.db)
	for b.Loop() {
		slice(n, &subject, &pebble)
	}
	after, afterBase := walOf(j.db), walOf(base.db)
	b.ReportMetric(0, "ns/op") // an operation is a slice of both: it says nothing
	b.ReportMetric(subject.rate(), "commands/s")
	b.ReportMetric(pebble.rate(), "pebble/s")
	b.ReportMetric(subject.rate()/pebble.rate(), "of-pebble")
	b.ReportMetric(subject.cpuEach(), "cpu-µs")
	b.ReportMetric(pebble.cpuEach(), "pebble-cpu-µs")
	b.ReportMetric(subject.lap(50), "p50-ms")
	b.ReportMetric(subject.lap(99), "p99-ms")
	b.ReportMetric(pebble.lap(50), "pebble-p50-ms")
	b.ReportMetric(pebble.lap(99), "pebble-p99-ms")
	b.ReportMetric(float64(subject.allocs)/float64(subject.count), "allocs")
	b.ReportMetric(float64(subject.bytes)/float64(subject.count), "B")
	b.ReportMetric(float64(subject.count)/float64(after.syncs-before.syncs), "commands/fsync")
	b.ReportMetric(float64(pebble.count)/float64(afterBase.syncs-beforeBase.syncs), "pebble-commands/fsync")
	b.ReportMetric(float64(after.written-before.written)/float64(subject.count), "wal-B")
	b.ReportMetric(float64(afterBase.written-beforeBase.written)/float64(pebble.count), "pebble-wal-B")
}

// meter adds up the slices of one side.
type meter struct {
	count         int
	elapsed, cpu  time.Duration
	allocs, bytes uint64
	// latest are how long each waited in the newest slice, by worker, and latency is
	// of the slices before.
	latest  [][]time.Duration
	latency *hdrhistogram.Histogram
}

// longestLap is what longer ones count as.
const longestLap = time.Minute

// laps is where the workers of a slice note how long each of n took. What earlier
// ones noted is added up.
func (m *meter) laps(workers, n int) [][]time.Duration {
	m.gather()
	m.latest = make([][]time.Duration, workers)
	for w := range m.latest {
		m.latest[w] = make([]time.Duration, 0, share(n, workers, w))
	}
	return m.latest
}

func (m *meter) gather() {
	if m.latency == nil {
		m.latency = hdrhistogram.New(1, longestLap.Microseconds(), 3)
	}
	for _, took := range m.latest {
		for _, lap := range took {
			// Bounded here, so that it cannot be refused.
			_ = m.latency.RecordValue(min(max(lap, time.Microsecond), longestLap).Microseconds())
		}
	}
	m.latest = nil
}

// lap is in milliseconds.
func (m *meter) lap(percentile float64) float64 {
	m.gather()
	return float64(m.latency.ValueAtPercentile(percentile)) / 1e3
}

func (m *meter) time(n int, run func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, began := cpuTime(), time.Now()
	run()
	m.elapsed += time.Since(began)
	m.cpu += cpuTime() - cpu
	runtime.ReadMemStats(&after)
	m.count += n
	m.allocs += after.Mallocs - before.Mallocs
	m.bytes += after.TotalAlloc - before.TotalAlloc
}

func (m *meter) rate() float64 { return float64(m.count) / m.elapsed.Seconds() }

// cpuEach is in microseconds.
func (m *meter) cpuEach() float64 { return float64(m.cpu.Nanoseconds()) / 1e3 / float64(m.count) }

// cpuTime is what this process has used of the processors.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// wal is what a store has written and synced.
type wal struct{ written, syncs uint64 }

func walOf(db *pebble.DB) wal {
	m := db.Metrics()
	return wal{written: m.WAL.BytesWritten, syncs: sampleCount(m.LogWriter.FsyncLatency)}
}

func benchmarkOptions(b *testing.B) Options {
	return Options{
		Create: true, Shard: journaltest.Shard, Logger: slog.New(slog.DiscardHandler),
		Fatal: func(err error) { b.Errorf("fatal: %v", err) },
	}
}

func benchmarkJournal(b *testing.B) *Journal {
	b.Helper()
	j, err := Open(b.TempDir(), benchmarkOptions(b))
	if err != nil {
		b.Fatalf("open: got error %v, want none", err)
	}
	b.Cleanup(func() {
		if err := j.Close(); err != nil {
			b.Errorf("close: got error %v, want none", err)
		}
	})
	return j
}

// appendAll appends each worker's part in its order, all workers at once, and
// notes how long each took, unless laps is nil.
func appendAll(b *testing.B, j *Journal, dealt [][]engine.Append, laps [][]time.Duration) {
	var wg sync.WaitGroup
	for w, appends := range dealt {
		wg.Go(func() {
			for i := range appends {
				began := time.Now()
				if _, err := j.Append(appends[i]); err != nil {
					b.Errorf("append: got error %v, want none", err)
					return
				}
				if laps != nil {
					laps[w] = append(laps[w], time.Since(began))
				}
			}
		})
	}
	wg.Wait()
}

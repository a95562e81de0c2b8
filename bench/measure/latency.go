package measure

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// Longest is what longer latencies count as, and digits how exact they are.
	Longest = 10 * time.Minute
	digits  = 3
	// parts of a Latencies have a lock each, so that workers seldom meet.
	parts = 8
)

// Latencies adds up how long things took. It is safe for concurrent use.
type Latencies struct {
	parts [parts]struct {
		mu        sync.Mutex
		histogram *hdrhistogram.Histogram
	}
}

// NewLatencies returns one that has seen nothing.
func NewLatencies() *Latencies {
	l := new(Latencies)
	for i := range l.parts {
		l.parts[i].histogram = newHistogram()
	}
	return l
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, Longest.Microseconds(), digits)
}

// Record notes one, on behalf of a worker.
func (l *Latencies) Record(worker int, took time.Duration) {
	part := &l.parts[worker%parts]
	part.mu.Lock()
	defer part.mu.Unlock()
	// Bounded here, so that it cannot be refused.
	_ = part.histogram.RecordValue(min(max(took, time.Microsecond), Longest).Microseconds())
}

// Summary is of Latencies, in milliseconds.
type Summary struct {
	Count                    int64
	P50, P90, P99, P999, Max float64
}

// Summary is of all that was recorded.
func (l *Latencies) Summary() Summary {
	all := newHistogram()
	for i := range l.parts {
		part := &l.parts[i]
		part.mu.Lock()
		all.Merge(part.histogram)
		part.mu.Unlock()
	}
	const perMillisecond = 1000.0
	at := func(quantile float64) float64 { return float64(all.ValueAtQuantile(quantile)) / perMillisecond }
	return Summary{
		Count: all.TotalCount(), P50: at(50), P90: at(90), P99: at(99), P999: at(99.9),
		Max: float64(all.Max()) / perMillisecond,
	}
}

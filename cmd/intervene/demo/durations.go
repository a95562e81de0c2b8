package demo

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// longestDuration is where longer ones are counted too.
const longestDuration = time.Minute

// durations counts how long things took, to three digits. Its owner locks.
type durations struct{ *hdrhistogram.Histogram }

func newDurations() durations {
	return durations{hdrhistogram.New(1, longestDuration.Microseconds(), 3)}
}

func (d durations) add(took time.Duration) {
	took = min(max(took, time.Microsecond), longestDuration)
	if err := d.RecordValue(took.Microseconds()); err != nil {
		panic("demo: a duration within its bounds was refused: " + err.Error())
	}
}

// Percentiles are in milliseconds; zero when nothing was measured.
type Percentiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

func (d durations) percentiles() Percentiles {
	ms := func(p float64) float64 { return float64(d.ValueAtPercentile(p)) / 1000 }
	return Percentiles{P50: ms(50), P99: ms(99)}
}

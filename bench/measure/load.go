package measure

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// grace is how long what should have begun within an open loop's time may still
// begin after it.
const grace = 5 * time.Second

// OpenLoop begins things at a rate, whatever comes of them.
type OpenLoop struct {
	Rate float64 // a second
	For  time.Duration
	// Workers do them: what comes while all are busy begins late, and its latency
	// counts from when it should have begun.
	Workers int
	// Poisson draws the gaps, as independent customers make them; else they are
	// equal.
	Poisson bool
}

// Load is what a loop came to.
type Load struct {
	Seconds float64
	// Done were answered well, Failed otherwise, and Unsent never begun.
	Done, Failed, Unsent int64
	Latency              Summary
	// Err is one of the failures.
	Err error `json:"-"`
}

// Rate is what was done, a second.
func (l *Load) Rate() float64 { return float64(l.Done) / max(l.Seconds, 1e-9) }

// Run calls do, with the number of its worker and its own, at its times. The
// latency of each counts from the time at which it should have begun.
func (o OpenLoop) Run(ctx context.Context, do func(worker, n int) error) *Load {
	began := time.Now()
	s := schedule{loop: o}
	t := newTally()
	var working sync.WaitGroup
	for worker := range o.Workers {
		working.Go(func() {
			for {
				n, after, ok := s.next()
				if !ok {
					return
				}
				due := began.Add(after)
				if !until(ctx, due) || time.Since(began) > o.For+grace {
					t.unsent.Add(1)
					continue
				}
				t.note(worker, do(worker, n), due)
			}
		})
	}
	working.Wait()
	return t.load(max(o.For, time.Since(began)))
}

// Plan is things that have their times before any of them begins. The zero Plan
// is empty.
type Plan[T any] struct {
	at     []time.Duration
	things []T
}

// Add plans one, in any order.
func (p *Plan[T]) Add(at time.Duration, thing T) {
	p.at, p.things = append(p.at, at), append(p.things, thing)
}

// Run does all that is planned, each at its time if one of the workers is free
// then; its latency counts from that time in any case.
func (p *Plan[T]) Run(ctx context.Context, workers int, do func(thing T, due time.Time) error) *Load {
	order := make([]int, len(p.at))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p.at[a], p.at[b]) })
	began := time.Now()
	t := newTally()
	var next atomic.Int64
	var working sync.WaitGroup
	for worker := range workers {
		working.Go(func() {
			for n := next.Add(1); n <= int64(len(order)); n = next.Add(1) {
				due := began.Add(p.at[order[n-1]])
				if !until(ctx, due) {
					t.unsent.Add(1)
					continue
				}
				t.note(worker, do(p.things[order[n-1]], due), due)
			}
		})
	}
	working.Wait()
	return t.load(time.Since(began))
}

// schedule says when things begin.
type schedule struct {
	loop OpenLoop
	mu   sync.Mutex
	n    int
	at   time.Duration
}

func (s *schedule) next() (n int, at time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gap := 1.0
	if s.loop.Poisson {
		gap = rand.ExpFloat64()
	}
	s.at += time.Duration(gap / s.loop.Rate * float64(time.Second))
	if s.at >= s.loop.For {
		return 0, 0, false
	}
	s.n++
	return s.n - 1, s.at, true
}

// until waits, and reports false if ctx ended first.
func until(ctx context.Context, due time.Time) bool {
	wait := time.Until(due)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Closed keeps inFlight things going for so long: each worker begins the next
// when its last is done. It finds out how much fits, and its latencies are those
// of so many at once, not of so many a second.
func Closed(ctx context.Context, inFlight int, long time.Duration, do func(worker, n int) error) *Load {
	began := time.Now()
	t := newTally()
	var working sync.WaitGroup
	for worker := range inFlight {
		working.Go(func() {
			for n := 0; time.Since(began) < long && ctx.Err() == nil; n++ {
				start := time.Now()
				t.note(worker, do(worker, n), start)
			}
		})
	}
	working.Wait()
	return t.load(time.Since(began))
}

type tally struct {
	latencies            *Latencies
	done, failed, unsent atomic.Int64
	err                  atomic.Pointer[error]
}

func newTally() *tally { return &tally{latencies: NewLatencies()} }

func (t *tally) note(worker int, err error, since time.Time) {
	if err != nil {
		t.failed.Add(1)
		t.err.Store(&err)
		return
	}
	t.done.Add(1)
	t.latencies.Record(worker, time.Since(since))
}

func (t *tally) load(took time.Duration) *Load {
	l := &Load{
		Seconds: took.Seconds(), Done: t.done.Load(), Failed: t.failed.Load(), Unsent: t.unsent.Load(),
		Latency: t.latencies.Summary(),
	}
	if err := t.err.Load(); err != nil {
		l.Err = *err
	}
	return l
}

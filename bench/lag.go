package main

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const (
	// longestLag is what longer ones count as, and lagDigits how exact they are.
	longestLag = time.Minute
	lagDigits  = 3
)

// lags is how late changes came, while it counts.
type lags struct {
	mu sync.Mutex
	// sinceSend runs from the command's sending, sinceAck from its answer: the
	// latter is what the stream adds.
	sinceSend, sinceAck *hdrhistogram.Histogram
}

func newLags() *lags {
	histogram := func() *hdrhistogram.Histogram { return hdrhistogram.New(1, longestLag.Microseconds(), lagDigits) }
	return &lags{sinceSend: histogram(), sinceAck: histogram()}
}

func record(h *hdrhistogram.Histogram, lag time.Duration) {
	// Bounded here, so that it cannot be refused.
	_ = h.RecordValue(min(max(lag, time.Microsecond), longestLag).Microseconds())
}

// probe is a subscriber that reads every card, and knows which changes it has
// shown.
type probe struct {
	driver *driver
	seen   map[int]int // by the conversation's place at the driver: the newest change shown; its reader's

	deltas, cards atomic.Int64
}

func newProbe(d *driver) *probe { return &probe{driver: d, seen: make(map[int]int)} }

// take notes what a frame shows into to, unless that is nil. A change that a newer
// one of its conversation replaced before it was told is shown by that one, and
// late until then.
func (p *probe) take(frame *intervenev1.WatchBoardResponse, to *lags) {
	now := time.Since(p.driver.clock)
	upserts := frame.GetDeltaBatch().GetUpserts()
	if frame.GetDeltaBatch() != nil {
		p.deltas.Add(1)
		p.cards.Add(int64(len(upserts)))
	}
	for _, card := range upserts {
		n, ok := changeOf(card)
		if !ok {
			continue
		}
		each := len(p.driver.conversations)
		last, before := p.seen[n%each]
		if n <= last {
			continue
		}
		p.seen[n%each] = n
		if !before {
			last = n - each
		}
		if to != nil {
			for n := last + each; n <= p.seen[n%each]; n += each {
				p.note(n, now, to)
			}
		}
	}
}

func (p *probe) note(n int, now time.Duration, to *lags) {
	sent, acked := time.Duration(p.driver.sent[n].Load()), time.Duration(p.driver.acked[n].Load())
	if sent == 0 {
		return // it was shed
	}
	to.mu.Lock()
	defer to.mu.Unlock()
	record(to.sinceSend, now-sent)
	if acked == 0 {
		acked = now // the stream was faster than the answer
	}
	record(to.sinceAck, now-acked)
}

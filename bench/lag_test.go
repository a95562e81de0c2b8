package main

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// made is a driver of two conversations that has made changes 1 to 6, each sent
// so long ago and answered a tenth of a second later. Change 5 was shed.
func made() *driver {
	d := &driver{
		clock: time.Now().Add(-time.Hour), conversations: make([]target, 2),
		sent: make([]atomic.Int64, 7), acked: make([]atomic.Int64, 7),
	}
	for n := 1; n <= 6; n++ {
		if n != 5 {
			d.sent[n].Store(int64(time.Hour - time.Duration(20-n)*time.Second))
			d.acked[n].Store(int64(time.Hour - time.Duration(20-n)*time.Second + 100*time.Millisecond))
		}
	}
	return d
}

func showing(changes ...int) *intervenev1.WatchBoardResponse {
	batch := new(intervenev1.DeltaBatch)
	for _, n := range changes {
		batch.Upserts = append(batch.Upserts, &intervenev1.Card{Tags: []string{tagPrefix + strconv.Itoa(n)}})
	}
	return &intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_DeltaBatch{DeltaBatch: batch}}
}

func TestProbeCountsReplacedChanges(t *testing.T) {
	tests := []struct {
		name   string
		frames [][]int
		want   int64
	}{
		{"each told by itself", [][]int{{1}, {3}}, 2},
		{"a conversation's first", [][]int{{4}}, 1},
		{"replaced before it was told", [][]int{{2}, {6}}, 3}, // 2, then 4 and 6
		{"one of them was shed", [][]int{{1}, {5}}, 2},        // 1, then 3
		{"told again", [][]int{{2}, {2}}, 1},
		{"an older one", [][]int{{4}, {2}}, 1},
		{"two in a frame", [][]int{{1, 2}}, 2},
		{"no change of ours", [][]int{{0}}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, to := newProbe(made()), newLags()
			for _, changes := range tt.frames {
				p.take(showing(changes...), to)
			}
			if got := to.summary().Changes; got != tt.want {
				t.Errorf("got %d changes noted, want %d", got, tt.want)
			}
		})
	}
}

func TestProbeLag(t *testing.T) {
	p, to := newProbe(made()), newLags()
	p.take(showing(2), nil) // before the slice
	p.take(showing(6), to)  // 4 is shown by it: 16 s after it was sent, as 6 is 14 s after
	got := to.summary()
	within := func(name string, got, want float64) {
		if got < want || got > want*1.01+1000 {
			t.Errorf("%s: got %.0f ms, want %.0f and little more", name, got, want)
		}
	}
	within("since the answer, half", got.P50, 13_900)
	within("since the answer, most", got.Max, 15_900)
	within("since the sending, half", got.SendP50, 14_000)
	if deltas, cards := p.deltas.Load(), p.cards.Load(); deltas != 2 || cards != 2 {
		t.Errorf("got %d deltas and %d cards, want 2 and 2", deltas, cards)
	}
}

// A stream may be faster than the answer: no lag, not a negative one.
func TestProbeBeforeTheAnswer(t *testing.T) {
	d := made()
	d.acked[1].Store(0)
	to := newLags()
	newProbe(d).take(showing(1), to)
	if got := to.summary(); got.Changes != 1 || got.Max > 1 {
		t.Errorf("got %d changes, at most %.0f ms after the answer, want 1 and no lag", got.Changes, got.Max)
	}
}

package demo

import (
	"testing"
	"time"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

func TestBoardMeasuresLag(t *testing.T) {
	l := newLedger()
	b := &board{ledger: l, waiting: make(map[string][]sight)}
	at := func(version uint64) func(string) *intervenev1.Card {
		return func(string) *intervenev1.Card { return &intervenev1.Card{Version: version} }
	}
	nowhere := func(string) *intervenev1.Card { return nil }
	lags := func(step string, want int64) {
		t.Helper()
		if got := l.lags.TotalCount(); got != want {
			t.Errorf("%s: got %d lags, want %d", step, got, want)
		}
	}
	b.expect("a", 3, noon, nil)
	b.see(nowhere, noon)
	lags("before it came", 0)
	b.see(at(2), noon)
	lags("before the change came", 0)
	b.see(at(4), noon.Add(5*time.Millisecond))
	lags("seen", 1)
	if got := l.lags.percentiles().P99; got < 4.9 || got > 5.1 {
		t.Errorf("got a lag of %v ms, want 5", got)
	}
	b.expect("a", 5, noon, &intervenev1.Card{Version: 4})
	b.see(nowhere, noon)
	lags("left", 2)
	b.expect("a", 5, noon, &intervenev1.Card{Version: 6})
	lags("the stream was faster", 3)
	if len(b.waiting) != 0 {
		t.Errorf("got %v still awaited, want nothing", b.waiting)
	}
}

package measure

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestOpenLoopLeavesNothingOut: one slow answer holds up those behind it, whose
// latencies count from when they should have begun.
func TestOpenLoopLeavesNothingOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := OpenLoop{Rate: 10, For: time.Second, Workers: 1}
		load := loop.Run(t.Context(), func(_, n int) error {
			if n == 0 {
				time.Sleep(500 * time.Millisecond)
			}
			return nil
		})
		// Begun at 100 ms the first ends at 600; those of 200 to 500 ms waited for it.
		if got, want := load.Done, int64(9); got != want {
			t.Errorf("got %d done, want %d", got, want)
		}
		for _, tt := range []struct {
			name           string
			got, low, high float64
		}{
			{"max", load.Latency.Max, 500, 501},
			{"p90", load.Latency.P90, 400, 401},
			{"p50", load.Latency.P50, 100, 101},
		} {
			if tt.got < tt.low || tt.got > tt.high {
				t.Errorf("%s: got %v ms, want %v to %v", tt.name, tt.got, tt.low, tt.high)
			}
		}
	})
}

func TestOpenLoopGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := OpenLoop{Rate: 1, For: 4500 * time.Millisecond, Workers: 1}
		load := loop.Run(t.Context(), func(_, _ int) error {
			time.Sleep(time.Minute)
			return errors.New("refused")
		})
		if load.Failed != 1 || load.Unsent != 3 || load.Done != 0 || load.Err == nil {
			t.Errorf("got %d failed, %d unsent, %d done, error %v, want 1, 3, 0 and one", load.Failed, load.Unsent, load.Done, load.Err)
		}
	})
}

func TestPlanKeepsToItsTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Plan[string]
		p.Add(2*time.Second, "b")
		p.Add(time.Second, "a")
		began := time.Now()
		var got []string
		load := p.Run(t.Context(), 1, func(thing string, due time.Time) error {
			if late := time.Since(due); late != 0 {
				t.Errorf("%s: got %v late, want 0", thing, late)
			}
			got = append(got, thing+time.Since(began).String())
			return nil
		})
		if len(got) != 2 || got[0] != "a1s" || got[1] != "b2s" || load.Done != 2 {
			t.Errorf("got %q and %d done, want a after 1s and b after 2s", got, load.Done)
		}
	})
}

func TestClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := Closed(context.Background(), 3, time.Second, func(_, _ int) error {
			time.Sleep(100 * time.Millisecond)
			return nil
		})
		if got, want := load.Rate(), 30.0; got < want-0.01 || got > want+0.01 {
			t.Errorf("got %v a second, want %v", got, want)
		}
	})
}

package serve

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/actors"
)

// TestMemory: work is refused above one share of the limit and taken below another.
func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		router := actors.NewRouter(actors.RouterOptions{})
		defer router.Stop()
		m := newMemory(prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
		m.limit = 1000
		for n, step := range []struct {
			used uint64
			want bool
		}{
			{500, false},
			{720, false},
			{840, false},
			{850, true},
			{900, true},
			{760, true},
			{750, true},
			{749, false},
			{840, false},
			{1200, true},
		} {
			m.look(router, step.used, time.Now())
			if got := m.short(); got != step.want {
				t.Errorf("look %d, %d of %d in use: got short %v, want %v", n, step.used, m.limit, got, step.want)
			}
			time.Sleep(relieveInterval)
		}
	})
}

func TestMemoryOfThisProcess(t *testing.T) {
	m := newMemory(prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if got := m.used(); got < 1<<20 || got > 8<<30 {
		t.Errorf("got %d bytes in use, want what a test uses", got)
	}
}

func TestCacheFitsTheMemory(t *testing.T) {
	for limit, want := range map[uint64]int64{
		0: usualCacheBytes, 64 << 20: minCacheBytes, 1 << 30: 128 << 20, 64 << 30: usualCacheBytes,
	} {
		if got := (&memory{limit: limit}).cacheBytes(); got != want {
			t.Errorf("limit %d: got a cache of %d, want %d", limit, got, want)
		}
	}
}

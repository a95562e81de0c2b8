package whatsapp

import (
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/intervenehq/intervene/engine"
)

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

func longest(d time.Duration) time.Duration { return d }

func shortest(time.Duration) time.Duration { return 0 }

func TestPacing(t *testing.T) {
	seconds := func(counts ...int) []time.Duration {
		var waits []time.Duration
		for _, n := range counts {
			waits = append(waits, time.Duration(n)*time.Second)
		}
		return waits
	}
	tests := []struct {
		name string
		pace pacing
		draw func(time.Duration) time.Duration
		want []time.Duration // after attempts 0 to engine.MaxAttempts
	}{
		{"retry", paceRetry, longest, seconds(1, 1, 4, 16, 64, 256, 1024, 1800, 1800)},
		{"retry, jitter at its shortest", paceRetry, shortest, seconds(0, 0, 0, 0, 0, 0, 0, 0, 0)},
		{"quota", paceQuota, longest, seconds(60, 60, 240, 960, 3600, 3600, 3600, 3600, 3600)},
		{"pair: Meta says how long", pacePair, shortest, seconds(1, 1, 4, 16, 64, 256, 1024, 3600, 3600)},
		{"pause", pacePause, longest, seconds(300, 300, 1200, 4800, 7200, 7200, 7200, 7200, 7200)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []time.Duration
			for attempt := range uint32(engine.MaxAttempts + 1) {
				got = append(got, tt.pace.wait(attempt, 0, tt.draw))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("waits: got %v, want %v", got, tt.want)
			}
			if got := tt.pace.wait(1<<31, 0, longest); got != tt.pace.longest {
				t.Errorf("wait after very many attempts: got %v, want %v", got, tt.pace.longest)
			}
			for range 1000 {
				if got := tt.pace.wait(3, time.Hour, rand.N[time.Duration]); got < time.Hour || got > time.Hour+tt.pace.longest {
					t.Fatalf("wait when asked for an hour: got %v, want little more", got)
				}
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		header string
		want   time.Duration
	}{
		{"", 0},
		{"0", 0},
		{"7", 7 * time.Second},
		{"-7", 0},
		{"99999999999", MaxRetryAfter},
		{"99999999999999999999999", 0},
		{"soon", 0},
		{now.Add(time.Minute).Format(http.TimeFormat), time.Minute},
		{now.Add(-time.Minute).Format(http.TimeFormat), 0},
		{now.AddDate(1, 0, 0).Format(http.TimeFormat), MaxRetryAfter},
	}
	for _, tt := range tests {
		header := http.Header{}
		header.Set("Retry-After", tt.header)
		if got := retryAfter(header, now); got != tt.want {
			t.Errorf("Retry-After %q: got %v, want %v", tt.header, got, tt.want)
		}
	}
}

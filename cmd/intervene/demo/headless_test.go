package demo_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/intervenehq/intervene/cmd/intervene/demo"
)

// TestHeadless plays a short day over real sockets. Its load is in proportion;
// everything else is what the long one checks.
func TestHeadless(t *testing.T) {
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	report, err := demo.Headless{For: 5 * time.Second, Seed: 7, Log: log}.Run(t.Context())
	if err != nil {
		t.Fatalf("run: got error %v, want none", err)
	}
	if err := report.Print(t.Output()); err != nil {
		t.Errorf("print: got error %v, want none", err)
	}
	for _, violation := range report.Violations {
		t.Errorf("got violation %q, want none", violation)
	}
	if report.DuplicatesOffered == 0 || report.BadSignaturesOffered == 0 {
		t.Errorf("got %d duplicates and %d bad signatures offered, want some of each: the day was not hostile",
			report.DuplicatesOffered, report.BadSignaturesOffered)
	}
}

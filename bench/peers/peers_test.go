package main

import (
	"math"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestStream writes to a real JetStream, which refuses what is not the next of
// its conversation.
func TestStream(t *testing.T) {
	s, err := startStream(t.Context(), t.TempDir())
	if err != nil {
		t.Fatalf("start: got error %v, want none", err)
	}
	load := newWork(s).run(t.Context(), 16, 200*time.Millisecond)
	if load.Done == 0 || load.Failed != 0 {
		t.Errorf("got %d done, %d failed (%v), want some and none", load.Done, load.Failed, load.Err)
	}
	s.last[0] += 1000
	if err := s.write(t.Context(), (&conversation{}).next()); err == nil {
		t.Error("got no error of a command that is not the next, want one")
	}
	if err := s.close(); err != nil {
		t.Errorf("close: got error %v, want none", err)
	}
}

func TestWork(t *testing.T) {
	c := &conversation{id: 7, version: 3}
	var bytes, hashes, dues int
	for c.step = range chatSteps {
		e := c.next()
		if e.conversation != 7 || e.version != 3 {
			t.Errorf("got conversation %d at %d, want 7 at 3", e.conversation, e.version)
		}
		bytes += len(e.event) + len(e.head)
		if e.hash != nil {
			hashes++
		}
		if e.dueOrNil() != nil {
			dues++
		}
	}
	if want := chatSteps * (eventBytes + headBytes); bytes != want || hashes != 1 || dues != 2 {
		t.Errorf("got %d bytes, %d hashes and %d due times of a chat, want %d, 1 and 2", bytes, hashes, dues, want)
	}
}

func TestParse(t *testing.T) {
	got, err := parse(`goos: linux
BenchmarkCommand/hot=10000/inflight=256-2         	      12	         0 ns/op	     59281 commands/s	         1.25 p50-ms
PASS
`)
	if err != nil {
		t.Fatalf("got error %v, want none", err)
	}
	v := got["BenchmarkCommand/hot=10000/inflight=256"]
	if v["commands/s"] != 59281 || v["p50-ms"] != 1.25 {
		t.Errorf("got %v, want 59281 commands/s and 1.25 p50-ms", got)
	}
	if _, err := parse("PASS\n"); err == nil {
		t.Error("got no error when no benchmark ran, want one")
	}
}

func TestRatios(t *testing.T) {
	f := &found{Sides: []string{sideEngine, sideSingle}, Scores: map[int]map[string][]score{256: {
		sideEngine: {{50_000, 4, 8}, {40_000, 4, 9}, {60_000, 4, 7}}, // median 50,000 and 8
		sideSingle: {{4_000, 60, 100}},
	}}}
	row := f.tables()[1].Rows[0]
	want := []string{"256", sideSingle, "12.5", "0.080", "commands/s 10, p99 0.1", "yes"}
	for i := range want {
		if row[i] != want[i] {
			t.Errorf("column %d: got %q, want %q", i, row[i], want[i])
		}
	}
	if _, reached := verdict(256, sideSingle, 12, 0.2); reached != "**no**" {
		t.Errorf("got %q of a late p99, want no", reached)
	}
	if got := median([]float64{1, 9, 2, 4}); math.Abs(got-3) > 1e-9 {
		t.Errorf("got median %v, want 3", got)
	}
}

package journaltest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/intervenehq/intervene/engine"
)

var logTests = []test{
	{"tail tells every change in order", testTail},
	{"tail waits for a change", testTailWaits},
	{"tail ends with its context", testTailContext},
	{"tail refuses an offset of another log", testTailAhead},
	{"tail goes on after the journal was opened again", testTailReopened},
}

// tail reads the log from an offset until it has come to another.
func tail(t *testing.T, j Journal, after, until uint64, limit int) []engine.Change {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var changes []engine.Change
	for after < until {
		page, err := j.Tail(ctx, after, limit)
		if err != nil {
			t.Fatalf("tail after %d: got error %v, want none", after, err)
		}
		if len(page) == 0 || len(page) > limit {
			t.Fatalf("tail after %d: got %d changes, want 1 to %d", after, len(page), limit)
		}
		changes = append(changes, page...)
		after = page[len(page)-1].Offset
	}
	return changes
}

func testTail(t *testing.T, s Store) {
	j := open(t, s)
	var want []engine.Change
	w := NewWriter(j, 1)
	for range 20 {
		want = append(want, w.Do(t, Customer, w.Receive("hello")))
		want = append(want, w.Answer(t, "hi"))
		w.Now = w.Now.Add(time.Minute)
	}
	for _, limit := range []int{1, 7, 1000} {
		if diff := cmp.Diff(want, tail(t, j, 0, j.Durable(), limit)); diff != "" {
			t.Errorf("tail by %d: got other changes than wanted (-want +got):\n%s", limit, diff)
		}
	}
	if diff := cmp.Diff(want[11:], tail(t, j, 11, j.Durable(), 1000)); diff != "" {
		t.Errorf("tail after 11: got other changes than wanted (-want +got):\n%s", diff)
	}
}

func testTailWaits(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	w.Do(t, Customer, w.Receive("hello"))
	got := make(chan []engine.Change, 1)
	go func() {
		changes, err := j.Tail(t.Context(), 1, 10)
		if err != nil {
			t.Errorf("tail: got error %v, want none", err)
		}
		got <- changes
	}()
	want := w.Answer(t, "hi")
	if diff := cmp.Diff([]engine.Change{want}, <-got); diff != "" {
		t.Errorf("got other changes than wanted (-want +got):\n%s", diff)
	}
}

func testTailContext(t *testing.T, s Store) {
	j := open(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := j.Tail(ctx, 0, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("tail: got error %v, want %v", err, context.Canceled)
	}
}

func testTailAhead(t *testing.T, s Store) {
	j := open(t, s)
	_, err := j.Tail(t.Context(), 1, 10)
	wantCode(t, "tail ahead of the log", err, engine.CodeNotFound)
}

func testTailReopened(t *testing.T, s Store) {
	j := s.Open(t)
	w := NewWriter(j, 1)
	var want []engine.Change
	for range 5 {
		want = append(want, w.Do(t, Customer, w.Receive("hello")))
	}
	if err := j.Close(); err != nil {
		t.Fatalf("close: got error %v, want none", err)
	}
	w.Journal = open(t, s)
	for range 5 {
		want = append(want, w.Do(t, Customer, w.Receive("hello")))
	}
	if diff := cmp.Diff(want, tail(t, w.Journal, 0, w.Journal.Durable(), 3)); diff != "" {
		t.Errorf("got other changes than wanted (-want +got):\n%s", diff)
	}
}

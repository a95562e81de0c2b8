package journal

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal/record"
)

// TestEarlyStatusesAreBounded fills a journal with statuses of messages that
// nobody sent: the oldest make room, the newest are found.
func TestEarlyStatusesAreBounded(t *testing.T) {
	const channel = "main"
	fs := vfs.NewMem()
	j := loaded(t, fs)
	fillEarly(t, j, channel)
	if err := j.release(); err != nil {
		t.Fatalf("release: got error %v, want none", err)
	}
	j = loaded(t, fs)
	j.start()
	if got := j.early.Load(); got != maxEarlyStatuses {
		t.Errorf("opened: got %d early statuses, want %d", got, maxEarlyStatuses)
	}
	item := earlyStatus(channel, maxEarlyStatuses)
	for range 2 { // it is parked once
		if _, known, err := j.ParkStatus(item); known || err != nil {
			t.Fatalf("park status: got known %t, error %v, want it parked", known, err)
		}
	}
	for n, want := range map[int]int{0: 0, earlyDropped - 1: 0, earlyDropped: 1, maxEarlyStatuses - 1: 1, maxEarlyStatuses: 1} {
		got, err := j.EarlyStatuses(channel, earlyStatus(channel, n).Status.External)
		if len(got) != want || err != nil {
			t.Errorf("early status %d: got %d, error %v, want %d", n, len(got), err, want)
		}
	}
	if err := j.DropEarly(channel, item.Status.External); err != nil {
		t.Errorf("drop: got error %v, want none", err)
	}
	counted := j.early.Load()
	if err := j.countEarly(); err != nil || counted != maxEarlyStatuses-earlyDropped || j.early.Load() != counted {
		t.Errorf("got %d counted and %d there, error %v, want %d", counted, j.early.Load(), err, maxEarlyStatuses-earlyDropped)
	}
	if got := testutil.ToFloat64(j.metrics.earlyDropped); got != earlyDropped {
		t.Errorf("dropped: got %v, want %d", got, earlyDropped)
	}
	closeLoaded(t, j)
}

// earlyStatus is the nth by age. Their keys are in no such order.
func earlyStatus(channel engine.ChannelID, n int) engine.Inbound {
	return engine.Inbound{Channel: channel, Status: &engine.Status{
		External: fmt.Sprintf("wamid.%d", n), State: engine.Sent, At: engine.Instant(1000 + n),
	}}
}

// fillEarly parks as many as there may be, in one write.
func fillEarly(t *testing.T, j *Journal, channel engine.ChannelID) {
	t.Helper()
	today := earlyDay(engine.InstantOf(j.options.Now()))
	b := j.db.NewBatch()
	for n := range maxEarlyStatuses {
		s := earlyStatus(channel, n).Status
		value, err := appendRecord(nil, &record.Early{Channel: string(channel), Status: status(s)})
		if err != nil {
			t.Fatalf("encode: got error %v, want none", err)
		}
		if err := b.Set(append(earlyKey(nil, j.shard, today, channel, s.External), byte(s.State)), value, nil); err != nil {
			t.Fatalf("set: got error %v, want none", err)
		}
	}
	if err := b.Commit(pebble.Sync); err != nil {
		t.Fatalf("commit: got error %v, want none", err)
	}
}

func closeLoaded(t *testing.T, j *Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatalf("close: got error %v, want none", err)
	}
}

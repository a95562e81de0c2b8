package journal_test

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/engine/journal/journaltest"
)

// counted counts what is logged as an error.
type counted struct {
	slog.Handler
	errors *atomic.Int64
}

func (c counted) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		c.errors.Add(1)
	}
	return nil
}

func room(mem *vfs.MemFS, mb uint64) {
	mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: mb << 20, TotalBytes: 1 << 40, UsedBytes: 1<<40 - mb<<20})
}

// wantFull fails unless appends are refused, parking too, and reads go on.
func wantFull(t *testing.T, j *journal.Journal, w *journaltest.Writer) {
	t.Helper()
	for range 3 {
		if _, err := w.Commit(prepare(w)); engine.CodeOf(err) != engine.CodeFull {
			t.Errorf("append: got error %v, want code %q", err, engine.CodeFull)
		}
	}
	if err := j.Park(parkedItem(1)); engine.CodeOf(err) != engine.CodeFull {
		t.Errorf("park: got error %v, want code %q", err, engine.CodeFull)
	}
	if c, err := j.Load(w.Conversation.ID); err != nil || c.Version != w.Conversation.Version {
		t.Errorf("load: got version %d, error %v, want %d", c.Version, err, w.Conversation.Version)
	}
}

// TestFullDisk refuses before the disk is full, goes on reading, and takes
// appends again when there is room. It says so once.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged atomic.Int64
		mem := vfs.NewMem()
		o := testOptions(t, mem)
		o.Logger = slog.New(counted{slog.NewTextHandler(io.Discard, nil), &logged})
		room(mem, 100)
		if _, err := journal.Open(dir, o); engine.CodeOf(err) != engine.CodeFull {
			t.Errorf("open on a full disk: got error %v, want code %q", err, engine.CodeFull)
		}
		room(mem, 10_000)
		j := open(t, o)
		w := journaltest.NewWriter(j, 1)
		w.Do(t, journaltest.Customer, w.Receive("hello"))

		room(mem, 400)
		time.Sleep(2 * time.Second)
		wantFull(t, j, w)
		closeJournal(t, j)
		j = open(t, o) // between the two reserves it opens, and refuses at once
		defer closeJournal(t, j)
		w.Journal = j
		wantFull(t, j, w)
		if got := logged.Load(); got != 2 {
			t.Errorf("got %d errors logged, want one of each journal", got)
		}

		room(mem, 10_000)
		time.Sleep(2 * time.Second)
		if _, err := w.Commit(prepare(w)); err != nil {
			t.Errorf("append with room again: got error %v, want none", err)
		}
	})
}

// TestFlushWaitsForRoom fills the disk below the journal's feet: nothing ends,
// and what could not be written is when there is room.
func TestFlushWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		d := newDisk(mem)
		room(mem, 10_000)
		j := open(t, testOptions(t, d))
		w := journaltest.NewWriter(j, 1)
		w.Do(t, journaltest.Customer, w.Receive("hello"))

		d.full.Store(true)
		room(mem, 0)
		flushed, err := j.BeginFlush()
		if err != nil {
			t.Fatalf("flush: got error %v, want none", err)
		}
		time.Sleep(time.Minute)
		wantFull(t, j, w)
		select {
		case <-flushed:
			t.Error("got a flush without room, want it to wait")
		default:
		}

		d.full.Store(false)
		room(mem, 10_000)
		time.Sleep(5 * time.Second)
		<-flushed
		if _, err := w.Commit(prepare(w)); err != nil {
			t.Errorf("append with room again: got error %v, want none", err)
		}
		closeJournal(t, j)
		wantClean(t, verify(t, mem))
	})
}

// TestHangEndsTheProcess: a write that hangs for too long is fatal, and whoever
// waits for it is answered.
func TestHangEndsTheProcess(t *testing.T) {
	calls := map[string]struct {
		call func(t *testing.T, j *journal.Journal, w *journaltest.Writer) error
		// limit is after how long the process ends, give or take a look at it.
		limit time.Duration
		want  engine.Code
	}{
		"append": {func(_ *testing.T, _ *journal.Journal, w *journaltest.Writer) error {
			_, err := w.Commit(prepare(w))
			return err
		}, 10 * time.Second, engine.CodeUnknownOutcome},
		"a read behind it": {func(t *testing.T, j *journal.Journal, w *journaltest.Writer) error {
			appendAll(t, w)
			synctest.Wait()
			_, err := j.Load(w.Conversation.ID)
			return err
		}, 10 * time.Second, engine.CodeUnavailable},
		"expire": {func(_ *testing.T, j *journal.Journal, _ *journaltest.Writer) error {
			return j.Expire(journaltest.Start.Add(day))
		}, 10 * time.Second, 0},
		"close": {func(_ *testing.T, j *journal.Journal, _ *journaltest.Writer) error { return j.Close() }, 30 * time.Second, engine.CodeUnavailable},
	}
	for name, tt := range calls {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDisk(vfs.NewMem())
				o := testOptions(t, d)
				fatal := make(chan error, 1)
				o.Fatal = func(err error) { fatal <- err }
				j := open(t, o)
				w := journaltest.NewWriter(j, 1)
				w.Do(t, journaltest.Customer, w.Receive("hello"))
				w.Answer(t, "hi")
				release := d.hang()
				begin := time.Now()
				answer := make(chan error, 1)
				go func() { answer <- tt.call(t, j, w) }()
				if err := <-fatal; err == nil {
					t.Error("fatal: got no error, want one")
				}
				if took := time.Since(begin); took < tt.limit || took > tt.limit+2*time.Second {
					t.Errorf("fatal: got it after %s, want it after %s", took, tt.limit)
				}
				if tt.want != 0 { // else it is answered by nobody: the process has ended
					if err := <-answer; engine.CodeOf(err) != tt.want {
						t.Errorf("got error %v, want code %q", err, tt.want)
					}
				}
				if _, err := j.Load(w.Conversation.ID); engine.CodeOf(err) != engine.CodeUnavailable {
					t.Errorf("load after that: got error %v, want code %q", err, engine.CodeUnavailable)
				}
				release()
				if tt.want == 0 {
					<-answer
				}
				if err := j.Close(); err != nil && name != "close" {
					t.Errorf("close: got error %v, want none", err)
				}
			})
		})
	}
}

package journal

import (
	"fmt"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestNothingIsCompactedWhileOpening: what a store owes is compacted once it is
// open, and then it is.
func TestNothingIsCompactedWhileOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		j := loaded(t, fs)
		for table := range 4 * l0Compaction {
			for key := range 100 {
				name := fmt.Sprintf("key %d of table %d", key, table)
				if key%2 == 0 {
					name = fmt.Sprintf("key %d", key) // every table has it
				}
				if err := j.db.Set(metaKey("test "+name), nil, nil); err != nil {
					t.Fatalf("set: got error %v, want none", err)
				}
			}
			if err := j.db.Flush(); err != nil {
				t.Fatalf("flush: got error %v, want none", err)
			}
		}
		synctest.Wait()
		wantCompactions(t, j, "flushed", false)
		if err := j.release(); err != nil {
			t.Fatalf("release: got error %v, want none", err)
		}

		j = loaded(t, fs)
		synctest.Wait()
		wantCompactions(t, j, "loaded", false)
		j.start()
		synctest.Wait()
		wantCompactions(t, j, "started", true)
		if owed := j.db.Metrics().Levels[0].Sublevels; owed >= l0Compaction {
			t.Errorf("started: got %d sublevels in L0, want less than %d", owed, l0Compaction)
		}
		closeLoaded(t, j)
	})
}

// loaded is a journal that is all open but for its start.
func loaded(t *testing.T, fs vfs.FS) *Journal {
	t.Helper()
	o, err := Options{FS: fs, Create: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}.withDefaults()
	if err != nil {
		t.Fatalf("options: got error %v, want none", err)
	}
	p := placeOf(fs, "/data/journal")
	if err := p.prepare(true); err != nil {
		t.Fatalf("prepare: got error %v, want none", err)
	}
	j := newJournal(o, p)
	if j.lock, err = fs.Lock(p.lock); err != nil {
		t.Fatalf("lock: got error %v, want none", err)
	}
	if err := j.load(); err != nil {
		t.Fatalf("load: got error %v, want none", err)
	}
	return j
}

func wantCompactions(t *testing.T, j *Journal, when string, want bool) {
	t.Helper()
	if m := j.db.Metrics(); (m.Compact.Count > 0) != want || m.Compact.NumInProgress > 0 {
		t.Errorf("%s: got %d compactions and %d in progress, want any: %t", when, m.Compact.Count, m.Compact.NumInProgress, want)
	}
}

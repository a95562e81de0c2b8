//go:build unix

package journal

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// storedConversations are in the journal that is opened.
const storedConversations = 200_000

// BenchmarkOpen is how long a journal with many conversations takes until it
// serves: after it was closed, and from a copy of what stood on the disk while it
// was open, as a crash leaves it.
//
//	go test -run '^$' -bench Open -benchtime 1x ./engine/journal
func BenchmarkOpen(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "live")
	j := openTimed(b, dir, nil)
	load := newLoad(maxBatchAppends, storedConversations)
	for done := 0; done < storedConversations; {
		n := min(sliceOf(maxBatchAppends), storedConversations-done)
		dealt, _ := load.next(b, n)
		appendAll(b, j, dealt, nil)
		done += n
	}
	crashed := filepath.Join(b.TempDir(), "crashed")
	if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
		b.Fatalf("copy: got error %v, want none", err)
	}
	live := j.db.Metrics().WAL.Size
	closeOpened(b, j)
	var clean, crash time.Duration
	opened := 0
	for b.Loop() {
		closeOpened(b, openTimed(b, dir, &clean))
		copied := filepath.Join(b.TempDir(), "copy")
		if err := os.CopyFS(copied, os.DirFS(crashed)); err != nil {
			b.Fatalf("copy: got error %v, want none", err)
		}
		closeOpened(b, openTimed(b, copied, &crash))
		if err := os.RemoveAll(copied); err != nil {
			b.Fatalf("remove: got error %v, want none", err)
		}
		opened++
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(clean.Seconds()*1e3/float64(opened), "closed-ms")
	b.ReportMetric(crash.Seconds()*1e3/float64(opened), "crashed-ms")
	b.ReportMetric(float64(live)/(1<<20), "wal-MB")
}

func openTimed(b *testing.B, dir string, took *time.Duration) *Journal {
	b.Helper()
	began := time.Now()
	j, err := Open(dir, benchmarkOptions(b))
	if err != nil {
		b.Fatalf("open: got error %v, want none", err)
	}
	if took != nil {
		*took += time.Since(began)
	}
	return j
}

func closeOpened(b *testing.B, j *Journal) {
	b.Helper()
	if err := j.Close(); err != nil {
		b.Fatalf("close: got error %v, want none", err)
	}
}

package journal_test

import (
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/engine/journal/journaltest"
)

func TestMain(m *testing.M) {
	if os.Getenv(abandons) != "" {
		os.Exit(m.Run()) // it leaves journals as a process that ends does
	}
	goleak.VerifyTestMain(m)
}

const dir = "/data/journal"

// testOptions are those of a journal of the suite's shard on fs, whose clock
// stands at the suite's start. What should end the process fails the test.
func testOptions(t testing.TB, fs vfs.FS) journal.Options {
	return journal.Options{
		FS: fs, Create: true, Shard: journaltest.Shard, CacheBytes: 1 << 20,
		Now:    func() time.Time { return journaltest.Start.Time() },
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Fatal:  func(err error) { t.Errorf("the journal ended the process: %v", err) },
	}
}

func open(t testing.TB, o journal.Options) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, o)
	if err != nil {
		t.Fatalf("open: got error %v, want none", err)
	}
	return j
}

// store is a store of the conformance suite on a file system.
type store struct{ fs vfs.FS }

func (s store) Open(t *testing.T) journaltest.Journal { return open(t, testOptions(t, s.fs)) }

func TestConformance(t *testing.T) {
	journaltest.Run(t, func(*testing.T) journaltest.Store { return store{vfs.NewMem()} })
}

func TestConformanceOnDisk(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) journaltest.Store { return diskStore{t.TempDir()} })
}

// diskStore is a store on the operating system's files.
type diskStore struct{ dir string }

func (s diskStore) Open(t *testing.T) journaltest.Journal {
	t.Helper()
	j, err := journal.Open(s.dir, testOptions(t, vfs.Default))
	if err != nil {
		t.Fatalf("open: got error %v, want none", err)
	}
	return j
}

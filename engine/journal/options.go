package journal

import (
	"fmt"
	"log/slog"
	"math"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/engine"
)

// Limits of one journal.
const (
	// maxQueuedAppends bounds the appends that wait for the committer; one more
	// is refused as overloaded.
	maxQueuedAppends = 16384
	// maxBatchAppends and maxBatchBytes bound one batch: a batch of more than
	// half a memtable would force a rotation.
	maxBatchAppends = 4096
	maxBatchBytes   = 4 << 20
	// maxUnsynced is how many batches may wait for their fsync, besides the one
	// that it runs for. More would make the batches smaller, not the disk faster.
	maxUnsynced = 1
	// appendTimeout is how long an append, or any other write, may take before the process ends:
	// whoever waits for a disk that hangs is better served by another process.
	appendTimeout = 10 * time.Second
	// closeTimeout is how long closing may take before the process ends: it
	// writes what is in memory, which is in the WAL already.
	closeTimeout = 30 * time.Second
	// watchInterval is how often the age of the oldest write is looked at.
	watchInterval = time.Second
	// diskInterval is how often free space is looked at.
	diskInterval = time.Second
	// openReserve is the free space that opening needs: replaying a log on a
	// full disk would spin. appendReserve is what appends leave free, so that
	// what is in memory can still be flushed and compacted.
	openReserve   = 256 << 20
	appendReserve = 512 << 20
	// fullPause is how long a write that found no room waits before it is tried
	// once more.
	fullPause = 500 * time.Millisecond
	// markInterval is how often the durable mark is rewritten while it moves.
	markInterval = 100 * time.Millisecond
	// minAppendBytes is less than any append takes in the WAL.
	minAppendBytes = 128
	// snapshotInterval is how many events at most are applied on a load,
	// give or take one append.
	snapshotInterval = 64
	// baseSnapshot stands in place of an interval for the snapshot that all loads
	// begin with once a conversation's first events are gone.
	baseSnapshot = 0
	// ringChanges is how far a reader may fall behind and still be served from
	// memory.
	ringChanges = 1 << 14
	// maxLogRows bounds the log: a reader further behind rebuilds.
	maxLogRows = 1 << 20
	// maxVersions is how many conversations' newest versions the committer knows
	// without reading, in 24 bytes each. Twice the hot ones keep most. It begins
	// with minVersions and has, up to there, placesEach for each: with fewer, too
	// many would share theirs. The first two are powers of two.
	maxVersions = 1 << 18
	minVersions = 1 << 10
	placesEach  = 8
	// maxEarlyStatuses bounds the statuses that are parked because nobody knows
	// their send: for one more, the earlyDropped oldest ones are dropped.
	maxEarlyStatuses = 1 << 14
	earlyDropped     = maxEarlyStatuses / 8
	// maxRestores is of how many restores a journal knows which messages were
	// made before them.
	maxRestores = 64
	// holdBatch is how many holds are set or released with one fsync.
	holdBatch = 4096
	// referencePlaces is how many appends are told apart when somebody who was
	// pointed to a conversation waits for one.
	referencePlaces = 1 << 12
	// defaultCacheBytes is Pebble's block cache.
	defaultCacheBytes = 256 << 20
	memTableBytes     = 64 << 20
	memTableStop      = 4
	l0Compaction      = 2
	bytesPerSync      = 512 << 10
	// usualRowBytes and usualRows are what most appends need room for.
	usualRowBytes = 1 << 10
	usualRows     = 12
	// maxRecycledBytes is the buffer that an append leaves to the next.
	maxRecycledBytes = 64 << 10
	// maxPage bounds what one read of a list answers.
	maxPage          = 10_000
	filterBitsPerKey = 10
	deleteRangeDelay = 10 * time.Second
	// compactionInterval is how often is looked whether Pebble allows itself more
	// compactions at once than run.
	compactionInterval = 100 * time.Millisecond
)

// Options say how a journal is opened. The zero value opens an existing one on
// the operating system's files.
type Options struct {
	// FS is where the journal lives; the operating system's files unless set.
	FS vfs.FS
	// Create makes a journal where there is none. Without it a missing one is
	// refused, so that a wrong path never starts empty.
	Create bool
	// Shard is the one that the journal owns.
	Shard engine.Shard
	// Erasures is the file of the erasure ledger, which survives the journal best on
	// another disk; "erasures" in its directory unless set.
	Erasures string
	// CacheBytes bounds Pebble's block cache; 256 MB unless set.
	CacheBytes int64
	// Registerer is told of the metrics; nobody is unless set.
	Registerer prometheus.Registerer
	// Fatal is called when a write or an fsync failed or hangs. It must end the
	// process: what was asked meanwhile is never answered. The default logs
	// and exits.
	Fatal func(error)
	// Now is the clock for retention; time.Now unless set.
	Now    func() time.Time
	Logger *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	if o.CacheBytes < 0 {
		return Options{}, &engine.Error{Code: engine.CodeInvalid, Field: "CacheBytes", Problem: "must not be negative"}
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCacheBytes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Fatal == nil {
		logger := o.Logger
		o.Fatal = func(err error) {
			logger.Error("the journal cannot go on; the process ends", "error", err)
			os.Exit(1)
		}
	}
	return o, nil
}

// checkSpace refuses to go on with less than reserve bytes free. A file system
// that cannot tell is taken to have room.
func checkSpace(fs vfs.FS, dir string, reserve uint64) (free uint64, err error) {
	usage, err := fs.GetDiskUsage(dir)
	if err != nil {
		return math.MaxUint64, nil
	}
	if usage.AvailBytes < reserve {
		return usage.AvailBytes, &engine.Error{
			Code: engine.CodeFull,
			Err:  fmt.Errorf("%d MB are free, %d must be", usage.AvailBytes>>20, reserve>>20),
		}
	}
	return usage.AvailBytes, nil
}

// FreeBytes is the free space where a directory of the operating system's lies, if
// that is known.
func FreeBytes(dir string) (free uint64, known bool) {
	usage, err := vfs.Default.GetDiskUsage(dir)
	return usage.AvailBytes, err == nil
}

package journal

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"log/slog"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/intervenehq/intervene/engine"
)

// storeOptions are what was measured to be right for this layout and load;
// docs/JOURNAL.md says why. The format version is pinned at the newest: at older
// ones a flipped bit at the end of the WAL drops synced writes unseen.
func storeOptions(o Options, events *storeEvents) *pebble.Options {
	options := &pebble.Options{
		FS:                          walFS{vfs.OnDiskFull(o.FS, events.pauseFull), events.die, &events.freshLogs, &events.replayed},
		CacheSize:                   o.CacheBytes,
		FormatMajorVersion:          pebble.FormatNewest,
		ErrorIfNotExists:            true,
		MemTableSize:                memTableBytes,
		MemTableStopWritesThreshold: memTableStop,
		L0CompactionThreshold:       l0Compaction,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
		BytesPerSync:                bytesPerSync,
		FlushDelayDeleteRange:       deleteRangeDelay,
		Logger:                      events,
		EventListener:               events.listener(),
	}
	for i := range options.Levels {
		options.Levels[i].FilterPolicy = bloom.FilterPolicy(filterBitsPerKey)
	}
	options.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return compression })
	return options
}

// compression is a variable for the test that looks for bytes in tables.
var compression = pebble.DBCompressionBalanced

// storeEvents is what Pebble tells of itself.
type storeEvents struct {
	logger *slog.Logger
	// die ends the process.
	die func(error)
	// full is told of a disk without room, and pauses; nil where nothing can be
	// refused.
	full func(error)
	// open is set while the store is: on a full disk, opening it fails.
	open atomic.Bool
	// freshLogs counts who wants no old file of the write-ahead log to be used again.
	freshLogs atomic.Int32
	// replayed is how much of the write-ahead log was read: all that opening the
	// store took from there.
	replayed atomic.Int64
	// metrics is nil while there are none.
	metrics *metrics
}

// Infof drops what Pebble tells of every flush and compaction: the metrics
// count them.
func (s *storeEvents) Infof(string, ...any) {}

func (s *storeEvents) Errorf(format string, args ...any) {
	s.logger.Error("pebble", "error", fmt.Sprintf(format, args...))
}

// Fatalf must not return in production: Pebble would go on as if the write that
// failed had been made.
func (s *storeEvents) Fatalf(format string, args ...any) {
	s.die(fmt.Errorf("pebble: %s", fmt.Sprintf(format, args...)))
}

func (s *storeEvents) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: s.background,
		// Whoever read it is told; what else the store holds can still be served.
		DataCorruption: func(info pebble.DataCorruptionInfo) { s.corruption(info.Details) },
		WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
			s.logger.Warn("pebble delays writes", "reason", info.Reason)
			if s.metrics != nil {
				s.metrics.stalls.Inc()
			}
		},
	}
}

// background is told when a flush or a compaction failed. What it was to write
// stands in the WAL and in older tables, so a full disk can be waited for.
func (s *storeEvents) background(err error) {
	switch {
	case pebble.IsCorruptionError(err):
		s.corruption(err)
	case vfs.IsNoSpaceError(err) && s.open.Load():
		return // pauseFull has seen to it
	default:
		s.die(fmt.Errorf("pebble in the background: %w", err))
	}
}

// pauseFull runs when a write found no room, before that is tried once more.
func (s *storeEvents) pauseFull() {
	if s.open.Load() {
		s.full(errDiskFull)
	}
}

var errDiskFull = errors.New("a write found no room")

func (s *storeEvents) corruption(err error) {
	s.logger.Error("pebble found corruption", "error", err)
	if s.metrics != nil {
		s.metrics.corruptions.Inc()
	}
}

// openStore opens Pebble in dir. Pebble panics, cleaned up, when a directory
// cannot be synced; nothing is open then, so that is a refusal like any other.
func openStore(dir string, options *pebble.Options) (db *pebble.DB, err error) {
	defer func() {
		if r := recover(); r != nil {
			db, err = nil, &engine.Error{Code: engine.CodeUnavailable, Err: fmt.Errorf("open pebble: %v", r)}
		}
	}()
	if db, err = pebble.Open(dir, options); err != nil {
		return nil, openError(err)
	}
	return db, nil
}

// readError says what a failed read of Pebble is to its reader.
func readError(err error) error {
	if pebble.IsCorruptionError(err) {
		return &engine.Error{Code: engine.CodeCorrupt, Err: fmt.Errorf("read: %w", err)}
	}
	return &engine.Error{Code: engine.CodeUnavailable, Err: fmt.Errorf("read: %w", err)}
}

// openError says what a failed opening of Pebble is.
func openError(err error) error {
	code := engine.CodeUnavailable
	// The store's directory is there: what else is missing was lost.
	if pebble.IsCorruptionError(err) || errors.Is(err, pebble.ErrDBDoesNotExist) || errors.Is(err, iofs.ErrNotExist) {
		code = engine.CodeCorrupt
	}
	return &engine.Error{Code: code, Err: fmt.Errorf("open pebble: %w", err)}
}

// get passes the value of key to use, which must not keep it; found is false
// when there is none.
func get(r pebble.Reader, key []byte, use func(value []byte) error) (found bool, err error) {
	value, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, readError(err)
	}
	useErr := use(value)
	if err := closer.Close(); err != nil {
		return false, readError(err)
	}
	return true, useErr
}

// scan passes the rows of [lower, upper) to use, ascending, until it asks to
// stop. Neither key nor value may be kept.
func scan(r pebble.Reader, lower, upper []byte, use func(key, value []byte) (more bool, err error)) (err error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return readError(err)
	}
	return scanIter(it, use)
}

// scanIter is scan on an iterator that stands nowhere yet, which it closes.
func scanIter(it *pebble.Iterator, use func(key, value []byte) (more bool, err error)) (err error) {
	defer func() {
		if closeErr := it.Close(); closeErr != nil && err == nil {
			err = readError(closeErr)
		}
	}()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return readError(err)
		}
		if more, err := use(it.Key(), value); err != nil || !more {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return readError(err)
	}
	return nil
}

// exists reports whether a file or directory is there.
func exists(fs vfs.FS, path string) (bool, error) {
	_, err := fs.Stat(path)
	if err == nil {
		return true, nil
	}
	if errors.Is(err, iofs.ErrNotExist) {
		return false, nil
	}
	return false, fmt.Errorf("stat: %w", err)
}

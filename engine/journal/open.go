package journal

import (
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal/record"
)

const (
	// formatVersion is that of the keys and of how rows belong together. A journal
	// from oldestFormat on is brought to it when it is opened.
	formatVersion = 4
	oldestFormat  = 2

	storeName = "store"
	// creatingName is the store while it is made; it gets its name when it is whole.
	creatingName = "store.creating"
	lockName     = "LOCK"
)

func metaKey(name string) []byte { return append([]byte{byte(spaceMeta)}, name...) }

var (
	metaJournalKey   = metaKey("journal")
	metaRetentionKey = metaKey("retention")
	metaChangesKey   = metaKey("changes")
	metaRestoresKey  = metaKey("restores")
)

// place is where in a directory the parts of a journal lie.
type place struct {
	fs                   vfs.FS
	dir, store, creating string
	mark, lock           string
}

func placeOf(fs vfs.FS, dir string) place {
	return place{
		fs: fs, dir: dir, store: fs.PathJoin(dir, storeName), creating: fs.PathJoin(dir, creatingName),
		mark: fs.PathJoin(dir, markName), lock: fs.PathJoin(dir, lockName),
	}
}

// ensure makes the journal if it is missing and may be made. A crash in
// between leaves no store under its name, and the next attempt begins anew.
func (p place) ensure(o Options, events *storeEvents) error {
	there, err := exists(p.fs, p.store)
	if err != nil {
		return err
	}
	if there {
		return p.forgetRestore()
	}
	if !o.Create {
		return engine.Errorf(engine.CodeNotFound, "there is no journal in the directory")
	}
	if err := p.refuseUnfinished(); err != nil {
		return err
	}
	if err := p.refuseLost(); err != nil {
		return err
	}
	if err := p.fs.RemoveAll(p.creating); err != nil {
		return fmt.Errorf("remove what an earlier attempt left: %w", err)
	}
	var identity [16]byte
	if _, err := rand.Read(identity[:]); err != nil {
		return fmt.Errorf("draw the journal's identity: %w", err)
	}
	if err := createMark(p, marked{identity: identity}); err != nil {
		return err
	}
	if err := p.createStore(o, events, identity); err != nil {
		return err
	}
	if err := p.fs.Rename(p.creating, p.store); err != nil {
		return fmt.Errorf("name the store: %w", err)
	}
	return syncDir(p.fs, p.dir)
}

// refuseLost refuses to make a store where a mark says that one was.
func (p place) refuseLost() error {
	there, err := exists(p.fs, p.mark)
	if err != nil || !there {
		return err
	}
	m, _, err := readMark(p.fs, p.mark)
	if err != nil {
		return err
	}
	if m.offset > 0 || m.changes > 0 {
		return corrupt("the store is gone, and %d appends were acknowledged", m.offset)
	}
	return nil
}

// createStore makes an empty store and closes it, because damage at the end of
// a store's very first WAL goes unseen.
func (p place) createStore(o Options, events *storeEvents, identity [16]byte) error {
	options := storeOptions(o, events)
	options.ErrorIfNotExists, options.ErrorIfExists = false, true
	db, err := openStore(p.creating, options)
	if err != nil {
		return err
	}
	value, err := appendRecord(nil, &record.Meta{
		Format: formatVersion, Identity: identity[:], Shard: uint32(o.Shard), CreatedAt: int64(engine.InstantOf(o.Now())),
	})
	if err == nil {
		err = db.Set(metaJournalKey, value, pebble.Sync)
	}
	if err == nil {
		err = db.Flush()
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("create store: %w", err)
	}
	return nil
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}

// identify reads what journal db is, and checks that it is the marked one and
// that this version understands it.
func identify(db pebble.Reader, marked [16]byte) (*record.Meta, error) {
	meta := &record.Meta{}
	found, err := get(db, metaJournalKey, func(value []byte) error { return decodeRecord("meta", value, meta) })
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, corrupt("the store does not say what it is")
	case meta.GetFormat() > formatVersion:
		return nil, corrupt("the journal has format %d, which a newer version of Intervene made; this one knows formats %d to %d",
			meta.GetFormat(), oldestFormat, formatVersion)
	case meta.GetFormat() < oldestFormat:
		return nil, corrupt("the journal has format %d, which is too old; this version of Intervene knows formats %d to %d",
			meta.GetFormat(), oldestFormat, formatVersion)
	case len(meta.GetIdentity()) != len(marked):
		return nil, corrupt("the journal's identity has another size")
	case [16]byte(meta.GetIdentity()) != marked:
		return nil, corrupt("the durable mark belongs to another journal")
	}
	return meta, nil
}

// upgrade brings an older journal to the format of this version. From then on an
// older version refuses it.
func (j *Journal) upgrade(meta *record.Meta) error {
	if meta.GetFormat() == formatVersion {
		return nil
	}
	// Format 3 has rows that format 2 does not know, format 4 a field of events, and
	// nothing of what was there is different.
	before := meta.GetFormat()
	meta.Format = formatVersion
	value, err := appendRecord(nil, meta)
	if err != nil {
		return err
	}
	if err := j.db.Set(metaJournalKey, value, pebble.Sync); err != nil {
		return fmt.Errorf("upgrade the journal: %w", err)
	}
	j.options.Logger.Info("the journal was upgraded", "format_before", before, "format", formatVersion)
	return nil
}

// lastOffset is the newest offset in the log; 0 when nothing was ever appended.
func lastOffset(r pebble.Reader, shard engine.Shard) (uint64, error) {
	prefix := shardKey(nil, spaceLog, shard)
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: afterAll(prefix)})
	if err != nil {
		return 0, readError(err)
	}
	var offset uint64
	if it.Last() {
		offset = logKeyOffset(it.Key())
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return 0, readError(err)
	}
	return offset, nil
}

// beforeReplayed is an offset, of a log that ends at end, before all that came
// out of so many bytes of the WAL.
func beforeReplayed(end uint64, replayed int64) uint64 {
	return end - min(end, uint64(replayed)/minAppendBytes+1)
}

// checkLog finds a gap in the log between floor, up to which all is known to be
// there or to have expired, and end, its newest offset. Pebble takes a WAL file
// that is missing, or that ends at the end of a record, as one that ends there,
// also where newer ones follow: so a gap has a row that came out of the WAL
// behind it.
func checkLog(r pebble.Reader, shard engine.Shard, floor, end uint64) error {
	next := floor + 1
	err := scan(r, logKey(nil, shard, next), logKey(nil, shard, end+1), func(key, _ []byte) (bool, error) {
		if offset := logKeyOffset(key); offset != next {
			return false, corrupt("log: got offset %d, want %d", offset, next)
		}
		next++
		return true, nil
	})
	if err == nil && next != end+1 {
		err = corrupt("log: offset %d is missing", next)
	}
	return err
}

// readChanges is how many writes that are no appends the store holds.
func readChanges(r pebble.Reader) (n uint64, err error) {
	_, err = get(r, metaChangesKey, func(value []byte) error {
		n, err = decodeNumber("changes", value)
		return err
	})
	return n, err
}

func readRetention(r pebble.Reader) (*record.Retention, error) {
	kept := &record.Retention{}
	_, err := get(r, metaRetentionKey, func(value []byte) error { return decodeRecord("retention", value, kept) })
	return kept, err
}

package journal

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/intervenehq/intervene/engine"
)

// Journal is the durable log of one shard. All its methods may be called at
// the same time.
type Journal struct {
	options  Options
	place    place
	shard    engine.Shard
	identity [16]byte
	db       *pebble.DB
	events   *storeEvents
	// compactions is not in use before the store is whole.
	compactions *compactions
	lock        io.Closer
	mark        *mark // under marking
	erasures    *ledger
	metrics     *metrics

	queue    queue
	requests sync.Pool
	batches  sync.Pool
	// unsynced are the batches on their way from the committer to the publisher.
	unsynced chan *batch
	underway underway
	// keeperBell tells the keeper that the durable offset moves.
	keeperBell chan struct{}
	due        dueFloors
	references references
	ring       ring
	durable    watermark
	// assigned is the newest offset that any read may have seen. The committer
	// raises it before it applies.
	assigned atomic.Uint64

	// logFloor is the newest offset that retention has removed from the log.
	logFloor atomic.Uint64
	// changes is how many writes that are no appends are durable.
	changes atomic.Uint64
	// The writes that are no appends.
	marking, changing, expiring exclusive
	// purging holds one token while old bytes are removed.
	purging chan struct{}
	// erasing is held for reading while an erasure is on its way to the ledger.
	erasing sync.RWMutex
	// held is what waits for an operator since the journal was restored.
	held     holds
	restores []Restored
	// early is how many statuses are parked whose send is not known, or more.
	early atomic.Int64
	// full is set while there is too little room for appends.
	full atomic.Bool

	// open is held for reading by everything that uses db, and for writing by
	// Close, which never gives it back.
	open sync.RWMutex
	// dead is closed when a write failed: nothing is answered any more.
	dead    chan struct{}
	dying   sync.Once
	shut    chan struct{} // closed when Close begins
	stop    chan struct{} // ends the watcher and the keeper
	running sync.WaitGroup
	closing sync.Once
	closed  error
}

// Open opens the journal in dir. Every refusal has a code.
func Open(dir string, o Options) (*Journal, error) {
	j, err := openIn(dir, o)
	if err != nil && engine.CodeOf(err) == 0 {
		err = &engine.Error{Code: engine.CodeUnavailable, Err: err}
	}
	if err != nil {
		return nil, err
	}
	return j, nil
}

func openIn(dir string, o Options) (*Journal, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	p := placeOf(o.FS, dir)
	if err := p.prepare(o.Create); err != nil {
		return nil, err
	}
	lock, err := o.FS.Lock(p.lock)
	if err != nil {
		return nil, &engine.Error{Code: engine.CodeFenced, Err: fmt.Errorf("lock the directory: %w", err)}
	}
	j := newJournal(o, p)
	j.lock = lock
	if err := j.load(); err != nil {
		return nil, errors.Join(err, j.release())
	}
	j.start()
	return j, nil
}

func newJournal(o Options, p place) *Journal {
	j := &Journal{
		options: o, place: p, shard: o.Shard, metrics: newMetrics(), compactions: newCompactions(),
		unsynced: make(chan *batch, maxUnsynced),
		dead:     make(chan struct{}), shut: make(chan struct{}), stop: make(chan struct{}),
	}
	j.marking, j.changing, j.expiring = newExclusive(), newExclusive(), newExclusive()
	j.purging = make(chan struct{}, 1)
	j.queue.wake, j.keeperBell = make(chan struct{}, 1), make(chan struct{}, 1)
	j.due.init()
	j.requests.New = func() any { return newRequest() }
	j.batches.New = func() any { return new(batch) }
	return j
}

// prepare makes the directory if it may, with the ones above it.
func (p place) prepare(create bool) error {
	var missing []string
	for dir := p.dir; ; dir = p.fs.PathDir(dir) {
		there, err := exists(p.fs, dir)
		if err != nil {
			return err
		}
		if there || dir == p.fs.PathDir(dir) {
			break
		}
		missing = append(missing, dir)
	}
	if len(missing) == 0 {
		return nil
	}
	if !create {
		return engine.Errorf(engine.CodeNotFound, "the directory does not exist")
	}
	if err := p.fs.MkdirAll(p.dir, 0o750); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	// A directory is durable once the one above it is synced.
	for _, dir := range missing {
		if err := syncDir(p.fs, p.fs.PathDir(dir)); err != nil {
			return err
		}
	}
	return nil
}

// load opens what is in the directory and checks that it is all there.
func (j *Journal) load() error {
	if _, err := checkSpace(j.options.FS, j.place.dir, openReserve); err != nil {
		return err
	}
	j.events = &storeEvents{logger: j.options.Logger, die: j.die, full: j.foundFull, metrics: j.metrics}
	if err := j.place.ensure(j.options, j.events); err != nil {
		return err
	}
	m, written, err := readMark(j.place.fs, j.place.mark)
	if err != nil {
		return err
	}
	if j.mark, err = openMark(j.place.fs, j.place.mark, written); err != nil {
		return err
	}
	if err := j.openStore(m); err != nil {
		return err
	}
	j.events.open.Store(true)
	if err := j.recover(m); err != nil {
		return err
	}
	j.lookAtDisk()
	// What was recovered is durable now, whether it was acknowledged or not.
	return j.writeMark(markOpen)
}

// openStore opens the store that m marks. Pebble moves to tables what it finds in
// the WAL, so what follows on a gap comes out of the WAL once, and would not be
// checked when the journal is opened again. Therefore the mark says first that
// nothing is checked.
func (j *Journal) openStore(m marked) (err error) {
	if m.state == markOpen {
		m.state = markUnchecked
		if err := j.mark.write(m); err != nil {
			return err
		}
	}
	options := storeOptions(j.options, j.events)
	options.Experimental.CompactionScheduler = j.compactions
	j.db, err = openStore(j.place.store, options)
	return err
}

// recover checks the store against its mark and begins where it ends.
func (j *Journal) recover(m marked) error {
	j.identity = m.identity
	meta, err := identify(j.db, m.identity)
	if err != nil {
		return err
	}
	if shard := engine.Shard(meta.GetShard()); shard != j.shard {
		return &engine.Error{
			Code: engine.CodeInvalid, Field: "Shard", Problem: fmt.Sprintf("must be %d in this directory", shard),
		}
	}
	head, err := lastOffset(j.db, j.shard)
	if err != nil {
		return err
	}
	changes, err := readChanges(j.db)
	if err != nil {
		return err
	}
	if err := m.check(head, changes); err != nil {
		return err
	}
	kept, err := readRetention(j.db)
	if err != nil {
		return err
	}
	// After a clean stop nothing came out of the WAL, which alone can have gaps.
	if m.state != markClean || head != m.offset || changes != m.changes {
		floor := kept.GetLogOffset()
		if m.state == markOpen {
			floor = max(floor, beforeReplayed(head, j.events.replayed.Load()))
		}
		if err := checkLog(j.db, j.shard, floor, head); err != nil {
			return err
		}
	}
	if err := j.upgrade(meta); err != nil {
		return err
	}
	if err := j.readHolds(); err != nil {
		return err
	}
	if j.restores, err = readRestores(j.db); err != nil {
		return err
	}
	if err := j.countEarly(); err != nil {
		return err
	}
	if err := j.countSends(); err != nil {
		return err
	}
	j.logFloor.Store(kept.GetLogOffset())
	j.changes.Store(changes)
	j.assigned.Store(head)
	j.durable.raise(head)
	j.ring.begin(head)
	return j.openErasures()
}

// start begins the four goroutines of a journal, and lets Pebble compact. Close
// ends them in the same order: the committer when the queue is closed and empty,
// the publisher after the committer's last batch, the other two when they are
// told to stop.
func (j *Journal) start() {
	j.metrics.register(j)
	j.running.Go(j.commit)
	j.running.Go(j.publish)
	j.running.Go(j.watchAge)
	j.running.Go(j.keep)
	j.compactions.begin()
}

// release closes what load opened.
func (j *Journal) release() error {
	var err error
	if j.mark != nil {
		err = errors.Join(err, j.mark.file.Close())
	}
	if j.erasures != nil {
		err = errors.Join(err, j.erasures.close())
	}
	if j.db != nil {
		err = errors.Join(err, j.db.Close())
	}
	return errors.Join(err, j.lock.Close())
}

// Close answers what was appended, flushes, and waits for everything that still
// uses the journal. Appends that come later are unavailable.
func (j *Journal) Close() error {
	j.closing.Do(func() { j.closed = j.closeInTime() })
	return j.closed
}

func (j *Journal) close() error {
	close(j.shut)
	j.queue.close()
	j.open.Lock() // for ever: nobody uses the store after this
	close(j.stop)
	j.running.Wait()
	j.metrics.unregister(j.options.Registerer)

	var err error
	if !j.isDead() {
		err = j.finish()
	}
	if err := errors.Join(err, j.release()); err != nil {
		return fmt.Errorf("close journal: %w", err)
	}
	return nil
}

// finish leaves nothing in the WAL alone, and says so in the mark.
func (j *Journal) finish() error {
	if j.full.Load() {
		return j.writeMark(markOpen) // a flush would find no room
	}
	if err := j.db.Flush(); err != nil {
		return errors.Join(fmt.Errorf("flush: %w", err), j.writeMark(markOpen))
	}
	if j.isDead() {
		return j.writeMark(markOpen)
	}
	return j.writeMark(markClean)
}

// die ends the process. Should that fail, as in a test, nothing is
// acknowledged any more.
func (j *Journal) die(err error) {
	j.dying.Do(func() {
		close(j.dead)
		j.queue.abandon()
		j.underway.abandon()
		j.options.Fatal(err)
	})
}

func (j *Journal) isDead() bool {
	select {
	case <-j.dead:
		return true
	default:
		return false
	}
}

// enter begins a use of the store; leave ends it.
func (j *Journal) enter() error {
	if !j.open.TryRLock() {
		return closedError()
	}
	if j.isDead() {
		j.open.RUnlock()
		return closedError()
	}
	return nil
}

func (j *Journal) leave() { j.open.RUnlock() }

func closedError() error { return engine.Errorf(engine.CodeUnavailable, "the journal is closed") }

// ID is the journal's identity, minted when it was made.
func (j *Journal) ID() [16]byte { return j.identity }

// Durable is the newest offset that is durable. Everything up to it is.
func (j *Journal) Durable() uint64 { return j.durable.offset() }

// Unsynced is how many appends are applied and not yet durable.
func (j *Journal) Unsynced() uint64 {
	durable := j.durable.offset()
	return j.assigned.Load() - durable
}

package sim

import (
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var errIO = errors.New("the disk failed")

// disk is the file system of one life of the engine. Its power can be cut at
// any instant: what a crash leaves is then in left. What still runs of that life
// goes on with files that nobody will ever read, so that it comes to an end, and
// is heard by nobody.
type disk struct {
	vfs.FS
	mem *vfs.MemFS
	// cut is closed when the power is.
	cut chan struct{}

	// mu is held for reading by every change of a file and by whoever notes what
	// the engine said, so that both happened before the power was cut, or not at all.
	mu   sync.RWMutex
	dead bool
	left *vfs.MemFS

	// draws guards what follows.
	draws sync.Mutex
	rng   *rand.Rand
	doom  doom
	// faulty is set once it has done anything to what it was asked, torn once that
	// was a failure of the log.
	faulty, torn bool
	met          doomKind // what it did
	// slow is set once the engine is up, and not while it goes down; hurried is
	// how many need it not to be so. rush is closed to end all waiting when it is not.
	slow    bool
	hurried int
	rush    chan struct{}
	// pace is how long a sync takes at least.
	pace time.Duration
	// flushing is not 0 while Pebble is about to rotate its log by itself, which
	// panics if the log has failed before. A real process has ended by then.
	flushing int
	// logged is how much was written to the present log.
	logged int
}

// doom is how a disk ends, if it does not just lose its power from outside.
type doom struct {
	kind doomKind
	// after is how many changes, or syncs of the log, come before it.
	after int
}

type doomKind uint8

const (
	doomNone   doomKind = iota
	doomSync            // power is cut while a sync of the write-ahead log runs
	doomChange          // power is cut before a change
	doomError           // one change fails
	doomHang            // a sync of the write-ahead log never ends
)

func (k doomKind) String() string {
	return [...]string{"none", "power cut in a sync", "power cut before a change", "I/O error", "hanging sync"}[k]
}

func newDisk(mem *vfs.MemFS, rng *rand.Rand, d doom) *disk {
	return &disk{FS: mem, mem: mem, cut: make(chan struct{}), rng: rng, doom: d}
}

// cutPower ends the disk. Of what was not synced a part may be left.
func (d *disk) cutPower() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return
	}
	d.dead = true
	d.draws.Lock()
	defer d.draws.Unlock()
	percent := []int{0, 0, 100, 1 + d.rng.IntN(99)}[d.rng.IntN(4)]
	if percent > 0 && percent < 100 {
		d.syncDirs()
	}
	d.left = d.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: d.rng})
	close(d.cut)
}

// syncDirs keeps the order of what changed in directories, as ext4 and xfs do:
// of changes that were not synced all are left, or none. Pebble rests on it: it
// names a new manifest in a file beside it, and syncs both names at once.
func (d *disk) syncDirs() {
	for _, path := range []string{"/", dataDir, dataDir + "/store", dataDir + "/store.creating"} {
		dir, err := d.mem.OpenDir(path)
		if err != nil {
			continue // it is not there
		}
		if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
			panic(err) // a file system in memory
		}
	}
}

// alive runs note unless the power was cut before.
func (d *disk) alive(note func()) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.dead {
		return false
	}
	note()
	return true
}

func (d *disk) setFlushing(n int) {
	d.draws.Lock()
	defer d.draws.Unlock()
	d.flushing += n
}

// beginFlush and endFlush stand around what makes Pebble rotate its log.
func (d *disk) beginFlush() {
	d.setFlushing(1)
	d.hurry(1)
}

func (d *disk) endFlush() {
	d.hurry(-1)
	d.setFlushing(-1)
}

// unhurried is how much may be written to a log before its syncs stop taking
// their time. Pebble rotates its log, with its locks held, when the memtable of
// at first 256 KB is full, and virtual time does not pass while anybody waits for
// a lock.
const unhurried = 100 << 10

// setSlow says whether syncs may take their time: not while Pebble opens,
// rotates and closes its log.
func (d *disk) setSlow(slow bool) {
	d.draws.Lock()
	defer d.draws.Unlock()
	d.slow = slow
	d.rouse()
}

// hurry counts who needs all syncs to be quick.
func (d *disk) hurry(n int) {
	d.draws.Lock()
	defer d.draws.Unlock()
	d.hurried += n
	d.rouse()
}

func (d *disk) isSlow() bool { return d.slow && d.hurried == 0 }

// rouse is called with draws held.
func (d *disk) rouse() {
	switch slow := d.isSlow(); {
	case slow && d.rush == nil:
		d.rush = make(chan struct{})
	case !slow && d.rush != nil:
		close(d.rush)
		d.rush = nil
	}
}

// change makes one change of a file, unless that is the one to fail.
func (d *disk) change(path string, syncs bool, do func() error) error {
	wait, fate, rush := d.fate(path, syncs)
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-rush:
		case <-d.cut:
		}
	}
	switch fate {
	case doomSync, doomChange:
		d.cutPower()
	case doomError:
		if rush != nil && !rotating() {
			return errIO
		}
		d.cutPower() // see rotating
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	return do()
}

// failed reports whether the disk failed anybody.
func (d *disk) failed() bool {
	d.draws.Lock()
	defer d.draws.Unlock()
	return d.faulty
}

// died is what the disk did to whoever used it.
func (d *disk) died() doomKind {
	d.draws.Lock()
	defer d.draws.Unlock()
	return d.met
}

func (d *disk) logFailed() bool {
	d.draws.Lock()
	defer d.draws.Unlock()
	return d.torn
}

// fate draws how long a change takes and how it ends.
func (d *disk) fate(path string, syncs bool) (wait time.Duration, fate doomKind, rush chan struct{}) {
	d.draws.Lock()
	defer d.draws.Unlock()
	log := isLog(path)
	patient := d.isSlow() && syncs && d.logged < unhurried && (log || strings.HasSuffix(path, "durable-mark"))
	if patient {
		wait = d.latency()
	}
	counts := true
	if d.doom.kind == doomSync || d.doom.kind == doomHang {
		counts = log && patient
	}
	if d.doom.kind == doomError && log && d.flushing > 0 {
		counts = false
	}
	if d.doom.kind == doomNone || !counts {
		return wait, doomNone, d.rush
	}
	if d.doom.after--; d.doom.after >= 0 {
		return wait, doomNone, d.rush
	}
	fate = d.doom.kind
	d.doom = doom{}
	d.faulty, d.met = true, fate
	d.torn = log && fate == doomError
	switch fate {
	case doomSync:
		wait += time.Duration(d.rng.Int64N(int64(100 * time.Millisecond)))
	case doomHang:
		wait = time.Hour
	}
	return wait, fate, d.rush
}

// rotating reports whether Pebble changes to another log. If that fails it
// panics, as it may when it fails to open: that ends a process, and would end all
// of this one.
func rotating() bool {
	var callers [24]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(0, callers[:])])
	for {
		frame, more := frames.Next()
		if strings.HasSuffix(frame.Function, "(*DB).rotateWAL") {
			return true
		}
		if !more {
			return false
		}
	}
}

func (d *disk) latency() time.Duration {
	switch n := d.rng.IntN(1000); {
	case n < 3:
		return time.Duration(d.rng.Int64N(int64(8 * time.Second)))
	case n < 30:
		return time.Duration(d.rng.Int64N(int64(400 * time.Millisecond)))
	default:
		return time.Duration(d.rng.Int64N(int64(2*time.Millisecond))) + d.pace
	}
}

// wrote counts what goes into the present log.
func (d *disk) wrote(path string, n int) {
	if !isLog(path) {
		return
	}
	d.draws.Lock()
	defer d.draws.Unlock()
	d.logged += n
}

func isLog(path string) bool { return strings.HasSuffix(path, ".log") }

func (d *disk) file(path string, open func() (vfs.File, error)) (vfs.File, error) {
	var f vfs.File
	err := d.change(path, false, func() (err error) {
		f, err = open()
		return err
	})
	if err != nil {
		return nil, err
	}
	if isLog(path) {
		d.draws.Lock()
		d.logged = 0
		d.draws.Unlock()
	}
	return &file{f, d, path}, nil
}

func (d *disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return d.file(name, func() (vfs.File, error) { return d.FS.Create(name, category) })
}

func (d *disk) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return d.file(name, func() (vfs.File, error) { return d.FS.OpenReadWrite(name, category, opts...) })
}

func (d *disk) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return d.file(to, func() (vfs.File, error) { return d.FS.ReuseForWrite(from, to, category) })
}

func (d *disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &file{f, d, name}, nil
}

func (d *disk) Link(from, to string) error {
	return d.change(to, false, func() error { return d.FS.Link(from, to) })
}

func (d *disk) Remove(name string) error {
	return d.change(name, false, func() error { return d.FS.Remove(name) })
}

func (d *disk) RemoveAll(name string) error {
	return d.change(name, false, func() error { return d.FS.RemoveAll(name) })
}

func (d *disk) Rename(from, to string) error {
	return d.change(to, false, func() error { return d.FS.Rename(from, to) })
}

func (d *disk) MkdirAll(name string, perm os.FileMode) error {
	return d.change(name, false, func() error { return d.FS.MkdirAll(name, perm) })
}

func (d *disk) Unwrap() vfs.FS { return d.FS }

// file is one open file of a disk.
type file struct {
	vfs.File
	disk *disk
	path string
}

func (f *file) Write(p []byte) (n int, err error) {
	f.disk.wrote(f.path, len(p))
	err = f.disk.change(f.path, false, func() (err error) {
		n, err = f.File.Write(p)
		return err
	})
	return n, err
}

func (f *file) WriteAt(p []byte, at int64) (n int, err error) {
	err = f.disk.change(f.path, false, func() (err error) {
		n, err = f.File.WriteAt(p, at)
		return err
	})
	return n, err
}

func (f *file) Sync() error     { return f.disk.change(f.path, true, f.File.Sync) }
func (f *file) SyncData() error { return f.disk.change(f.path, true, f.File.SyncData) }

func (f *file) SyncTo(length int64) (full bool, err error) {
	err = f.disk.change(f.path, true, func() (err error) {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}

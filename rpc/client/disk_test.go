package client_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// patientBytes is how much goes into one log before its syncs take no time any
// more: Pebble rotates a full one with its locks held, and virtual time does not
// pass while anybody waits for a lock.
const patientBytes = 100 << 10

// disk is the file system of one life of a world. Syncs of the write-ahead log
// take their time, so that a loss of power finds some of them under way.
type disk struct {
	vfs.FS
	mem *vfs.MemFS

	mu     sync.Mutex
	dice   *rand.Rand
	logged int           // into the present log
	rush   chan struct{} // closed to end all waiting; nil: nobody waits
}

func newDisk(mem *vfs.MemFS, dice *rand.Rand) *disk { return &disk{FS: mem, mem: mem, dice: dice} }

// patient says whether syncs may take time: not while Pebble opens, copies and
// closes its log.
func (d *disk) patient(patient bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case patient && d.rush == nil:
		d.rush = make(chan struct{})
	case !patient && d.rush != nil:
		close(d.rush)
		d.rush = nil
	}
}

// cut is what a loss of power leaves: of what was not synced nothing, a part or
// all. What changed in folders is left whole or not at all, as file systems keep it.
func (d *disk) cut() *vfs.MemFS {
	d.mu.Lock()
	defer d.mu.Unlock()
	percent := []int{0, 0, 100, 1 + d.dice.IntN(99)}[d.dice.IntN(4)]
	if percent > 0 && percent < 100 {
		for _, path := range []string{"/", "data", "data/store"} {
			dir, err := d.mem.OpenDir(path)
			if err == nil {
				err = errors.Join(dir.Sync(), dir.Close())
			}
			if err != nil {
				panic(err) // a folder in memory, of a journal that is open
			}
		}
	}
	return d.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: d.dice})
}

func (d *disk) rest() {
	d.mu.Lock()
	rush := d.rush
	wait := time.Duration(d.dice.Int64N(int64(2 * time.Millisecond)))
	if d.dice.IntN(50) == 0 {
		wait = time.Duration(d.dice.Int64N(int64(400 * time.Millisecond)))
	}
	quick := rush == nil || d.logged >= patientBytes
	d.mu.Unlock()
	if quick {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-rush:
	}
}

func (d *disk) log(path string, f vfs.File, err error) (vfs.File, error) {
	if err != nil || !strings.HasSuffix(path, ".log") {
		return f, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.logged = 0
	return &logFile{f, d}, nil
}

func (d *disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, category)
	return d.log(name, f, err)
}

func (d *disk) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.ReuseForWrite(from, to, category)
	return d.log(to, f, err)
}

func (d *disk) Unwrap() vfs.FS { return d.FS }

// logFile is a write-ahead log.
type logFile struct {
	vfs.File
	disk *disk
}

func (f *logFile) Write(p []byte) (int, error) {
	f.disk.mu.Lock()
	f.disk.logged += len(p)
	f.disk.mu.Unlock()
	return f.File.Write(p)
}

func (f *logFile) Sync() error {
	f.disk.rest()
	return f.File.Sync()
}

func (f *logFile) SyncData() error {
	f.disk.rest()
	return f.File.SyncData()
}

func (f *logFile) SyncTo(length int64) (bool, error) {
	f.disk.rest()
	return f.File.SyncTo(length)
}

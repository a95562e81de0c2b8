package journal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/intervenehq/intervene/engine"
)

// restoringName is the folder of a copy that is being brought back: nothing of it
// is in use before the store, last of all, gets its name outside of it.
const restoringName = "restoring"

// mediaName is the folder beside a journal that holds files.
const mediaName = "media"

// Adopted is what became of a copy that a journal was made of.
type Adopted struct {
	// Before and After are the journal's identity in the copy, and its own.
	Before, After [16]byte
	Offset        uint64 // the newest in the log
	// Sends and Turns are how many conversations have work that is held.
	Sends, Turns int
}

// Adopt makes of the checkpoint in dir a journal of its own: it gets an identity,
// so that nobody takes it for the one that went on without it, and holds what
// waits to be sent and answered, which that one may have done. Whatever interrupts
// it, dir is of no use then.
func Adopt(dir string, o Options) (Adopted, error) {
	j, err := Open(dir, o)
	if err != nil {
		return Adopted{}, fmt.Errorf("adopt: %w", err)
	}
	a, err := j.adopt()
	if err := errors.Join(err, j.Close()); err != nil {
		return Adopted{}, fmt.Errorf("adopt: %w", err)
	}
	return a, nil
}

func (j *Journal) adopt() (a Adopted, err error) {
	a = Adopted{Before: j.identity, Offset: j.Durable()}
	if a.Sends, err = j.holdAll(engine.DueSend); err != nil {
		return a, err
	}
	if a.Turns, err = j.holdAll(engine.DueTurn); err != nil {
		return a, err
	}
	if _, err := rand.Read(a.After[:]); err != nil {
		return a, fmt.Errorf("draw the journal's identity: %w", err)
	}
	return a, j.rename(a.After)
}

// rename gives the journal an identity, and remembers the one that it had.
func (j *Journal) rename(identity [16]byte) error {
	meta, err := identify(j.db, j.identity)
	if err != nil {
		return err
	}
	restores, err := readRestores(j.db)
	if err != nil {
		return err
	}
	restores = append(restores, Restored{Before: j.identity, At: engine.InstantOf(j.options.Now())})
	meta.Identity = identity[:]
	value, err := appendRecord(nil, meta)
	if err != nil {
		return err
	}
	err = j.change(func(b *pebble.Batch) error {
		return errors.Join(b.Set(metaJournalKey, value, nil), b.Set(metaRestoresKey, appendRestores(nil, restores), nil))
	})
	if err != nil {
		return err
	}
	j.marking.begin()
	j.identity = identity
	j.marking.end()
	return j.writeMark(markOpen)
}

// Restored is one restore that a journal has come through. What the journal was
// before went on elsewhere, and gave to other events the versions that are given
// here from then on.
type Restored struct {
	Before [16]byte // the identity up to there
	At     engine.Instant
}

// Restores are those that the journal has come through, the oldest first.
func (j *Journal) Restores() []Restored { return j.restores }

func appendRestores(value []byte, restores []Restored) []byte {
	value = append(value, recordVersion)
	for _, r := range restores[max(0, len(restores)-maxRestores):] {
		value = binary.BigEndian.AppendUint64(append(value, r.Before[:]...), uint64(r.At))
	}
	return value
}

func readRestores(r pebble.Reader) (restores []Restored, err error) {
	_, err = get(r, metaRestoresKey, func(value []byte) error {
		rest, err := checkVersion("restores", value)
		if err != nil {
			return err
		}
		const size = 16 + 8
		if len(rest)%size != 0 {
			return corrupt("restores: the value has another size")
		}
		for one := range slices.Chunk(rest, size) {
			restores = append(restores, Restored{[16]byte(one), engine.Instant(binary.BigEndian.Uint64(one[16:]))})
		}
		return nil
	})
	return restores, err
}

// refuseUnfinished refuses to make a journal where a restore was interrupted.
func (p place) refuseUnfinished() error {
	there, err := exists(p.fs, p.fs.PathJoin(p.dir, restoringName))
	if err == nil && there {
		err = corrupt("a restore into this directory was not finished: restore again")
	}
	return err
}

// Restoring is a directory into which a copy is brought back. Until Commit
// nothing in it can be opened as a journal, also after a crash, and the next
// restore begins anew.
type Restoring struct {
	place   place
	staging place
	lock    io.Closer
	// done says that the store has its name.
	done bool
}

// BeginRestore takes a directory, which it makes if it is missing. There must be
// nothing in it but what an interrupted restore left. A nil fs is the operating
// system's files.
func BeginRestore(dir string, fs vfs.FS) (*Restoring, error) {
	if fs == nil {
		fs = vfs.Default
	}
	p := placeOf(fs, dir)
	if err := p.prepare(true); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	lock, err := fs.Lock(p.lock)
	if err != nil {
		return nil, &engine.Error{Code: engine.CodeFenced, Err: fmt.Errorf("lock the directory: %w", err)}
	}
	r := &Restoring{place: p, staging: placeOf(fs, fs.PathJoin(dir, restoringName)), lock: lock}
	if err := r.begin(); err != nil {
		return nil, errors.Join(fmt.Errorf("restore: %w", err), lock.Close())
	}
	return r, nil
}

// movable are the parts of a data directory in the order in which they get their
// names: the store is the last, which makes the others count.
var movable = [...]string{mediaName, ErasuresName, markName, storeName}

// stays are files of a directory that is empty all the same.
var stays = []string{lockName, "lost+found"}

func (r *Restoring) begin() error {
	p := r.place
	names, err := p.fs.List(p.dir)
	if err != nil {
		return fmt.Errorf("list the directory: %w", err)
	}
	unfinished := slices.Contains(names, restoringName) && !slices.Contains(names, storeName)
	for _, name := range names {
		left := unfinished && (name == restoringName || slices.Contains(movable[:], name))
		if !left && !slices.Contains(stays, name) {
			return &engine.Error{Code: engine.CodeInvalid, Field: "directory", Problem: "must be empty to restore into it"}
		}
	}
	if unfinished {
		if err := r.clear(); err != nil {
			return err
		}
	}
	if err := p.fs.MkdirAll(r.staging.dir, dirMode); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	return syncDir(p.fs, p.dir)
}

const dirMode = 0o750

// clear removes what an attempt left. The folder that says that there was one goes
// last.
func (r *Restoring) clear() error {
	fs := r.place.fs
	for _, name := range append(slices.Clone(movable[:]), restoringName) {
		if err := fs.RemoveAll(fs.PathJoin(r.place.dir, name)); err != nil && !errors.Is(err, iofs.ErrNotExist) {
			return fmt.Errorf("remove what was restored: %w", err)
		}
		if err := syncDir(fs, r.place.dir); err != nil {
			return err
		}
	}
	return nil
}

// restorable are the files of a copy: nothing else becomes part of a path.
var restorable = regexp.MustCompile(`^(durable-mark|erasures|store/[A-Za-z0-9][A-Za-z0-9._-]{0,127}|media/[0-9a-v]{26}/[0-9a-f]{64})$`)

// Create makes a file of the copy. It is durable once Commit is.
func (r *Restoring) Create(name string) (vfs.File, error) {
	if !restorable.MatchString(name) {
		return nil, engine.Errorf(engine.CodeInvalid, "the backup holds a file that is none of a backup's")
	}
	fs := r.place.fs
	path := r.Path(name)
	folder := fs.PathDir(path)
	if there, err := exists(fs, folder); err != nil {
		return nil, err
	} else if !there {
		if err := fs.MkdirAll(folder, dirMode); err != nil {
			return nil, fmt.Errorf("make folder: %w", err)
		}
	}
	if there, err := exists(fs, path); err != nil || there {
		return nil, errors.Join(err, engine.Errorf(engine.CodeInvalid, "the backup holds a file twice"))
	}
	file, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("create file: %w", err)
	}
	return file, nil
}

// Path is where a file of the copy lies until Commit.
func (r *Restoring) Path(name string) string {
	return r.place.fs.PathJoin(append([]string{r.staging.dir}, strings.Split(name, "/")...)...)
}

// Dir is where the copy lies until Commit.
func (r *Restoring) Dir() string { return r.staging.dir }

// Erasures are those that the copy knows.
func (r *Restoring) Erasures() ([]Erasure, error) {
	return readLedgerFile(r.place.fs, r.Path(ErasuresName))
}

// SetErasures gives the copy its ledger.
func (r *Restoring) SetErasures(erasures []Erasure) error {
	return createLedger(r.place.fs, r.Path(ErasuresName), erasures)
}

// Commit makes the copy, which nobody may have open, what the directory holds.
// Abandon follows on it, whatever it answers.
func (r *Restoring) Commit() error {
	fs := r.place.fs
	if err := syncTree(fs, r.staging.dir); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	for _, name := range movable {
		there, err := exists(fs, r.Path(name))
		if err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		if !there {
			if name == markName || name == storeName {
				return corrupt("the backup holds no journal")
			}
			continue
		}
		if err := fs.Rename(r.Path(name), fs.PathJoin(r.place.dir, name)); err != nil {
			return fmt.Errorf("restore: name what was restored: %w", err)
		}
		r.done = name == storeName
		if err := syncDir(fs, r.place.dir); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	return r.place.forgetRestore()
}

// forgetRestore removes the folder of a restore that is done.
func (p place) forgetRestore() error {
	staging := p.fs.PathJoin(p.dir, restoringName)
	there, err := exists(p.fs, staging)
	if err != nil || !there {
		return err
	}
	if err := p.fs.RemoveAll(staging); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return syncDir(p.fs, p.dir)
}

// Abandon removes what was restored so far, if it is not committed. What it cannot
// remove the next restore does.
func (r *Restoring) Abandon() error {
	if r.done {
		return r.lock.Close()
	}
	return errors.Join(r.clear(), r.lock.Close())
}

// syncTree makes folders durable, with what stands in them.
func syncTree(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("list folder: %w", err)
	}
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		info, err := fs.Stat(path)
		if err != nil {
			return fmt.Errorf("stat: %w", err)
		}
		if info.IsDir() {
			if err := syncTree(fs, path); err != nil {
				return err
			}
		}
	}
	return syncDir(fs, dir)
}

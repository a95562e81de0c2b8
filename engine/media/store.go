package media

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	iofs "io/fs"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/engine"
)

const (
	// reserve is the free space below which no file is taken: the journal, which
	// may share the disk, needs room to go on. It refuses at half of that.
	reserve = 1 << 30
	// copyBytes is how much of a file is in memory while it is stored.
	copyBytes = 128 << 10
	// stripes is how many conversations at most are changed at the same time.
	stripes = 64

	// incomingName is the folder of files that are not whole yet. No
	// conversation's ID is like it.
	incomingName = "incoming"
	dirMode      = 0o750
)

// Options say where a store lives. The zero value: on the operating system's
// files, without metrics.
type Options struct {
	FS vfs.FS
	// Registerer is told of the metrics; nobody is unless set.
	Registerer prometheus.Registerer
}

// Store is the files of all conversations of one data directory. Its methods may
// be called at the same time.
//
// dir/<conversation>/<sha-256> holds a file, dir/incoming what is not whole yet.
type Store struct {
	fs       vfs.FS
	dir      string
	incoming string
	metrics  *metrics
	number   atomic.Uint64 // of the newest file in incoming
	// placing holds a lock for every 64th conversation: a folder is not removed
	// while a file gets its name in it.
	placing [stripes]sync.Mutex
}

// Open opens the store in dir, which it makes if it is missing. One process
// has it open at a time: the journal's lock beside it sees to that.
func Open(dir string, o Options) (*Store, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	s := &Store{fs: o.FS, dir: dir, incoming: o.FS.PathJoin(dir, incomingName), metrics: newMetrics()}
	if err := s.prepare(); err != nil {
		return nil, &engine.Error{Code: engine.CodeUnavailable, Err: fmt.Errorf("open media: %w", err)}
	}
	s.metrics.register(o.Registerer)
	return s, nil
}

// prepare makes the folders, durable, and forgets what was not whole.
func (s *Store) prepare() error {
	if err := s.fs.RemoveAll(s.incoming); err != nil {
		return err
	}
	var above []string // a folder is durable once the one above it is synced
	for dir := s.dir; ; dir = s.fs.PathDir(dir) {
		_, err := s.fs.Stat(dir)
		if err != nil && !errors.Is(err, iofs.ErrNotExist) {
			return err
		}
		if err == nil || dir == s.fs.PathDir(dir) {
			break
		}
		above = append(above, s.fs.PathDir(dir))
	}
	if err := s.fs.MkdirAll(s.incoming, dirMode); err != nil {
		return err
	}
	for _, dir := range append([]string{s.dir}, above...) {
		if err := s.syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// Put stores what r holds, durable when it answers, and names it by its
// content. Stored again it is the same file.
//
//   - CodeInvalid: it has more than limit bytes, or want is given and is not its
//     SHA-256, of 32 bytes.
//   - CodeFull: there is no room now.
//   - An error of r is returned as it is.
//
// It may happen that the conversation is erased meanwhile: then the caller, who
// learns it from the journal afterwards, calls [Store.Remove].
func (s *Store) Put(conversation engine.ConversationID, r io.Reader, limit int64, want string) (engine.BlobID, int64, error) {
	blob, size, err := s.put(conversation, r, limit, want)
	s.metrics.stored(size, err)
	if err != nil {
		return "", 0, err
	}
	return blob, size, nil
}

func (s *Store) put(conversation engine.ConversationID, r io.Reader, limit int64, want string) (blob engine.BlobID, size int64, err error) {
	if usage, err := s.fs.GetDiskUsage(s.dir); err == nil && usage.AvailBytes < reserve {
		return "", 0, engine.Errorf(engine.CodeFull, "less than %d MB are free", reserve>>20)
	}
	name := s.fs.PathJoin(s.incoming, strconv.FormatUint(s.number.Add(1), 10))
	sum := sha256.New()
	if size, err = s.write(name, r, limit, sum); err == nil && want != "" && want != string(sum.Sum(nil)) {
		err = &engine.Error{Code: engine.CodeInvalid, Field: "file", Problem: "is not what was announced"}
	}
	if err == nil {
		blob = engine.BlobID(hex.EncodeToString(sum.Sum(nil)))
		err = s.place(name, conversation, blob)
	}
	if err != nil {
		if removeErr := s.fs.Remove(name); removeErr != nil && !errors.Is(removeErr, iofs.ErrNotExist) {
			err = errors.Join(err, fmt.Errorf("remove file: %w", removeErr))
		}
		return "", 0, err
	}
	return blob, size, nil
}

// write makes the file name of what r holds, and of its sum.
func (s *Store) write(name string, r io.Reader, limit int64, sum hash.Hash) (size int64, err error) {
	file, err := s.fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return 0, diskError("create file", err)
	}
	buf := make([]byte, copyBytes)
	for err == nil {
		var n int
		n, err = r.Read(buf)
		if size += int64(n); size > limit {
			err = &engine.Error{Code: engine.CodeInvalid, Field: "file", Problem: fmt.Sprintf("has more than %d bytes", limit)}
			break
		}
		sum.Write(buf[:n]) // never fails
		if _, writeErr := file.Write(buf[:n]); writeErr != nil {
			err = diskError("write file", writeErr)
		}
	}
	if errors.Is(err, io.EOF) {
		err = diskError("sync file", file.Sync())
	}
	if closeErr := file.Close(); err == nil {
		err = diskError("close file", closeErr)
	}
	return size, err
}

// place gives a file that is whole its name, durable.
func (s *Store) place(name string, conversation engine.ConversationID, blob engine.BlobID) error {
	lock := s.lock(conversation)
	lock.Lock()
	defer lock.Unlock()
	folder := s.folder(conversation)
	if err := s.fs.MkdirAll(folder, dirMode); err != nil {
		return diskError("make folder", err)
	}
	if err := s.fs.Rename(name, s.fs.PathJoin(folder, string(blob))); err != nil {
		return diskError("name file", err)
	}
	// The folder too, which may be as new, or be left of an attempt that failed here.
	return diskError("sync folder", errors.Join(s.syncDir(folder), s.syncDir(s.dir)))
}

// Open reads a file from its beginning and tells its size. Whoever opens one
// closes it. What it answers can seek, too. CodeNotFound: the conversation has no
// such file.
func (s *Store) Open(conversation engine.ConversationID, blob engine.BlobID) (io.ReadCloser, int64, error) {
	if !named(blob) {
		return nil, 0, &engine.Error{Code: engine.CodeNotFound}
	}
	file, err := s.fs.Open(s.fs.PathJoin(s.folder(conversation), string(blob)))
	if errors.Is(err, iofs.ErrNotExist) {
		return nil, 0, &engine.Error{Code: engine.CodeNotFound}
	}
	if err != nil {
		return nil, 0, diskError("open file", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, diskError("open file", errors.Join(err, file.Close()))
	}
	return &opened{io.NewSectionReader(file, 0, info.Size()), file}, info.Size(), nil
}

// opened is a file that is read.
type opened struct {
	*io.SectionReader
	io.Closer
}

// Remove forgets all files of a conversation, durable when it answers. Who has
// one open may read on.
func (s *Store) Remove(conversation engine.ConversationID) error {
	lock := s.lock(conversation)
	lock.Lock()
	defer lock.Unlock()
	if err := s.fs.RemoveAll(s.folder(conversation)); err != nil {
		return diskError("remove folder", err)
	}
	s.metrics.removals.Inc()
	return diskError("sync folder", s.syncDir(s.dir))
}

// RemoveBefore forgets the files of a conversation that were last stored before
// an instant, durable when it answers.
func (s *Store) RemoveBefore(conversation engine.ConversationID, instant time.Time) error {
	lock := s.lock(conversation)
	lock.Lock()
	defer lock.Unlock()
	folder := s.folder(conversation)
	names, err := s.fs.List(folder)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return diskError("list folder", err)
	}
	for _, name := range names {
		path := s.fs.PathJoin(folder, name)
		info, err := s.fs.Stat(path)
		if err != nil {
			return diskError("look at file", err)
		}
		if !info.ModTime().Before(instant) {
			continue
		}
		if err := s.fs.Remove(path); err != nil {
			return diskError("remove file", err)
		}
	}
	return diskError("sync folder", s.syncDir(folder))
}

func (s *Store) lock(conversation engine.ConversationID) *sync.Mutex {
	return &s.placing[conversation[len(conversation)-1]%stripes]
}

// Named by its ID alone, a folder tells nothing of the contact.
func (s *Store) folder(conversation engine.ConversationID) string {
	return s.fs.PathJoin(s.dir, conversation.String())
}

// named reports whether blob is a name that Put gives: nothing else ever
// becomes part of a path.
func named(blob engine.BlobID) bool {
	sum, err := hex.DecodeString(string(blob))
	return err == nil && len(sum) == sha256.Size && hex.EncodeToString(sum) == string(blob)
}

func (s *Store) syncDir(name string) error {
	dir, err := s.fs.OpenDir(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// diskError says what a failure of the disk is to the caller; nil is none.
func diskError(what string, err error) error {
	if err == nil {
		return nil
	}
	code := engine.CodeUnavailable
	if vfs.IsNoSpaceError(err) {
		code = engine.CodeFull
	}
	return &engine.Error{Code: code, Err: fmt.Errorf("%s: %w", what, err)}
}

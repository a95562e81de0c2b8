// Package restore makes of a backup the data directory of an engine, and has what
// the lost engine still says of its sends told apart from what this one says. It
// runs no engine: serve and the simulation do.
package restore

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/archive"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/engine/media"
)

const (
	// restoreHands is how many files are brought to the disk, and conversations
	// erased, at once.
	restoreHands = 16
	// maxZstdWindow bounds the memory that a compressed backup may ask for.
	maxZstdWindow = 128 << 20
)

// mediaFolder holds the files, within the data directory.
const mediaFolder = "media"

// Options say what is restored where.
type Options struct {
	From io.Reader // a backup, which may be compressed with zstd
	Dir  string    // the data directory, which must be empty
	// Journal is how the journal is opened meanwhile. All is brought to its file
	// system.
	Journal journal.Options
	// Erasures are those of the ledger of the engine that was lost: conversations that
	// were erased after the backup are erased again.
	Erasures []journal.Erasure
}

// Done is what a restore did.
type Done struct {
	Backup  archive.Summary
	Adopted journal.Adopted
	// Erased conversations of the ledger were in the backup, Absent ones were not.
	Erased, Absent int
}

// Run makes of a backup the data directory of an engine that was never there
// before. Until it has answered without an error no engine starts in it.
func Run(ctx context.Context, o Options) (done Done, err error) {
	r, err := journal.BeginRestore(o.Dir, o.Journal.FS)
	if err != nil {
		return Done{}, err
	}
	defer func() { err = errors.Join(err, r.Abandon()) }()
	if done.Backup, err = unpack(ctx, &o, r); err != nil {
		return Done{}, err
	}
	known, err := r.Erasures()
	if err != nil {
		return Done{}, err
	}
	if done.Adopted, err = journal.Adopt(r.Dir(), o.Journal); err != nil {
		return Done{}, err
	}
	if err := done.erase(ctx, r.Dir(), o.Journal, o.Erasures); err != nil {
		return Done{}, fmt.Errorf("erase again what was erased: %w", err)
	}
	if err := r.SetErasures(journal.MergeErasures(known, o.Erasures)); err != nil {
		return Done{}, err
	}
	return done, r.Commit()
}

// Check reads a backup to its end and restores nothing.
func Check(ctx context.Context, from io.Reader) (archive.Summary, error) {
	plain, err := uncompressed(&interruptible{ctx, from})
	if err != nil {
		return archive.Summary{}, err
	}
	defer plain.Close()
	return archive.Read(plain, archive.Discard)
}

// unpack brings all files of a backup to the disk.
func unpack(ctx context.Context, o *Options, r *journal.Restoring) (archive.Summary, error) {
	plain, err := uncompressed(&interruptible{ctx, o.From})
	if err != nil {
		return archive.Summary{}, err
	}
	defer plain.Close()
	s := &settling{restoring: r, dated: o.Journal.FS == nil, hands: make(chan struct{}, restoreHands)}
	all, err := archive.Read(plain, s.place)
	s.group.Wait()
	return all, errors.Join(err, s.err)
}

// settling makes files durable while the next ones are read.
type settling struct {
	restoring *journal.Restoring
	// dated: files get the times that they had, which only the operating system's can.
	dated bool
	hands chan struct{}
	group sync.WaitGroup
	mu    sync.Mutex
	err   error // the first one
}

// settlingFile is a file that is made durable once it is closed.
type settlingFile struct {
	*settling
	file interface {
		io.WriteCloser
		Sync() error
	}
	path    string
	changed time.Time // zero: whenever it was restored
}

func (s *settling) place(name string, _ int64, changed time.Time) (io.WriteCloser, error) {
	file, err := s.restoring.Create(name)
	if err != nil {
		return nil, err
	}
	f := &settlingFile{settling: s, file: file, path: s.restoring.Path(name)}
	if s.dated && strings.HasPrefix(name, mediaFolder+"/") {
		f.changed = changed // retention goes by it
	}
	return f, nil
}

func (f *settlingFile) Write(data []byte) (int, error) { return f.file.Write(data) }

func (f *settlingFile) Close() error {
	f.mu.Lock()
	failed := f.err
	f.mu.Unlock()
	f.hands <- struct{}{}
	f.group.Go(func() {
		defer func() { <-f.hands }()
		var err error
		if !f.changed.IsZero() {
			err = os.Chtimes(f.path, f.changed, f.changed)
		}
		if err = errors.Join(err, f.file.Sync(), f.file.Close()); err != nil {
			f.mu.Lock()
			f.err = errors.Join(f.err, err)
			f.mu.Unlock()
		}
	})
	return failed
}

// erase erases in the copy what the ledger names, and gets rid of its bytes.
func (done *Done) erase(ctx context.Context, dir string, o journal.Options, erasures []journal.Erasure) (err error) {
	j, err := journal.Open(dir, o)
	if err != nil {
		return fmt.Errorf("open journal: %w", err)
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	files, err := media.Open(filepath.Join(dir, mediaFolder), media.Options{FS: o.FS})
	if err != nil {
		return err
	}
	router := actors.NewRouter(actors.RouterOptions{Store: j, Log: o.Logger})
	defer router.Stop()
	for _, e := range journal.MergeErasures(erasures, nil) {
		switch c, err := j.Load(e.Conversation); {
		case err != nil:
			return fmt.Errorf("conversation %s: %w", e.Conversation, err)
		case c.Erased:
			continue
		case !c.Exists():
			done.Absent++
			continue
		}
		if _, err := router.Do(ctx, e.Conversation, engine.Command{By: engine.Party{Kind: engine.Engine}, Body: engine.Erase{}}); err != nil {
			return fmt.Errorf("conversation %s: %w", e.Conversation, err)
		}
		done.Erased++
	}
	if err := dropStrays(j, files); err != nil {
		return err
	}
	return j.Purge(ctx, files.Remove)
}

// dropStrays removes the files of conversations that the copy does not know: they
// began after its journal was copied and before its files were. No erasure would
// ever come to them.
func dropStrays(j *journal.Journal, files *media.Store) error {
	var looked engine.ConversationID
	return files.Files(func(f media.File) error {
		if f.Conversation == looked {
			return nil
		}
		looked = f.Conversation
		switch c, err := j.Load(f.Conversation); {
		case engine.CodeOf(err) == engine.CodeCorrupt: // it is there, and may be repaired
			return nil
		case err != nil:
			return fmt.Errorf("conversation %s: %w", f.Conversation, err)
		case c.Exists():
			return nil
		}
		return files.Remove(f.Conversation)
	})
}

// zstdMagic begins what zstd has compressed.
var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// uncompressed reads a backup that may be compressed.
func uncompressed(from io.Reader) (io.ReadCloser, error) {
	r := bufio.NewReaderSize(from, 1<<20)
	if begin, err := r.Peek(len(zstdMagic)); err != nil || !bytes.Equal(begin, zstdMagic) {
		return io.NopCloser(r), nil // what is wrong with it its reader will find
	}
	d, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxZstdWindow), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("read the compressed backup: %w", err)
	}
	return d.IOReadCloser(), nil
}

// interruptible reads until ctx ends.
type interruptible struct {
	ctx  context.Context
	from io.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.from.Read(p)
}

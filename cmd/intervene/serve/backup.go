package serve

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/engine/archive"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/engine/media"
)

const (
	// BackupRate is how many bytes a second a backup reads at most, so that commands
	// keep the disk and the processor.
	BackupRate = 64 << 20
	// backupBurst is what it reads at once.
	backupBurst = 1 << 20

	// checkpointFolder is the copy of the journal that a backup is made of, in the
	// data directory: there it is made of links. What a crash leaves of it the next
	// start removes.
	checkpointFolder = "checkpoint"
	// newestName is the file that remembers the newest good backup.
	newestName = "newest-backup.json"
)

// ErrBackupRuns says that a backup is being made already.
var ErrBackupRuns = errors.New("a backup is being made already")

// backups makes backups of a running engine, one at a time.
type backups struct {
	journal *journal.Journal
	files   *media.Store
	dir     string // the data directory
	log     *slog.Logger
	metrics *backupMetrics
	pace    *rate.Limiter
	running chan struct{} // holds a token while one runs
	// plan is by what clock they are made; nil: by none. replanned tells of another one.
	plan      atomic.Pointer[config.Backup]
	replanned chan struct{}
	// ctx ends when the engine stops: no drain waits for a backup.
	ctx    context.Context
	cancel context.CancelFunc
}

func newBackups(e *Engine) (*backups, error) {
	b := &backups{
		journal: e.journal, files: e.files, dir: e.config.Load().DataDir, log: e.log,
		pace: rate.NewLimiter(BackupRate, backupBurst), running: make(chan struct{}, 1), replanned: make(chan struct{}, 1),
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.metrics = newBackupMetrics(e.registry)
	if err := os.RemoveAll(b.checkpoint()); err != nil {
		return nil, fmt.Errorf("remove what a crash left of a backup: %w", err)
	}
	newest, err := readNewest(b.dir)
	if err != nil {
		// Only a metric rests on it: it is as if there were none.
		b.log.Error("the newest backup is not known", slog.Any("error", err))
	}
	b.metrics.made(newest)
	return b, nil
}

func (b *backups) checkpoint() string { return filepath.Join(b.dir, checkpointFolder) }

// backup is one that is being made.
type backup struct {
	*backups
	head  archive.Head
	began time.Time
}

// begin takes the checkpoint. end must follow.
func (b *backups) begin() (one *backup, err error) {
	select {
	case b.running <- struct{}{}:
	default:
		b.metrics.ended("refused")
		return nil, ErrBackupRuns
	}
	one = &backup{backups: b, began: time.Now()}
	defer func() {
		if err != nil {
			err = one.end(archive.Summary{}, err)
		}
	}()
	if err := os.RemoveAll(b.checkpoint()); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	one.head = archive.Head{
		Version: Version(), MadeAt: one.began.UTC(), Journal: fmt.Sprintf("%x", b.journal.ID()), Offset: b.journal.Durable(),
	}
	if err := b.journal.Checkpoint(b.checkpoint()); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	if one.head.Bytes, err = b.size(); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return one, nil
}

// size is about how much the backup will hold.
func (b *backups) size() (bytes int64, err error) {
	entries, err := os.ReadDir(filepath.Join(b.checkpoint(), "store"))
	if err != nil {
		return 0, err
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return 0, err
		}
		bytes += info.Size()
	}
	err = b.files.Files(func(f media.File) error { bytes += f.Bytes; return nil })
	return bytes, err
}

// write writes all of it, at a pace that leaves room for commands.
func (b *backup) write(ctx context.Context, to io.Writer) (archive.Summary, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.ctx, cancel)()
	w, err := archive.NewWriter(&paced{ctx, to, b.pace}, b.head)
	if err != nil {
		return archive.Summary{}, err
	}
	for _, name := range []string{"durable-mark", journal.ErasuresName} {
		if err := b.add(w, name); err != nil {
			return archive.Summary{}, err
		}
	}
	// After the journal: what it knows of is there, unless it was removed since.
	if err := b.files.Copy(func(name string, size int64, stored time.Time, r io.Reader) error {
		return w.Add(mediaFolder+"/"+name, size, stored, r)
	}); err != nil {
		return archive.Summary{}, err
	}
	entries, err := os.ReadDir(filepath.Join(b.checkpoint(), "store")) // by name
	if err != nil {
		return archive.Summary{}, err
	}
	for _, entry := range entries {
		if err := b.add(w, "store/"+entry.Name()); err != nil {
			return archive.Summary{}, err
		}
	}
	return w.Close()
}

func (b *backup) add(w *archive.Writer, name string) error {
	file, err := os.Open(filepath.Join(b.checkpoint(), filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil {
		err = w.Add(name, info.Size(), info.ModTime(), file)
	}
	return errors.Join(err, file.Close())
}

// end removes the checkpoint and remembers how it went; it passes err on.
func (b *backup) end(all archive.Summary, err error) error {
	err = errors.Join(err, os.RemoveAll(b.checkpoint()))
	if err == nil {
		newest := newestBackup{
			MadeAt: b.head.MadeAt, Seconds: time.Since(b.began).Seconds(), Bytes: all.Bytes, SHA256: hex.EncodeToString(all.SHA256[:]),
		}
		b.metrics.ended("done")
		b.metrics.made(newest)
		err = writeNewest(b.dir, newest)
	} else {
		b.metrics.ended("failed")
	}
	<-b.running
	return err
}

// paced writes at a pace, until ctx ends.
type paced struct {
	ctx  context.Context
	to   io.Writer
	pace *rate.Limiter
}

func (p *paced) Write(data []byte) (n int, err error) {
	for len(data) > 0 {
		some := data[:min(len(data), backupBurst)]
		if err := p.pace.WaitN(p.ctx, len(some)); err != nil {
			return n, err
		}
		wrote, err := p.to.Write(some)
		if n += wrote; err != nil {
			return n, err
		}
		data = data[len(some):]
	}
	return n, nil
}

// newestBackup is what is remembered of the newest good backup.
type newestBackup struct {
	MadeAt  time.Time `json:"made_at"`
	Seconds float64   `json:"seconds"`
	Bytes   int64     `json:"bytes"`
	SHA256  string    `json:"sha256"`
}

func readNewest(dir string) (newest newestBackup, err error) {
	text, err := os.ReadFile(filepath.Join(dir, newestName))
	if errors.Is(err, fs.ErrNotExist) {
		return newestBackup{}, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &newest)
	}
	return newest, err
}

func writeNewest(dir string, newest newestBackup) error {
	text, err := json.Marshal(newest)
	if err != nil {
		return err
	}
	return SaveFile(filepath.Join(dir, newestName), func(to io.Writer) error {
		_, err := to.Write(append(text, '\n'))
		return err
	})
}

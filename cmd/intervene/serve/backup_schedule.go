package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/engine/archive"
	"github.com/intervenehq/intervene/engine/journal"
)

const (
	// BackupRetry is before a scheduled backup that failed is tried again.
	BackupRetry = 5 * time.Minute
	// backupReserve is the free space that a scheduled backup leaves where it is
	// written, which may be the disk of the journal.
	backupReserve = 2 << 30
	// reserveInterval is after how many bytes free space is looked at again.
	reserveInterval = 32 << 20

	scheduledTime = "20060102T150405Z"
)

// scheduled are the names of scheduled backups. They sort by time.
var scheduled = regexp.MustCompile(`^intervene-(\d{8}T\d{6}Z)\.tar$`)

// follow makes plan the clock from now on. A backup that is being made is finished.
func (b *backups) follow(plan *config.Backup) {
	b.plan.Store(plan)
	select {
	case b.replanned <- struct{}{}:
	default: // it is about to look already
	}
}

// schedule makes backups by the clock until ctx ends.
func (b *backups) schedule(ctx context.Context) {
	for {
		c := b.plan.Load()
		wait := time.Duration(math.MaxInt64)
		if c != nil {
			wait = b.untilNext(*c)
		}
		if !b.follows(ctx, c, wait) {
			return
		}
	}
}

// follows makes backups by one clock, the first one after wait, until there is another
// clock, or none any more.
func (b *backups) follows(ctx context.Context, c *config.Backup, wait time.Duration) (another bool) {
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-b.replanned:
			timer.Stop()
			if b.plan.Load() == c {
				continue // told of the one that is followed already
			}
			return true
		case <-timer.C:
		}
		err := b.makeScheduled(ctx, *c)
		switch {
		case ctx.Err() != nil:
			return false
		case err != nil:
			b.log.Error("backup failed", slog.Any("error", err))
			wait = min(BackupRetry, c.Every)
		default:
			wait = b.untilNext(*c)
		}
	}
}

// untilNext is how long it is until a backup follows on the newest one that is
// there.
func (b *backups) untilNext(c config.Backup) time.Duration {
	names, err := listScheduled(c.Folder)
	if err != nil || len(names) == 0 {
		return 0 // if the folder cannot be read, the backup will say so
	}
	newest, err := time.Parse(scheduledTime, scheduled.FindStringSubmatch(names[len(names)-1])[1])
	if err != nil {
		return 0
	}
	return max(0, min(c.Every, time.Until(newest.Add(c.Every)))) // the clock may have been wrong
}

// listScheduled are the scheduled backups in a folder, the oldest first.
func listScheduled(folder string) (names []string, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if scheduled.MatchString(entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// makeScheduled counts as a backup that failed whatever keeps it from being made, a
// folder that is not there too.
func (b *backups) makeScheduled(ctx context.Context, c config.Backup) error {
	one, err := b.begin()
	if err != nil {
		return err
	}
	path := filepath.Join(c.Folder, "intervene-"+one.head.MadeAt.Format(scheduledTime)+".tar")
	var all archive.Summary
	if err = forgetPartial(c.Folder); err == nil {
		err = SaveFile(path, func(to io.Writer) (err error) {
			all, err = one.write(ctx, &reserving{to: to, folder: c.Folder})
			return err
		})
	}
	if err = one.end(all, err); err != nil {
		return err
	}
	b.log.Info("backup made", slog.String("file", path), slog.Int64("bytes", all.Bytes), slog.Int("files", all.Files),
		slog.Duration("took", time.Since(one.began)))
	return retain(c)
}

// forgetPartial removes what a crash left of a backup.
func forgetPartial(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if name, ok := strings.CutSuffix(entry.Name(), partialSuffix); ok && scheduled.MatchString(name) {
			if err := os.Remove(filepath.Join(folder, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// retain removes the oldest backups beyond those that are kept.
func retain(c config.Backup) error {
	names, err := listScheduled(c.Folder)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names[:max(0, len(names)-c.Keep)] {
		if err := os.Remove(filepath.Join(c.Folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove an old backup: %w", err)
		}
	}
	return nil
}

// reserving ends a backup before it fills the disk that it is written to.
type reserving struct {
	to     io.Writer
	folder string
	unseen int // bytes since free space was looked at
}

func (r *reserving) Write(data []byte) (int, error) {
	if r.unseen -= len(data); r.unseen <= 0 {
		r.unseen = reserveInterval
		if free, known := journal.FreeBytes(r.folder); known && free < backupReserve {
			return 0, fmt.Errorf("less than %d MB are free in the folder of backups", backupReserve>>20)
		}
	}
	return r.to.Write(data)
}

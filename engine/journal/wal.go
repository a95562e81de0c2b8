package journal

import (
	"fmt"
	"path"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// walExtension is that of the files of Pebble's write-ahead log.
const walExtension = ".log"

// walFS ends the process when anything that makes the write-ahead log durable
// fails, before Pebble learns of it: when Pebble goes on to another file of the
// log, such an error makes it panic with its locks in disorder, and the reason
// is lost.
type walFS struct {
	vfs.FS
	die func(error)
	// fresh is above zero while no file may be used again, whose end would still
	// hold what was in it.
	fresh *atomic.Int32
	// replayed counts the bytes that are read of the log.
	replayed *atomic.Int64
}

func (fs walFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	file, err := fs.FS.Open(name, opts...)
	if err != nil || path.Ext(name) != walExtension {
		return file, err
	}
	return replayedFile{file, fs.replayed}, nil
}

// replayedFile is a file of the log that is read.
type replayedFile struct {
	vfs.File
	bytes *atomic.Int64
}

func (f replayedFile) Read(p []byte) (n int, err error) {
	n, err = f.File.Read(p)
	f.bytes.Add(int64(n))
	return n, err
}

func (f replayedFile) ReadAt(p []byte, at int64) (n int, err error) {
	n, err = f.File.ReadAt(p, at)
	f.bytes.Add(int64(n))
	return n, err
}

func (fs walFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := fs.FS.Create(name, category)
	return fs.watch(name, file, err)
}

func (fs walFS) ReuseForWrite(from, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if fs.fresh.Load() > 0 {
		file, err := fs.FS.Create(name, category)
		if err == nil {
			err = fs.FS.Remove(from)
		}
		return fs.watch(name, file, err)
	}
	file, err := fs.FS.ReuseForWrite(from, name, category)
	return fs.watch(name, file, err)
}

func (fs walFS) watch(name string, file vfs.File, err error) (vfs.File, error) {
	if path.Ext(name) != walExtension {
		return file, err
	}
	if err != nil {
		fs.die(fmt.Errorf("make a file of the write-ahead log: %w", err))
		return nil, err
	}
	return walFile{file, fs.die}, nil
}

// OpenDir is here because a file is durable once its directory is synced.
func (fs walFS) OpenDir(name string) (vfs.File, error) {
	file, err := fs.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return walFile{file, fs.die}, nil
}

// walFile is a file whose failures end the process.
type walFile struct {
	vfs.File
	die func(error)
}

func (f walFile) check(what string, err error) error {
	if err != nil {
		f.die(fmt.Errorf("%s the write-ahead log: %w", what, err))
	}
	return err
}

func (f walFile) Write(p []byte) (n int, err error) {
	n, err = f.File.Write(p)
	return n, f.check("write", err)
}

func (f walFile) Sync() error     { return f.check("sync", f.File.Sync()) }
func (f walFile) SyncData() error { return f.check("sync", f.File.SyncData()) }

func (f walFile) SyncTo(length int64) (full bool, err error) {
	full, err = f.File.SyncTo(length)
	return full, f.check("sync", err)
}

func (f walFile) Close() error { return f.check("close", f.File.Close()) }

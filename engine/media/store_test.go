package media_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/media"
)

const dir = "/data/media"

func conversation(n byte) engine.ConversationID { return engine.NewConversationID(1, [14]byte{13: n}) }

func open(t *testing.T, dir string, fs vfs.FS) *media.Store {
	t.Helper()
	s, err := media.Open(dir, media.Options{FS: fs})
	if err != nil {
		t.Fatalf("open: got error %v, want none", err)
	}
	return s
}

func put(t *testing.T, s *media.Store, id engine.ConversationID, content string) engine.BlobID {
	t.Helper()
	blob, size, err := s.Put(id, strings.NewReader(content), 1<<20, "")
	if err != nil || size != int64(len(content)) {
		t.Fatalf("put: got %d bytes, error %v, want %d", size, err, len(content))
	}
	return blob
}

// read is what a file holds, or the code of why it cannot be had.
func read(t *testing.T, s *media.Store, id engine.ConversationID, blob engine.BlobID) (string, engine.Code) {
	t.Helper()
	file, size, err := s.Open(id, blob)
	if err != nil {
		return "", engine.CodeOf(err)
	}
	data, err := io.ReadAll(file)
	if err := errors.Join(err, file.Close()); err != nil || int64(len(data)) != size {
		t.Fatalf("read: got %d bytes of %d, error %v, want all", len(data), size, err)
	}
	return string(data), 0
}

func TestPutAndOpen(t *testing.T) {
	root := t.TempDir()
	s := open(t, filepath.Join(root, "media"), nil)
	blob := put(t, s, conversation(1), "hello")
	if want := engine.BlobID(fmt.Sprintf("%x", sha256.Sum256([]byte("hello")))); blob != want {
		t.Errorf("put: got blob %s, want %s", blob, want)
	}
	if again := put(t, s, conversation(1), "hello"); again != blob {
		t.Errorf("put again: got blob %s, want %s", again, blob)
	}
	if got, code := read(t, s, conversation(1), blob); got != "hello" {
		t.Errorf("open: got %q, code %q, want hello", got, code)
	}
	if _, code := read(t, s, conversation(2), blob); code != engine.CodeNotFound {
		t.Errorf("open of another conversation: got code %q, want not found", code)
	}
	name := filepath.Join(root, "media", conversation(1).String(), string(blob))
	if _, err := os.Stat(name); err != nil {
		t.Errorf("file: got error %v, want it under its hash", err)
	}
	file, _, err := s.Open(conversation(1), blob)
	if err != nil {
		t.Fatalf("open: got error %v, want none", err)
	}
	if _, ok := file.(io.ReadSeeker); !ok {
		t.Errorf("open: got %T, want that it seeks", file)
	}
	if err := file.Close(); err != nil {
		t.Errorf("close: got error %v, want none", err)
	}
}

func TestOpenRefusesOtherNames(t *testing.T) {
	s := open(t, dir, vfs.NewMem())
	put(t, s, conversation(1), "hello")
	hash := strings.Repeat("a", 64)
	for _, blob := range []engine.BlobID{"", ".", "..", "../" + engine.BlobID(hash), engine.BlobID(strings.ToUpper(hash)), engine.BlobID(hash[1:]), engine.BlobID(hash)} {
		if _, code := read(t, s, conversation(1), blob); code != engine.CodeNotFound {
			t.Errorf("open %q: got code %q, want not found", blob, code)
		}
	}
}

func TestPutRefuses(t *testing.T) {
	failed := errors.New("the source failed")
	sum := sha256.Sum256([]byte("hello"))
	for name, tt := range map[string]struct {
		r     io.Reader
		limit int64
		want  string
		code  engine.Code
		err   error
	}{
		"at the limit":      {r: strings.NewReader("hello"), limit: 5, want: string(sum[:])},
		"one byte at once":  {r: iotest.OneByteReader(strings.NewReader("hello")), limit: 5},
		"past the limit":    {r: strings.NewReader("hello!"), limit: 5, code: engine.CodeInvalid},
		"another content":   {r: strings.NewReader("hallo"), limit: 5, want: string(sum[:]), code: engine.CodeInvalid},
		"a name of the sum": {r: strings.NewReader("hello"), limit: 5, want: fmt.Sprintf("%x", sum), code: engine.CodeInvalid},
		"a source's error":  {r: io.MultiReader(strings.NewReader("he"), iotest.ErrReader(failed)), limit: 5, err: failed},
	} {
		fs := vfs.NewMem()
		s := open(t, dir, fs)
		_, _, err := s.Put(conversation(1), tt.r, tt.limit, tt.want)
		if engine.CodeOf(err) != tt.code || tt.err != nil && !errors.Is(err, tt.err) || tt.code == 0 && tt.err == nil && err != nil {
			t.Errorf("%s: got error %v, want code %q or %v", name, err, tt.code, tt.err)
		}
		if left := incoming(t, fs); len(left) != 0 {
			t.Errorf("%s: got %d unfinished files, want none", name, len(left))
		}
	}
}

func incoming(t *testing.T, fs vfs.FS) []string {
	t.Helper()
	names, err := fs.List(fs.PathJoin(dir, "incoming"))
	if err != nil {
		t.Fatalf("list: got error %v, want none", err)
	}
	return names
}

func TestRemove(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := open(t, dir, fs)
	gone, stays := put(t, s, conversation(1), "one"), put(t, s, conversation(2), "one")
	if err := s.Remove(conversation(1)); err != nil {
		t.Fatalf("remove: got error %v, want none", err)
	}
	if err := s.Remove(conversation(3)); err != nil {
		t.Errorf("remove of nothing: got error %v, want none", err)
	}
	after := open(t, dir, fs.CrashClone(vfs.CrashCloneCfg{}))
	for _, s := range []*media.Store{s, after} {
		if _, code := read(t, s, conversation(1), gone); code != engine.CodeNotFound {
			t.Errorf("open of what was removed: got code %q, want not found", code)
		}
		if got, _ := read(t, s, conversation(2), stays); got != "one" {
			t.Errorf("open of another conversation's: got %q, want it there", got)
		}
	}
}

// TestEveryFault lets every operation on the disk fail in turn, and ends the
// process there: what was answered is whole, and nothing else is visible.
func TestRemoveBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, dir, vfs.NewMem())
		id := conversation(1)
		if err := s.RemoveBefore(id, time.Now()); err != nil {
			t.Errorf("without files: got error %v, want none", err)
		}
		old, again := put(t, s, id, "old"), put(t, s, id, "stored again")
		others := put(t, s, conversation(2), "old")
		time.Sleep(time.Hour)
		put(t, s, id, "stored again")
		young := put(t, s, id, "young")
		if err := s.RemoveBefore(id, time.Now()); err != nil {
			t.Fatalf("remove: got error %v, want none", err)
		}
		if _, code := read(t, s, id, old); code != engine.CodeNotFound {
			t.Errorf("old file: got %v, want not found", code)
		}
		for _, blob := range []engine.BlobID{again, young} {
			if _, code := read(t, s, id, blob); code != 0 {
				t.Errorf("young file: got %v, want it kept", code)
			}
		}
		if _, code := read(t, s, conversation(2), others); code != 0 {
			t.Errorf("another conversation's file: got %v, want it kept", code)
		}
	})
}

func TestEveryFault(t *testing.T) {
	content := strings.Repeat("content", 50_000)
	for fault, done := int32(0), false; !done; fault++ {
		mem := vfs.NewCrashableMem()
		s := open(t, dir, mem)
		durable := put(t, s, conversation(1), "before")
		index := errorfs.OnIndex(fault)
		s = reopened(t, errorfs.Wrap(mem, errorfs.ErrInjected.If(index)))
		if s == nil {
			continue // it failed while it was opened
		}
		blob, _, err := s.Put(conversation(1), strings.NewReader(content), 1<<20, "")
		if done = err == nil; !done && engine.CodeOf(err) == 0 {
			t.Errorf("fault %d: got error %v, want one with a code", fault, err)
		}
		after := open(t, dir, mem.CrashClone(vfs.CrashCloneCfg{}))
		if got, _ := read(t, after, conversation(1), durable); got != "before" {
			t.Errorf("fault %d: got %d bytes of what was stored before, want all", fault, len(got))
		}
		if err != nil {
			continue
		}
		if got, _ := read(t, after, conversation(1), blob); got != content {
			t.Errorf("fault %d: got %d bytes of what was stored, want %d", fault, len(got), len(content))
		}
	}
}

func reopened(t *testing.T, fs vfs.FS) *media.Store {
	t.Helper()
	s, err := media.Open(dir, media.Options{FS: fs})
	if err != nil && engine.CodeOf(err) != engine.CodeUnavailable {
		t.Errorf("open: got error %v, want code unavailable", err)
	}
	if err != nil {
		return nil
	}
	return s
}

// TestCrashLeavesOnlyUnfinishedFiles: the next start removes them.
func TestCrashLeavesOnlyUnfinishedFiles(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, dir, fs)
	left := make(chan int, 1)
	_, _, err := s.Put(conversation(1), io.MultiReader(strings.NewReader("half"), readerFunc(func() {
		left <- len(incoming(t, fs))
		open(t, dir, fs) // another start, while this one hangs
		if got := incoming(t, fs); len(got) != 0 {
			t.Errorf("after a start: got %d unfinished files, want none", len(got))
		}
	})), 100, "")
	if n := <-left; n != 1 {
		t.Errorf("before: got %d unfinished files, want 1", n)
	}
	if err == nil {
		t.Error("put: got no error, want that its file is gone")
	}
}

// readerFunc ends at once, after its call.
type readerFunc func()

func (f readerFunc) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

func TestFullDisk(t *testing.T) {
	full := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite {
			return syscall.ENOSPC
		}
		return nil
	})
	fs := vfs.NewMem()
	s := open(t, dir, errorfs.Wrap(fs, full))
	_, _, err := s.Put(conversation(1), strings.NewReader("x"), 10, "")
	if engine.CodeOf(err) != engine.CodeFull {
		t.Errorf("put: got error %v, want code full", err)
	}
	if left := incoming(t, fs); len(left) != 0 {
		t.Errorf("got %d unfinished files, want none", len(left))
	}
	s = open(t, dir, little{vfs.NewMem()})
	if _, _, err := s.Put(conversation(1), strings.NewReader("x"), 10, ""); engine.CodeOf(err) != engine.CodeFull {
		t.Errorf("put with little room: got error %v, want code full", err)
	}
}

// little is a file system without much room.
type little struct{ vfs.FS }

func (little) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: 1 << 20}, nil
}

// TestPutAndRemoveAtOnce: a file is there as a whole, or not at all.
func TestPutAndRemoveAtOnce(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	content := bytes.Repeat([]byte("x"), 10_000)
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			for range 20 {
				if i == 0 {
					if err := s.Remove(conversation(1)); err != nil {
						t.Errorf("remove: got error %v, want none", err)
					}
					continue
				}
				blob, _, err := s.Put(conversation(1), bytes.NewReader(content), 1<<20, "")
				if err != nil {
					t.Errorf("put: got error %v, want none", err)
				}
				if got, code := read(t, s, conversation(1), blob); code != engine.CodeNotFound && got != string(content) {
					t.Errorf("open: got %d bytes, code %q, want %d or none", len(got), code, len(content))
				}
			}
		})
	}
	group.Wait()
}

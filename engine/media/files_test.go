package media_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/media"
)

func TestCopy(t *testing.T) {
	s := open(t, dir, vfs.NewMem())
	put(t, s, conversation(2), "two")
	one, gone := put(t, s, conversation(1), "one"), put(t, s, conversation(3), "gone")
	var names []string
	copied := make(map[string]string)
	add := func(name string, size int64, _ time.Time, r io.Reader) error {
		content, err := io.ReadAll(r)
		if int64(len(content)) != size {
			t.Errorf("%s: got %d bytes, want %d", name, len(content), size)
		}
		names, copied[name] = append(names, name), string(content)
		if len(names) == 2 { // erased while it is copied
			return errors.Join(err, s.Remove(conversation(3)))
		}
		return err
	}
	if err := s.Copy(add); err != nil {
		t.Fatalf("copy: got error %v, want none", err)
	}
	if len(names) != 2 || names[0] >= names[1] {
		t.Errorf("copy: got %q, want two files by rising name, without %s", names, gone)
	}
	if got := copied[conversation(1).String()+"/"+string(one)]; got != "one" {
		t.Errorf("copy: got %q, want one", got)
	}
	failed := errors.New("failed")
	if err := s.Copy(func(string, int64, time.Time, io.Reader) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("copy: got error %v, want the one of add", err)
	}
}

func TestFiles(t *testing.T) {
	s := open(t, dir, vfs.NewMem())
	blob := put(t, s, conversation(1), "one")
	var files []media.File
	if err := s.Files(func(f media.File) error { files = append(files, f); return nil }); err != nil {
		t.Fatalf("files: got error %v, want none", err)
	}
	want := media.File{Conversation: conversation(1), Blob: blob, Bytes: 3}
	if len(files) != 1 || files[0].Conversation != want.Conversation || files[0].Blob != want.Blob || files[0].Bytes != want.Bytes {
		t.Errorf("files: got %+v, want %+v", files, want)
	}
	if got, code := read(t, s, engine.ConversationID{}, blob); code != engine.CodeNotFound {
		t.Errorf("open of no conversation: got %q, want not found", got)
	}
}

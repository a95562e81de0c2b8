package archive_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/intervenehq/intervene/engine/archive"
	"github.com/intervenehq/intervene/engine/fuzztest"
)

// FuzzRead reads any bytes as a backup: what is accepted is to the byte what is
// written for its files, and all else is refused as damaged, newer or no backup.
//
//	go test -run '^$' -fuzz FuzzRead -fuzztime 10m ./engine/archive
func FuzzRead(f *testing.F) {
	whole, _ := write(f, few)
	f.Add(whole)
	f.Add(whole[:len(whole)-512])
	f.Add(whole[:600])
	empty, _ := write(f, nil)
	f.Add(empty)
	named, _ := write(f, []file{{"media/" + fuzztest.Canary, fuzztest.Canary}})
	f.Add(named)
	f.Fuzz(func(t *testing.T, text []byte) {
		var p kept
		var all archive.Summary
		var err error
		fuzztest.Bounded(t, len(text), func() { all, err = archive.Read(bytes.NewReader(text), p.place) })
		if err != nil {
			if p.open {
				t.Errorf("got error %v with a file left open, want all closed", err)
			}
			return
		}
		var again bytes.Buffer
		w, err := archive.NewWriter(&again, all.Head)
		if err != nil {
			t.Fatalf("new: %v", err)
		}
		for i, f := range p.files {
			if err := w.Add(f.name, int64(len(f.content)), p.changed[i], bytes.NewReader([]byte(f.content))); err != nil {
				t.Fatalf("add: got error %v, want what was read written", err)
			}
		}
		if _, err := w.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
		if !bytes.Equal(again.Bytes(), text) {
			t.Errorf("accepted what is not what is written for it: %d bytes, want %d", len(text), again.Len())
		}
	})
}

// kept is placed, and says whether a file was closed.
type kept struct {
	placed
	open bool
}

func (k *kept) place(name string, size int64, changed time.Time) (io.WriteCloser, error) {
	if k.open {
		return nil, errors.New("the file before is still open")
	}
	k.open = true
	if _, err := k.placed.place(name, size, changed); err != nil {
		return nil, err
	}
	return k, nil
}

func (k *kept) Close() error {
	k.open = false
	return nil
}

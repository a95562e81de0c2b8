package restore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/cmd/intervene/restore"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/archive"
	"github.com/intervenehq/intervene/engine/journal"
)

// TestNoFilesOfNobody: a conversation that begins while a backup is written may be
// there with its files alone. They would outlive its erasure.
func TestNoFilesOfNobody(t *testing.T) {
	fs := vfs.NewMem()
	j, err := journal.Open("/old", journal.Options{FS: fs, Create: true})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	known := begin(t, j)
	if err := j.Checkpoint("/copy"); err != nil {
		t.Fatalf("checkpoint: %v", err)
	}
	stray := begin(t, j) // after the copy of the journal, before that of the files
	if err := j.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	backup := write(t, fs, known, stray)
	done, err := restore.Run(t.Context(), restore.Options{From: backup, Dir: "/new", Journal: journal.Options{FS: fs}})
	if err != nil {
		t.Fatalf("restore: got error %v, want none", err)
	}
	if done.Adopted.Before == done.Adopted.After {
		t.Error("restore: got the identity that it had, want another one")
	}
	names, err := fs.List("/new/media")
	if err != nil {
		t.Fatalf("list files: %v", err)
	}
	if !slices.Contains(names, known.String()) || slices.Contains(names, stray.String()) {
		t.Errorf("files: got folders %q, want that of %s and none of %s", names, known, stray)
	}
}

// begin has a customer write for the first time.
func begin(t *testing.T, j *journal.Journal) engine.ConversationID {
	t.Helper()
	router := actors.NewRouter(actors.RouterOptions{Store: j})
	defer router.Stop()
	id := actors.NewConversationID(0)
	_, err := router.Do(context.Background(), id, engine.Command{
		By: engine.Party{Kind: engine.Customer}, Workspace: "acme",
		Body: engine.Receive{
			Channel: "main", Contact: engine.Contact{UserID: "DE." + id.String()}, External: "wamid." + id.String(),
			SentAt: engine.InstantOf(time.Now()), Content: engine.Content{Kind: engine.ContentText, Text: "hello"},
		},
	})
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	return id
}

// write makes a backup of /copy, with one file for each conversation.
func write(t *testing.T, fs vfs.FS, ids ...engine.ConversationID) io.Reader {
	t.Helper()
	var backup bytes.Buffer
	w, err := archive.NewWriter(&backup, archive.Head{MadeAt: time.Now()})
	if err != nil {
		t.Fatalf("archive: %v", err)
	}
	add := func(name string, r io.Reader, size int64) {
		if err := w.Add(name, size, time.Now(), r); err != nil {
			t.Fatalf("add %s: %v", name, err)
		}
	}
	copied := func(name string) {
		file, err := fs.Open("/copy/" + name)
		if err != nil {
			t.Fatalf("open %s: %v", name, err)
		}
		text, err := io.ReadAll(file)
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatalf("read %s: %v", name, err)
		}
		add(name, bytes.NewReader(text), int64(len(text)))
	}
	copied("durable-mark")
	copied(journal.ErasuresName)
	slices.SortFunc(ids, func(a, b engine.ConversationID) int { return strings.Compare(a.String(), b.String()) })
	for _, id := range ids {
		add("media/"+id.String()+"/"+strings.Repeat("0", 64), strings.NewReader("a file"), 6)
	}
	names, err := fs.List("/copy/store")
	if err != nil {
		t.Fatalf("list the store: %v", err)
	}
	slices.Sort(names)
	for _, name := range names {
		copied("store/" + name)
	}
	if _, err := w.Close(); err != nil {
		t.Fatalf("archive: %v", err)
	}
	return &backup
}

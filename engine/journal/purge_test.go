package journal_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/engine/journal/journaltest"
)

// holding counts the files below root that hold any of texts.
func holding(t *testing.T, root string, texts ...string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path) //nolint:gosec // below the test's own directory
		for _, text := range texts {
			if bytes.Contains(data, []byte(text)) {
				files = append(files, filepath.Base(path)+" holds "+text)
			}
		}
		return err
	})
	if err != nil {
		t.Fatalf("read the directory: %v", err)
	}
	return files
}

// TestPurgeLeavesNoByte looks through every file of a data directory for what an
// erased contact said and is called, with other conversations around it, with
// its bytes in tables, in the log, and in files of the log that are used again.
func TestPurgeLeavesNoByte(t *testing.T) {
	defer journal.StoreUncompressed()()
	root := t.TempDir()
	o := testOptions(t, vfs.Default)
	registry := prometheus.NewPedanticRegistry()
	o.Registerer = registry
	j, err := journal.Open(root, o)
	if err != nil {
		t.Fatalf("open: got error %v, want none", err)
	}
	// No compression finds anything in these.
	secret := func(what string, n int) string { return fmt.Sprintf("%s-%d-%x", what, n, rand.Uint64()) }
	number, user, name := secret("number", 0), secret("user", 0), secret("name", 0)
	erased, other := journaltest.NewWriter(j, 1), journaltest.NewWriter(j, 2)
	erased.Contact = engine.Contact{Name: name, WaID: number, UserID: user}
	texts := []string{number, user, name}
	for n := range 8 {
		for _, what := range []string{"said", "edit", "note", "wamid"} {
			texts = append(texts, secret(what, n))
		}
		said := texts[len(texts)-4:]
		erased.Do(t, journaltest.Customer, erased.Receive(said[0]))
		other.Do(t, journaltest.Customer, other.Receive(fmt.Sprintf("other %d", n)))
		erased.Make(t, engine.Amended{External: said[3], SentAt: 1, Target: "t", What: engine.Edited, Content: journaltest.Text(said[1])})
		erased.Do(t, journaltest.Agent, engine.AddNote{Body: said[2]})
		erased.Make(t, engine.Noted{}, engine.Noted{}, engine.Noted{}, engine.Noted{}, engine.Noted{}, engine.Noted{}, engine.Noted{})
		parkItem(t, j, erased, said[0])
		if n%2 == 0 {
			mustFlush(t, j)
		}
	}
	before := holding(t, root, texts...)
	for _, in := range []string{".sst holds", ".log holds"} {
		if !strings.Contains(strings.Join(before, "\n"), in) {
			t.Fatalf("before: got no file that %s any of it, want one", in)
		}
	}
	erased.Make(t, engine.Erased{})
	if got := holding(t, root, texts...); len(got) == 0 {
		t.Fatal("erased: got no file that holds any of it, want some to purge")
	}
	if err := j.Purge(context.Background(), nothingElse); err != nil {
		t.Fatalf("purge: got error %v, want none", err)
	}
	for _, file := range holding(t, root, texts...) {
		t.Errorf("purged: %s, want it nowhere", file)
	}
	if got := holding(t, root, "other 7"); len(got) == 0 {
		t.Error("purged: got no file that holds the other conversation, want one")
	}
	if err := j.Purge(context.Background(), nothingElse); err != nil {
		t.Fatalf("purge of nothing: got error %v, want none", err)
	}
	want := `
# HELP intervene_journal_purged_conversations_total Erased conversations whose bytes were removed.
# TYPE intervene_journal_purged_conversations_total counter
intervene_journal_purged_conversations_total 1
# HELP intervene_journal_purges_total Purges that had anything to do, by how they ended.
# TYPE intervene_journal_purges_total counter
intervene_journal_purges_total{outcome="done"} 1
intervene_journal_purges_total{outcome="interrupted"} 0
`
	err = testutil.GatherAndCompare(registry, strings.NewReader(want),
		"intervene_journal_purges_total", "intervene_journal_purged_conversations_total")
	if err != nil {
		t.Errorf("metrics: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatalf("close: got error %v, want none", err)
	}
	wantSound(t, root, vfs.Default)
	for _, file := range holding(t, root, texts...) {
		t.Errorf("closed: %s, want it nowhere", file)
	}
}

func parkItem(t *testing.T, j *journal.Journal, w *journaltest.Writer, text string) {
	t.Helper()
	item := w.Receive(text)
	if err := j.Park(engine.Parked{Conversation: w.Conversation.ID, At: w.Now, Item: engine.Inbound{Message: &item}}); err != nil {
		t.Fatalf("park: got error %v, want none", err)
	}
}

func mustFlush(t *testing.T, j *journal.Journal) {
	t.Helper()
	if err := flush(j); err != nil {
		t.Fatalf("flush: got error %v, want none", err)
	}
}

func wantSound(t *testing.T, dir string, fs vfs.FS) {
	t.Helper()
	report, err := journal.Verify(dir, fs)
	if err != nil {
		t.Fatalf("verify: got error %v, want none", err)
	}
	for _, f := range report.Findings {
		t.Errorf("verify: got %s, want no difference", f)
	}
}

// TestPurgeIsDoneAnew: what was erased before a stop is purged after it.
func TestPurgeIsDoneAnew(t *testing.T) {
	root := t.TempDir()
	o := testOptions(t, vfs.Default)
	for round := range 2 {
		j, err := journal.Open(root, o)
		if err != nil {
			t.Fatalf("open: got error %v, want none", err)
		}
		if round == 0 {
			w := journaltest.NewWriter(j, 1)
			w.Do(t, journaltest.Customer, w.Receive("unforgettable"))
			mustFlush(t, j)
			w.Make(t, engine.Erased{})
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if err := j.Purge(ctx, nothingElse); err == nil {
				t.Error("purge: got no error, want that it was interrupted")
			}
		} else if err := j.Purge(context.Background(), nothingElse); err != nil {
			t.Errorf("purge: got error %v, want none", err)
		}
		if err := j.Close(); err != nil {
			t.Fatalf("close: got error %v, want none", err)
		}
	}
	for _, file := range holding(t, root, "unforgettable") {
		t.Errorf("purged: %s, want it nowhere", file)
	}
	wantSound(t, root, vfs.Default)
}

// nothingElse is an owner who keeps nothing elsewhere.
func nothingElse(engine.ConversationID) error { return nil }

package journal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/engine/journal/journaltest"
)

const day = 24 * time.Hour

// furnish fills a journal with at least one row of every kind, and closes it.
func furnish(t *testing.T, fs vfs.FS) {
	t.Helper()
	j := open(t, testOptions(t, fs))
	for n := range uint64(12) {
		w := journaltest.NewWriter(j, n)
		w.Now = w.Now.Add(time.Duration(n) * time.Minute)
		if n%3 == 0 {
			w.Contact.UserID = fmt.Sprintf("US.%d", n)
		}
		if n%4 == 1 {
			w.Workspace, w.Channel = journaltest.Other, journaltest.OtherChan
		}
		old := w.Receive("an old one")
		old.SentAt = w.Now.Add(-2 * day)
		w.Do(t, journaltest.Customer, old)
		w.Do(t, journaltest.Agent, engine.Resolve{}) // it came after its window
		w.Chat(t, 1+int(n%6/5)*12)                   // two of them come to a snapshot
		w.Do(t, journaltest.Agent, engine.SetTags{Tags: []string{"a", fmt.Sprintf("t%d", n)}})
		w.Do(t, journaltest.Agent, engine.AddNote{Body: "a note"})
		switch n % 4 {
		case 1, 2:
			w.Do(t, journaltest.Bot, engine.RequestAgent{Reason: "please"})
			w.Do(t, journaltest.Customer, w.Receive("anybody?"))
		case 3:
			w.Do(t, journaltest.Bot, engine.RequestAgent{Reason: "please"})
			w.Give(t, engine.Command{
				ID: engine.CommandID{byte(n)}, Digest: engine.Digest{1}, Workspace: w.Workspace, By: journaltest.Agent, Body: engine.Intervene{},
			})
			w.Do(t, journaltest.Agent, engine.SendMessage{Content: journaltest.Text("a person")})
		}
		furnishJoined(t, w)
		if n == 4 {
			w.Now = w.Now.Add(25 * time.Hour)
			w.Do(t, journaltest.Engine, engine.FireTimer{Timer: engine.DueWindow})
		}
	}
	if err := j.Close(); err != nil {
		t.Fatalf("close: got error %v, want none", err)
	}
}

// furnishJoined makes rows that are joined to messages, and one undelivered send.
func furnishJoined(t *testing.T, w *journaltest.Writer) {
	t.Helper()
	echo := "wamid.echo." + w.Conversation.ID.String()
	w.Make(t, engine.EchoReceived{External: echo, SentAt: w.Now, Content: engine.Content{Kind: engine.ContentImage, Media: &engine.Media{ID: "1"}}})
	message := w.Conversation.Version
	w.Make(t, engine.MediaChanged{Message: message, State: engine.MediaStored, Blob: engine.BlobID(echo), Bytes: int64(message)})
	edit := journaltest.Text("edited " + echo)
	w.Make(t, engine.Amended{External: echo + ".a", SentAt: w.Now, Target: echo, What: engine.Edited, Content: edit})
	w.Make(t, engine.MessageQueued{Content: edit})
	w.Make(t, engine.DeliveryChanged{Send: w.Conversation.Version, State: engine.Failed, Error: 131026})
}

// furnishRemoved fills a journal with conversations of which something, or all,
// was removed.
func furnishRemoved(t *testing.T, fs vfs.FS) {
	t.Helper()
	j := open(t, testOptions(t, fs))
	for n := range uint64(4) {
		w := journaltest.NewWriter(j, n)
		w.Contact.UserID = fmt.Sprintf("US.%d", n)
		w.Chat(t, 25)
		furnishJoined(t, w)
		if n > 0 {
			w.Make(t, engine.Trimmed{OldestKept: w.Conversation.Version - 20*n})
			w.Chat(t, 10)
		}
		if n == 3 {
			w.Make(t, engine.Erased{})
		}
	}
	if err := j.Close(); err != nil {
		t.Fatalf("close: got error %v, want none", err)
	}
}

func TestVerifyAfterRemoval(t *testing.T) {
	fs := vfs.NewMem()
	furnishRemoved(t, fs)
	report := verify(t, fs)
	wantClean(t, report)
	if report.Conversations != 4 || report.Appends >= report.Offset {
		t.Errorf("got %d conversations, %d appends to offset %d; want 4, and that appends are gone",
			report.Conversations, report.Appends, report.Offset)
	}
}

func verify(t *testing.T, fs vfs.FS) journal.Report {
	t.Helper()
	report, err := journal.Verify(dir, fs)
	if err != nil {
		t.Fatalf("verify: got error %v, want none", err)
	}
	return report
}

func wantClean(t *testing.T, report journal.Report) {
	t.Helper()
	for _, f := range report.Findings {
		t.Errorf("verify: got %s, want no difference", f)
	}
}

// edit changes a closed journal below its back.
func edit(t *testing.T, fs vfs.FS, change func(db *pebble.DB) error) {
	t.Helper()
	db, err := pebble.Open(dir+"/store", &pebble.Options{FS: fs, FormatMajorVersion: pebble.FormatNewest, ErrorIfNotExists: true, Logger: quiet{t}})
	if err != nil {
		t.Fatalf("open the store: got error %v, want none", err)
	}
	if err := errors.Join(change(db), db.Close()); err != nil {
		t.Fatalf("edit the store: got error %v, want none", err)
	}
}

type quiet struct{ t *testing.T }

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (q quiet) Fatalf(f string, args ...any) { q.t.Errorf(f, args...) }

type storedRow struct{ key, value []byte }

// stored are the rows whose keys begin with a byte.
func stored(t *testing.T, db *pebble.DB, space byte) []storedRow {
	t.Helper()
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{space}, UpperBound: []byte{space + 1}})
	if err != nil {
		t.Fatalf("iterate: got error %v, want none", err)
	}
	var rows []storedRow
	for ok := it.First(); ok; ok = it.Next() {
		rows = append(rows, storedRow{bytes.Clone(it.Key()), bytes.Clone(it.Value())})
	}
	if err := it.Close(); err != nil {
		t.Fatalf("iterate: got error %v, want none", err)
	}
	return rows
}

// spaces are the first bytes of keys, as docs/JOURNAL.md lists them.
var spaces = map[string]byte{
	"event and head": 0x10, "snapshot": 0x11, "delivery": 0x12, "log": 0x20, "dedupe": 0x21, "external": 0x22,
	"identity": 0x23, "board": 0x30, "history": 0x31, "due": 0x40, "amendment": 0x14, "media": 0x15, "dead letter": 0x32,
}

func TestVerifyIsClean(t *testing.T) {
	fs := vfs.NewMem()
	furnish(t, fs)
	report := verify(t, fs)
	wantClean(t, report)
	if report.Conversations != 12 || report.Appends != report.Offset || report.Events < report.Appends {
		t.Errorf("got %d conversations, %d appends to offset %d, %d events; want 12, all of the log's, and more events",
			report.Conversations, report.Appends, report.Offset, report.Events)
	}
	columns := make(map[engine.Column]int64)
	for _, c := range report.Columns {
		columns[c.Column] += c.Conversations
	}
	want := map[engine.Column]int64{engine.Active: 2, engine.Requesting: 6, engine.Intervened: 3, engine.History: 1}
	for column, n := range want {
		if columns[column] != n {
			t.Errorf("%s: got %d conversations, want %d", column, columns[column], n)
		}
	}
	edit(t, fs, func(db *pebble.DB) error {
		for name, space := range spaces {
			if len(stored(t, db, space)) == 0 {
				t.Errorf("%s: got no rows, want the test to make some", name)
			}
		}
		return nil
	})
}

// TestVerifyFindsDamage plants one damage of every sort in every sort of row.
func TestVerifyFindsDamage(t *testing.T) {
	base := vfs.NewMem()
	furnish(t, base)
	findsDamage(t, base, spaces)
}

// TestVerifyFindsDamageAfterRemoval does so where something was removed. What a
// dedupe row points to may be gone there, so that damage to it may go unseen.
func TestVerifyFindsDamageAfterRemoval(t *testing.T) {
	base := vfs.NewMem()
	furnishRemoved(t, base)
	findsDamage(t, base, map[string]byte{
		"event and head": 0x10, "amendment": 0x14, "claimed": 0x16,
	})
}

func findsDamage(t *testing.T, base *vfs.MemFS, spaces map[string]byte) {
	t.Helper()
	damages := map[string]func(rows []storedRow, i int, b *pebble.Batch) error{
		"missing": func(rows []storedRow, i int, b *pebble.Batch) error { return b.Delete(rows[i].key, nil) },
		"extra": func(rows []storedRow, i int, b *pebble.Batch) error {
			key := bytes.Clone(rows[i].key)
			key[len(key)-8] ^= 0x55 // far from where another row may be
			return b.Set(key, rows[i].value, nil)
		},
		"cut short": func(rows []storedRow, i int, b *pebble.Batch) error {
			return b.Set(rows[i].key, rows[i].value[:len(rows[i].value)-1], nil)
		},
		"longer": func(rows []storedRow, i int, b *pebble.Batch) error {
			return b.Set(rows[i].key, append(bytes.Clone(rows[i].value), 0x80), nil)
		},
		"record version": func(rows []storedRow, i int, b *pebble.Batch) error {
			return b.Set(rows[i].key, append([]byte{9}, rows[i].value[1:]...), nil)
		},
		"another row's value": func(rows []storedRow, i int, b *pebble.Batch) error {
			// From the end: in a conversation that is a head, which is no event.
			for _, other := range slices.Backward(rows) {
				if !bytes.Equal(other.value, rows[i].value) {
					return b.Set(rows[i].key, other.value, nil)
				}
			}
			return b.Delete(rows[i].key, nil) // all are alike: due rows
		},
	}
	for space, prefix := range spaces {
		for damage, plant := range damages {
			t.Run(space+"/"+damage, func(t *testing.T) {
				fs := copyOf(t, base)
				edit(t, fs, func(db *pebble.DB) error {
					rows := stored(t, db, prefix)
					i := rand.IntN(len(rows))
					t.Logf("row %d of %d", i, len(rows))
					b := db.NewBatch()
					return errors.Join(plant(rows, i, b), b.Commit(pebble.Sync))
				})
				if report, err := journal.Verify(dir, fs); err == nil && report.OK() {
					t.Error("got a clean report, want a difference")
				}
			})
		}
	}
}

// copyOf is a file system that holds what fs does.
func copyOf(t *testing.T, fs vfs.FS) vfs.FS {
	t.Helper()
	to := vfs.NewMem()
	if err := to.MkdirAll("/data", 0o755); err != nil {
		t.Fatalf("make directory: got error %v, want none", err)
	}
	if ok, err := vfs.Clone(fs, to, dir, dir, vfs.CloneSync); !ok || err != nil {
		t.Fatalf("clone: got %t, error %v, want it done", ok, err)
	}
	return to
}

func TestVerifyFindsOtherDamage(t *testing.T) {
	for name, change := range map[string]func(db *pebble.DB) error{
		"an unknown row":        func(db *pebble.DB) error { return db.Set([]byte{0x77, 1}, []byte{1}, pebble.Sync) },
		"another shard's row":   func(db *pebble.DB) error { return db.Set([]byte{0x40, 0, 1, 2}, []byte{1}, pebble.Sync) },
		"a row before all":      func(db *pebble.DB) error { return db.Set([]byte{0}, []byte{1}, pebble.Sync) },
		"an unknown meta row":   func(db *pebble.DB) error { return db.Set([]byte("\x01zzz"), []byte{1}, pebble.Sync) },
		"an unknown format":     func(db *pebble.DB) error { return db.Set([]byte("\x01journal"), []byte{1, 8, 9}, pebble.Sync) },
		"no meta row":           func(db *pebble.DB) error { return db.Delete([]byte("\x01journal"), pebble.Sync) },
		"a log behind the mark": func(db *pebble.DB) error { return db.DeleteRange([]byte{0x20}, []byte{0x21}, pebble.Sync) },
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			furnish(t, fs)
			edit(t, fs, change)
			if report, err := journal.Verify(dir, fs); err == nil && report.OK() {
				t.Error("got a clean report, want a difference")
			}
		})
	}
}

func TestVerifyAfterExpiry(t *testing.T) {
	fs := vfs.NewMem()
	furnish(t, fs)
	j := open(t, testOptions(t, fs))
	if err := j.Expire(journaltest.Start.Add(8 * day)); err != nil {
		t.Fatalf("expire: got error %v, want none", err)
	}
	if err := j.Close(); err != nil {
		t.Fatalf("close: got error %v, want none", err)
	}
	wantClean(t, verify(t, fs))
	j = open(t, testOptions(t, fs))
	for _, days := range []time.Duration{40, 80, 10} { // the last: a clock that went back
		if err := j.Expire(journaltest.Start.Add(days * day)); err != nil {
			t.Fatalf("expire: got error %v, want none", err)
		}
	}
	w := journaltest.NewWriter(j, 100)
	w.Now = w.Now.Add(80 * day)
	w.Chat(t, 3)
	if err := j.Close(); err != nil {
		t.Fatalf("close: got error %v, want none", err)
	}
	wantClean(t, verify(t, fs))
}

func TestVerifyRefusesAnOpenJournal(t *testing.T) {
	fs := vfs.Default
	at := t.TempDir()
	j, err := journal.Open(at, testOptions(t, fs))
	if err != nil {
		t.Fatalf("open: got error %v, want none", err)
	}
	w := journaltest.NewWriter(j, 1)
	w.Chat(t, 3)
	if err := j.Checkpoint(at + "/copy"); err != nil {
		t.Fatalf("checkpoint: got error %v, want none", err)
	}
	report, err := journal.Verify(at+"/copy", fs)
	if err != nil || report.Offset != j.Durable() || report.Identity != j.ID() {
		t.Errorf("verify the copy: got offset %d, error %v, want %d", report.Offset, err, j.Durable())
	}
	wantClean(t, report)
	if err := j.Close(); err != nil {
		t.Fatalf("close: got error %v, want none", err)
	}
}

func TestDump(t *testing.T) {
	fs := vfs.NewMem()
	furnish(t, fs)
	var out bytes.Buffer
	if err := journal.DumpConversations(dir, fs, &out); err != nil {
		t.Fatalf("dump conversations: got error %v, want none", err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 12 {
		t.Fatalf("dump conversations: got %d lines, want 12", len(lines))
	}
	each := 0
	for _, line := range lines {
		var listed struct {
			Conversation string
			Version      uint64
		}
		if err := json.Unmarshal([]byte(line), &listed); err != nil {
			t.Fatalf("line: got error %v, want JSON", err)
		}
		id, err := engine.ParseConversationID(listed.Conversation)
		if err != nil {
			t.Fatalf("conversation: got error %v, want an ID", err)
		}
		out.Reset()
		if err := journal.Dump(dir, fs, id, &out); err != nil {
			t.Fatalf("dump: got error %v, want none", err)
		}
		if got := uint64(strings.Count(out.String(), "\n")); got != listed.Version {
			t.Errorf("dump: got %d lines, want %d", got, listed.Version)
		}
		each += strings.Count(out.String(), "\n")
	}
	out.Reset()
	if err := journal.Dump(dir, fs, engine.ConversationID{}, &out); err != nil {
		t.Fatalf("dump of all: got error %v, want none", err)
	}
	if got := strings.Count(out.String(), "\n"); got != each {
		t.Errorf("dump of all: got %d lines, want %d", got, each)
	}
	err := journal.Dump(dir, fs, journaltest.ConversationID(1000), &out)
	if engine.CodeOf(err) != engine.CodeNotFound {
		t.Errorf("dump of no conversation: got error %v, want code %q", err, engine.CodeNotFound)
	}
}

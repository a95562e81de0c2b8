package journal_test

import (
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/engine/journal/journaltest"
	"github.com/intervenehq/intervene/engine/journal/record"
)

// oldJournal is one that was made when the format was 2, with at least one row of
// every kind that there was.
func oldJournal(t *testing.T) vfs.FS {
	t.Helper()
	fs := vfs.NewMem()
	if ok, err := vfs.Clone(vfs.Default, fs, "testdata/format2", dir); !ok || err != nil {
		t.Fatalf("copy: got error %v, want testdata/format2", err)
	}
	return fs
}

func TestAnOlderJournalIsUpgraded(t *testing.T) {
	fs := oldJournal(t)
	before := verify(t, fs)
	wantClean(t, before)
	j := open(t, testOptions(t, fs))
	w := journaltest.NewWriter(j, 99)
	w.Do(t, journaltest.Customer, w.Receive("hello"))
	if got, err := j.Load(journaltest.ConversationID(3)); err != nil || got.Column != engine.Intervened {
		t.Errorf("load: got column %s, error %v, want it as it was", got.Column, err)
	}
	if err := j.Close(); err != nil {
		t.Fatalf("close: got error %v, want none", err)
	}
	after := verify(t, fs)
	wantClean(t, after)
	if after.Identity != before.Identity || after.Conversations != before.Conversations+1 || before.Conversations != 12 {
		t.Errorf("verify: got %d conversations after %d, want one more of the same journal", after.Conversations, before.Conversations)
	}
	if format := setFormat(t, fs, 0); format != 4 {
		t.Errorf("format: got %d, want 4, which an older version refuses", format)
	}
}

func TestOtherFormatsAreRefusedByName(t *testing.T) {
	for format, want := range map[uint32]string{5: "format 5, which a newer version", 99: "format 99, which a newer version", 1: "format 1, which is too old"} {
		fs := oldJournal(t)
		setFormat(t, fs, format)
		_, err := journal.Open(dir, testOptions(t, fs))
		if engine.CodeOf(err) != engine.CodeCorrupt || !strings.Contains(err.Error(), want) {
			t.Errorf("open: got error %v, want %q", err, want)
		}
		if _, err := journal.Verify(dir, fs); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("verify: got error %v, want %q", err, want)
		}
	}
}

// setFormat sets the format that a journal says it has, unless it is 0, and answers
// the one before.
func setFormat(t *testing.T, fs vfs.FS, format uint32) (before uint32) {
	t.Helper()
	key := append([]byte{1}, "journal"...)
	edit(t, fs, func(db *pebble.DB) error {
		value, closer, err := db.Get(key)
		if err != nil {
			return err
		}
		var meta record.Meta
		if err := proto.Unmarshal(value[1:], &meta); err != nil {
			return err
		}
		version := value[0]
		if err := closer.Close(); err != nil {
			return err
		}
		before = meta.GetFormat()
		if format == 0 {
			return nil
		}
		meta.Format = format
		text, err := proto.Marshal(&meta)
		if err != nil {
			return err
		}
		return db.Set(key, append([]byte{version}, text...), pebble.Sync)
	})
	return before
}

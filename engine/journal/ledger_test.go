package journal_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/engine/journal/journaltest"
)

// eraseOne begins the nth conversation and erases it.
func eraseOne(t *testing.T, j *journal.Journal, n uint64) engine.ConversationID {
	t.Helper()
	w := journaltest.NewWriter(j, n)
	w.Do(t, journaltest.Customer, w.Receive("hello"))
	w.Do(t, journaltest.Engine, engine.Erase{})
	return w.Conversation.ID
}

func erasedIDs(t *testing.T, j *journal.Journal) (ids []engine.ConversationID) {
	t.Helper()
	erasures, err := j.Erasures()
	if err != nil {
		t.Fatalf("erasures: got error %v, want none", err)
	}
	for _, e := range erasures {
		ids = append(ids, e.Conversation)
	}
	return ids
}

func closeAll(t *testing.T, journals ...*journal.Journal) {
	t.Helper()
	for _, j := range journals {
		if err := j.Close(); err != nil {
			t.Fatalf("close: got error %v, want none", err)
		}
	}
}

// readAll and writeAll are a whole file.
func readAll(t *testing.T, fs vfs.FS, path string) []byte {
	t.Helper()
	file, err := fs.Open(path)
	if err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
	text, err := io.ReadAll(file)
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	return text
}

func writeAll(t *testing.T, fs vfs.FS, path string, text []byte) {
	t.Helper()
	file, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatalf("create %s: %v", path, err)
	}
	_, err = file.Write(text)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		t.Fatalf("write %s: %v", path, err)
	}
}

const ledgerPath = dir + "/" + journal.ErasuresName

// TestErasuresAreInTheLedger once they are acknowledged, whatever a crash leaves.
func TestErasuresAreInTheLedger(t *testing.T) {
	fs := vfs.NewCrashableMem()
	j := open(t, testOptions(t, fs))
	want := []engine.ConversationID{eraseOne(t, j, 1), eraseOne(t, j, 2)}
	left := fs.CrashClone(vfs.CrashCloneCfg{})
	closeAll(t, j)
	j = open(t, testOptions(t, left))
	if got := erasedIDs(t, j); !slices.Equal(got, want) {
		t.Errorf("after a crash: got %v, want %v", got, want)
	}
	if err := j.Purge(t.Context(), func(engine.ConversationID) error { return nil }); err != nil {
		t.Fatalf("purge: got error %v, want none", err)
	}
	want = append(want, eraseOne(t, j, 3))
	closeAll(t, j)
	text := string(readAll(t, left, ledgerPath))
	if strings.Count(text, "\n") != 1+len(want) {
		t.Errorf("ledger: got %q, want a line for each", text)
	}

	// The last line was not written before the crash, or half of it, or only its end.
	for name, tail := range map[string]string{
		"nothing": "", "half a line": text[len(text)-61:][:20], "only its end": strings.Repeat("\x00", 49) + text[len(text)-12:],
	} {
		cut := text[:strings.LastIndexByte(strings.TrimSuffix(text, "\n"), '\n')+1]
		writeAll(t, left, ledgerPath, []byte(cut+tail))
		j := open(t, testOptions(t, left))
		if got := erasedIDs(t, j); !slices.Equal(got, want) {
			t.Errorf("%s of the last line: got %v, want %v", name, got, want)
		}
		closeAll(t, j)
		if got := string(readAll(t, left, ledgerPath)); len(got) != len(text) {
			t.Errorf("%s of the last line: got %q, want it whole again", name, got)
		}
	}
}

func TestADamagedLedgerIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	j := open(t, testOptions(t, fs))
	for n := range uint64(3) {
		eraseOne(t, j, n)
	}
	closeAll(t, j)
	text := readAll(t, fs, ledgerPath)
	for i := range text {
		damaged := slices.Clone(text)
		damaged[i] ^= 0x02
		got, err := journal.ReadErasures(bytes.NewReader(damaged))
		if lastEnd := i == len(text)-1; lastEnd != (err == nil && len(got) == 2) {
			t.Errorf("byte %d: got %d erasures, error %v, want damage", i, len(got), err)
		}
	}
	writeAll(t, fs, ledgerPath, []byte("something else\n"))
	if _, err := journal.Open(dir, testOptions(t, fs)); engine.CodeOf(err) != engine.CodeCorrupt {
		t.Errorf("open: got error %v, want code corrupt", err)
	}
}

func TestLedgersArePutTogether(t *testing.T) {
	first := []journal.Erasure{{Conversation: journaltest.ConversationID(1), At: 10}, {Conversation: journaltest.ConversationID(2), At: 20}}
	second := []journal.Erasure{{Conversation: journaltest.ConversationID(2), At: 15}, {Conversation: journaltest.ConversationID(3), At: 30}}
	want := []journal.Erasure{first[0], second[0], second[1]}
	if got := journal.MergeErasures(first, second); !slices.Equal(got, want) {
		t.Errorf("merge: got %v, want %v", got, want)
	}
	var text bytes.Buffer
	for _, list := range [][]journal.Erasure{first, second} {
		if err := journal.PrintErasures(&text, list); err != nil {
			t.Fatalf("print: got error %v, want none", err)
		}
	}
	if got, err := journal.ReadErasures(&text); err != nil || !slices.Equal(got, append(first, second...)) {
		t.Errorf("read: got %v, error %v, want both", got, err)
	}
}

// TestALedgerThatFailsEndsTheProcess: the erasure is not acknowledged.
func TestALedgerThatFailsEndsTheProcess(t *testing.T) {
	var fails atomic.Bool
	mem := vfs.NewCrashableMem()
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if fails.Load() && op.Path == "/elsewhere/ledger" && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return errorfs.ErrInjected
		}
		return nil
	}))
	if err := mem.MkdirAll("/elsewhere", 0o750); err != nil {
		t.Fatalf("make a folder: %v", err)
	}
	o := testOptions(t, fs)
	died := make(chan error, 1)
	o.Erasures, o.Fatal = "/elsewhere/ledger", func(err error) { died <- err }
	j := open(t, o)
	w := journaltest.NewWriter(j, 1)
	w.Do(t, journaltest.Customer, w.Receive("hello"))
	fails.Store(true)
	a, _ := w.Prepare(engine.Command{By: journaltest.Engine, Body: engine.Erase{}})
	if _, err := j.Append(a); engine.CodeOf(err) != engine.CodeUnknownOutcome {
		t.Errorf("append: got error %v, want code unknown outcome", err)
	}
	if err := <-died; !errors.Is(err, errorfs.ErrInjected) {
		t.Errorf("fatal: got error %v, want the disk's", err)
	}
	fails.Store(false)
	closeAll(t, j)

	o.Fatal = testOptions(t, fs).Fatal
	j = open(t, o)
	if got := erasedIDs(t, j); !slices.Equal(got, []engine.ConversationID{w.Conversation.ID}) {
		t.Errorf("after the restart: got %v, want the conversation", got)
	}
	closeAll(t, j)
}

func TestTheLedgersFolderMustBeThere(t *testing.T) {
	o := testOptions(t, vfs.NewMem())
	o.Erasures = "/nowhere/ledger"
	if _, err := journal.Open(dir, o); engine.CodeOf(err) != engine.CodeNotFound {
		t.Errorf("open: got error %v, want code not found", err)
	}
}

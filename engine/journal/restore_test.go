package journal_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/engine/journal/journaltest"
)

// copyDir is where a test's copy of a journal lies.
const copyDir = "/data/copy"

// pending is a journal with a conversation whose agent's message waits to be sent,
// and one whose bot owes an answer; and a third with neither.
type pending struct {
	journal          *journal.Journal
	send, turn, idle *journaltest.Writer
}

func newPending(t *testing.T, fs vfs.FS) pending {
	t.Helper()
	j := open(t, testOptions(t, fs))
	p := pending{j, journaltest.NewWriter(j, 1), journaltest.NewWriter(j, 2), journaltest.NewWriter(j, 3)}
	for _, w := range []*journaltest.Writer{p.send, p.turn, p.idle} {
		w.Do(t, journaltest.Customer, w.Receive("hello"))
	}
	for _, w := range []*journaltest.Writer{p.send, p.idle} {
		w.Do(t, journaltest.Bot, engine.RequestAgent{})
		w.Do(t, journaltest.Agent, engine.Intervene{})
	}
	p.send.Do(t, journaltest.Agent, engine.SendMessage{Content: journaltest.Text("yes?")})
	return p
}

// adopted is that journal after a checkpoint of it was adopted, in copyDir.
func (p pending) adopted(t *testing.T, fs vfs.FS) (pending, journal.Adopted) {
	t.Helper()
	if err := p.journal.Checkpoint(copyDir); err != nil {
		t.Fatalf("checkpoint: got error %v, want none", err)
	}
	o := testOptions(t, fs)
	o.Create = false
	a, err := journal.Adopt(copyDir, o)
	if err != nil {
		t.Fatalf("adopt: got error %v, want none", err)
	}
	return p.in(t, fs, copyDir), a
}

// in is the same conversations in the journal in a directory.
func (p pending) in(t *testing.T, fs vfs.FS, dir string) pending {
	t.Helper()
	j, err := journal.Open(dir, testOptions(t, fs))
	if err != nil {
		t.Fatalf("open: got error %v, want none", err)
	}
	of := func(w *journaltest.Writer) *journaltest.Writer {
		other := *w
		other.Journal = j
		if other.Conversation, err = j.Load(w.Conversation.ID); err != nil {
			t.Fatalf("load: got error %v, want none", err)
		}
		return &other
	}
	return pending{j, of(p.send), of(p.turn), of(p.idle)}
}

func due(t *testing.T, j *journal.Journal, kind engine.DueKind) (ids []engine.ConversationID) {
	t.Helper()
	items, err := j.Due(kind, engine.DueItem{}, journaltest.Start.Add(time.Hour), 100)
	if err != nil {
		t.Fatalf("due: got error %v, want none", err)
	}
	for _, item := range items {
		ids = append(ids, item.Conversation)
	}
	return ids
}

func verifyIn(t *testing.T, fs vfs.FS, dir string, held uint64) {
	t.Helper()
	report, err := journal.Verify(dir, fs)
	if err != nil {
		t.Fatalf("verify: got error %v, want none", err)
	}
	wantClean(t, report)
	if report.Held != held {
		t.Errorf("verify: got %d held, want %d", report.Held, held)
	}
}

// TestAdopt: a copy becomes a journal of its own, and what may have been done
// already waits until it is released. Everything else goes on.
func TestAdopt(t *testing.T) {
	fs := vfs.NewMem()
	p := newPending(t, fs)
	restored, a := p.adopted(t, fs)
	j := restored.journal
	if a.Before != p.journal.ID() || a.After != j.ID() || a.After == a.Before || a.Offset != p.journal.Durable() || a.Sends != 1 || a.Turns != 1 {
		t.Errorf("adopt: got %+v of %x, want another identity, one send and one turn", a, j.ID())
	}
	if got := j.Restores(); len(got) != 1 || got[0].Before != a.Before || got[0].At != journaltest.Start {
		t.Errorf("restores: got %v, want the one", got)
	}
	for _, kind := range []engine.DueKind{engine.DueSend, engine.DueTurn} {
		if got := due(t, j, kind); len(got) != 0 {
			t.Errorf("due %s: got %v, want nothing that is held", kind, got)
		}
	}
	send, turn, idle := restored.send.Conversation.ID, restored.turn.Conversation.ID, restored.idle.Conversation.ID
	if !j.Held(engine.DueSend, send) || j.Held(engine.DueSend, idle) || !j.Held(engine.DueTurn, turn) || j.Held(engine.DueTurn, send) {
		t.Error("held: got something else than the send and the turn")
	}
	if got := j.Holds(engine.DueSend); len(got) != 1 || got[0] != (journal.Hold{Conversation: send, Through: restored.send.Conversation.Version}) {
		t.Errorf("holds: got %v, want the send", got)
	}

	// What comes now flows, unless it stands behind what is held.
	restored.idle.Do(t, journaltest.Agent, engine.SendMessage{Content: journaltest.Text("new")})
	restored.send.Do(t, journaltest.Agent, engine.SendMessage{Content: journaltest.Text("behind")})
	restored.turn.Do(t, journaltest.Customer, restored.turn.Receive("and?"))
	if got := due(t, j, engine.DueSend); !slices.Equal(got, []engine.ConversationID{idle}) {
		t.Errorf("due: got %v, want the new send", got)
	}
	if got := due(t, j, engine.DueTurn); len(got) != 0 {
		t.Errorf("due: got %v, want that the turn stays held", got)
	}
	closeAll(t, j)
	verifyIn(t, fs, copyDir, 2)

	// It is so after a restart, until it is released.
	restored = p.in(t, fs, copyDir)
	j = restored.journal
	if !j.Held(engine.DueSend, send) {
		t.Error("held: got not, want the send still held after a restart")
	}
	if err := j.Release(engine.DueSend, []engine.ConversationID{send}); err != nil {
		t.Fatalf("release: got error %v, want none", err)
	}
	if got := due(t, j, engine.DueSend); len(got) != 2 || j.Held(engine.DueSend, send) {
		t.Errorf("due: got %v, want both", got)
	}
	closeAll(t, j, p.journal)
	verifyIn(t, fs, copyDir, 1)
	verifyIn(t, fs, dir, 0)
}

// TestHoldsEndWithWhatIsHeld: nothing is left to hold.
func TestHoldsEndWithWhatIsHeld(t *testing.T) {
	for name, end := range map[string]func(*testing.T, pending){
		"a status says that it was sent": func(t *testing.T, p pending) {
			p.send.Make(t, engine.DeliveryChanged{Send: p.send.Conversation.Version, State: engine.Sent, External: "wamid.1"})
			p.turn.Do(t, journaltest.Agent, engine.RequestAgent{})
			p.turn.Do(t, journaltest.Agent, engine.Intervene{})
		},
		"erasure": func(t *testing.T, p pending) {
			p.send.Do(t, journaltest.Engine, engine.Erase{})
			p.turn.Do(t, journaltest.Engine, engine.Erase{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			p := newPending(t, fs)
			restored, _ := p.adopted(t, fs)
			end(t, restored)
			if s, u := restored.journal.Holds(engine.DueSend), restored.journal.Holds(engine.DueTurn); len(s)+len(u) != 0 {
				t.Errorf("holds: got sends %v and turns %v, want none", s, u)
			}
			closeAll(t, restored.journal, p.journal)
			verifyIn(t, fs, copyDir, 0)
		})
	}
}

func TestRestoredAgain(t *testing.T) {
	fs := vfs.NewMem()
	p := newPending(t, fs)
	restored, first := p.adopted(t, fs)
	closeAll(t, restored.journal, p.journal)
	o := testOptions(t, fs)
	again, err := journal.Adopt(copyDir, o)
	if err != nil || again.Before != first.After {
		t.Fatalf("adopt: got %+v, error %v, want it of what was adopted", again, err)
	}
	j := p.in(t, fs, copyDir).journal
	if got := j.Restores(); len(got) != 2 || got[0].Before != first.Before || got[1].Before != first.After {
		t.Errorf("restores: got %v, want both in their order", got)
	}
	closeAll(t, j)
}

// parts are the files of a checkpoint, by the names that they have in a backup.
func parts(t *testing.T, fs vfs.FS, at string) (files map[string][]byte) {
	t.Helper()
	files = make(map[string][]byte)
	names, err := fs.List(at + "/store")
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	for _, name := range append([]string{"../durable-mark", "../erasures"}, names...) {
		files[strings.TrimPrefix("store/"+name, "store/../")] = readAll(t, fs, fs.PathJoin(at, "store", name))
	}
	files["media/"+journaltest.ConversationID(1).String()+"/"+strings.Repeat("a", 64)] = []byte("picture")
	return files
}

// bringBack restores files into a directory, as a restore does.
func bringBack(fs vfs.FS, to string, files map[string][]byte, o journal.Options) (err error) {
	r, err := journal.BeginRestore(to, fs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Abandon()) }()
	for name, content := range files {
		file, err := r.Create(name)
		if err != nil {
			return err
		}
		_, err = file.Write(slices.Clone(content)) // which may be scribbled over
		if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
			return err
		}
	}
	if _, err := journal.Adopt(r.Dir(), o); err != nil {
		return err
	}
	if err := r.SetErasures([]journal.Erasure{{Conversation: journaltest.ConversationID(9), At: 1}}); err != nil {
		return err
	}
	return r.Commit()
}

const newDir = "/new/data"

func TestRestoring(t *testing.T) {
	from := vfs.NewMem()
	p := newPending(t, from)
	if err := p.journal.Checkpoint(copyDir); err != nil {
		t.Fatalf("checkpoint: got error %v, want none", err)
	}
	files := parts(t, from, copyDir)
	fs := vfs.NewCrashableMem()
	if err := bringBack(fs, newDir, files, testOptions(t, fs)); err != nil {
		t.Fatalf("restore: got error %v, want none", err)
	}
	after := fs.CrashClone(vfs.CrashCloneCfg{})
	wantRestored(t, after, p)
	if err := bringBack(after, newDir, files, testOptions(t, after)); engine.CodeOf(err) != engine.CodeInvalid {
		t.Errorf("restore over a journal: got error %v, want code invalid", err)
	}
	wantRestored(t, after, p)
	closeAll(t, p.journal)
}

func wantRestored(t *testing.T, fs vfs.FS, p pending) {
	t.Helper()
	restored := p.in(t, fs, newDir)
	if got := restored.send.Conversation.Version; got != p.send.Conversation.Version || !restored.journal.Held(engine.DueSend, p.send.Conversation.ID) {
		t.Errorf("restored: got version %d, want %d, with its send held", got, p.send.Conversation.Version)
	}
	if got := erasedIDs(t, restored.journal); !slices.Equal(got, []engine.ConversationID{journaltest.ConversationID(9)}) {
		t.Errorf("ledger: got %v, want the one that was given", got)
	}
	if got := string(readAll(t, fs, newDir+"/media/"+journaltest.ConversationID(1).String()+"/"+strings.Repeat("a", 64))); got != "picture" {
		t.Errorf("file: got %q, want picture", got)
	}
	closeAll(t, restored.journal)
	verifyIn(t, fs, newDir, 2)
	names, err := fs.List(newDir)
	slices.Sort(names)
	if want := []string{"LOCK", "durable-mark", "erasures", "media", "store"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("directory: got %v, error %v, want %v", names, err, want)
	}
}

// restoreSlack is by how many operations two restores may differ.
const restoreSlack = 15

// TestAnInterruptedRestore ends the process at every nth operation on the disk:
// what is left opens as nothing, or as all, and the next restore brings all of it.
func TestAnInterruptedRestore(t *testing.T) {
	from := vfs.NewMem()
	p := newPending(t, from)
	if err := p.journal.Checkpoint(copyDir); err != nil {
		t.Fatalf("checkpoint: got error %v, want none", err)
	}
	files := parts(t, from, copyDir)
	outcomes := make(map[string]int)
	_, all := interrupted(t, files, 0)
	for n := 1; n <= all+restoreSlack; n++ {
		if n%7 != 1 && n < all-restoreSlack { // of the many writes some, and of the names that come last each
			continue
		}
		left, _ := interrupted(t, files, n)
		if left == nil {
			continue // Pebble's own goroutines make some more or less
		}
		outcomes[reopened(t, left, n, p)]++
		if t.Failed() {
			break
		}
		if _, err := left.Stat(newDir + "/store"); err == nil {
			continue
		}
		if err := bringBack(left, newDir, files, testOptions(t, left)); err != nil {
			t.Fatalf("operation %d: restore again: got error %v, want none", n, err)
		}
		wantRestored(t, left, p)
	}
	// That all of it is there when nothing was interrupted is another test's.
	for _, outcome := range []string{"nothing", "unfinished"} {
		if outcomes[outcome] == 0 {
			t.Errorf("got %v, want some of each: the test begins too late", outcomes)
		}
	}
	closeAll(t, p.journal)
}

// interrupted restores, and answers what a crash before the nth operation would have
// left on the disk, and how many there are.
func interrupted(t *testing.T, files map[string][]byte, n int) (left *vfs.MemFS, all int) {
	t.Helper()
	mem := vfs.NewCrashableMem()
	var count atomic.Int64
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && count.Add(1) == int64(n) {
			left = mem.CrashClone(vfs.CrashCloneCfg{})
		}
		return nil
	}))
	if err := bringBack(fs, newDir, files, testOptions(t, fs)); err != nil {
		t.Fatalf("restore: got error %v, want none", err)
	}
	return left, int(count.Load())
}

// reopened opens what an interrupted restore left, with Create as the engine does.
func reopened(t *testing.T, left *vfs.MemFS, n int, p pending) string {
	t.Helper()
	look := left.CrashClone(vfs.CrashCloneCfg{})
	o := testOptions(t, look)
	o.Create = false
	j, err := journal.Open(newDir, o)
	switch {
	case err == nil:
		closeAll(t, j)
		wantRestored(t, look, p)
		return "all"
	case engine.CodeOf(err) != engine.CodeNotFound && engine.CodeOf(err) != engine.CodeCorrupt:
		t.Errorf("operation %d: got error %v, want that there is no journal", n, err)
	}
	o.Create = true
	if j, err = journal.Open(newDir, o); err == nil {
		if closeAll(t, j); j.Durable() != 0 {
			t.Errorf("operation %d: got a journal of %d appends, want an empty one", n, j.Durable())
		}
		return "nothing"
	}
	if !strings.Contains(err.Error(), "restore again") {
		t.Errorf("operation %d: got error %v, want that the restore was not finished", n, err)
	}
	return "unfinished"
}

func TestRestoringRefuses(t *testing.T) {
	fs := vfs.NewMem()
	r, err := journal.BeginRestore(newDir, fs)
	if err != nil {
		t.Fatalf("begin: got error %v, want none", err)
	}
	for _, name := range []string{"", "..", "../x", "/etc/passwd", "store/../x", "store/a/b", "store/", "LOCK", "media/x/y", "media", "restoring/x", "store/.x"} {
		if _, err := r.Create(name); engine.CodeOf(err) != engine.CodeInvalid {
			t.Errorf("create %q: got error %v, want code invalid", name, err)
		}
	}
	if _, err := journal.BeginRestore(newDir, fs); engine.CodeOf(err) != engine.CodeFenced {
		t.Errorf("begin twice: got error %v, want code fenced", err)
	}
	if err := r.Commit(); engine.CodeOf(err) != engine.CodeCorrupt {
		t.Errorf("commit of nothing: got error %v, want code corrupt", err)
	}
	if err := r.Abandon(); err != nil {
		t.Fatalf("abandon: got error %v, want none", err)
	}
	writeAll(t, fs, newDir+"/notes.txt", []byte("mine"))
	if _, err := journal.BeginRestore(newDir, fs); engine.CodeOf(err) != engine.CodeInvalid {
		t.Errorf("begin in a directory that is not empty: got error %v, want code invalid", err)
	}
	if got := string(readAll(t, fs, newDir+"/notes.txt")); got != "mine" {
		t.Errorf("file: got %q, want it untouched", got)
	}
}

// TestAFailedRestore leaves a directory that can be restored into.
func TestAFailedRestore(t *testing.T) {
	from := vfs.NewMem()
	p := newPending(t, from)
	if err := p.journal.Checkpoint(copyDir); err != nil {
		t.Fatalf("checkpoint: got error %v, want none", err)
	}
	files := parts(t, from, copyDir)
	damaged := make(map[string][]byte)
	for name, content := range files {
		damaged[name] = content
	}
	damaged["durable-mark"] = []byte("nothing")
	fs := vfs.NewMem()
	if err := bringBack(fs, newDir, damaged, testOptions(t, fs)); engine.CodeOf(err) != engine.CodeCorrupt {
		t.Errorf("restore: got error %v, want code corrupt", err)
	}
	if names, err := fs.List(newDir); err != nil || !slices.Equal(names, []string{"LOCK"}) {
		t.Errorf("directory: got %v, error %v, want it empty", names, err)
	}
	if err := bringBack(fs, newDir, files, testOptions(t, fs)); err != nil {
		t.Errorf("restore: got error %v, want none", err)
	}
	wantRestored(t, fs, p)
	closeAll(t, p.journal)
}

package journal_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/engine/journal/journaltest"
)

func asError(err error, target **engine.Error) bool { return errors.As(err, target) }

// disk is a file system whose fsyncs of the write-ahead log hang or fail on
// demand.
type disk struct {
	vfs.FS
	mu   sync.Mutex
	gate chan struct{} // fsyncs wait for it to be closed, while there is one
	fail atomic.Bool
	// tables is what the making of a table waits for, while there is one.
	tables chan struct{}
	full   atomic.Bool // no table finds room
}

var errDisk = errors.New("the disk failed")

func newDisk(fs vfs.FS) *disk {
	d := &disk{}
	d.FS = errorfs.Wrap(fs, errorfs.InjectorFunc(d.before))
	return d
}

func (d *disk) before(op errorfs.Op) error {
	switch op.Kind {
	case errorfs.OpCreate:
		d.mu.Lock()
		tables := d.tables
		d.mu.Unlock()
		if !strings.HasSuffix(op.Path, ".sst") {
			return nil
		}
		if tables != nil {
			<-tables
		}
		if d.full.Load() {
			return syscall.ENOSPC
		}
		return nil
	case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
	default:
		return nil
	}
	if !strings.HasSuffix(op.Path, ".log") {
		return nil
	}
	if d.fail.Load() {
		return errDisk
	}
	d.mu.Lock()
	gate := d.gate
	d.mu.Unlock()
	if gate != nil {
		<-gate
	}
	return nil
}

// hang lets fsyncs hang until release is called.
func (d *disk) hang() (release func()) {
	gate := make(chan struct{})
	d.mu.Lock()
	d.gate = gate
	d.mu.Unlock()
	return func() {
		d.mu.Lock()
		d.gate = nil
		d.mu.Unlock()
		close(gate)
	}
}

// TestNothingIsShownBeforeItIsDurable hangs the fsync of an append and reads
// everything that the append changes: who could see it waits, and who is
// answered does not see it.
func TestNothingIsShownBeforeItIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk(vfs.NewMem())
		j := open(t, testOptions(t, d))
		defer closeJournal(t, j)
		w := journaltest.NewWriter(j, 1)
		w.Do(t, journaltest.Customer, w.Receive("hello"))
		w.Answer(t, "hi")
		w.Now = w.Now.Add(time.Minute)
		other := journaltest.NewWriter(j, 2)
		other.Do(t, journaltest.Customer, other.Receive("hello"))
		before := w.Conversation.Clone()
		durable := j.Durable()
		id, send := before.ID, engine.MessageID{Conversation: before.ID, Version: before.Sends[0].Version}

		release := d.hang()
		appended := appendAll(t, w)
		synctest.Wait()
		visible(t, j, id)

		answers := make(map[string]chan error)
		read := func(name string, call func() (shows bool, err error)) {
			answers[name] = make(chan error, 1)
			go func() {
				shows, err := call()
				if err == nil && shows && j.Durable() == durable {
					err = errors.New("it showed what was not durable")
				}
				answers[name] <- err
			}()
		}
		read("load", func() (bool, error) {
			c, err := j.Load(id)
			return c.Version > before.Version, err
		})
		read("load at", func() (bool, error) {
			c, err := j.LoadAt(id, before.Version+1)
			return c.Version > before.Version, err
		})
		read("card", func() (bool, error) {
			c, err := j.Card(id)
			return c.Version > before.Version, err
		})
		read("events", func() (bool, error) {
			events, err := j.Events(id, before.Version, 100)
			return len(events) > 0, err
		})
		read("messages", func() (bool, error) {
			m, err := j.Messages(id, 0, 1)
			return len(m) > 0 && m[0].ID.Version > before.Version, err
		})
		read("message", func() (bool, error) {
			m, err := j.Message(send)
			return m.Delivery.State == engine.Attempted, err
		})
		read("delivery", func() (bool, error) {
			delivery, err := j.Delivery(send)
			return delivery.State != 0, err
		})
		read("board page", func() (bool, error) {
			rows, err := j.BoardPage(journaltest.Workspace, engine.Requesting, engine.BoardRow{}, 10)
			return len(rows) > 0, err
		})
		read("board rows", func() (bool, error) {
			shows := false
			offset, err := j.BoardRows(func(row engine.BoardRow) error {
				shows = shows || row.Index.Column == engine.Requesting
				return nil
			})
			return shows || offset > durable, err
		})
		read("due", func() (bool, error) {
			items, err := j.Due(engine.DueTurn, engine.DueItem{}, w.Now, 10)
			return len(items) > 0, err
		})
		read("by identity", func() (bool, error) {
			_, found, err := j.ByIdentity(journaltest.Channel, engine.Identity{Kind: engine.IdentityUserID, Value: "US.new"})
			return found, err
		})
		read("by send", func() (bool, error) {
			_, found, err := j.BySend(journaltest.Channel, "wamid.named")
			return found, err
		})
		read("tail", func() (bool, error) {
			changes, err := j.Tail(t.Context(), durable, 10)
			return len(changes) > 0, err
		})
		synctest.Wait()
		for name, answer := range answers {
			select {
			case err := <-answer:
				// An answer now must be without what is not durable; it put
				// that into its error.
				if err != nil {
					t.Errorf("%s: got %v", name, err)
				}
				answer <- err
			default:
			}
		}
		// What is durable is answered; here it would wait for ever.
		if id, found, err := j.ByIdentity(journaltest.Channel, other.Contact.Identities()[0]); id != other.Conversation.ID || !found || err != nil {
			t.Errorf("by an older identity: got %s, found %t, error %v, want %s", id, found, err, other.Conversation.ID)
		}
		if got := j.Durable(); got != durable {
			t.Errorf("durable: got offset %d while the fsync hangs, want %d", got, durable)
		}
		release()
		for name, answer := range answers {
			if err := <-answer; err != nil {
				t.Errorf("%s after the fsync: got %v, want no error", name, err)
			}
		}
		for _, err := range appended() {
			if err != nil {
				t.Errorf("append after the fsync: got error %v, want none", err)
			}
		}
	})
}

// appendAll appends to w, without waiting, what changes every sort of row. It
// answers how to wait for it.
func appendAll(t *testing.T, w *journaltest.Writer) (wait func() []error) {
	t.Helper()
	next := w.Conversation.Clone()
	at := next.Version
	contact := w.Contact
	contact.UserID = "US.new"
	events := []engine.Event{
		{Body: engine.DeliveryChanged{Send: next.Sends[0].Version, State: engine.Attempted, Attempt: 1, External: "wamid.named"}},
		{Body: engine.ContactChanged{Contact: contact}},
		{Body: engine.Moved{To: engine.Requesting, Cause: engine.CauseRequested}},
		{Body: engine.MessageReceived{External: "wamid.new", SentAt: w.Now, Content: journaltest.Text("new")}},
	}
	for i := range events {
		events[i].Version, events[i].At, events[i].By = at+uint64(i)+1, w.Now, journaltest.Engine
	}
	a := w.AppendOf(events...)
	ended := make(chan error, 1)
	go func() {
		_, err := w.Journal.Append(a)
		ended <- err
	}()
	return func() []error { return []error{<-ended} }
}

// visible checks that the append is applied, by an append that conflicts with
// it: else the test would prove nothing. That one is not answered either.
func visible(t *testing.T, j *journal.Journal, id engine.ConversationID) {
	t.Helper()
	figures := j.Unsynced()
	if figures != 1 {
		t.Fatalf("applied and not durable: got %d appends to %s, want 1", figures, id)
	}
}

func closeJournal(t *testing.T, j *journal.Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Errorf("close: got error %v, want none", err)
	}
}

// TestConflictWaitsForItsOwner queues an item twice while the fsync hangs: who
// comes second is not told before the first is durable.
func TestConflictWaitsForItsOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk(vfs.NewMem())
		j := open(t, testOptions(t, d))
		defer closeJournal(t, j)
		first := journaltest.NewWriter(j, 0)
		item := first.Receive("hello")
		release := d.hang()
		var wg sync.WaitGroup
		var acknowledged, conflicts atomic.Int64
		for n := range uint64(20) {
			wg.Go(func() {
				w := journaltest.NewWriter(j, n)
				a, _ := w.Prepare(engine.Command{Workspace: w.Workspace, By: journaltest.Customer, Body: item})
				_, err := j.Append(a)
				if err == nil {
					acknowledged.Add(1)
				} else if engine.CodeOf(err) == engine.CodeConflict {
					conflicts.Add(1)
				}
			})
		}
		synctest.Wait()
		if a, c := acknowledged.Load(), conflicts.Load(); a != 0 || c != 0 {
			t.Errorf("while the fsync hangs: got %d acknowledged and %d conflicts, want none", a, c)
		}
		release()
		wg.Wait()
		if a, c := acknowledged.Load(), conflicts.Load(); a != 1 || c != 19 {
			t.Errorf("got %d acknowledged and %d conflicts, want 1 and 19", a, c)
		}
	})
}

// TestParkedItemIsDurableFirst parks an item twice while the fsync hangs: nobody
// is told that it is parked, or shown it, before it is durable.
func TestParkedItemIsDurableFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk(vfs.NewMem())
		j := open(t, testOptions(t, d))
		defer closeJournal(t, j)
		release := d.hang()
		answers := make(chan error, 3)
		for range 2 {
			go func() { answers <- j.Park(parkedItem(1)) }()
			synctest.Wait()
		}
		go func() {
			_, err := j.Parked()
			answers <- err
		}()
		synctest.Wait()
		if n := len(answers); n != 0 {
			t.Errorf("while the fsync hangs: got %d answers, want none", n)
		}
		release()
		for range cap(answers) {
			if err := <-answers; err != nil {
				t.Errorf("got error %v, want none", err)
			}
		}
	})
}

func prepare(w *journaltest.Writer) engine.Append {
	a, _ := w.Prepare(engine.Command{Workspace: w.Workspace, By: journaltest.Customer, Body: w.Receive("again")})
	return a
}

// TestFailedSyncEndsTheProcess: nothing is acknowledged after a failed fsync.
func TestFailedSyncEndsTheProcess(t *testing.T) {
	mem := vfs.NewCrashableMem()
	d := newDisk(mem)
	o := testOptions(t, d)
	fatal := make(chan error, 10)
	o.Fatal = func(err error) { fatal <- err }
	j := open(t, o)
	w := journaltest.NewWriter(j, 1)
	w.Do(t, journaltest.Customer, w.Receive("hello"))
	acknowledged := w.Conversation.Version

	d.fail.Store(true)
	_, err := w.Commit(prepare(w))
	if engine.CodeOf(err) != engine.CodeUnknownOutcome {
		t.Errorf("append: got error %v, want code %q", err, engine.CodeUnknownOutcome)
	}
	if err := <-fatal; err == nil {
		t.Error("fatal: got no error, want one")
	}
	_, err = w.Commit(prepare(w))
	if engine.CodeOf(err) != engine.CodeUnavailable {
		t.Errorf("append after that: got error %v, want code %q", err, engine.CodeUnavailable)
	}
	left := mem.CrashClone(vfs.CrashCloneCfg{})
	if err := j.Close(); err == nil {
		t.Error("close: got no error, want the disk's")
	}

	j = open(t, testOptions(t, left))
	c, err := j.Load(w.Conversation.ID)
	if err != nil || c.Version != acknowledged {
		t.Errorf("load after a crash: got version %d, error %v, want %d", c.Version, err, acknowledged)
	}
	closeJournal(t, j)
}

func TestOpenRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(t *testing.T, fs vfs.FS, o *journal.Options)
		want   engine.Code
	}{
		"a mark that is gone": {func(t *testing.T, fs vfs.FS, _ *journal.Options) {
			if err := fs.Remove(dir + "/durable-mark"); err != nil {
				t.Fatalf("remove: %v", err)
			}
		}, engine.CodeCorrupt},
		"a damaged mark": {func(t *testing.T, fs vfs.FS, _ *journal.Options) {
			overwrite(t, fs, dir+"/durable-mark", func(b []byte) []byte { return make([]byte, len(b)) })
		}, engine.CodeCorrupt},
		"a mark cut short": {func(t *testing.T, fs vfs.FS, _ *journal.Options) {
			overwrite(t, fs, dir+"/durable-mark", func(b []byte) []byte { return b[:10] })
		}, engine.CodeCorrupt},
		"a store that is gone": {func(t *testing.T, fs vfs.FS, _ *journal.Options) {
			if err := fs.RemoveAll(dir + "/store"); err != nil {
				t.Fatalf("remove: %v", err)
			}
		}, engine.CodeCorrupt},
		"an unknown format": {func(t *testing.T, fs vfs.FS, _ *journal.Options) {
			edit(t, fs, func(db *pebble.DB) error { return db.Set([]byte("\x01journal"), []byte{1, 8, 9}, pebble.Sync) })
		}, engine.CodeCorrupt},
		"an unknown record version": {func(t *testing.T, fs vfs.FS, _ *journal.Options) {
			edit(t, fs, func(db *pebble.DB) error { return db.Set([]byte("\x01journal"), []byte{2, 8, 1}, pebble.Sync) })
		}, engine.CodeCorrupt},
		"a log behind the mark": {func(t *testing.T, fs vfs.FS, _ *journal.Options) {
			edit(t, fs, func(db *pebble.DB) error { return db.DeleteRange([]byte{0x20}, []byte{0x21}, pebble.Sync) })
		}, engine.CodeCorrupt},
		"another shard":              {func(_ *testing.T, _ vfs.FS, o *journal.Options) { o.Shard++ }, engine.CodeInvalid},
		"options that make no sense": {func(_ *testing.T, _ vfs.FS, o *journal.Options) { o.CacheBytes = -1 }, engine.CodeInvalid},
		"a missing journal": {func(t *testing.T, fs vfs.FS, o *journal.Options) {
			o.Create = false
			if err := fs.RemoveAll(dir); err != nil {
				t.Fatalf("remove: %v", err)
			}
		}, engine.CodeNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			furnish(t, fs)
			o := testOptions(t, fs)
			tt.change(t, fs, &o)
			j, err := journal.Open(dir, o)
			if err == nil {
				closeJournal(t, j)
			}
			if engine.CodeOf(err) != tt.want {
				t.Errorf("open: got error %v, want code %q", err, tt.want)
			}
		})
	}
}

func overwrite(t *testing.T, fs vfs.FS, path string, change func([]byte) []byte) {
	t.Helper()
	file, err := fs.Open(path)
	if err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
	info, err := file.Stat()
	if err != nil {
		t.Fatalf("stat %s: %v", path, err)
	}
	data := make([]byte, info.Size())
	if _, err := file.ReadAt(data, 0); err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	if err := file.Close(); err != nil {
		t.Fatalf("close %s: %v", path, err)
	}
	to, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatalf("create %s: %v", path, err)
	}
	if _, err := to.Write(change(data)); err != nil {
		t.Fatalf("write %s: %v", path, err)
	}
	if err := errors.Join(to.Sync(), to.Close()); err != nil {
		t.Fatalf("close %s: %v", path, err)
	}
}

// TestOpenRefusesAShorterLog cuts the write-ahead log that a crash left: what
// was acknowledged and marked is not given up silently.
func TestOpenRefusesAShorterLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewCrashableMem()
		j := open(t, testOptions(t, mem))
		w := journaltest.NewWriter(j, 1)
		w.Chat(t, 20)
		time.Sleep(time.Second) // the mark is rewritten
		left := mem.CrashClone(vfs.CrashCloneCfg{})
		closeJournal(t, j)

		names, err := left.List(dir + "/store")
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, ".log") {
				overwrite(t, left, dir+"/store/"+name, func(b []byte) []byte { return b[:len(b)*3/4] })
			}
		}
		j, err = journal.Open(dir, testOptions(t, left))
		if err == nil {
			closeJournal(t, j)
		}
		if engine.CodeOf(err) != engine.CodeCorrupt {
			t.Errorf("open: got error %v, want code %q", err, engine.CodeCorrupt)
		}
	})
}

// TestOneProcessAtATime: the second to open a journal is fenced.
func TestOneProcessAtATime(t *testing.T) {
	at := t.TempDir()
	j, err := journal.Open(at, testOptions(t, vfs.Default))
	if err != nil {
		t.Fatalf("open: got error %v, want none", err)
	}
	if _, err := journal.Open(at, testOptions(t, vfs.Default)); engine.CodeOf(err) != engine.CodeFenced {
		t.Errorf("open again: got error %v, want code %q", err, engine.CodeFenced)
	}
	if _, err := journal.Verify(at, vfs.Default); engine.CodeOf(err) != engine.CodeFenced {
		t.Errorf("verify meanwhile: got error %v, want code %q", err, engine.CodeFenced)
	}
	closeJournal(t, j)
	if _, err := os.Stat(at + "/store"); err != nil {
		t.Errorf("store: got error %v, want it there", err)
	}
}

// TestCrashWhileCreating: whatever a crash leaves of a journal that is being
// made, the next attempt makes one. Every third write is tried, all in the soak.
func TestCrashWhileCreating(t *testing.T) {
	stride, first := 3, rand.IntN(3)
	if os.Getenv("INTERVENE_SOAK") != "" {
		stride, first = 1, 0
	}
	for n := first; n < 200; n += stride {
		mem := vfs.NewCrashableMem()
		var ops atomic.Int64
		var left *vfs.MemFS
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && ops.Add(1) == int64(n) {
				left = mem.CrashClone(vfs.CrashCloneCfg{})
			}
			return nil
		}))
		closeJournal(t, open(t, testOptions(t, fs)))
		if left == nil && n > 0 {
			return // every write was a crash once
		}
		if left != nil {
			j := open(t, testOptions(t, left))
			w := journaltest.NewWriter(j, 1)
			w.Chat(t, 1)
			closeJournal(t, j)
		}
	}
	t.Error("got no end of writes, want all of them tried")
}

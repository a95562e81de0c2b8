package journal_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/engine/journal/journaltest"
)

// abandons is set in the environment of the process that TestEveryFault runs in.
const abandons = "INTERVENE_TEST_ABANDONS"

// TestEveryFault lets the first write, sync, rename, create or remove of a
// scripted run fail, then the second of another run, and so on. What was
// acknowledged is there afterwards, nothing else is there half, and the process
// was told. Where it would end, its goroutines stand still for ever; so all this
// is done in a process of its own.
func TestEveryFault(t *testing.T) {
	if os.Getenv(abandons) != "" {
		everyFault(t)
		return
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestEveryFault$", "-test.v", "-test.timeout=30m")
	child.Env = append(os.Environ(), abandons+"=1")
	out, err := child.CombinedOutput()
	if t.Logf("%s", out); err != nil {
		t.Errorf("got error %v, want none", err)
	}
}

func everyFault(t *testing.T) {
	// Without the soak every nth is tried, beginning anywhere.
	stride, first := 16, 1+rand.IntN(16)
	if os.Getenv("INTERVENE_SOAK") != "" {
		stride, first = 1, 1
	}
	ends := make(map[ending]int)
	for n := first; ; n += stride {
		r := newFaultyRun(int64(n))
		r.run(t)
		if r.ops.Load() < r.n {
			break // it did all that it does without a fault
		}
		ends[r.ended]++
		if r.check(t); t.Failed() {
			t.Fatalf("operation %d, %s: %s", n, r.op, r.ended)
		}
	}
	t.Logf("from operation %d, each %d.: %v", first, stride, ends)
}

// ending is how a run with a fault ended.
type ending string

const (
	atEnd    ending = "at its end"
	inFatal  ending = "by Fatal"
	inErrors ending = "by the error of a call"
)

// faultyRun is a journal, one of whose operations on the disk fails.
type faultyRun struct {
	mem *vfs.MemFS
	n   int64
	ops atomic.Int64
	op  string
	// reopening is set while a journal is opened that has tables.
	reopening atomic.Bool

	mu    sync.Mutex
	ended ending
	// left is what the end of the process left on the disk; over is closed then.
	left *vfs.MemFS
	over chan struct{}
	// acknowledged are the events of appends, parked the items that wait.
	acknowledged map[engine.ConversationID][]engine.Event
	// oldest is the version before which events were to be removed, kept the one
	// before which they were.
	oldest, kept map[engine.ConversationID]uint64
	parked       map[engine.ConversationID]bool
	// unknown are the items of which nobody knows whether they wait.
	unknown map[engine.ConversationID]bool
}

func newFaultyRun(n int64) *faultyRun {
	return &faultyRun{
		n: n, mem: vfs.NewCrashableMem(), over: make(chan struct{}),
		acknowledged: make(map[engine.ConversationID][]engine.Event),
		oldest:       make(map[engine.ConversationID]uint64), kept: make(map[engine.ConversationID]uint64),
		parked: make(map[engine.ConversationID]bool), unknown: make(map[engine.ConversationID]bool),
	}
}

func (r *faultyRun) before(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
		return nil
	}
	if r.isOver() {
		select {}
	}
	if r.ops.Add(1) != r.n {
		return nil
	}
	r.op = fmt.Sprintf("kind %d of %s", op.Kind, op.Path)
	if r.reopening.Load() {
		// An opening that fails leaves Pebble's compactions behind, without the
		// caches that they use: such a process is about to end, and does so here.
		r.end(inErrors)
	}
	return errDisk
}

func (r *faultyRun) isOver() bool {
	select {
	case <-r.over:
		return true
	default:
		return false
	}
}

// end is the end of the process: of what is not synced all is left, as when
// only that ends, or nothing, as when the power does.
func (r *faultyRun) end(how ending) {
	r.mu.Lock()
	if r.left == nil {
		percent := int(r.n%2) * 100
		r.left = r.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(uint64(r.n), 0))})
		r.ended = how
		close(r.over)
	}
	r.mu.Unlock()
	select {}
}

// note notes something that was acknowledged before the end.
func (r *faultyRun) note(what func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left == nil {
		what()
	}
}

// run runs the script until it ends or the process does.
func (r *faultyRun) run(t *testing.T) {
	t.Helper()
	go func() {
		how := atEnd
		for life := range 2 {
			if !r.life(t, life) {
				how = inErrors
				break
			}
		}
		r.end(how)
	}()
	<-r.over
}

// life is one process. It answers false when that must end.
func (r *faultyRun) life(t *testing.T, life int) bool {
	o := testOptions(t, errorfs.Wrap(r.mem, errorfs.InjectorFunc(r.before)))
	o.Fatal = func(error) { r.end(inFatal) }
	r.reopening.Store(life > 0)
	j, err := journal.Open(dir, o)
	r.reopening.Store(false)
	if err != nil {
		if engine.CodeOf(err) == 0 {
			t.Errorf("open: got error %v, want one with a code", err)
		}
		return false
	}
	if !r.live(t, j, life) {
		return false
	}
	return j.Close() == nil
}

// live does everything that a process does with its journal. It answers false
// when that must end.
func (r *faultyRun) live(t *testing.T, j *journal.Journal, life int) bool {
	t.Helper()
	writers := []*journaltest.Writer{journaltest.NewWriter(j, uint64(2*life)), journaltest.NewWriter(j, uint64(2*life+1))}
	item := parkedItem(uint64(life))
	steps := []func() error{
		func() error { return r.append(writers, 3) },
		func() error { return r.park(j, item) },
		func() error { return flush(j) },
		func() error { return r.append(writers, 1) },
		func() error { return r.checkpoint(t, j, life) },
		func() error { return j.Expire(journaltest.Start.Add(time.Duration(life) * time.Hour)) },
		func() error { return r.unpark(j, item, life) },
		func() error { return r.append(writers, 1) },
		func() error { return r.remove(writers[0], engine.Trimmed{OldestKept: 2}) },
		func() error { return r.remove(writers[1], engine.Erased{}) },
		func() error { return r.append(writers[:1], 1) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			if code := engine.CodeOf(err); code != engine.CodeUnknownOutcome && code != engine.CodeUnavailable {
				t.Errorf("got error %v, want a code that says that the journal ended", err)
			}
			select {
			case <-r.over:
			case <-time.After(hangLimit):
				t.Errorf("got error %v and no call of Fatal, want one", err)
			}
			return false
		}
	}
	return true
}

func (r *faultyRun) append(writers []*journaltest.Writer, n int) error {
	for range n {
		for _, w := range writers {
			a, _ := w.Prepare(engine.Command{Workspace: w.Workspace, By: journaltest.Customer, Body: w.Receive("hello")})
			if _, err := w.Commit(a); err != nil {
				return err
			}
			r.note(func() { r.acknowledged[a.Conversation] = append(r.acknowledged[a.Conversation], a.Events...) })
		}
	}
	return nil
}

// remove trims or erases the conversation of w.
func (r *faultyRun) remove(w *journaltest.Writer, body engine.Body) error {
	a := w.AppendOf(engine.Event{Version: w.Conversation.Version + 1, At: w.Now, By: journaltest.Engine, Body: body})
	oldest := a.After.OldestKept
	r.note(func() { r.oldest[a.Conversation] = oldest })
	if _, err := w.Commit(a); err != nil {
		return err
	}
	r.note(func() {
		r.kept[a.Conversation] = oldest
		r.acknowledged[a.Conversation] = append(r.acknowledged[a.Conversation], a.Events...)
	})
	return nil
}

func (r *faultyRun) park(j *journal.Journal, item engine.Parked) error {
	r.note(func() { r.unknown[item.Conversation] = true })
	if err := j.Park(item); err != nil {
		return err
	}
	r.note(func() {
		delete(r.unknown, item.Conversation)
		r.parked[item.Conversation] = true
	})
	return nil
}

// unpark forgets the item of the first life alone.
func (r *faultyRun) unpark(j *journal.Journal, item engine.Parked, life int) error {
	if life > 0 {
		return nil
	}
	r.note(func() { r.unknown[item.Conversation] = true })
	if err := j.Unpark(item); err != nil {
		return err
	}
	r.note(func() {
		delete(r.unknown, item.Conversation)
		delete(r.parked, item.Conversation)
	})
	return nil
}

func flush(j *journal.Journal) error {
	flushed, err := j.BeginFlush()
	if err != nil {
		return &engine.Error{Code: engine.CodeUnavailable, Err: err}
	}
	<-flushed
	return nil
}

// checkpoint makes a copy, which may fail. One that is said to be made is whole.
func (r *faultyRun) checkpoint(t *testing.T, j *journal.Journal, life int) error {
	t.Helper()
	to := fmt.Sprintf("/data/copy%d", life)
	if err := j.Checkpoint(to); err != nil {
		return nil
	}
	report, err := journal.Verify(to, r.mem)
	if err != nil {
		t.Errorf("verify the copy: got error %v, want none", err)
	}
	wantClean(t, report)
	return nil
}

// check opens what is left on a disk that has no faults.
func (r *faultyRun) check(t *testing.T) {
	t.Helper()
	j := open(t, testOptions(t, r.left))
	for id, want := range r.acknowledged {
		r.checkEvents(t, j, id, want)
	}
	items, err := j.Parked()
	if err != nil {
		t.Errorf("parked: got error %v, want none", err)
	}
	for _, item := range items {
		if !r.parked[item.Conversation] && !r.unknown[item.Conversation] {
			t.Error("parked: got an item that was unparked")
		}
		delete(r.parked, item.Conversation)
	}
	for id := range r.parked {
		if !r.unknown[id] {
			t.Error("parked: got no item, want the one that was acknowledged")
		}
	}
	w := journaltest.NewWriter(j, 50)
	w.Chat(t, 1)
	closeJournal(t, j)
	wantClean(t, verify(t, r.left))
}

// checkEvents looks for the events of a conversation, all that were acknowledged
// or those that a removal keeps: which ones is known unless its end is unknown.
func (r *faultyRun) checkEvents(t *testing.T, j *journal.Journal, id engine.ConversationID, want []engine.Event) {
	t.Helper()
	got, err := j.Events(id, 0, 1000)
	if err != nil || len(got) == 0 {
		t.Errorf("events: got %d, error %v, want %d", len(got), err, len(want))
		return
	}
	first := got[0].Version
	if kept := r.kept[id]; first != max(kept, 1) && (kept != 0 || first != r.oldest[id]) {
		t.Errorf("events: got version %d first, want %d", first, max(kept, 1))
	}
	want = slices.DeleteFunc(slices.Clone(want), func(e engine.Event) bool { return e.Version < first })
	if len(got) < len(want) || !reflect.DeepEqual(got[:len(want)], want) {
		t.Errorf("events: got %d, want the %d that were acknowledged and are kept", len(got), len(want))
	}
}

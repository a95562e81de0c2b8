package journal_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/engine/journal/journaltest"
)

// ledger is what was acknowledged, kept outside the journal.
type ledger struct {
	mu    sync.Mutex
	items map[engine.ConversationID][]acknowledged
	// seen is how many of a conversation's items an earlier crash left.
	seen map[engine.ConversationID]int
	// oldest is the version before which events were to be removed.
	oldest map[engine.ConversationID]uint64
	// erased are the conversations whose erasure was acknowledged.
	erased []engine.ConversationID
}

func newLedger() *ledger {
	return &ledger{
		items: make(map[engine.ConversationID][]acknowledged), seen: make(map[engine.ConversationID]int),
		oldest: make(map[engine.ConversationID]uint64),
	}
}

type acknowledged struct {
	change engine.Change
	item   engine.Receive
}

func (l *ledger) add(change engine.Change, item engine.Receive) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.items[change.Conversation] = append(l.items[change.Conversation], acknowledged{change, item})
}

// trim notes, before it is done, that events may be gone.
func (l *ledger) trim(id engine.ConversationID, oldest uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.oldest[id] = oldest
}

func (l *ledger) erase(id engine.ConversationID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erased = append(l.erased, id)
}

// copy is what is acknowledged now.
func (l *ledger) copy() (map[engine.ConversationID][]acknowledged, []engine.ConversationID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	items := make(map[engine.ConversationID][]acknowledged)
	for id, list := range l.items {
		items[id] = append([]acknowledged(nil), list...)
	}
	return items, slices.Clone(l.erased)
}

// crashes is how often the power is cut on one journal.
const crashes = 15

// TestCrash cuts the power at random points under load, again and again on what
// the crash before left: nothing that was acknowledged is lost, nothing is
// doubled, and everything that is left follows from the events.
func TestCrash(t *testing.T) {
	journals := 1
	if os.Getenv("INTERVENE_SOAK") != "" {
		journals = 200
	}
	for range journals {
		seed := rand.Uint64()
		if crashAgainAndAgain(t, rand.New(rand.NewPCG(seed, 0))); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func crashAgainAndAgain(t *testing.T, rng *rand.Rand) {
	t.Helper()
	fs := vfs.NewCrashableMem()
	l := newLedger()
	for generation := range crashes {
		percent := rng.IntN(101)
		fs = crash(t, fs, l, generation, 10+rng.IntN(150), vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
		if recovered(t, fs, l); t.Failed() {
			t.Errorf("in generation %d, with %d %% of what was not synced", generation, percent)
			return
		}
	}
}

// crash runs writers on fs until so many appends are acknowledged, and answers
// what a crash at that moment leaves.
func crash(t *testing.T, fs *vfs.MemFS, l *ledger, generation, appends int, cfg vfs.CrashCloneCfg) *vfs.MemFS {
	t.Helper()
	const writers = 8
	j := open(t, testOptions(t, fs))
	reached, stop := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	for n := range writers {
		wg.Go(func() {
			w := journaltest.NewWriter(j, uint64(n))
			conversation, err := j.Load(w.Conversation.ID)
			if err != nil {
				t.Errorf("load: got error %v, want none", err)
				return
			}
			w.Conversation = conversation
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				item := w.Receive("hello")
				item.External = fmt.Sprintf("wamid.%d.%d.%d", generation, n, i)
				a, _ := w.Prepare(engine.Command{Workspace: w.Workspace, By: journaltest.Customer, Body: item})
				change, err := w.Commit(a)
				if err != nil {
					t.Errorf("append: got error %v, want none", err)
					return
				}
				l.add(change, item)
				if err := remove(w, l, generation, n, i); err != nil {
					t.Errorf("remove: got error %v, want none", err)
					return
				}
				mu.Lock()
				if appends--; appends == 0 {
					close(reached)
				}
				mu.Unlock()
			}
		})
	}
	<-reached
	// What is acknowledged up to here must be on the disk that the crash leaves.
	items, erased := l.copy()
	left := fs.CrashClone(cfg)
	close(stop)
	wg.Wait()
	l.items, l.erased = items, erased
	if err := j.Close(); err != nil {
		t.Errorf("close: got error %v, want none", err)
	}
	return left
}

// remove trims the conversation of w now and then, and has another one erased
// that was just begun.
func remove(w *journaltest.Writer, l *ledger, generation, n, i int) error {
	if i%4 == 3 {
		oldest := w.Conversation.Version - 2
		l.trim(w.Conversation.ID, oldest)
		if err := commitOne(w, engine.Trimmed{OldestKept: oldest}); err != nil {
			return err
		}
	}
	if i%8 != n {
		return nil
	}
	gone := journaltest.NewWriter(w.Journal, uint64(1000+1000*generation+100*n+i))
	a, _ := gone.Prepare(engine.Command{Workspace: w.Workspace, By: journaltest.Customer, Body: gone.Receive("hello")})
	if _, err := gone.Commit(a); err != nil {
		return err
	}
	if err := commitOne(gone, engine.Erased{}); err != nil {
		return err
	}
	l.erase(gone.Conversation.ID)
	return nil
}

func commitOne(w *journaltest.Writer, body engine.Body) error {
	_, err := w.Commit(w.AppendOf(engine.Event{Version: w.Conversation.Version + 1, At: w.Now, By: journaltest.Engine, Body: body}))
	return err
}

// recovered checks what a crash left against the ledger. Some of it may be
// durable and not acknowledged.
func recovered(t *testing.T, fs vfs.FS, l *ledger) {
	t.Helper()
	j := open(t, testOptions(t, fs))
	for id, list := range l.items {
		for i, a := range list {
			// What an earlier crash left is looked at now and then.
			if i >= l.seen[id] || rand.IntN(len(list)) == 0 {
				checkAcknowledged(t, j, id, a, l.oldest[id])
			}
		}
		l.seen[id] = len(list)
	}
	for _, id := range l.erased {
		if c, err := j.Load(id); err != nil || !c.Erased {
			t.Errorf("load: got erased %t, error %v, want what was acknowledged", c.Erased, err)
		}
	}
	offsets := make(map[uint64]bool)
	for after := uint64(0); after < j.Durable(); {
		page, err := j.Tail(t.Context(), after, 100)
		if err != nil {
			t.Fatalf("tail after %d: got error %v, want none", after, err)
		}
		for _, change := range page {
			if offsets[change.Offset] || change.Offset != after+1 {
				t.Errorf("tail: got offset %d after %d, want the next", change.Offset, after)
			}
			offsets[change.Offset], after = true, change.Offset
		}
	}
	if err := j.Close(); err != nil {
		t.Errorf("close: got error %v, want none", err)
	}
	report := verify(t, fs)
	wantClean(t, report)
	// Of appends whose events were removed only the log is left.
	if n := uint64(len(offsets)); report.Offset != n || report.Appends > n {
		t.Errorf("verify: got offset %d and %d appends, want the %d of the log and no more", report.Offset, report.Appends, n)
	}
}

// checkAcknowledged looks for an item, of which events before oldest may be gone.
func checkAcknowledged(t *testing.T, j *journal.Journal, id engine.ConversationID, a acknowledged, oldest uint64) {
	t.Helper()
	got, err := j.LoadAt(id, a.change.Version)
	gone := a.change.Version < oldest && engine.CodeOf(err) == engine.CodeNotFound
	if !gone && (err != nil || got.Index() != a.change.After) {
		t.Errorf("version %d: got index %+v, error %v, want what was acknowledged", a.change.Version, got.Index(), err)
	}
	w := journaltest.NewWriter(j, 0)
	if w.Conversation, err = j.Load(id); err != nil {
		t.Fatalf("load: got error %v, want none", err)
	}
	again, _ := w.Prepare(engine.Command{Workspace: w.Workspace, By: journaltest.Customer, Body: a.item})
	_, err = j.Append(again)
	if e := (&engine.Error{}); engine.CodeOf(err) != engine.CodeConflict || !asError(err, &e) || !e.Duplicate || e.Owner != id {
		t.Errorf("an item again: got error %v, want a conflict with its conversation", err)
	}
}

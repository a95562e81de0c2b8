package journal_test

import (
	"fmt"
	"math/rand/v2"
	"os"
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

func (l *ledger) copy() map[engine.ConversationID][]acknowledged {
	l.mu.Lock()
	defer l.mu.Unlock()
	items := make(map[engine.ConversationID][]acknowledged)
	for id, list := range l.items {
		items[id] = append([]acknowledged(nil), list...)
	}
	return items
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
	l := &ledger{items: make(map[engine.ConversationID][]acknowledged), seen: make(map[engine.ConversationID]int)}
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
	before := l.copy()
	left := fs.CrashClone(cfg)
	close(stop)
	wg.Wait()
	l.items = before
	if err := j.Close(); err != nil {
		t.Errorf("close: got error %v, want none", err)
	}
	return left
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
				checkAcknowledged(t, j, id, a)
			}
		}
		l.seen[id] = len(list)
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
	if report.Appends != uint64(len(offsets)) {
		t.Errorf("verify: got %d appends, want the %d of the log", report.Appends, len(offsets))
	}
}

func checkAcknowledged(t *testing.T, j *journal.Journal, id engine.ConversationID, a acknowledged) {
	t.Helper()
	got, err := j.LoadAt(id, a.change.Version)
	if err != nil || got.Index() != a.change.After {
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

package journaltest

import (
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/intervenehq/intervene/engine"
)

var appendTests = []test{
	{"append answers the change and raises the durable offset", testAppendAnswers},
	{"append refuses another version", testAppendVersion},
	{"append refuses what does not fit together", testAppendInvalid},
	{"append refuses another shard's conversation", testAppendShard},
	{"appends at the same time get contiguous offsets", testAppendConcurrent},
	{"one of many appends to a version wins", testAppendRace},
}

func testAppendAnswers(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	a, _ := w.Prepare(engine.Command{Workspace: Workspace, By: Customer, Body: w.Receive("hello")})
	got, err := w.Commit(a)
	if err != nil {
		t.Fatalf("append: got error %v, want none", err)
	}
	want := engine.Change{
		Offset: 1, Conversation: w.Conversation.ID, Version: a.After.Version, At: a.After.Updated,
		Before: a.Before, After: a.After.Index(), Cause: engine.CauseCustomerMessage,
	}
	if got != want {
		t.Errorf("append: got change %+v, want %+v", got, want)
	}
	if got := j.Durable(); got != 1 {
		t.Errorf("durable: got offset %d, want 1", got)
	}
	if got := w.Answer(t, "hi"); got.Offset != 2 {
		t.Errorf("append: got offset %d, want 2", got.Offset)
	}
}

func testAppendVersion(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	stale, _ := w.Prepare(engine.Command{Workspace: Workspace, By: Customer, Body: w.Receive("one")})
	w.Do(t, Customer, w.Receive("two"))

	for name, a := range map[string]engine.Append{
		"behind": stale,
		"ahead":  ahead(w),
	} {
		_, err := j.Append(a)
		wantCode(t, name, err, engine.CodeConflict)
		if e := (&engine.Error{}); asError(err, &e) && (!e.Owner.IsZero() || e.Duplicate) {
			t.Errorf("%s: got owner %s, want none", name, e.Owner)
		}
	}
	if got := j.Durable(); got != 1 {
		t.Errorf("durable: got offset %d, want 1", got)
	}
	w.Do(t, Customer, w.Receive("three"))
}

// ahead is an append that expects a version which the journal has not seen.
func ahead(w *Writer) engine.Append {
	next := *w
	next.Conversation = w.Conversation.Clone()
	next.Conversation.Version += 3
	a, _ := next.Prepare(engine.Command{Workspace: w.Workspace, By: Agent, Body: engine.AddNote{Body: "ahead"}})
	return a
}

func testAppendInvalid(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	w.Do(t, Customer, w.Receive("one"))
	valid, _ := w.Prepare(engine.Command{Workspace: Workspace, By: Agent, Body: engine.AddNote{Body: "note"}})

	for name, breakIt := range map[string]func(*engine.Append){
		"no events":        func(a *engine.Append) { a.Events = nil },
		"no conversation":  func(a *engine.Append) { a.Conversation = engine.ConversationID{} },
		"no state after":   func(a *engine.Append) { a.After = nil },
		"another's state":  func(a *engine.Append) { a.After.ID = ConversationID(9) },
		"a version apart":  func(a *engine.Append) { a.Expected++ },
		"a gap":            func(a *engine.Append) { a.Events[0].Version++ },
		"no body":          func(a *engine.Append) { a.Events[0].Body = nil },
		"no index before":  func(a *engine.Append) { a.Before = engine.Index{} },
		"another channel":  func(a *engine.Append) { a.After.Channel = OtherChan },
		"nowhere":          func(a *engine.Append) { a.After.Column = 0 },
		"an unknown place": func(a *engine.Append) { a.After.Column = 99 },
	} {
		a := valid
		after := valid.After.Clone()
		a.After = &after
		a.Events = append([]engine.Event(nil), valid.Events...)
		breakIt(&a)
		_, err := j.Append(a)
		wantCode(t, name, err, engine.CodeInvalid)
	}
	if got := j.Durable(); got != 1 {
		t.Errorf("durable: got offset %d, want 1", got)
	}
	if _, err := j.Append(valid); err != nil {
		t.Errorf("append unbroken: got error %v, want none", err)
	}
}

func testAppendShard(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	w.Conversation.ID = engine.NewConversationID(Shard+1, [14]byte{1})
	a, _ := w.Prepare(engine.Command{Workspace: Workspace, By: Customer, Body: w.Receive("hello")})
	_, err := j.Append(a)
	wantCode(t, "append", err, engine.CodeFenced)
}

func testAppendConcurrent(t *testing.T, s Store) {
	const writers, rounds = 32, 20
	j := open(t, s)
	var mu sync.Mutex
	var wg sync.WaitGroup
	conversationOf := make(map[uint64]engine.ConversationID)
	for n := range writers {
		wg.Go(func() {
			w := NewWriter(j, uint64(n))
			for range rounds {
				a, _ := w.Prepare(engine.Command{Workspace: Workspace, By: Customer, Body: w.Receive("hello")})
				change, err := w.Commit(a)
				if err != nil {
					t.Errorf("append: got error %v, want none", err)
					return
				}
				if durable := j.Durable(); durable < change.Offset {
					t.Errorf("durable: got offset %d after offset %d was acknowledged", durable, change.Offset)
				}
				mu.Lock()
				conversationOf[change.Offset] = change.Conversation
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for offset := uint64(1); offset <= writers*rounds; offset++ {
		if _, ok := conversationOf[offset]; !ok {
			t.Errorf("offset %d: got no append, want one", offset)
		}
	}
	if got := j.Durable(); got != writers*rounds {
		t.Errorf("durable: got offset %d, want %d", got, writers*rounds)
	}
}

func testAppendRace(t *testing.T, s Store) {
	const rounds, agents = 20, 16
	j := open(t, s)
	w := NewWriter(j, 1)
	for range rounds {
		w.Now = w.Now.Add(time.Second)
		w.Do(t, Customer, w.Receive("a person, please"))
		var mu sync.Mutex
		var wg sync.WaitGroup
		var winners []engine.Append
		for range agents {
			a, _ := w.Prepare(engine.Command{Workspace: Workspace, By: Agent, Body: engine.AddNote{Body: "mine"}})
			wg.Go(func() {
				if _, err := j.Append(a); err == nil {
					mu.Lock()
					winners = append(winners, a)
					mu.Unlock()
				} else if engine.CodeOf(err) != engine.CodeConflict {
					t.Errorf("append: got error %v, want a conflict", err)
				}
			})
		}
		wg.Wait()
		if len(winners) != 1 {
			t.Fatalf("got %d winners, want 1", len(winners))
		}
		w.Conversation = *winners[0].After
	}
	got := must2(t, "load", j.Load)(w.Conversation.ID)
	if !reflect.DeepEqual(normal(got), normal(w.Conversation)) {
		t.Errorf("load: got %+v, want %+v", got, w.Conversation)
	}
}

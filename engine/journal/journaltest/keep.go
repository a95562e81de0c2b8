package journaltest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/intervenehq/intervene/engine"
)

var keepTests = []test{
	{"what was trimmed is gone, the rest is as it was", testTrim},
	{"a trimmed conversation goes on", testTrimGoesOn},
	{"all may be trimmed", testTrimAll},
	{"an erased conversation leaves a tombstone", testErase},
	{"an erased contact begins anew", testEraseBeginsAnew},
	{"erasure finds identities whose events are gone", testEraseAfterTrim},
}

// trim keeps the events from a version on.
func (w *Writer) trim(t *testing.T, oldest uint64) {
	t.Helper()
	w.Make(t, engine.Trimmed{OldestKept: oldest})
}

// events are the conversation's after a version.
func (w *Writer) events(t *testing.T, after uint64) []engine.Event {
	t.Helper()
	return must2(t, "events", func(id engine.ConversationID) ([]engine.Event, error) {
		return w.Journal.Events(id, after, 10_000)
	})(w.Conversation.ID)
}

func testTrim(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	w.Chat(t, 20) // past two snapshots
	dead := w.rejected(t)
	w.Make(t, engine.Amended{External: "a1", SentAt: 1, Target: "wamid.out." + w.Conversation.ID.String() + ".4", What: engine.Revoked})
	w.Chat(t, 10)
	before := w.events(t, 0)
	id := w.Conversation.ID
	for _, oldest := range []uint64{2, 30, 64, 70, dead + 1, dead + 40} {
		w.trim(t, oldest)
		events := w.events(t, 0)
		if diff := cmp.Diff(before[oldest-1:], events[:len(before)-int(oldest)+1]); diff != "" {
			t.Errorf("events from %d on: got others than wanted (-want +got):\n%s", oldest, diff)
		}
		if got := w.events(t, oldest+3); got[0].Version != oldest+4 {
			t.Errorf("events after %d: got version %d first, want %d", oldest+3, got[0].Version, oldest+4)
		}
		wantConversation(t, "load", must2(t, "load", j.Load)(id), w.Conversation)
		at := must2(t, "load at", func(version uint64) (engine.Conversation, error) { return j.LoadAt(id, version) })
		if got := at(oldest + 1); got.Version != oldest+1 || got.Column == 0 || got.Contact != w.Contact {
			t.Errorf("load at %d: got version %d, want that", oldest+1, got.Version)
		}
		if oldest > 2 {
			_, err := j.LoadAt(id, oldest-2)
			wantCode(t, "load at what is gone", err, engine.CodeNotFound)
		}
		_, err := j.Message(engine.MessageID{Conversation: id, Version: oldest - 1})
		wantCode(t, "message that is gone", err, engine.CodeNotFound)
		for _, m := range must2(t, "messages", func(id engine.ConversationID) ([]engine.Message, error) { return j.Messages(id, 0, 1000) })(id) {
			if m.ID.Version < oldest {
				t.Errorf("messages: got version %d, want none before %d", m.ID.Version, oldest)
			}
		}
		letters, err := j.DeadLetters(Workspace, engine.DeadLetter{}, 10)
		if want := min(1, int(max(dead+1, oldest)-oldest)); len(letters) != want || err != nil {
			t.Errorf("dead letters: got %d, error %v, want %d", len(letters), err, want)
		}
	}
}

func testTrimGoesOn(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	w.Chat(t, 5)
	answered := w.Deliverable(t)
	w.trim(t, answered.Version+1)
	// A report of a send that is gone makes nothing of it again.
	w.Make(t, engine.DeliveryChanged{Send: answered.Version, State: engine.Read, External: "wamid.late"})
	if got, err := j.Delivery(answered); got.State != 0 || err != nil {
		t.Errorf("delivery of what is gone: got %+v, error %v, want none", got, err)
	}
	if _, found, err := j.BySend(Channel, "wamid.late"); found || err != nil {
		t.Errorf("by send: got found %t, error %v, want neither", found, err)
	}
	w.Chat(t, 20)
	wantConversation(t, "load", must2(t, "load", j.Load)(w.Conversation.ID), w.Conversation)
	item := w.Receive("again")
	w.Do(t, Customer, item)
	a, _ := w.Prepare(engine.Command{Workspace: Workspace, By: Customer, Body: item})
	_, err := j.Append(a)
	wantCode(t, "an item that comes again", err, engine.CodeConflict)
}

// Deliverable sends one message and answers its ID.
func (w *Writer) Deliverable(t *testing.T) engine.MessageID {
	t.Helper()
	w.Do(t, Customer, w.Receive("question"))
	w.Answer(t, "answer")
	return w.Deliver(t)
}

func testTrimAll(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	w.Chat(t, 30)
	w.trim(t, w.Conversation.Version+1)
	if got := w.events(t, 0); len(got) != 1 || got[0].Body.Kind() != engine.KindTrimmed {
		t.Errorf("events: got %d, want that it was trimmed alone", len(got))
	}
	if got, err := j.Messages(w.Conversation.ID, 0, 10); len(got) != 0 || err != nil {
		t.Errorf("messages: got %d, error %v, want none", len(got), err)
	}
	wantConversation(t, "load", must2(t, "load", j.Load)(w.Conversation.ID), w.Conversation)
	w.Chat(t, 2)
	w.trim(t, w.Conversation.Version+1)
	wantConversation(t, "load", must2(t, "load", j.Load)(w.Conversation.ID), w.Conversation)
}

func testErase(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	w.Contact.UserID = "US.1"
	w.Chat(t, 30)
	w.rejected(t)
	sent := w.Deliverable(t)
	id := w.Conversation.ID
	w.Make(t, engine.Erased{})
	if got := w.events(t, 0); len(got) != 1 || got[0].Body.Kind() != engine.KindErased || got[0].Version != w.Conversation.Version {
		t.Errorf("events: got %d, want the tombstone alone", len(got))
	}
	c := must2(t, "load", j.Load)(id)
	wantConversation(t, "load", c, w.Conversation)
	if !c.Erased || c.Contact != (engine.Contact{}) || c.Preview != "" {
		t.Errorf("load: got %+v, want nothing but a tombstone", c)
	}
	if card := must2(t, "card", j.Card)(id); card.Contact != (engine.Contact{}) || card.Preview != "" || card.Version != c.Version {
		t.Errorf("card: got %+v, want nothing of the contact", card)
	}
	if got, err := j.Messages(id, 0, 10); len(got) != 0 || err != nil {
		t.Errorf("messages: got %d, error %v, want none", len(got), err)
	}
	if _, found, err := j.BySend(Channel, "wamid.out."+sent.String()); found || err != nil {
		t.Errorf("by send: got found %t, error %v, want neither", found, err)
	}
	for _, identity := range w.Contact.Identities() {
		if _, found, err := j.ByIdentity(Channel, identity); found || err != nil {
			t.Errorf("by identity %d: got found %t, error %v, want neither", identity.Kind, found, err)
		}
	}
	if letters, err := j.DeadLetters(Workspace, engine.DeadLetter{}, 10); len(letters) != 0 || err != nil {
		t.Errorf("dead letters: got %d, error %v, want none", len(letters), err)
	}
	rows := 0
	must(t, "board rows", must2(t, "board rows", j.BoardRows)(func(engine.BoardRow) error { rows++; return nil }), nil)
	for _, kind := range engine.DueKinds {
		items, err := j.Due(kind, engine.DueItem{}, w.Now.Add(100*day), 10)
		rows += len(items)
		must(t, "due", 0, err)
	}
	for _, column := range []engine.Column{engine.Active, engine.History} {
		page, err := j.BoardPage(Workspace, column, engine.BoardRow{}, 10)
		rows += len(page)
		must(t, "board page", 0, err)
	}
	if rows != 0 {
		t.Errorf("boards and due work: got %d rows, want none", rows)
	}
	_, err := j.LoadAt(id, c.Version-1)
	wantCode(t, "load at what is gone", err, engine.CodeNotFound)
}

func testEraseBeginsAnew(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	item := w.Receive("first")
	w.Do(t, Customer, item)
	w.Make(t, engine.Erased{})
	again := NewWriter(j, 2)
	again.Contact = w.Contact
	a, _ := again.Prepare(engine.Command{Workspace: Workspace, By: Customer, Body: item})
	_, err := again.Commit(a)
	if e := (&engine.Error{}); !asError(err, &e) || !e.Duplicate {
		t.Errorf("an item that comes again: got error %v, want it known", err)
	}
	again.Do(t, Customer, again.Receive("second"))
	id, found, err := j.ByIdentity(Channel, w.Contact.Identities()[0])
	if id != again.Conversation.ID || !found || err != nil {
		t.Errorf("by identity: got %s, %t, error %v, want %s", id, found, err, again.Conversation.ID)
	}
}

func testEraseAfterTrim(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	w.Chat(t, 3)
	number := w.Contact
	w.Contact.UserID, w.Contact.WaID = "US.2", number.WaID
	w.Make(t, engine.ContactChanged{Contact: w.Contact})
	w.Make(t, engine.ContactChanged{Contact: engine.Contact{WaID: "999"}})
	w.Chat(t, 3)
	w.trim(t, w.Conversation.Version)
	identities := append(w.Contact.Identities(), engine.Identity{Kind: engine.IdentityWaID, Value: "999"})
	for _, identity := range identities {
		if id, found, err := j.ByIdentity(Channel, identity); id != w.Conversation.ID || !found || err != nil {
			t.Errorf("by identity %d: got %s, %t, error %v, want it kept", identity.Kind, id, found, err)
		}
	}
	w.Make(t, engine.Erased{})
	for _, identity := range identities {
		if _, found, err := j.ByIdentity(Channel, identity); found || err != nil {
			t.Errorf("by identity %d: got found %t, error %v, want neither", identity.Kind, found, err)
		}
	}
}

package journaltest

import (
	"sync"
	"testing"
	"time"

	"github.com/intervenehq/intervene/engine"
)

var claimTests = []test{
	{"an item makes one event", testClaimExternal},
	{"an item is known as long as it is promised", testClaimExternalExpires},
	{"an identity belongs to one conversation", testClaimIdentity},
	{"an identity repeated by its conversation is no conflict", testClaimIdentityRepeated},
	{"channels do not share claims", testClaimChannels},
	{"of items at the same time one makes an event", testClaimRace},
}

// offer appends item to a conversation that has no event yet, as of now.
func offer(j Journal, n uint64, now engine.Instant, item engine.Receive) (engine.Change, error) {
	w := NewWriter(j, n)
	w.Now = now
	a, _ := w.Prepare(engine.Command{Workspace: Workspace, By: Customer, Body: item})
	return w.Commit(a)
}

// wantConflict fails unless err names owner.
func wantConflict(t *testing.T, what string, err error, owner engine.ConversationID, duplicate bool) {
	t.Helper()
	var e *engine.Error
	if !asError(err, &e) || e.Code != engine.CodeConflict || e.Owner != owner || e.Duplicate != duplicate {
		t.Errorf("%s: got error %#v, want a conflict with %s, duplicate %t", what, err, owner, duplicate)
	}
}

func testClaimExternal(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	item := w.Receive("hello")
	w.Do(t, Customer, item)
	w.Do(t, Customer, w.Receive("more"))
	for range 3 {
		a, _ := w.Prepare(engine.Command{Workspace: Workspace, By: Customer, Body: item})
		_, err := j.Append(a)
		wantConflict(t, "same conversation", err, w.Conversation.ID, true)
	}
	item.Contact = engine.Contact{UserID: "US.other"}
	_, err := offer(j, 2, w.Now, item)
	wantConflict(t, "another conversation", err, w.Conversation.ID, true)
	if got := j.Durable(); got != 2 {
		t.Errorf("durable: got offset %d, want 2", got)
	}
}

// itemAge is an item that comes at some age by its own clock, and again later.
type itemAge struct {
	name       string
	age, later time.Duration
}

const day = 24 * time.Hour

var itemAges = []itemAge{
	{"fresh", 0, day},
	{"fresh, at the end of the retention", 0, 8 * day},
	{"of a clock slightly ahead", -time.Second, time.Minute},
	{"ahead, and overtaken", -2 * day, 3 * day},
	{"far ahead", -1000 * day, 7 * day},
	{"just fresh", day, 8 * day},
	{"old", 2 * day, 8 * day},
	{"almost too old for its own minute", 8 * day, 8 * day},
	{"older than the retention", 9 * day, 7 * day},
	{"very old", 400 * day, 8 * day},
	{"before the epoch", 100_000 * day, day},
	{"of a clock of ours that ran ahead and was set right", 2 * day, -2 * day},
}

func ageTests() []test {
	var tests []test
	for _, age := range itemAges {
		tests = append(tests, test{"an item makes one event: " + age.name, age.test})
	}
	return tests
}

func (a itemAge) test(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	item := w.Receive("hello")
	item.SentAt = w.Now.Add(-a.age)
	w.Do(t, Customer, item)
	_, err := offer(j, 2, w.Now.Add(time.Second), item)
	wantConflict(t, "at once", err, w.Conversation.ID, true)
	later := w.Now.Add(a.later)
	if err := j.Expire(later); err != nil {
		t.Fatalf("expire: got error %v, want none", err)
	}
	_, err = offer(j, 2, later, item)
	wantConflict(t, "later", err, w.Conversation.ID, true)
}

func testClaimExternalExpires(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	item := w.Receive("hello")
	w.Do(t, Customer, item)
	later := w.Now.Add(20 * 24 * time.Hour)
	if err := j.Expire(later); err != nil {
		t.Fatalf("expire: got error %v, want none", err)
	}
	item.Contact = engine.Contact{UserID: "US.other"}
	if _, err := offer(j, 2, later, item); err != nil {
		t.Errorf("append long after: got error %v, want none", err)
	}
}

func testClaimIdentity(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	w.Contact.UserID = "US.one"
	w.Do(t, Customer, w.Receive("hello"))
	for name, contact := range map[string]engine.Contact{
		"by number":  {WaID: w.Contact.WaID},
		"by user id": {UserID: "US.one"},
		"by both":    {UserID: "US.two", WaID: w.Contact.WaID},
	} {
		item := engine.Receive{Channel: Channel, Contact: contact, External: "wamid." + name, SentAt: Start, Content: Text("hi")}
		_, err := offer(j, 2, Start, item)
		wantConflict(t, name, err, w.Conversation.ID, false)
	}
	for _, identity := range w.Contact.Identities() {
		id, found, err := j.ByIdentity(Channel, identity)
		if err != nil || !found || id != w.Conversation.ID {
			t.Errorf("by identity: got %s, %t, error %v, want %s", id, found, err, w.Conversation.ID)
		}
	}
	// What a refused append claimed stays free.
	if _, found, err := j.ByIdentity(Channel, engine.Identity{Kind: engine.IdentityUserID, Value: "US.two"}); found || err != nil {
		t.Errorf("by identity of a refused append: got %t, error %v, want none", found, err)
	}
}

func testClaimIdentityRepeated(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	w.Do(t, Customer, w.Receive("hello"))
	w.Contact.UserID = "US.one"
	w.Do(t, Customer, w.Receive("hello again"))
	id, found, err := j.ByIdentity(Channel, engine.Identity{Kind: engine.IdentityUserID, Value: "US.one"})
	if err != nil || !found || id != w.Conversation.ID {
		t.Errorf("by identity: got %s, %t, error %v, want %s", id, found, err, w.Conversation.ID)
	}
}

func testClaimChannels(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	item := w.Receive("hello")
	w.Do(t, Customer, item)
	other := NewWriter(j, 2)
	other.Workspace, other.Channel = Other, OtherChan
	item.Channel = OtherChan
	other.Do(t, Customer, item)
	for channel, want := range map[engine.ChannelID]engine.ConversationID{Channel: w.Conversation.ID, OtherChan: other.Conversation.ID} {
		id, found, err := j.ByIdentity(channel, engine.Identity{Kind: engine.IdentityWaID, Value: w.Contact.WaID})
		if err != nil || !found || id != want {
			t.Errorf("by identity on %s: got %s, %t, error %v, want %s", channel, id, found, err, want)
		}
	}
}

func testClaimRace(t *testing.T, s Store) {
	const rounds, rivals = 30, 8
	j := open(t, s)
	for round := range uint64(rounds) {
		owner := NewWriter(j, 1000*round)
		item := owner.Receive("hello")
		var mu sync.Mutex
		var wg sync.WaitGroup
		var won []engine.ConversationID
		var conflicts []error
		for n := range uint64(rivals) {
			wg.Go(func() {
				change, err := offer(j, 1000*round+n, Start, item)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won = append(won, change.Conversation)
					return
				}
				conflicts = append(conflicts, err)
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("round %d: got %d events of one item, want 1", round, len(won))
		}
		for _, err := range conflicts {
			wantConflict(t, "rival", err, won[0], true)
		}
	}
	if got := j.Durable(); got != rounds {
		t.Errorf("durable: got offset %d, want %d", got, rounds)
	}
}

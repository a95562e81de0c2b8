package journaltest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/intervenehq/intervene/engine"
)

var readTests = []test{
	{"load is what was applied", testLoad},
	{"load of what is not there is empty", testLoadNothing},
	{"load at a version is what it was then", testLoadAt},
	{"card is the conversation's", testCard},
	{"events come in pages", testEvents},
	{"messages come newest first with their deliveries", testMessages},
	{"message is one with its delivery", testMessage},
	{"delivery is what was reported", testDelivery},
	{"a send is found by the platform's ID", testBySend},
	{"commands are remembered", testOutcomes},
}

// asError is errors.As for the engine's errors.
func asError(err error, target **engine.Error) bool { return errors.As(err, target) }

// must2 makes a call that may not fail.
func must2[A, T any](t *testing.T, what string, call func(A) (T, error)) func(A) T {
	return func(a A) T {
		t.Helper()
		value, err := call(a)
		return must(t, what, value, err)
	}
}

// normal is c without what makes equal conversations differ in memory.
func normal(c engine.Conversation) engine.Conversation {
	c = c.Clone()
	if len(c.Tags) == 0 {
		c.Tags = nil
	}
	if len(c.Variables) == 0 {
		c.Variables = nil
	}
	if len(c.Sends) == 0 {
		c.Sends = nil
	}
	if len(c.Outcomes) == 0 {
		c.Outcomes = nil
	}
	return c
}

func wantConversation(t *testing.T, what string, got, want engine.Conversation) {
	t.Helper()
	if diff := cmp.Diff(normal(want), normal(got)); diff != "" {
		t.Errorf("%s: got another conversation than wanted (-want +got):\n%s", what, diff)
	}
}

func testLoad(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	for n := range 40 { // past several snapshots
		w.Chat(t, 1)
		wantConversation(t, "load", must2(t, "load", j.Load)(w.Conversation.ID), w.Conversation)
		if n == 20 {
			w.Do(t, Agent, engine.SetTags{Tags: []string{"a", "b"}})
			w.Do(t, Bot, engine.RequestAgent{Reason: "a person, please"})
			w.Do(t, Agent, engine.Intervene{})
			w.Do(t, Agent, engine.SendMessage{Content: Text("a person")})
			w.Do(t, Agent, engine.Resolve{})
			w.Deliver(t)
		}
	}
}

func testLoadNothing(t *testing.T, s Store) {
	j := open(t, s)
	id := ConversationID(1)
	wantConversation(t, "load", must2(t, "load", j.Load)(id), engine.Conversation{ID: id})
	_, err := j.Card(id)
	wantCode(t, "card", err, engine.CodeNotFound)
	_, err = j.LoadAt(id, 1)
	wantCode(t, "load at", err, engine.CodeNotFound)
	if events, err := j.Events(id, 0, 10); len(events) != 0 || err != nil {
		t.Errorf("events: got %d, error %v, want none", len(events), err)
	}
	if messages, err := j.Messages(id, 0, 10); len(messages) != 0 || err != nil {
		t.Errorf("messages: got %d, error %v, want none", len(messages), err)
	}
}

func testLoadAt(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	w.Chat(t, 30)
	events, err := j.Events(w.Conversation.ID, 0, 1000)
	if err != nil {
		t.Fatalf("events: got error %v, want none", err)
	}
	want := engine.Conversation{ID: w.Conversation.ID}
	for i := range events {
		want.Apply(&events[i])
		got, err := j.LoadAt(want.ID, want.Version)
		if err != nil {
			t.Fatalf("load at %d: got error %v, want none", want.Version, err)
		}
		wantConversation(t, "load at", got, want)
	}
	if _, err := j.LoadAt(want.ID, want.Version+1); engine.CodeOf(err) != engine.CodeNotFound {
		t.Errorf("load past the newest version: got error %v, want code %q", err, engine.CodeNotFound)
	}
}

func testCard(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	check := func() {
		t.Helper()
		if diff := cmp.Diff(w.Conversation.Card(), must2(t, "card", j.Card)(w.Conversation.ID)); diff != "" {
			t.Errorf("got another card than wanted (-want +got):\n%s", diff)
		}
	}
	w.Chat(t, 2)
	check()
	w.Do(t, Agent, engine.SetTags{Tags: []string{"billing", "vip"}})
	w.Do(t, Bot, engine.RequestAgent{Reason: "a person, please"})
	check()
	w.Do(t, Agent, engine.Intervene{})
	check()
}

func testEvents(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	w.Chat(t, 30)
	var all []engine.Event
	for after := uint64(0); ; {
		page, err := j.Events(w.Conversation.ID, after, 7)
		if err != nil {
			t.Fatalf("events: got error %v, want none", err)
		}
		if len(page) == 0 {
			break
		}
		all = append(all, page...)
		after = all[len(all)-1].Version
	}
	if uint64(len(all)) != w.Conversation.Version {
		t.Errorf("events: got %d, want %d", len(all), w.Conversation.Version)
	}
	again := engine.Conversation{ID: w.Conversation.ID}
	for i := range all {
		if all[i].Version != uint64(i)+1 {
			t.Fatalf("event %d: got version %d, want %d", i, all[i].Version, i+1)
		}
		again.Apply(&all[i])
	}
	wantConversation(t, "events applied", again, w.Conversation)
}

func testMessages(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	w.Chat(t, 25)
	w.Do(t, Customer, w.Receive("last question"))
	w.Answer(t, "last answer") // not sent yet

	var all []engine.Message
	for before := uint64(0); ; {
		page, err := j.Messages(w.Conversation.ID, before, 7)
		if err != nil {
			t.Fatalf("messages: got error %v, want none", err)
		}
		if len(page) == 0 {
			break
		}
		all = append(all, page...)
		before = all[len(all)-1].ID.Version
	}
	if len(all) != 52 {
		t.Fatalf("messages: got %d, want 52", len(all))
	}
	for i, m := range all {
		if i > 0 && m.ID.Version >= all[i-1].ID.Version {
			t.Errorf("message %d: got version %d after %d, want them falling", i, m.ID.Version, all[i-1].ID.Version)
		}
		want := engine.Delivery{}
		switch {
		case i == 0:
			want = engine.Delivery{State: engine.Queued, At: m.Event.At}
		case m.Event.By.Kind == engine.Bot:
			want = engine.Delivery{State: engine.Sent, Attempt: 1, External: "wamid.out." + m.ID.String(), At: m.Delivery.At}
		}
		if m.Delivery != want {
			t.Errorf("message %d: got delivery %+v, want %+v", i, m.Delivery, want)
		}
	}
}

func testMessage(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	w.Chat(t, 1)
	page, err := j.Messages(w.Conversation.ID, 0, 10)
	if err != nil || len(page) != 2 {
		t.Fatalf("messages: got %d, error %v, want 2", len(page), err)
	}
	for _, want := range page {
		got := must2(t, "message", j.Message)(want.ID)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("message: got %+v, want %+v", got, want)
		}
	}
	for name, version := range map[string]uint64{"an event that is none": 1, "past the newest": 1000, "the greatest": ^uint64(0), "zero": 0} {
		_, err := j.Message(engine.MessageID{Conversation: w.Conversation.ID, Version: version})
		wantCode(t, "message of "+name, err, engine.CodeNotFound)
	}
}

func testDelivery(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	w.Do(t, Customer, w.Receive("hello"))
	w.Answer(t, "hi")
	id := engine.MessageID{Conversation: w.Conversation.ID, Version: w.Conversation.Sends[0].Version}
	if got := must2(t, "delivery", j.Delivery)(id); got != (engine.Delivery{}) {
		t.Errorf("delivery of a queued send: got %+v, want zero", got)
	}
	w.Deliver(t)
	external := "wamid.out." + id.String()
	w.Now = w.Now.Add(time.Second)
	w.Status(t, id, engine.Read, external)
	want := engine.Delivery{State: engine.Read, Attempt: 1, External: external, At: w.Now}
	if got := must2(t, "delivery", j.Delivery)(id); got != want {
		t.Errorf("delivery: got %+v, want %+v", got, want)
	}
}

func testBySend(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	w.Do(t, Customer, w.Receive("hello"))
	w.Answer(t, "hi")
	id := w.Deliver(t)
	external := "wamid.out." + id.String()
	got, found, err := j.BySend(Channel, external)
	if got != id || !found || err != nil {
		t.Errorf("by send: got %s, %t, error %v, want %s", got, found, err, id)
	}
	if _, found, err := j.BySend(OtherChan, external); found || err != nil {
		t.Errorf("by send on another channel: got %t, error %v, want none", found, err)
	}
	if err := j.Expire(Start.Add(90 * 24 * time.Hour)); err != nil {
		t.Fatalf("expire: got error %v, want none", err)
	}
	if _, found, err := j.BySend(Channel, external); found || err != nil {
		t.Errorf("by send long after: got %t, error %v, want none", found, err)
	}
}

func testOutcomes(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	w.Chat(t, 1)
	w.Do(t, Bot, engine.RequestAgent{})
	cmd := engine.Command{
		ID: engine.CommandID{1, 2, 3}, Digest: engine.Digest{9}, Workspace: Workspace, By: Agent, Body: engine.Intervene{},
	}
	change := w.Give(t, cmd)
	w.Do(t, Agent, engine.Resolve{})
	w.Chat(t, 30)
	c := must2(t, "load", j.Load)(w.Conversation.ID)
	got, found := c.Outcome(cmd.ID)
	if !found || got.Version != change.Version || got.Digest != cmd.Digest {
		t.Errorf("outcome: got %+v, %t, want version %d", got, found, change.Version)
	}
}

package journaltest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/intervenehq/intervene/engine"
)

var joinTests = []test{
	{"messages tell what the customer made of them", testAmended},
	{"an amendment may come before its message", testAmendedAhead},
	{"a conversation may have many amended messages", testAmendedMany},
	{"messages tell how far their files have got", testMedia},
	{"a message that was resent says as what", testResent},
	{"every field of an event comes back", testRichEvents},
	{"dead letters come newest first", testDeadLetters},
	{"a dead letter goes when it is resent or old", testDeadLetterEnds},
	{"a status that comes before its send is kept for it", testEarly},
	{"the oldest event since an instant is found", testOldestSince},
}

// Make appends events with these bodies, as the engine makes them of no command
// that the suite needs to know.
func (w *Writer) Make(t *testing.T, bodies ...engine.Body) engine.Change {
	t.Helper()
	var events []engine.Event
	for i, b := range bodies {
		events = append(events, engine.Event{Version: w.Conversation.Version + uint64(i) + 1, At: w.Now, By: Engine, Body: b})
	}
	change, err := w.Commit(w.AppendOf(events...))
	if err != nil {
		t.Fatalf("append: got error %v, want none", err)
	}
	return change
}

func (w *Writer) message(t *testing.T, version uint64) engine.Message {
	t.Helper()
	id := engine.MessageID{Conversation: w.Conversation.ID, Version: version}
	m := must2(t, "message", w.Journal.Message)(id)
	for _, on := range must2(t, "messages", func(id engine.ConversationID) ([]engine.Message, error) {
		return w.Journal.Messages(id, version+1, 1)
	})(id.Conversation) {
		if diff := cmp.Diff(m, on); diff != "" {
			t.Errorf("message: got another one than on the page (-page +message):\n%s", diff)
		}
	}
	return m
}

func testAmended(t *testing.T, s Store) {
	w := NewWriter(open(t, s), 1)
	w.Do(t, Customer, w.Receive("question"))
	asked := w.Conversation.Version - w.since("message_received")
	external := fmt.Sprintf("wamid.%s.1", w.Conversation.ID)
	w.Answer(t, "answer")
	sent := w.Deliver(t)
	w.Make(t, engine.EchoReceived{External: "wamid.echo", SentAt: w.Now, Content: Text("from a phone")})
	echo := w.Conversation.Version

	edit := Text("question?")
	w.Make(t,
		engine.Amended{External: "a1", SentAt: 5, Target: external, What: engine.Edited, Content: edit},
		engine.Amended{External: "a2", SentAt: 6, Target: external, What: engine.Reacted, Content: engine.Content{Text: "+"}},
	)
	w.Make(t, engine.Amended{External: "a3", SentAt: 7, Target: "wamid.out." + sent.String(), What: engine.Reacted, Content: engine.Content{Text: "!"}})
	w.Make(t, engine.Amended{External: "a4", SentAt: 8, Target: "wamid.echo", What: engine.Revoked})
	w.Make(t, engine.Amended{External: "a5", SentAt: 4, Target: external, What: engine.Edited, Content: Text("older")})
	for version, want := range map[uint64]engine.Amendments{
		asked:        {Reaction: "+", ReactedAt: 6, Edit: &edit, EditedAt: 5},
		sent.Version: {Reaction: "!", ReactedAt: 7},
		echo:         {RevokedAt: 8},
	} {
		if diff := cmp.Diff(want, w.message(t, version).Amended); diff != "" {
			t.Errorf("version %d: got other amendments than wanted (-want +got):\n%s", version, diff)
		}
	}
}

// since is how many events ago the newest one of a kind was made.
func (w *Writer) since(kind string) uint64 {
	events, err := w.Journal.Events(w.Conversation.ID, 0, 1000)
	for i := len(events) - 1; err == nil && i >= 0; i-- {
		if events[i].Body.Kind().String() == kind {
			return w.Conversation.Version - events[i].Version
		}
	}
	return 0
}

func testAmendedAhead(t *testing.T, s Store) {
	w := NewWriter(open(t, s), 1)
	w.Do(t, Customer, w.Receive("one"))
	item := w.Receive("two")
	w.Make(t, engine.Amended{External: "a1", SentAt: 9, Target: item.External, What: engine.Revoked})
	w.Do(t, Customer, item)
	if got := w.message(t, w.Conversation.Version-w.since("message_received")).Amended; got.RevokedAt != 9 {
		t.Errorf("message: got amendments %+v, want it revoked", got)
	}
}

func testAmendedMany(t *testing.T, s Store) {
	w := NewWriter(open(t, s), 1)
	w.Do(t, Customer, w.Receive("one"))
	const many = 300 // more than are read at once
	var bodies []engine.Body
	for i := range many {
		bodies = append(bodies, engine.EchoReceived{External: fmt.Sprintf("wamid.%d", i), SentAt: w.Now, Content: Text("x")},
			engine.Amended{External: fmt.Sprintf("a%d", i), SentAt: engine.Instant(i + 1), Target: fmt.Sprintf("wamid.%d", i), What: engine.Revoked})
	}
	w.Make(t, bodies...)
	messages := must2(t, "messages", func(id engine.ConversationID) ([]engine.Message, error) {
		return w.Journal.Messages(id, 0, many)
	})(w.Conversation.ID)
	if len(messages) != many {
		t.Fatalf("messages: got %d, want %d", len(messages), many)
	}
	for i, m := range messages {
		if want := engine.Instant(many - i); m.Amended.RevokedAt != want {
			t.Errorf("message %d: got it revoked at %d, want %d", i, m.Amended.RevokedAt, want)
		}
	}
}

func testMedia(t *testing.T, s Store) {
	w := NewWriter(open(t, s), 1)
	item := w.Receive("")
	item.Content = engine.Content{Kind: engine.ContentImage, Media: &engine.Media{ID: "1", MIME: "image/png"}}
	w.Do(t, Customer, item)
	version := w.Conversation.Version - w.since("message_received")
	if got, want := w.message(t, version).Media, (engine.MediaStatus{State: engine.MediaPending}); got != want {
		t.Errorf("media: got %+v, want %+v", got, want)
	}
	w.Make(t, engine.MediaChanged{Message: version, State: engine.MediaPending, Attempt: 1, NotBefore: w.Now})
	w.Make(t, engine.MediaChanged{Message: version, State: engine.MediaStored, Blob: "b", Bytes: 7})
	if got, want := w.message(t, version).Media, (engine.MediaStatus{State: engine.MediaStored, Blob: "b", Bytes: 7}); got != want {
		t.Errorf("media: got %+v, want %+v", got, want)
	}
}

// rejected queues a message and lets it be rejected.
func (w *Writer) rejected(t *testing.T) uint64 {
	t.Helper()
	w.Make(t, engine.MessageQueued{Content: Text("lost")})
	send := w.Conversation.Version
	w.Make(t, engine.DeliveryChanged{Send: send, State: engine.Rejected, Error: 131026, Detail: "undeliverable"})
	w.Now = w.Now.Add(1000)
	return send
}

func testResent(t *testing.T, s Store) {
	w := NewWriter(open(t, s), 1)
	w.Do(t, Customer, w.Receive("one"))
	send := w.rejected(t)
	w.Make(t, engine.MessageQueued{Content: Text("lost"), ResendOf: send})
	got := w.message(t, send).Delivery
	if got.ResentAs != w.Conversation.Version || got.State != engine.Rejected || got.Detail != "undeliverable" {
		t.Errorf("delivery: got %+v, want it resent as %d", got, w.Conversation.Version)
	}
}

// testRichEvents: what is not a text comes back too. That every field does is
// the record tests' matter.
func testRichEvents(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	w.Do(t, Customer, w.Receive("one"))
	from := w.Conversation.Version
	want := []engine.Body{
		engine.EchoReceived{External: "e1", Content: engine.Content{Kind: engine.ContentLocation, Location: &engine.Location{Latitude: 1.5, Longitude: -2.25, Name: "here"}}},
		engine.MessageQueued{ReplyTo: "e1", Content: engine.Content{Kind: engine.ContentTemplate, Template: &engine.Template{
			Name: "hi", Components: []engine.TemplateComponent{{Type: "body", Parameters: []engine.TemplateParameter{{Type: "text", Text: "x"}}}},
		}}},
		engine.ContactLinked{Other: ConversationID(2)},
		engine.ConsentChanged{Consent: engine.Stop, SentAt: w.Now},
		engine.ContactChanged{Contact: engine.Contact{Name: "n", WaID: w.Contact.WaID, ParentUserID: "p"}, External: "c1", SentAt: w.Now},
	}
	w.Make(t, want...)
	var got []engine.Body
	for _, e := range must2(t, "events", func(id engine.ConversationID) ([]engine.Event, error) { return j.Events(id, from, 10) })(w.Conversation.ID) {
		got = append(got, e.Body)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events: got others than wanted (-want +got):\n%s", diff)
	}
	wantConversation(t, "load", must2(t, "load", j.Load)(w.Conversation.ID), w.Conversation)
	if diff := cmp.Diff(w.Conversation.Card(), must2(t, "card", j.Card)(w.Conversation.ID)); diff != "" {
		t.Errorf("card: got another than wanted (-want +got):\n%s", diff)
	}
	id, found, err := j.ByIdentity(Channel, engine.Identity{Kind: engine.IdentityParent, Value: "p"})
	if id != w.Conversation.ID || !found || err != nil {
		t.Errorf("by identity: got %s, %t, error %v, want %s", id, found, err, w.Conversation.ID)
	}
}

func testDeadLetters(t *testing.T, s Store) {
	j := open(t, s)
	var want []engine.DeadLetter
	for n := range uint64(3) {
		w := NewWriter(j, n)
		w.Now = w.Now.Add(1)
		w.Do(t, Customer, w.Receive("one"))
		for range 3 {
			w.Now = w.Now.Add(7)
			at := w.Now.Add(1)
			w.Now = at
			want = append(want, engine.DeadLetter{At: at, Message: engine.MessageID{Conversation: w.Conversation.ID, Version: w.rejected(t)}})
		}
	}
	var got []engine.DeadLetter
	for after := (engine.DeadLetter{}); ; after = got[len(got)-1] {
		page := must2(t, "dead letters", func(ws engine.WorkspaceID) ([]engine.DeadLetter, error) { return j.DeadLetters(ws, after, 2) })(Workspace)
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
	}
	if len(got) != len(want) {
		t.Errorf("dead letters: got %d, want %d", len(got), len(want))
	}
	listed := make(map[engine.DeadLetter]bool)
	for i, letter := range got {
		listed[letter] = true
		if i > 0 && got[i-1].At < letter.At {
			t.Errorf("dead letter %d: got it after an older one, want the newest first", i)
		}
	}
	for _, letter := range want {
		if !listed[letter] {
			t.Errorf("dead letters: got none of version %d at %d, want one", letter.Message.Version, letter.At)
		}
	}
	if other, err := j.DeadLetters(Other, engine.DeadLetter{}, 10); len(other) != 0 || err != nil {
		t.Errorf("dead letters of another workspace: got %d, error %v, want none", len(other), err)
	}
}

func testDeadLetterEnds(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	w.Do(t, Customer, w.Receive("one"))
	count := func(when string, want int) {
		t.Helper()
		if got, err := j.DeadLetters(Workspace, engine.DeadLetter{}, 10); len(got) != want || err != nil {
			t.Errorf("%s: got %d dead letters, error %v, want %d", when, len(got), err, want)
		}
	}
	first := w.rejected(t)
	w.rejected(t)
	count("rejected", 2)
	w.Make(t, engine.MessageQueued{Content: Text("lost"), ResendOf: first})
	count("resent", 1)
	if err := j.Expire(w.Now.Add(29 * day)); err != nil {
		t.Fatalf("expire: got error %v, want none", err)
	}
	count("after 29 days", 1)
	if err := j.Expire(w.Now.Add(31 * day)); err != nil {
		t.Fatalf("expire: got error %v, want none", err)
	}
	count("after 31 days", 0)
}

func testEarly(t *testing.T, s Store) {
	j := open(t, s)
	item := func(state engine.DeliveryState) engine.Inbound {
		return engine.Inbound{Workspace: Workspace, Channel: Channel, Status: &engine.Status{
			External: "wamid.early", State: state, At: Start.Add(1000 * 1000 * 1000), Detail: "d",
		}}
	}
	early := func(when string, want ...engine.Inbound) {
		t.Helper()
		got, err := j.EarlyStatuses(Channel, "wamid.early")
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: got error %v and other statuses than wanted (-want +got):\n%s", when, err, diff)
		}
	}
	early("before")
	for range 2 { // it may come again
		for _, state := range []engine.DeliveryState{engine.Sent, engine.Delivered} {
			if _, known, err := j.ParkStatus(item(state)); known || err != nil {
				t.Fatalf("park: got known %t, error %v, want neither", known, err)
			}
		}
	}
	early("parked", item(engine.Sent), item(engine.Delivered))
	if other, err := j.EarlyStatuses(OtherChan, "wamid.early"); len(other) != 0 || err != nil {
		t.Errorf("another channel: got %d statuses, error %v, want none", len(other), err)
	}
	if all, err := j.AllEarlyStatuses(10); len(all) != 2 || err != nil {
		t.Errorf("all: got %d statuses, error %v, want 2", len(all), err)
	}
	w := NewWriter(j, 1)
	w.Do(t, Customer, w.Receive("one"))
	w.Make(t, engine.MessageQueued{Content: Text("x")})
	sent := engine.MessageID{Conversation: w.Conversation.ID, Version: w.Conversation.Version}
	w.Make(t, engine.DeliveryChanged{Send: sent.Version, State: engine.Accepted, External: "wamid.early"})
	if got, known, err := j.ParkStatus(item(engine.Read)); got != sent || !known || err != nil {
		t.Errorf("park of a known send: got %s, %t, error %v, want %s", got, known, err, sent)
	}
	early("known", item(engine.Sent), item(engine.Delivered))
	if err := j.DropEarly(Channel, "wamid.early"); err != nil {
		t.Fatalf("drop: got error %v, want none", err)
	}
	early("dropped")
	if _, _, err := j.ParkStatus(engine.Inbound{Workspace: Workspace, Channel: Channel, Status: &engine.Status{External: "x"}}); err != nil {
		t.Fatalf("park: got error %v, want none", err)
	}
	if err := j.Expire(Start.Add(3 * day)); err != nil {
		t.Fatalf("expire: got error %v, want none", err)
	}
	if all, err := j.AllEarlyStatuses(10); len(all) != 0 || err != nil {
		t.Errorf("after three days: got %d statuses, error %v, want none", len(all), err)
	}
}

func testOldestSince(t *testing.T, s Store) {
	j := open(t, s)
	w := NewWriter(j, 1)
	w.Chat(t, 10)
	events := must2(t, "events", func(id engine.ConversationID) ([]engine.Event, error) { return j.Events(id, 0, 1000) })(w.Conversation.ID)
	for _, since := range []engine.Instant{0, Start, Start.Add(1), Start.Add(20_000_000_000), w.Now - 1, w.Now, w.Now + 1} {
		want := w.Conversation.Version + 1
		for _, e := range events {
			if e.At >= since {
				want = e.Version
				break
			}
		}
		if got, err := j.OldestSince(w.Conversation.ID, since); got != want || err != nil {
			t.Errorf("oldest since %d: got %d, error %v, want %d", since-Start, got, err, want)
		}
	}
	if got, err := j.OldestSince(ConversationID(2), 0); got != 1 || err != nil {
		t.Errorf("oldest of nothing: got %d, error %v, want 1", got, err)
	}
}

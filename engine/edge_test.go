package engine_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/intervenehq/intervene/engine"
)

func TestVariants(t *testing.T) {
	for number, want := range map[string]string{
		"5531987654321":  "553187654321",  // Brazil, a mobile with its 9
		"553187654321":   "5531987654321", // and without
		"553132345678":   "",              // a landline: with a 9 it would be somebody else
		"5531932345678":  "",
		"5491123456789":  "541123456789", // Argentina
		"541123456789":   "5491123456789",
		"5215512345678":  "525512345678", // Mexico
		"525512345678":   "5215512345678",
		"15550100":       "",
		"447700900123":   "",
		"55":             "",
		"":               "",
		"+5531987654321": "",
		"IN.abc":         "",
		"55é1987654321":  "",
	} {
		got := engine.Variants(number)
		if strings.Join(got, ",") != want {
			t.Errorf("variants of %s: got %v, want %q", number, got, want)
		}
		for _, v := range got {
			if back := engine.Variants(v); !slices.Contains(back, number) {
				t.Errorf("variants of %s, a variant of %s: got %v, want it back", v, number, back)
			}
		}
	}
}

// TestAmendmentsFold: the newest of each by the platform's clock, in any order.
func TestAmendmentsFold(t *testing.T) {
	first, second := textOf("first"), textOf("second")
	all := []engine.Amended{
		{What: engine.Reacted, SentAt: 10, Content: engine.Content{Text: "👍"}},
		{What: engine.Reacted, SentAt: 20},
		{What: engine.Edited, SentAt: 10, Content: first},
		{What: engine.Edited, SentAt: 20, Content: second},
		{What: engine.Revoked, SentAt: 15},
	}
	for _, tt := range []struct {
		name string
		of   []engine.Amended
		want engine.Amendments
	}{
		{"reaction taken back", all[:2], engine.Amendments{ReactedAt: 20}},
		{"reaction", all[:1], engine.Amendments{Reaction: "👍", ReactedAt: 10}},
		{"edits", all[2:4], engine.Amendments{Edit: &second, EditedAt: 20}},
		{"revoked", all[4:], engine.Amendments{RevokedAt: 15}},
	} {
		var forward, backward engine.Amendments
		for i := range tt.of {
			forward, backward = forward.Fold(tt.of[i]), backward.Fold(tt.of[len(tt.of)-1-i])
		}
		if !reflect.DeepEqual(forward, tt.want) || !reflect.DeepEqual(backward, tt.want) {
			t.Errorf("%s: got %+v and, backwards, %+v, want %+v", tt.name, forward, backward, tt.want)
		}
	}
	var revoked engine.Amendments
	for _, a := range []engine.Amended{all[2], all[4], all[3]} {
		revoked = revoked.Fold(a)
	}
	if revoked.Edit != nil || revoked.RevokedAt != 15 {
		t.Errorf("got %+v of an edit after a revocation, want it revoked alone", revoked)
	}
}

// TestErasedHoldsNothing fills everything that a conversation holds and looks for
// any of it in the tombstone, by reflection, so that no field is forgotten.
func TestErasedHoldsNothing(t *testing.T) {
	w := newWorld(t)
	w.policy = engine.Policy{AutoResolveAfter: time.Hour, OutsideSilence: time.Hour, Retention: 720 * time.Hour, WriteFirst: true}
	b := w.writes("secret text", 0)
	b.Content, b.Consent, b.Contact.UserID, b.Contact.ParentUserID = fileOf("secret text"), engine.Stop, "IN.secret", "IN.ENT.secret"
	w.must(engine.Command{ID: engine.CommandID{1}, Digest: engine.Digest{1}, By: customer, Body: b})
	w.mustDo(outside, engine.RecordEcho{Channel: channel, Contact: meera, External: "secret echo", SentAt: w.now, Content: textOf("secret")})
	w.mustDo(customer, engine.Amend{Channel: channel, Contact: meera, External: "a", Target: "secret target", What: engine.Edited, Content: textOf("secret edit")})
	w.mustDo(courier, engine.LinkContact{Other: engine.NewConversationID(7, [14]byte{2})})
	w.mustDo(bot, engine.RequestAgent{Reason: "secret reason"})
	w.mustDo(customer, w.writes("another secret", 0))
	w.mustDo(asha, engine.Intervene{})
	w.mustDo(asha, engine.SetTags{Tags: []string{"secret tag"}})
	w.must(engine.Command{ID: engine.CommandID{2}, Digest: engine.Digest{2}, By: asha, Body: engine.SendMessage{Content: textOf("secret answer")}})
	w.mustDo(customer, w.writes("yet another secret", 0))
	w.c.Variables = []engine.Variable{{Name: "a", Value: "secret variable"}}
	w.c.WindowMarked, w.c.Turn, w.c.Gate, w.c.GateSend = true, engine.Turn{From: 1, Message: 1, At: 1}, 1, 1

	before := reflect.ValueOf(w.c)
	for i := range before.NumField() {
		if f := before.Type().Field(i); before.Field(i).IsZero() && f.Name != "OldestKept" && f.Name != "Erased" {
			t.Fatalf("got field %s empty before, want it filled: what is not there cannot be left behind", f.Name)
		}
	}
	events, err := engine.Decide(&w.c, engine.Command{ID: engine.CommandID{3}, Digest: engine.Digest{3}, Workspace: workspace, By: sita, Body: engine.Erase{}}, w.policy, w.now)
	if err != nil || len(events) != 1 {
		t.Fatalf("got %d events (%v), want one", len(events), err)
	}
	w.c.Apply(&events[0])
	kept := []string{"ID", "Workspace", "Channel", "Version", "Updated", "Epoch", "OldestKept", "Erased", "Outcomes"}
	after := reflect.ValueOf(w.c)
	for i := range after.NumField() {
		if f := after.Type().Field(i); !after.Field(i).IsZero() && !slices.Contains(kept, f.Name) {
			t.Errorf("got field %s left after the erasure, want it empty", f.Name)
		}
	}
	if card := w.c.Card(); card.Contact != (engine.Contact{}) || card.Preview != "" || card.Tags != nil || card.Linked != nil {
		t.Errorf("got card %+v after the erasure, want nothing on it", card)
	}
	for _, id := range []byte{1, 2, 3} {
		cmd := engine.Command{ID: engine.CommandID{id}, Digest: engine.Digest{id}, Workspace: workspace, By: sita, Body: engine.Erase{}}
		if again, err := engine.Decide(&w.c, cmd, w.policy, w.now); err != nil || len(again) > 0 {
			t.Errorf("command %d given again: got %d events (%v), want its first outcome", id, len(again), err)
		}
	}
	other := engine.Command{ID: engine.CommandID{3}, Digest: engine.Digest{9}, Workspace: workspace, By: sita, Body: engine.Erase{}}
	if _, err := engine.Decide(&w.c, other, w.policy, w.now); engine.CodeOf(err) != engine.CodeCommandReused {
		t.Errorf("another erasure under its ID: got %v, want command reused", err)
	}
}

// TestTranscriptTellsWhatOutsidersSaid, too, and leaves out what was revoked.
func TestTranscriptTellsWhatOutsidersSaid(t *testing.T) {
	w := newWorld(t)
	reachIntervened(w)
	w.mustDo(customer, w.writes("never mind", 0))
	w.mustDo(outside, engine.RecordEcho{Channel: channel, Contact: meera, External: "echo", SentAt: w.now, Content: textOf("Ravi here")})
	w.mustDo(asha, engine.SendMessage{Content: textOf("hello")})
	w.mustDo(customer, engine.Amend{Channel: channel, Contact: meera, External: "a", Target: "in-never mind", What: engine.Revoked, SentAt: w.now})
	w.mustDo(asha, engine.Resolve{})
	var said []string
	for _, m := range w.owed().Transcript {
		said = append(said, m.By.Kind.String()+": "+m.Content.Text)
	}
	if want := []string{"outside: Ravi here", "agent: hello"}; !slices.Equal(said, want) {
		t.Errorf("got transcript %v, want %v", said, want)
	}
}

// TestTurnStartsNotBeforeWhatIsKept: what was trimmed cannot be read.
func TestTurnStartsNotBeforeWhatIsKept(t *testing.T) {
	w := newWorld(t)
	w.policy.Retention, w.policy.AutoResolveAfter = 72*time.Hour, 0
	reachIntervened(w)
	w.mustDo(asha, engine.SendMessage{Content: textOf("hello")})
	w.mustDo(courier, engine.AttemptSend{})
	w.mustDo(courier, engine.RecordAttempt{Send: w.c.Version - 1, Attempt: 1, Result: engine.AttemptResult{State: engine.Rejected}})
	w.advance(72 * time.Hour)
	w.mustDo(courier, engine.FireTimer{Timer: engine.DueRetention})
	w.mustDo(asha, engine.Resolve{})
	if w.c.OldestKept == 0 || w.c.TurnStart() != w.c.OldestKept {
		t.Fatalf("got turn from %d, oldest kept %d, want it to begin there", w.c.TurnStart(), w.c.OldestKept)
	}
	if r := w.owed(); !r.Returned || len(r.Transcript) > 0 {
		t.Errorf("got %+v, want a returned turn of which nothing is told", r)
	}
}

// TestAheadIsBounded: of many amendments the newest are remembered.
func TestAheadIsBounded(t *testing.T) {
	w := newWorld(t)
	for i := range engine.MaxAmendedAhead + 1 {
		w.mustDo(customer, engine.Amend{
			Channel: channel, Contact: meera, External: "a", Target: "in-" + strings.Repeat("x", i+1), SentAt: w.now,
			What: engine.Edited, Content: textOf("edited"),
		})
	}
	w.mustDo(customer, w.writes("x", 0))
	if got := w.c.Card().Preview; got != "x" {
		t.Errorf("got preview %q of the oldest, want it forgotten", got)
	}
	w.mustDo(customer, w.writes("xx", 0))
	if got := w.c.Card().Preview; got != "edited" {
		t.Errorf("got preview %q of the second, want it remembered", got)
	}
}

// TestLinksAreBounded: of many links the newest are remembered.
func TestLinksAreBounded(t *testing.T) {
	w := newWorld(t)
	reachActive(w)
	other := func(i int) engine.ConversationID { return engine.NewConversationID(7, [14]byte{9, byte(i)}) }
	for i := range engine.MaxLinked + 1 {
		w.mustDo(courier, engine.LinkContact{Other: other(i)})
	}
	if got := w.c.Card().Linked; len(got) != engine.MaxLinked || got[0] != other(1) {
		t.Errorf("got links %v, want the newest %d", got, engine.MaxLinked)
	}
}

// TestHeldAttemptsDoNotCount: a paused number uses up nobody's attempts.
func TestHeldAttemptsDoNotCount(t *testing.T) {
	w := newWorld(t)
	reachActive(w)
	send := w.mustDo(bot, engine.SendMessage{Content: textOf("hello")})[0].Version
	try := func(held bool) engine.DeliveryState {
		w.mustDo(courier, engine.AttemptSend{})
		w.mustDo(courier, engine.RecordAttempt{
			Send: send, Attempt: w.known[send].Attempt, Known: w.known[send], Result: engine.AttemptResult{State: engine.Queued, Held: held},
		})
		return w.known[send].State
	}
	for i := range 3 * engine.MaxAttempts {
		held := i%3 != 0
		want := engine.Queued
		if i == 3*(engine.MaxAttempts-1) {
			want = engine.Rejected
		}
		if got := try(held); got != want {
			t.Fatalf("attempt %d, held %t: got %s, want %s", i+1, held, got, want)
		}
		if want == engine.Rejected {
			return
		}
	}
}

// TestStaleCommandsOnFiles: what is malformed is refused, what is settled ignored.
func TestStaleCommandsOnFiles(t *testing.T) {
	w := newWorld(t)
	reachActive(w)
	for _, tt := range []struct {
		field string
		body  engine.RecordMedia
	}{
		{"state", engine.RecordMedia{Message: 3}},
		{"state", engine.RecordMedia{Message: 3, State: 9}},
		{"blob", engine.RecordMedia{Message: 3, State: engine.MediaStored}},
		{"blob", engine.RecordMedia{Message: 3, State: engine.MediaStored, Blob: "../x"}},
		{"", engine.RecordMedia{Message: 99, State: engine.MediaStored, Blob: blob}},
	} {
		events, err := w.do(engine.Command{By: courier, Body: tt.body})
		field := ""
		if e, ok := errors.AsType[*engine.Error](err); ok {
			field = e.Field
		}
		if field != tt.field || len(events) > 0 {
			t.Errorf("%+v: got field %q and %d events, want %q and none", tt.body, field, len(events), tt.field)
		}
	}
}

// TestContactMerges: each identity by itself.
func TestContactMerges(t *testing.T) {
	w := newWorld(t)
	w.mustDo(customer, w.writes("hi", 0))
	changes := []struct{ changed, want engine.Contact }{
		{engine.Contact{ParentUserID: "IN.ENT.a"}, engine.Contact{Name: "Meera", WaID: "15550100", ParentUserID: "IN.ENT.a"}},
		{engine.Contact{ParentUserID: "IN.ENT.b", UserID: "IN.a"}, engine.Contact{Name: "Meera", WaID: "15550100", UserID: "IN.a", ParentUserID: "IN.ENT.b"}},
		{engine.Contact{UserID: "IN.b", WaID: "5215512345678"}, engine.Contact{Name: "Meera", WaID: "5215512345678", UserID: "IN.b", ParentUserID: "IN.ENT.b"}},
		{engine.Contact{WaID: "525512345678"}, engine.Contact{Name: "Meera", WaID: "5215512345678", UserID: "IN.b", ParentUserID: "IN.ENT.b"}},
	}
	for _, tt := range changes {
		w.mustDo(customer, engine.ChangeContact{Channel: channel, Contact: engine.Contact{UserID: w.c.Contact.UserID}, Changed: tt.changed, External: "c", SentAt: w.now})
		if w.c.Contact != tt.want {
			type shown engine.Contact // which prints itself
			t.Errorf("changed to %+v: got %+v, want %+v", shown(tt.changed), shown(w.c.Contact), shown(tt.want))
		}
	}
}

// TestUnattempted: of what waits for its first attempt there is no delivery yet.
func TestUnattempted(t *testing.T) {
	w := newWorld(t)
	reachActive(w)
	send := w.mustDo(bot, engine.SendMessage{Content: textOf("hello")})[0].Version
	if !w.c.Unattempted(send) || w.c.Unattempted(send+1) {
		t.Errorf("got unattempted %t, and %t of none, want true and false", w.c.Unattempted(send), w.c.Unattempted(send+1))
	}
	w.mustDo(courier, engine.AttemptSend{})
	if w.c.Unattempted(send) {
		t.Errorf("got an attempted send unattempted, want not")
	}
}

// TestRefusedStartLeavesNoTrace, not even of what it says of the contact.
func TestRefusedStartLeavesNoTrace(t *testing.T) {
	w := newWorld(t)
	w.policy.WriteFirst = true
	start := engine.StartConversation{Channel: channel, Contact: meera, Content: templateOf("order_shipped", engine.Utility)}
	for range engine.MaxQueuedSends {
		w.mustDo(asha, start)
	}
	start.Contact.Name = "Meera K"
	if events, err := w.do(engine.Command{By: asha, Body: start}); engine.CodeOf(err) != engine.CodeOverloaded || len(events) > 0 {
		t.Errorf("got %d events (%v), want none and overloaded", len(events), err)
	}
}

// TestEditAheadOfATurn: the bot is shown what a message says now, also when that
// came first, as far as it is remembered whole.
func TestEditAheadOfATurn(t *testing.T) {
	long := strings.Repeat("x", engine.PreviewRunes)
	for name, tt := range map[string]struct{ message, edit, want engine.Content }{
		"text":      {textOf("my parzel"), textOf("my parcel"), textOf("my parcel")},
		"long text": {textOf("my parzel"), textOf(long), textOf("my parzel")},
		"caption":   {fileOf("my leek"), textOf("my leak"), fileOf("my leek")},
	} {
		w := newWorld(t)
		w.mustDo(customer, engine.Amend{
			Channel: channel, Contact: meera, External: "a", Target: "in-hi", SentAt: w.now, What: engine.Edited, Content: tt.edit,
		})
		b := w.writes("hi", 0)
		b.Content = tt.message
		w.mustDo(customer, b)
		if r := w.owed(); len(r.Messages) != 1 || !reflect.DeepEqual(r.Messages[0].Content, tt.want) {
			t.Errorf("%s: got %+v, want %+v", name, r.Messages, tt.want)
		}
	}
}

// TestRepeatingHasItsLimitToo: what used up its attempts is not repeated.
func TestRepeatingHasItsLimitToo(t *testing.T) {
	w := newWorld(t)
	reachActive(w)
	send := w.mustDo(bot, engine.SendMessage{Content: textOf("hello"), Repeatable: true})[0].Version
	for attempt := range engine.MaxAttempts {
		result := engine.AttemptResult{State: engine.Queued}
		if attempt == engine.MaxAttempts-1 {
			result.State = engine.Unknown
		}
		w.mustDo(courier, engine.AttemptSend{})
		w.mustDo(courier, engine.RecordAttempt{Send: send, Attempt: w.known[send].Attempt, Known: w.known[send], Result: result})
	}
	w.advance(engine.UnknownWait)
	w.mustDo(courier, engine.AttemptSend{})
	if d := w.known[send]; d.State != engine.Unknown || d.Repeated || len(w.c.Sends) > 0 {
		t.Errorf("got %+v and sends %+v, want it unknown for good", d, w.c.Sends)
	}
}

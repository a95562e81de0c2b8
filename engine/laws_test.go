package engine_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/intervenehq/intervene/engine"
)

// checkState holds c to what is true of every conversation at every version.
func checkState(t reporter, c *engine.Conversation) {
	t.Helper()
	if !c.Exists() {
		return
	}
	if c.Erased {
		checkErased(t, c)
		return
	}
	if held := c.Holder != ""; held != (c.Column == engine.Intervened) {
		t.Fatalf("got holder %q in column %s, want one in intervened and only there", c.Holder, c.Column)
	}
	if c.Column == engine.Intervened && c.Turn.Owed() {
		t.Fatalf("got turn %+v owed in intervened, want none", c.Turn)
	}
	if waits := c.Turn.Message != 0 || c.Turn.Returned != 0; waits != c.Turn.Owed() || waits != (c.Turn.At != 0) {
		t.Fatalf("got turn %+v, want it owed when something waits for the bot and only then", c.Turn)
	}
	for i, s := range c.Sends {
		if i > 0 && (s.State != engine.Queued || s.Version <= c.Sends[i-1].Version) {
			t.Fatalf("got sends %+v, want the oldest first and only that one attempted", c.Sends)
		}
		silent := c.Column == engine.Intervened || c.Updated < c.MutedUntil
		if silent && s.By == engine.Bot && s.State != engine.Attempted {
			t.Fatalf("got send %+v of the bot in %s, muted until %v, want it taken back", s, c.Column, c.MutedUntil)
		}
		if s.State == engine.Unknown && (!s.Repeatable || s.By != engine.Bot) {
			t.Fatalf("got send %+v unknown, want only the bot's repeatable ones to wait", s)
		}
	}
	if c.Turn.Owed() && c.Turn.At < c.MutedUntil {
		t.Fatalf("got turn %+v due while muted until %v, want it after", c.Turn, c.MutedUntil)
	}
	if (c.Turn.Until != 0 || c.Turn.Through != 0) && (!c.Turn.Owed() || c.Turn.Through < c.Turn.From || c.Turn.At < c.Turn.Until) {
		t.Fatalf("got turn %+v, want an accepted one owed, and looked at when its time is over", c.Turn)
	}
	if len(c.Media) > engine.MaxPendingMedia || len(c.Linked) > engine.MaxLinked || len(c.Ahead) > engine.MaxAmendedAhead {
		t.Fatalf("got %d files, %d links, %d amendments ahead, want them bounded", len(c.Media), len(c.Linked), len(c.Ahead))
	}
	checkTimers(t, c)
	checkProjections(t, c)
}

// checkErased: a tombstone holds what tells that the conversation was there, and
// nothing of what it was about.
func checkErased(t reporter, c *engine.Conversation) {
	t.Helper()
	want := engine.Conversation{
		ID: c.ID, Workspace: c.Workspace, Channel: c.Channel, Version: c.Version, Updated: c.Updated,
		Epoch: c.Epoch, OldestKept: c.Version, Outcomes: c.Outcomes, Erased: true,
	}
	if !reflect.DeepEqual(*c, want) {
		t.Fatalf("got %+v erased, want nothing but %+v", *c, want)
	}
	for i, o := range c.Outcomes {
		if o.Digest != (engine.Digest{}) && i < len(c.Outcomes)-1 {
			t.Fatalf("got outcome %+v in an erased conversation, want no digest but the erasure's", o)
		}
	}
	if got, want := c.Index(), (engine.Index{Workspace: c.Workspace, Channel: c.Channel}); got != want {
		t.Fatalf("got index %+v of an erased conversation, want %+v", got, want)
	}
}

// checkTimers: whatever can still lapse has a timer that will look at it.
func checkTimers(t reporter, c *engine.Conversation) {
	t.Helper()
	switch {
	case c.Column == engine.Active && c.WindowTimer == 0,
		c.Column.OnBoard() && c.WindowTimer == 0 && !c.WindowMarked:
		t.Fatalf("got no window timer in column %s, want one", c.Column)
	case c.Column == engine.History && c.WindowTimer != 0:
		t.Fatalf("got a window timer in history, want none")
	case c.WindowMarked && c.WindowOpen(c.Updated):
		t.Fatalf("got a mark on an open window, want none")
	case c.Column != engine.Intervened && c.AutoResolveTimer != 0:
		t.Fatalf("got an auto-resolve timer in column %s, want none", c.Column)
	}
}

// checkProjections: card and index say what the conversation says.
func checkProjections(t reporter, c *engine.Conversation) {
	t.Helper()
	index, card := c.Index(), c.Card()
	due := index.Due
	var file engine.Instant
	for _, m := range c.Media {
		if file == 0 || m.NotBefore < file {
			file = m.NotBefore
		}
	}
	if due[engine.DueMedia] != file || due[engine.DueRetention] != c.RetentionTimer {
		t.Fatalf("got due %v of %+v, want its files and its retention", due, c)
	}
	if due[engine.DueTurn] != c.Turn.At || due[engine.DueSend] != c.SendDue() ||
		due[engine.DueWindow] != c.WindowTimer || due[engine.DueAutoResolve] != c.AutoResolveTimer || due[0] != 0 {
		t.Fatalf("got due %v of %+v, want what it waits for", due, c)
	}
	if (due[engine.DueSend] != 0) != (len(c.Sends) > 0) {
		t.Fatalf("got send due %v of sends %+v, want it due while any waits", due[engine.DueSend], c.Sends)
	}
	if index.Workspace != c.Workspace || index.Channel != c.Channel || index.Column != c.Column ||
		index.Holder != c.Holder || index.Unread != c.Unread || !slices.Equal(index.TagList(), c.Tags) {
		t.Fatalf("got index %+v of %+v, want the same fields", index, c)
	}
	wantOrder, wantWaiting := c.LastActivity.Truncate(engine.RecencyStep), engine.Instant(0)
	switch c.Column {
	case engine.Requesting:
		wantOrder, wantWaiting = c.RequestedAt, c.RequestedAt
	case engine.Intervened:
		wantOrder = c.Since
	}
	if index.Order != wantOrder || index.WaitingSince != wantWaiting {
		t.Fatalf("got order %v, waiting since %v in %s, want %v and %v", index.Order, index.WaitingSince, c.Column, wantOrder, wantWaiting)
	}
	wantCard := engine.Card{
		Conversation: c.ID, Workspace: c.Workspace, Channel: c.Channel, Version: c.Version, Column: c.Column, Epoch: c.Epoch,
		Holder: c.Holder, Contact: c.Contact, Preview: c.Preview, Unread: c.Unread, Tags: c.Tags, Cause: c.Cause, Reason: c.Reason,
		RequestedAt: c.RequestedAt, Since: c.Since, LastActivity: c.LastActivity, WindowExpiresAt: c.WindowEnd(),
		OptedOut: c.OptedOut, MutedUntil: c.MutedUntil, Linked: c.Linked,
	}
	if !reflect.DeepEqual(card, wantCard) {
		t.Fatalf("got card %+v, want %+v", card, wantCard)
	}
}

// checkStep holds one command's way from before to after to the laws that need
// no knowledge of what came earlier.
func checkStep(t reporter, before, after *engine.Conversation, cmd engine.Command, events []engine.Event, err error, now engine.Instant) {
	t.Helper()
	at := max(now, before.Updated)
	for i, e := range events {
		if want := before.Version + uint64(i) + 1; e.Version != want {
			t.Fatalf("got version %d of %s, want %d", e.Version, e.Body.Kind(), want)
		}
		if e.At != at || e.By != cmd.By {
			t.Fatalf("got %s at %v by %v, want at %v by %v", e.Body.Kind(), e.At, e.By, at, cmd.By)
		}
		if last := i == len(events)-1; !e.Command.IsZero() && !(last && err == nil && e.Command == cmd.ID && e.Digest == cmd.Digest) {
			t.Fatalf("got command %s in event %d of %d (%v), want it in the last one of an accepted command alone", e.Command, i, len(events), err)
		}
	}
	if before.Holder != after.Holder {
		checkHandOver(t, before, after, cmd)
	} else if before.Epoch != after.Epoch && before.Exists() {
		t.Fatalf("got epoch %d after %d under one holder, want no change", after.Epoch, before.Epoch)
	}
	checkOutcome(t, before, after, cmd, events, err)
}

// checkHandOver: only these commands change the holder, and each raises the epoch.
func checkHandOver(t reporter, before, after *engine.Conversation, cmd engine.Command) {
	t.Helper()
	switch cmd.Body.(type) {
	case engine.Intervene, engine.TakeOver, engine.Transfer, engine.Resolve, engine.FireTimer, engine.Erase:
	default:
		t.Fatalf("got holder %q after %q by %T, want no change", after.Holder, before.Holder, cmd.Body)
	}
	if after.Epoch != before.Epoch+1 {
		t.Fatalf("got epoch %d after %d and another holder, want one more", after.Epoch, before.Epoch)
	}
	if after.Holder == "" && !after.Erased && (after.Turn.Returned != after.Version || after.Turn.From != after.Version) {
		t.Fatalf("got turn %+v after the hold ended at %d, want a returned turn", after.Turn, after.Version)
	}
}

// checkOutcome: accepted commands are remembered, refused ones leave no trace
// but what the bot said.
func checkOutcome(t reporter, before, after *engine.Conversation, cmd engine.Command, events []engine.Event, err error) {
	t.Helper()
	_, known := before.Outcome(cmd.ID)
	outcome, knows := after.Outcome(cmd.ID)
	switch {
	case err != nil && engine.CodeOf(err) == 0:
		t.Fatalf("got error %T, want an *engine.Error", err)
	case known && len(events) > 0:
		t.Fatalf("got %d events of a command that was accepted before, want none", len(events))
	case err != nil && knows && !known:
		t.Fatalf("got a refused %T remembered, want no trace", cmd.Body)
	case err == nil && !known && !cmd.ID.IsZero() && (outcome.Version != after.Version || outcome.Digest != cmd.Digest || len(events) == 0):
		t.Fatalf("got outcome %+v of %T, want it remembered at version %d", outcome, cmd.Body, after.Version)
	}
	if err == nil || len(events) == 0 {
		return
	}
	if cmd.By.Kind != engine.Bot {
		t.Fatalf("got %d events of a refused %T, want none", len(events), cmd.Body)
	}
	if events[0].Body.Kind() != engine.KindBotDiscarded {
		t.Fatalf("got %s first of what a refused bot left, want what it said", events[0].Body.Kind())
	}
}

// bodies has one of every kind of event.
var bodies = []engine.Body{
	engine.Opened{},
	engine.ContactChanged{},
	engine.MessageReceived{},
	engine.MessageQueued{},
	engine.DeliveryChanged{},
	engine.Moved{},
	engine.TurnEnded{},
	engine.BotDiscarded{},
	engine.MarkedRead{},
	engine.NoteAdded{},
	engine.Tagged{},
	engine.WindowLapsed{},
	engine.TimerArmed{},
	engine.Noted{},
	engine.Amended{},
	engine.EchoReceived{},
	engine.ContactLinked{},
	engine.ConsentChanged{},
	engine.MediaChanged{},
	engine.Trimmed{},
	engine.Erased{},
	engine.TurnAccepted{},
}

// reencode takes events to bytes and back, as a journal does: nothing that
// Apply reads may hide outside of what they say.
func reencode(t reporter, events []engine.Event) []engine.Event {
	t.Helper()
	copies := make([]engine.Event, len(events))
	for i, e := range events {
		if k := e.Body.Kind(); k == engine.KindOpened || k == engine.KindContactChanged {
			copies[i] = e // a contact is not encoded; it is texts alone, of which this is a copy
			continue
		}
		text, err := json.Marshal(e.Body)
		if err != nil {
			t.Fatalf("marshal %s: %v", e.Body.Kind(), err)
		}
		at := slices.IndexFunc(bodies, func(b engine.Body) bool { return b.Kind() == e.Body.Kind() })
		body := reflect.New(reflect.TypeOf(bodies[at]))
		decoder := json.NewDecoder(strings.NewReader(string(text)))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(body.Interface()); err != nil {
			t.Fatalf("unmarshal %s: %v", e.Body.Kind(), err)
		}
		copies[i] = e
		copies[i].Body = body.Elem().Interface().(engine.Body)
	}
	return copies
}

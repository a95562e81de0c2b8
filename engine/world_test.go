package engine_test

import (
	"reflect"
	"slices"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// Times in tests count from here.
var start = engine.InstantOf(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))

const (
	workspace = engine.WorkspaceID("acme")
	channel   = engine.ChannelID("acme-main")
)

var (
	customer = engine.Party{Kind: engine.Customer}
	bot      = engine.Party{Kind: engine.Bot, ID: "guide"}
	asha     = engine.Party{Kind: engine.Agent, ID: "asha"}
	ravi     = engine.Party{Kind: engine.Agent, ID: "ravi"}
	sita     = engine.Party{Kind: engine.Supervisor, ID: "sita"}
	courier  = engine.Party{Kind: engine.Engine}
	outside  = engine.Party{Kind: engine.Outside}
)

// parties are all that scenarios and random sequences know by name.
var parties = map[string]engine.Party{
	"customer": customer, "bot": bot, "asha": asha, "ravi": ravi, "sita": sita, "engine": courier, "outside": outside,
}

// reporter is what testing and rapid have in common.
type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
}

// world is one conversation with what the rest of the system knows of it: its
// log and how far each send has come.
type world struct {
	t      reporter
	c      engine.Conversation
	policy engine.Policy
	now    engine.Instant
	log    []engine.Event
	known  map[uint64]engine.Delivery
}

func newWorld(t reporter) *world {
	return &world{
		t:      t,
		c:      engine.Conversation{ID: engine.NewConversationID(7, [14]byte{1})},
		policy: engine.Policy{AutoResolveAfter: 24 * time.Hour},
		now:    start,
		known:  make(map[uint64]engine.Delivery),
	}
}

// do decides cmd and applies what it makes, and holds both to their laws.
func (w *world) do(cmd engine.Command) ([]engine.Event, error) {
	w.t.Helper()
	if cmd.Workspace == "" {
		cmd.Workspace = workspace
	}
	before := w.c.Clone()
	events, err := engine.Decide(&w.c, cmd, w.policy, w.now)
	if !same(w.c, before) {
		w.t.Fatalf("Decide(%T) changed its conversation: got %+v, want %+v", cmd.Body, w.c, before)
	}
	again, againErr := engine.Decide(&w.c, cmd, w.policy, w.now)
	if !reflect.DeepEqual(again, events) || !reflect.DeepEqual(againErr, err) {
		w.t.Fatalf("Decide(%T) twice: got %+v (%v), want %+v (%v)", cmd.Body, again, againErr, events, err)
	}
	w.apply(events, before)
	checkStep(w.t, &before, &w.c, cmd, events, err, w.now)
	checkState(w.t, &w.c)
	return events, err
}

// apply folds events into the conversation, while a copy of it and a clone stay
// what they were.
func (w *world) apply(events []engine.Event, before engine.Conversation) {
	w.t.Helper()
	replica := before.Clone()
	stale := w.c
	for i := range events {
		e := &events[i]
		w.c.Apply(e)
		switch b := e.Body.(type) {
		case engine.MessageQueued:
			w.known[e.Version] = engine.Delivery{State: engine.Queued, At: e.At}
			if d, ok := w.known[b.ResendOf]; ok {
				d.ResentAs = e.Version
				w.known[b.ResendOf] = d
			}
		case engine.DeliveryChanged:
			w.known[b.Send] = w.known[b.Send].Fold(b, e.At)
		}
	}
	w.log = append(w.log, events...)
	if !same(stale, before) {
		w.t.Fatalf("Apply changed a copy taken before: got %+v, want %+v", stale, before)
	}
	for _, e := range reencode(w.t, events) {
		replica.Apply(&e)
	}
	if !same(replica, w.c) {
		w.t.Fatalf("Apply of re-encoded events: got %+v, want %+v", replica, w.c)
	}
}

// same is reflect.DeepEqual, which under the race detector takes most of the
// tests' time over the outcomes' bytes.
func same(a, b engine.Conversation) bool {
	if !slices.Equal(a.Outcomes, b.Outcomes) || (a.Outcomes == nil) != (b.Outcomes == nil) {
		return false
	}
	a.Outcomes, b.Outcomes = nil, nil
	return reflect.DeepEqual(a, b)
}

// owed is the turn that the bot would be asked now.
func (w *world) owed() engine.TurnRequest {
	w.t.Helper()
	request, err := engine.TurnOf(&w.c, w.log[w.c.TurnStart()-1:])
	if err != nil {
		w.t.Fatalf("TurnOf: got %v, want a turn", err)
	}
	return request
}

// mustDo is do for what leads up to the step that a test is about.
func (w *world) mustDo(by engine.Party, body engine.CommandBody) []engine.Event {
	w.t.Helper()
	return w.must(engine.Command{By: by, Body: body})
}

func (w *world) must(cmd engine.Command) []engine.Event {
	w.t.Helper()
	events, err := w.do(cmd)
	if err != nil {
		w.t.Fatalf("%T by %s: got %v, want it accepted", cmd.Body, cmd.By.Kind, err)
	}
	return events
}

// writes is a message that the customer wrote so long ago.
func (w *world) writes(text string, ago time.Duration) engine.Receive {
	return engine.Receive{
		Channel: channel, Contact: meera,
		External: "in-" + text, SentAt: w.now.Add(-ago), Content: textOf(text),
	}
}

// answers is what the bot says to the turn that is owed now.
func (w *world) answers(texts ...string) engine.Command {
	w.t.Helper()
	request := w.owed()
	var say []engine.Content
	for _, text := range texts {
		say = append(say, textOf(text))
	}
	return request.Command(request.Answer(engine.TurnAnswer{Say: say}))
}

func (w *world) advance(d time.Duration) { w.now = w.now.Add(d) }

func textOf(text string) engine.Content {
	return engine.Content{Kind: engine.ContentText, Text: text}
}

// meera is the customer of every test.
var meera = engine.Contact{Name: "Meera", WaID: "15550100"}

const blob = engine.BlobID("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")

// fileOf is a picture as it comes.
func fileOf(caption string) engine.Content {
	return engine.Content{Kind: engine.ContentImage, Text: caption, Media: &engine.Media{ID: "media-" + caption, MIME: "image/jpeg"}}
}

func templateOf(name string, category engine.TemplateCategory) engine.Content {
	return engine.Content{Kind: engine.ContentTemplate, Template: &engine.Template{Name: name, Language: "en", Category: category}}
}

// oldestWithin is the version of the oldest event that is younger than so much;
// 0: none.
func (w *world) oldestWithin(retention time.Duration) uint64 {
	for i := range w.log {
		if w.log[i].At > w.now.Add(-retention) {
			return w.log[i].Version
		}
	}
	return 0
}

// resends is the resending of the message that the event send queued.
func (w *world) resends(send uint64) engine.ResendMessage {
	b := engine.ResendMessage{Send: send, Known: w.known[send]}
	for i := range w.log {
		if queued, ok := w.log[i].Body.(engine.MessageQueued); ok && w.log[i].Version == send {
			b.Content, b.ReplyTo = queued.Content, queued.ReplyTo
		}
	}
	return b
}

package actors_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/engine/media"
)

const (
	acme    engine.WorkspaceID = "acme"
	channel engine.ChannelID   = "acme-main"
)

// world is a whole engine without a network: real actors on a real journal, in
// memory and in virtual time. The platform and the bot are the test's.
type world struct {
	t       *testing.T
	fs      vfs.FS
	journal *journal.Journal
	router  *actors.Router
	inbox   *actors.Inbox
	board   *actors.Board
	courier *actors.Courier
	turns   *actors.Turns
	timers  *actors.Timers
	blobs   *media.Store
	media   *actors.Media
	erasure *actors.Erasure
	// registry has the metrics since the start.
	registry *prometheus.Registry

	source   shelf
	platform *platform
	bot      *echoBot
	policy   engine.Policy
	wamids   int
}

// run runs scenario on a world within a synctest bubble and takes it down.
func run(t *testing.T, policy engine.Policy, scenario func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, fs: vfs.NewMem(), platform: &platform{}, bot: &echoBot{}, policy: policy, source: shelf{files: make(map[string]string)},
		}
		w.start()
		defer w.stop()
		scenario(t, w)
	})
}

func (w *world) start() {
	w.t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	w.registry = prometheus.NewPedanticRegistry()
	var err error
	w.journal, err = journal.Open("data", journal.Options{
		FS: w.fs, Create: true, Logger: log, Fatal: func(err error) { panic(err) }, Registerer: w.registry,
	})
	if err != nil {
		w.t.Fatalf("open journal: %v", err)
	}
	w.router = actors.NewRouter(actors.RouterOptions{
		Store: w.journal, Holds: w.journal, Policies: map[engine.WorkspaceID]engine.Policy{acme: w.policy}, Log: log, Registerer: w.registry,
	})
	if w.board, err = actors.StartBoard(w.journal, w.registry, log); err != nil {
		w.t.Fatalf("build board: %v", err)
	}
	w.inbox = actors.NewInbox(w.router, w.journal, w.journal, 0)
	w.courier = actors.StartCourier(actors.CourierOptions{
		Router: w.router, Agenda: w.journal, Outbox: w.journal, Sender: w.platform, Pace: w.platform, Early: w.journal, Log: log, Registerer: w.registry,
	})
	if w.blobs, err = media.Open("media", media.Options{FS: w.fs}); err != nil {
		w.t.Fatalf("open media: %v", err)
	}
	w.timers = actors.StartTimers(actors.TimersOptions{Router: w.router, Agenda: w.journal, Blobs: w.blobs, Log: log, Registerer: w.registry})
	w.media = actors.StartMedia(actors.MediaOptions{
		Router: w.router, Agenda: w.journal, Outbox: w.journal, Source: &w.source, Blobs: w.blobs, Log: log, Registerer: w.registry,
	})
	w.erasure = actors.StartErasure(w.router, w.journal, w.blobs, log)
	w.turns = actors.StartTurns(actors.TurnsOptions{
		Router: w.router, Agenda: w.journal, Bots: map[engine.WorkspaceID]actors.Bot{acme: w.bot}, Log: log, Registerer: w.registry,
	})
}

func (w *world) stop() {
	w.t.Helper()
	ctx := context.Background()
	w.erasure.Stop()
	w.media.Stop(ctx)
	w.timers.Stop(ctx)
	w.turns.Stop(ctx)
	w.courier.Stop(ctx)
	if err := w.router.Drain(ctx); err != nil {
		w.t.Errorf("drain: %v", err)
	}
	w.router.Stop()
	w.board.Stop()
	if err := w.journal.Close(); err != nil {
		w.t.Errorf("close journal: %v", err)
	}
}

// restart takes the engine down in order and up again on the same disk.
func (w *world) restart() {
	w.t.Helper()
	w.stop()
	w.start()
}

// settle lets everything that is due now happen.
func (w *world) settle() {
	time.Sleep(2 * actors.AgendaInterval)
	synctest.Wait()
}

// says delivers a text of customer, and answers the item so that a test can
// deliver it again.
func (w *world) says(customer, text string) engine.Inbound {
	w.t.Helper()
	w.wamids++
	item := engine.Inbound{
		Workspace: acme, Channel: channel,
		Message: &engine.Receive{
			Contact:  engine.Contact{Name: customer, WaID: "wa-" + customer},
			External: fmt.Sprintf("in-%s-%d", customer, w.wamids), SentAt: engine.InstantOf(time.Now()),
			Content: engine.Content{Kind: engine.ContentText, Text: text},
		},
	}
	w.deliver(item)
	return item
}

func (w *world) deliver(items ...engine.Inbound) {
	w.t.Helper()
	for i, err := range w.inbox.Receive(context.Background(), items) {
		if err != nil {
			w.t.Fatalf("deliver item %d: %v", i, err)
		}
	}
}

// of finds customer's conversation.
func (w *world) of(customer string) engine.ConversationID {
	w.t.Helper()
	id, ok, err := w.journal.ByIdentity(channel, engine.Identity{Kind: engine.IdentityWaID, Value: "wa-" + customer})
	if err != nil || !ok {
		w.t.Fatalf("conversation of %s: found %v, error %v", customer, ok, err)
	}
	return id
}

func (w *world) card(customer string) engine.Card {
	w.t.Helper()
	card, err := w.journal.Card(w.of(customer))
	if err != nil {
		w.t.Fatalf("card of %s: %v", customer, err)
	}
	return card
}

// do gives a command of party.
func (w *world) do(customer string, by engine.Party, body engine.CommandBody) (engine.Receipt, error) {
	w.t.Helper()
	return w.router.Do(context.Background(), w.of(customer), engine.Command{Workspace: acme, By: by, Body: body})
}

func (w *world) must(customer string, by engine.Party, body engine.CommandBody) engine.Receipt {
	w.t.Helper()
	receipt, err := w.do(customer, by, body)
	if err != nil {
		w.t.Fatalf("%T by %s: %v", body, by.ID, err)
	}
	return receipt
}

func (w *world) events(customer string) []engine.Event {
	w.t.Helper()
	events, err := w.journal.Events(w.of(customer), 0, 10_000)
	if err != nil {
		w.t.Fatalf("events of %s: %v", customer, err)
	}
	for i, e := range events {
		if e.Version != uint64(i+1) {
			w.t.Fatalf("event %d has version %d, want contiguous from 1", i, e.Version)
		}
	}
	return events
}

func agent(id engine.AgentID) engine.Party { return engine.Party{Kind: engine.Agent, ID: id} }

func text(s string) engine.SendMessage {
	return engine.SendMessage{Content: engine.Content{Kind: engine.ContentText, Text: s}}
}

// echoBot answers each turn with one message, and asks for a person when it
// reads "person". fail makes it fail, hold makes it wait.
type echoBot struct {
	mu    sync.Mutex
	turns []engine.TurnRequest
	fail  error
	hold  chan struct{}
}

func (b *echoBot) Turn(ctx context.Context, r engine.TurnRequest) (engine.TurnAnswer, error) {
	b.mu.Lock()
	b.turns = append(b.turns, r)
	fail, hold := b.fail, b.hold
	b.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return engine.TurnAnswer{}, ctx.Err()
		}
	}
	if fail != nil || len(r.Messages) == 0 {
		return engine.TurnAnswer{}, fail
	}
	newest := r.Messages[len(r.Messages)-1].Content.Text
	return engine.TurnAnswer{
		Say:     []engine.Content{{Kind: engine.ContentText, Text: "bot: " + newest}},
		Request: newest == "person",
	}, nil
}

func (b *echoBot) asked() []engine.TurnRequest {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]engine.TurnRequest(nil), b.turns...)
}

func (b *echoBot) set(fail error, hold chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail, b.hold = fail, hold
}

// platform accepts every send, unless answer says otherwise.
type platform struct {
	mu     sync.Mutex
	sent   []engine.Outbound
	wait   time.Duration // what Reserve answers
	asked  int           // how often
	answer func(engine.Outbound) (engine.AttemptResult, time.Duration)
}

func (p *platform) Send(_ context.Context, o engine.Outbound) (engine.AttemptResult, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answer != nil {
		if result, after := p.answer(o); result.State != engine.Accepted {
			return result, after
		}
	}
	p.sent = append(p.sent, o)
	return engine.AttemptResult{State: engine.Accepted, External: "out-" + o.ID.String()}, 0
}

func (p *platform) Reserve(engine.ChannelID, engine.Contact) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	return p.wait
}

func (p *platform) pace(wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wait = wait
}

func (p *platform) set(answer func(engine.Outbound) (engine.AttemptResult, time.Duration)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

// texts are what customer was sent, in order.
func (p *platform) texts(customer string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var texts []string
	for _, o := range p.sent {
		if o.To.WaID == "wa-"+customer {
			texts = append(texts, o.Content.Text)
		}
	}
	return texts
}

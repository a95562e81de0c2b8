package sim

import (
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// ledger is what was seen outside of the engine: what was written to it, what
// it acknowledged, sent and showed. It is the auditor's only source besides
// what can be read of the engine at rest.
type ledger struct {
	start time.Time

	mu         sync.Mutex
	trace      []string
	violations []string
	// The engine's guarantees are about all of what follows.
	stories map[engine.ConversationID]*story
	written map[standin.WAMID]*written
	ops     map[engine.CommandID]*op
	claims  []claim
	calls   []*call
	turns   []*turn
	// said are what the bot answered, by conversation.
	said map[engine.ConversationID]map[string]bool
	// order is stories' and ops' own, so that nothing depends on a map's.
	order   []engine.ConversationID
	opOrder []*op
}

// story is one conversation as the engine has shown it.
type story struct {
	id     engine.ConversationID
	events map[uint64]engine.Event
	cards  map[uint64]engine.Card
	newest uint64 // that was shown
	// delivery is the furthest state of each send that was shown.
	delivery map[uint64]engine.DeliveryState
	where    string // it was shown first
	// workspace is that of the board, the agent or the bot that saw it.
	workspace engine.WorkspaceID
}

// written is one message of a customer.
type written struct {
	customer *customer
	contact  engine.Contact
	text     string
	sentAt   engine.Instant
}

// op is one command with all of its repetitions.
type op struct {
	id           engine.CommandID
	digest       engine.Digest
	conversation engine.ConversationID
	workspace    engine.WorkspaceID // of the caller
	by           engine.Party
	body         engine.CommandBody
	// epoch is what the caller believes; 0: it does not say.
	epoch   uint64
	began   engine.Instant
	ended   engine.Instant // when it was first told of its success
	receipt *engine.Receipt
	// refused is the newest refusal, if nothing but refusals and unknown
	// outcomes came.
	refused *engine.Error
	foreign bool // of another workspace's conversation
}

// claim is where a refusal said that a conversation stands at some instant of
// the call.
type claim struct {
	conversation engine.ConversationID
	column       engine.Column
	holder       engine.AgentID
	epoch        uint64
	begin, end   engine.Instant
	op           *op
}

// call is one request to the platform.
type call struct {
	op         engine.MessageID
	life       int
	begin, end engine.Instant
}

// turn is one asking of the bot.
type turn struct {
	id         engine.MessageID
	life       int
	begin, end engine.Instant
}

func newLedger() *ledger {
	return &ledger{
		start: time.Now(), stories: make(map[engine.ConversationID]*story), written: make(map[standin.WAMID]*written),
		ops: make(map[engine.CommandID]*op), said: make(map[engine.ConversationID]map[string]bool),
	}
}

// maxTrace bounds what a failure prints, maxViolations how many are told.
const (
	maxTrace      = 120
	maxViolations = 15
)

func (l *ledger) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.noteLocked(format, args...)
}

func (l *ledger) noteLocked(format string, args ...any) {
	l.trace = append(l.trace, fmt.Sprintf("%12s ", time.Since(l.start).Round(time.Millisecond))+fmt.Sprintf(format, args...))
	if len(l.trace) > 2*maxTrace {
		l.trace = append(l.trace[:0], l.trace[maxTrace:]...)
	}
}

// violate tells of a broken guarantee.
func (l *ledger) violate(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.violateLocked(format, args...)
}

func (l *ledger) violateLocked(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	l.violations = append(l.violations, text)
	l.noteLocked("VIOLATION %s", text)
}

func (l *ledger) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.violations) > 0
}

// storyOf is called with mu held.
func (l *ledger) storyOf(id engine.ConversationID, where string) *story {
	s, ok := l.stories[id]
	if !ok {
		s = &story{
			id: id, where: where, events: make(map[uint64]engine.Event), cards: make(map[uint64]engine.Card),
			delivery: make(map[uint64]engine.DeliveryState),
		}
		l.stories[id] = s
		l.order = append(l.order, id)
	}
	return s
}

// reaches says that version of a conversation was shown.
func (l *ledger) reaches(id engine.ConversationID, version uint64, where string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.storyOf(id, where)
	if version > s.newest {
		s.newest, s.where = version, where
	}
}

// event says that e was shown: it is the same to whoever sees it, ever.
func (l *ledger) event(id engine.ConversationID, e *engine.Event, where string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.storyOf(id, where)
	if known, ok := s.events[e.Version]; ok {
		if !reflect.DeepEqual(known, *e) {
			l.violateLocked("one order: %s shows event %d of %s as %s at %d, it was %s at %d before",
				where, e.Version, id, e.Body.Kind(), e.At, known.Body.Kind(), known.At)
		}
		return
	}
	s.events[e.Version] = *e
	if e.Version > s.newest {
		s.newest, s.where = e.Version, where
	}
}

// card says that c was shown to somebody of a workspace.
func (l *ledger) card(c *engine.Card, workspace engine.WorkspaceID, where string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.Workspace != workspace {
		l.violateLocked("workspaces: %s of %s shows %s of %s", where, workspace, c.Conversation, c.Workspace)
	}
	shown := *c
	if len(shown.Tags) == 0 {
		shown.Tags = nil
	}
	s := l.storyOf(c.Conversation, where)
	s.workspace = c.Workspace
	if known, ok := s.cards[c.Version]; ok && !reflect.DeepEqual(known, shown) {
		l.violateLocked("one order: %s shows %s at version %d with another card than before: %s", where, c.Conversation, c.Version, cardDifference(&known, &shown))
	}
	s.cards[c.Version] = shown
	if c.Version > s.newest {
		s.newest, s.where = c.Version, where
	}
}

// cardDifference names the fields, never what they hold.
func cardDifference(a, b *engine.Card) string {
	x, y := reflect.ValueOf(*a), reflect.ValueOf(*b)
	text := ""
	for i := range x.NumField() {
		if !reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
			text += " " + x.Type().Field(i).Name
		}
	}
	return text
}

// message says that m was read.
func (l *ledger) message(m *engine.Message, where string) {
	l.event(m.ID.Conversation, &m.Event, where)
	if m.Delivery.State == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.storyOf(m.ID.Conversation, where)
	before := s.delivery[m.ID.Version]
	// A send that was surely not sent is queued again: only that goes back.
	again := m.Delivery.State <= engine.Attempted && before <= engine.Attempted
	if !again && standing(m.Delivery.State) < standing(before) {
		l.violateLocked("statuses: %s shows send %s as %s after %s", where, m.ID, m.Delivery.State, before)
	}
	s.delivery[m.ID.Version] = m.Delivery.State
}

// standing orders states by how far a send has come; no status changes a final one.
func standing(s engine.DeliveryState) int {
	switch s {
	case engine.Queued, engine.Attempted:
		return 1
	case engine.Unknown:
		return 2
	case engine.Accepted:
		return 3
	case engine.Sent:
		return 4
	case engine.Delivered:
		return 5
	case engine.Read:
		return 6
	case engine.Played:
		return 7
	case engine.Failed, engine.Rejected, engine.Discarded:
		return 8
	}
	return 0
}

func (l *ledger) wrote(id standin.WAMID, w *written) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.written[id] = w
	l.noteLocked("%s writes %q", w.customer.name, w.text)
}

func (l *ledger) begin(o *op) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o.began = engine.InstantOf(time.Now())
	l.ops[o.id] = o
	l.opOrder = append(l.opOrder, o)
}

// answered says what o was told at once of its calls.
func (l *ledger) answered(o *op, since engine.Instant, receipt engine.Receipt, err error) {
	if err == nil {
		l.card(&receipt.Card, o.workspace, "receipt")
		l.reaches(o.conversation, receipt.Version, "receipt")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := engine.InstantOf(time.Now())
	l.noteLocked("%s %T epoch %d in %s: version %d, error %v", o.by.ID, o.body, o.epoch, short(o.conversation), receipt.Version, err)
	if err != nil {
		refusal, _ := err.(*engine.Error)
		o.refused = refusal
		l.checkText(err)
		if o.receipt != nil {
			l.violateLocked("effects once: %s of %s was accepted and, repeated, refused: %v", o.id, o.conversation, err)
		}
		l.checkRefusal(o, refusal, since, now)
		return
	}
	if receipt.Card.Tags != nil && len(receipt.Card.Tags) == 0 {
		receipt.Card.Tags = nil
	}
	if o.receipt == nil {
		o.receipt, o.ended = &receipt, now
		return
	}
	if !reflect.DeepEqual(*o.receipt, receipt) {
		l.violateLocked("first outcome: %s of %s got version %d (card of %d) first, and version %d (card of %d) when it was repeated",
			o.id, o.conversation, o.receipt.Version, o.receipt.Card.Version, receipt.Version, receipt.Card.Version)
	}
}

// checkRefusal notes where the refused was told that the conversation stands,
// to be compared with the events.
func (l *ledger) checkRefusal(o *op, e *engine.Error, since, now engine.Instant) {
	if e == nil || e.Column == 0 {
		return
	}
	l.claims = append(l.claims, claim{o.conversation, e.Column, e.Holder, e.Epoch, since, now, o})
}

func short(id engine.ConversationID) string { return id.String()[20:] }

func (l *ledger) conversations(workspace engine.WorkspaceID) []engine.ConversationID {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []engine.ConversationID
	for _, id := range l.order {
		if l.stories[id].workspace == workspace {
			ids = append(ids, id)
		}
	}
	return ids
}

func (l *ledger) says(id engine.ConversationID, texts ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.said[id] == nil {
		l.said[id] = make(map[string]bool)
	}
	for _, text := range texts {
		l.said[id][text] = true
	}
}

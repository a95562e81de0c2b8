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
	choices []choice
	claims  []claim
	calls   []*call
	turns   []*turn
	// files are the hashes under which each file was downloaded.
	files map[string][]string
	// uploaded are the files of agents, deleted those of customers that the platform
	// has lost.
	uploaded map[engine.BlobID][]byte
	deleted  map[string]bool
	// stripped are the messages of which a status came without an op id.
	stripped map[string]bool
	// restores are those that the journal has come through, lost the items that were
	// acknowledged by a journal that was lost.
	restores []*restored
	lost     map[item]bool
	// said are what the bot answered, by conversation.
	said map[engine.ConversationID]map[string]bool
	// order is stories' and ops' own, so that nothing depends on a map's.
	order   []engine.ConversationID
	opOrder []*op
}

// written is one thing that a customer wrote or did, or that somebody of the
// business wrote to them from elsewhere.
type written struct {
	customer *customer
	text     string
	sentAt   engine.Instant
	file     string           // the hash of a picture
	what     engine.Amendment // of target; 0: it is a message
	target   standin.WAMID
	echo     bool
	change   engine.Contact // what they are known as from now on
}

func (w *written) String() string {
	if w == nil {
		return "nobody's"
	}
	return fmt.Sprintf("%s: %q, %s of %s, echo: %v, changed: %v", w.customer.name, w.text, w.what, w.target, w.echo, w.change != (engine.Contact{}))
}

// choice is what a customer chose about marketing.
type choice struct {
	customer *customer
	consent  engine.Consent
	at       engine.Instant
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
	epoch uint64
	// edge says that it is given by calls of the edge, which says its digest.
	edge    bool
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
	// lost: that it was begun is not in the journal that was restored.
	lost bool
}

// turn is one asking of the bot.
type turn struct {
	id         engine.MessageID
	life       int
	begin, end engine.Instant
	// What it was told.
	through, epoch uint64
	column         engine.Column
	variables      []engine.Variable
	returned       bool
}

func newLedger() *ledger {
	return &ledger{
		start: time.Now(), stories: make(map[engine.ConversationID]*story), written: make(map[standin.WAMID]*written),
		ops: make(map[engine.CommandID]*op), said: make(map[engine.ConversationID]map[string]bool),
		files: make(map[string][]string), uploaded: make(map[engine.BlobID][]byte), deleted: make(map[string]bool), stripped: make(map[string]bool), lost: make(map[item]bool),
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
	if len(l.trace) > 2*maxTrace && !*verbose {
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
	l.noteLocked("%s is written", w)
}

func (l *ledger) chose(c choice) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.choices = append(l.choices, c)
	l.noteLocked("%s wants marketing: %s", c.customer.name, c.consent)
}

func (l *ledger) begin(o *op) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o.began = engine.InstantOf(time.Now())
	l.ops[o.id] = o
	l.opOrder = append(l.opOrder, o)
	if _, ok := o.body.(engine.Erase); ok {
		l.stories[o.conversation].erasing = true
	}
}

// answered says what o was told at once of its calls.
func (l *ledger) answered(o *op, since engine.Instant, receipt engine.Receipt, err error) {
	if err == nil {
		if o.conversation.IsZero() {
			o.conversation = receipt.Card.Conversation // that it has begun
		}
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
	if !reflect.DeepEqual(*o.receipt, receipt) && !l.stories[o.conversation].erasing {
		l.violateLocked("first outcome: %s of %s got version %d (card of %d) first, and version %d (card of %d) when it was repeated",
			o.id, o.conversation, o.receipt.Version, o.receipt.Card.Version, receipt.Version, receipt.Card.Version)
	}
}

// checkRefusal notes where the refused was told that the conversation stands,
// to be compared with the events.
func (l *ledger) checkRefusal(o *op, e *engine.Error, since, now engine.Instant) {
	if e == nil || e.Column == 0 || o.conversation.IsZero() {
		return
	}
	l.claims = append(l.claims, claim{o.conversation, e.Column, e.Holder, e.Epoch, since, now, o})
}

func short(id engine.ConversationID) string { return id.String()[20:] }

func (l *ledger) isAccepted(o *op) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return o.receipt != nil
}

func (l *ledger) conversations(workspace engine.WorkspaceID) []engine.ConversationID {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []engine.ConversationID
	for _, id := range l.order {
		if story := l.stories[id]; story.workspace == workspace && (!story.erasing || len(ids) == 0) {
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

func (l *ledger) downloaded(id, sum string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files[id] = append(l.files[id], sum)
}

func (l *ledger) strip(wamid string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stripped[wamid] = true
}

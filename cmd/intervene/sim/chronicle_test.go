package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// chronicle reads a conversation's events in order and holds each against the
// design: a second reading of the column table and the guarantees, which knows
// nothing of how the engine decides.
type chronicle struct {
	ledger *ledger
	plan   *plan
	id     engine.ConversationID

	version    uint64
	at         engine.Instant
	workspace  engine.WorkspaceID
	channel    engine.ChannelID
	contact    engine.Contact
	ever       []engine.Identity // that it claims
	column     engine.Column
	holder     engine.AgentID
	epoch      uint64
	customerAt engine.Instant
	activity   engine.Instant // the newest message
	since      engine.Instant // of the hold
	marked     bool           // the window is known to have closed
	tags       []string
	variables  []engine.Variable
	heldFrom   uint64         // the newest intervene
	mutedUntil engine.Instant // somebody outside has the word
	optedOut   bool
	chosenAt   engine.Instant // that, by the platform's clock

	// unanswered are the customer's messages that the bot owes an answer to;
	// returned is the resolve that it is to be told of.
	unanswered []uint64
	returned   uint64
	sends      map[uint64]*sending
	order      []uint64
	// unasked is whose command the newest events rest on, until it is named.
	unasked engine.Party
	// discards are what the events after a hand-over must say of the bot's sends.
	discards []discard
	amended  []engine.Amended
	files    map[uint64]*picture

	states []stand // as each event left it
	cards  engine.Conversation
}

// stand is where a conversation stood, from one event to the next.
type stand struct {
	at     engine.Instant
	column engine.Column
	holder engine.AgentID
	epoch  uint64
	tags   []string
	// variables are what the bot remembers.
	variables []engine.Variable
}

func newChronicle(l *ledger, p *plan, id engine.ConversationID) *chronicle {
	return &chronicle{ledger: l, plan: p, id: id, sends: make(map[uint64]*sending), files: make(map[uint64]*picture), cards: engine.Conversation{ID: id}}
}

func (c *chronicle) wrong(guarantee, format string, args ...any) {
	c.ledger.violateLocked("%s: %s event %d: %s", guarantee, c.id, c.version, fmt.Sprintf(format, args...))
}

func (c *chronicle) open(at engine.Instant) bool {
	return c.customerAt != 0 && at < c.customerAt.Add(engine.Window)
}

// read takes the next event.
func (c *chronicle) read(e *engine.Event) {
	if e.Version != c.version+1 || e.At < c.at {
		c.wrong("one order", "version %d at %d follows on version %d at %d", e.Version, e.At, c.version, c.at)
	}
	c.version, c.at = e.Version, e.At
	c.expectDiscard(e)
	c.asked(e)
	switch b := e.Body.(type) {
	case engine.Opened:
		c.opened(b)
	case engine.ContactChanged:
		c.meets(b.Contact)
		if w := c.ledger.written[standin.WAMID(b.External)]; b.External != "" && (w == nil || w.change == (engine.Contact{})) {
			c.wrong("nothing is invented", "no customer changed in %s", b.External)
		}
	case engine.Amended:
		c.amends(b)
	case engine.EchoReceived:
		c.hears(e, b)
	case engine.ConsentChanged:
		c.chooses(b)
	case engine.MediaChanged:
		c.downloads(b)
	case engine.MessageReceived:
		c.received(e, b)
	case engine.MessageQueued:
		c.queued(e, b)
	case engine.DeliveryChanged:
		c.delivery(e, b)
	case engine.Moved:
		c.moved(e, b)
	case engine.TurnEnded:
		c.turnEnded(b)
	case engine.WindowLapsed:
		if c.column == engine.Active || c.open(e.At) {
			c.wrong("timers", "the window is marked closed in %s, open: %v", c.column, c.open(e.At))
		}
		c.marked = true
	case engine.BotDiscarded:
		c.botWord(b.Content.Text)
	case engine.Tagged:
		c.tags = b.Tags
	}
	c.cards.Apply(e)
	if got := &c.cards; got.Column != c.column || got.Holder != c.holder || got.Epoch != c.epoch {
		c.wrong("one holder", "the engine makes it %s, %q, epoch %d, the design %s, %q, epoch %d",
			got.Column, got.Holder, got.Epoch, c.column, c.holder, c.epoch)
	}
	c.states = append(c.states, stand{e.At, c.column, c.holder, c.epoch, c.tags, c.variables})
}

// asked: what a person does rests on a command that they gave, which the last of
// its events names.
func (c *chronicle) asked(e *engine.Event) {
	if c.unasked != (engine.Party{}) && e.By != c.unasked {
		c.wrong("nothing is invented", "nobody asked %s for what stands before it", c.unasked.ID)
	}
	c.unasked = engine.Party{}
	switch o := c.ledger.ops[e.Command]; {
	case e.Command.IsZero():
		if e.By.Kind == engine.Agent || e.By.Kind == engine.Supervisor {
			c.unasked = e.By
		}
	case o != nil && o.conversation.IsZero():
		o.conversation = c.id // nobody was told that it has begun
	case o == nil || o.conversation != c.id || o.by != e.By || o.digest != e.Digest:
		c.wrong("nothing is invented", "%s gave no command %s", e.By.ID, e.Command)
	}
}

func (c *chronicle) opened(b engine.Opened) {
	if c.version != 1 {
		c.wrong("one order", "it opens twice")
	}
	c.workspace, c.channel = b.Workspace, b.Channel
	c.meets(b.Contact)
	c.column, c.epoch = engine.History, 1
	if n := c.plan.numberOf(b.Channel); n.workspace != b.Workspace {
		c.wrong("workspaces", "channel %s is not of workspace %s", b.Channel, b.Workspace)
	}
}

func (c *chronicle) received(e *engine.Event, b engine.MessageReceived) {
	w, ok := c.ledger.written[standin.WAMID(b.External)]
	switch {
	case !ok:
		c.wrong("nothing is invented", "no customer wrote %s", b.External)
		return
	case w.text != b.Content.Text || w.sentAt != b.SentAt || w.what != 0 || w.echo:
		c.wrong("nothing is invented", "message %s is not what was written", b.External)
	case w.customer.number.channel != c.channel:
		c.wrong("workspaces", "message %s was written to %s", b.External, w.customer.number.channel)
	}
	if w.file != "" {
		c.files[e.Version] = &picture{file: w.file, status: engine.MediaStatus{State: engine.MediaPending}, content: b.Content}
	}
	c.customerAt, c.activity = max(c.customerAt, min(b.SentAt, e.At)), e.At
	if c.open(e.At) {
		c.marked = false
	}
	if c.column == engine.History || c.column == engine.Active && !c.open(e.At) {
		c.wrong("the columns", "a message is received in %s, window open: %v", c.column, c.open(e.At))
	}
	if c.column != engine.Intervened && c.open(e.At) {
		c.unanswered = append(c.unanswered, e.Version)
	}
}

// moved checks a transition by its cause.
func (c *chronicle) moved(e *engine.Event, b engine.Moved) {
	from, by := c.column, e.By
	supervisor := by.Kind == engine.Supervisor
	human := supervisor || by.Kind == engine.Agent
	idle := e.At.Sub(max(c.activity, c.since))
	policy := c.plan.policies[c.workspace]
	back := b.Holder == "" && (b.To == engine.Active && c.open(e.At) || b.To == engine.History && !c.open(e.At))
	var right bool
	switch b.Cause {
	case engine.CauseCustomerMessage:
		right = from == engine.History && b.To == engine.Active
	case engine.CauseRequested, engine.CauseBotUnavailable:
		right = from == engine.Active && b.To == engine.Requesting
	case engine.CauseWindowClosed:
		right = (from == engine.Active || from == engine.History) && b.To == engine.Requesting
		c.unanswered, c.returned, c.marked = nil, 0, true
	case engine.CauseWithdrawn:
		right = from == engine.Requesting && back
	case engine.CauseDismissed:
		right = from == engine.Requesting && back && human
	case engine.CauseIntervened:
		right = (from == engine.Requesting || from == engine.Active && policy.TakeoverFromActive) &&
			b.To == engine.Intervened && human && b.Holder == by.ID
	case engine.CauseTakenOver:
		right = from == engine.Intervened && b.To == from && supervisor && b.Holder == by.ID && b.Holder != c.holder
	case engine.CauseTransferred:
		right = from == engine.Intervened && b.To == from && (supervisor || by.ID == c.holder) && b.Holder != c.holder && b.Holder != ""
	case engine.CauseResolved:
		right = from == engine.Intervened && back && (supervisor || by.ID == c.holder)
	case engine.CauseAutoResolved:
		right = from == engine.Intervened && back && by.Kind == engine.Engine && policy.AutoResolveAfter > 0 && idle >= policy.AutoResolveAfter
	case engine.CauseWindowLapsed:
		right = from == engine.Active && b.To == engine.History && by.Kind == engine.Engine && !c.open(e.At) && len(c.unanswered) == 0
	}
	if !right {
		c.wrong("the columns", "%s %q moves it from %s of %q to %s of %q because of %s", by.Kind, by.ID, from, c.holder, b.To, b.Holder, b.Cause)
	}
	c.land(e, from, b)
}

func (c *chronicle) land(e *engine.Event, from engine.Column, b engine.Moved) {
	if b.Holder != c.holder {
		c.epoch++
		c.since = e.At
	}
	c.column, c.holder = b.To, b.Holder
	switch {
	case b.To == engine.Intervened && from != engine.Intervened:
		c.unanswered, c.returned = nil, 0
		c.heldFrom = e.Version
		c.silences()
	case from == engine.Intervened && b.To != engine.Intervened:
		c.unanswered, c.returned = nil, e.Version
	}
}

func (c *chronicle) turnEnded(b engine.TurnEnded) {
	if len(c.unanswered) == 0 && c.returned == 0 {
		c.wrong("turns", "a turn ends that the bot does not owe")
	}
	c.unanswered = slices.DeleteFunc(c.unanswered, func(v uint64) bool { return v <= b.Through })
	if b.Variables != nil {
		c.variables = b.Variables
	}
	if c.returned <= b.Through {
		c.returned = 0
	}
}

// rests checks that nothing is owed any more.
func (c *chronicle) rests() {
	if c.unasked != (engine.Party{}) {
		c.wrong("nothing is invented", "nobody asked %s for it", c.unasked.ID)
	}
	if len(c.unanswered) > 0 {
		c.wrong("turns", "the customer's message %d was never answered", c.unanswered[0])
	}
	if c.returned > 0 {
		c.wrong("turns", "the bot was never told of the resolve %d", c.returned)
	}
	for _, version := range c.order {
		if s := c.sends[version]; s.state <= engine.Attempted || s.waiting {
			c.wrong("sends", "send %d is still %s", version, s.state)
		}
	}
}

// timerSlack is how late a timer may fire.
const timerSlack = time.Minute

// lapsed checks that every timer has fired, long after the last message.
func (c *chronicle) lapsed(now engine.Instant) {
	idle, after := now.Sub(max(c.activity, c.since)), c.plan.policies[c.workspace].AutoResolveAfter
	switch {
	case c.open(now): // a message of which the platform says that it came from the future
	case c.column == engine.Active:
		c.wrong("timers", "it is Active, %s after its window has closed", now.Sub(c.customerAt.Add(engine.Window)))
	case c.column == engine.Intervened && after > 0 && idle > after+timerSlack:
		c.wrong("timers", "%s still holds it, idle for %s", c.holder, idle)
	case c.column != engine.History && !c.marked:
		c.wrong("timers", "its window has closed and is not marked so")
	}
}

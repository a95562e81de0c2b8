package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/intervenehq/intervene/engine"
)

// request is what the router puts into a conversation's mailbox: a command, or
// a question. It is its asker's, who runs it.
type request struct {
	command engine.Command
	ask     question
	at      time.Time
	lane    Lane
	to      *entry
	answer  response
	ctx     context.Context // of whoever asked
	span    Span            // of the command; nil: it is not recorded

	// Owned by the mailbox: the request that waits behind this one, and whether
	// it had the turn at once. Turns has room for the word that it has.
	box     *mailbox
	next    *request
	granted bool
	turns   chan struct{}
}

// question is what a request asks instead of giving a command.
type question uint8

const (
	askNothing question = iota
	askTurn             // for the turn that the bot owes
	askWork             // for what waits to be sent and downloaded
)

// response is what the actor answers.
type response struct {
	receipt engine.Receipt
	events  []engine.Event
	due     engine.Instant // of the courier's work, after an attempt
	turn    *engine.TurnRequest
	work    *work
	err     error
}

// work is what a conversation waits for, besides the bot.
type work struct {
	channel engine.ChannelID
	contact engine.Contact
	sendDue engine.Instant
	media   []engine.PendingMedia
	// retention is how long its workspace keeps content; 0: for ever.
	retention time.Duration
}

// conversation is the actor of one conversation.
type conversation struct {
	router *Router

	// Owned by Receive. The first request says which conversation it is: entry
	// counts the requests that were handled, which the router compares with what
	// it sent before it lets go of the actor. state is nil when it must be loaded: at first, and
	// after anything went wrong, so that what is not durable never survives.
	id    engine.ConversationID
	entry *entry
	state *engine.Conversation
	index engine.Index
	known deliveries
	// panics counts those of this actor; quarantined is why it takes nothing.
	panics      int
	quarantined error
}

// maxPanics is how often a conversation may panic before it is quarantined: once
// may be the command's fault and chance, twice is the conversation's.
const maxPanics = 2

// Receive runs one message at a time, on the goroutine of whoever asked. It
// blocks in the journal's append, which keeps the order plain.
func (c *conversation) Receive(ctx actor.Context) {
	r, ok := ctx.Message().(*request)
	if !ok {
		return // protoactor's own: started, stopping, stopped
	}
	if c.entry == nil {
		c.id, c.entry = r.to.id, r.to
	}
	if r.span != nil {
		r.span.Set(slog.Duration(attrWait, time.Since(r.at)))
	}
	r.answer = c.answer(r)
	c.router.metrics.observe(r)
	c.entry.empty.Store(c.state != nil && !c.state.Exists())
}

// answer recovers here: a panic that reached supervision would lose the
// request without an answer.
func (c *conversation) answer(r *request) (answer response) {
	defer func() {
		if cause := recover(); cause != nil {
			c.state = nil
			c.panics++
			c.router.metrics.restarts.Inc()
			c.router.log.ErrorContext(r.ctx, "conversation panicked", slog.String("conversation", c.id.String()),
				slog.String("panic", panicKind(cause)), slog.String("stack", string(debug.Stack())))
			answer = response{err: engine.Errorf(engine.CodeUnavailable, "conversation panicked")}
			if c.panics == maxPanics {
				answer = response{err: c.quarantine(r.ctx, "it panicked twice")}
			}
		}
	}()
	if c.quarantined != nil {
		return response{err: c.quarantined}
	}
	if err := c.load(r.ctx); err != nil {
		return response{err: err}
	}
	switch r.ask {
	case askTurn:
		answer = c.askTurn()
	case askWork:
		answer = response{work: c.work()}
	default:
		answer = c.run(r)
	}
	if engine.CodeOf(answer.err) == engine.CodeCorrupt {
		answer = response{err: c.quarantine(r.ctx, "it cannot be read")}
	}
	return answer
}

func (c *conversation) work() *work {
	return &work{
		channel: c.state.Channel, contact: c.state.Contact, sendDue: c.index.Due[engine.DueSend], media: c.state.Media,
		retention: c.router.policy(c.state.Workspace).Retention,
	}
}

// quarantine takes nothing more until an operator has repaired the journal and
// started anew: what it would cost is tried once, and its neighbours not at all.
func (c *conversation) quarantine(ctx context.Context, why string) error {
	c.state = nil
	c.quarantined = &engine.Error{Code: engine.CodeQuarantined}
	c.entry.quarantined.Store(true)
	c.router.metrics.quarantined.Inc()
	c.router.log.ErrorContext(ctx, "conversation is quarantined; stop the engine and run `intervene journal verify` and `journal repair`",
		slog.String("conversation", c.id.String()), slog.String("reason", why))
	return c.quarantined
}

// panicKind names a panic without its text, which may hold what a customer wrote.
func panicKind(cause any) string {
	if err, ok := cause.(interface{ RuntimeError() }); ok {
		return fmt.Sprintf("%T: %v", err, err)
	}
	return fmt.Sprintf("%T", cause)
}

func (c *conversation) load(ctx context.Context) error {
	if c.state != nil {
		return nil
	}
	state, err := c.router.store.Load(c.id)
	if engine.CodeOf(err) == engine.CodeCorrupt {
		return c.quarantine(ctx, "it cannot be loaded")
	}
	if err != nil {
		return fmt.Errorf("load conversation: %w", err)
	}
	c.state, c.index, c.known = &state, state.Index(), c.known[:0]
	return nil
}

// run is the one path of a command: decide, make durable, apply, answer. A
// crash before the append returns leaves nothing or the whole append behind,
// and nobody was told.
func (c *conversation) run(r *request) response {
	workspace := r.command.Workspace
	if c.state.Exists() {
		workspace = c.state.Workspace
	}
	policy := c.router.policy(workspace)
	cmd, err := c.inform(r.command, &policy)
	if err != nil {
		return response{err: err}
	}
	now := engine.InstantOf(time.Now())
	events, refusal := engine.Decide(c.state, cmd, policy, now)
	if len(events) == 0 {
		return c.unchanged(cmd, refusal)
	}
	next := c.router.copyOf(c.state)
	for i := range events {
		next.Apply(&events[i])
	}
	c.known = c.known.expect(c.state, events)
	change, err := c.router.commit(r, engine.Append{
		Conversation: c.id, Expected: c.state.Version, Events: events, Before: c.index, After: next, Known: c.known,
	})
	if err != nil {
		if conflict, ok := errors.AsType[*engine.Error](err); !ok || conflict.Code != engine.CodeConflict || conflict.Owner.IsZero() {
			c.state = nil
		}
		return response{err: err}
	}
	c.router.metrics.settled(c.state, events, c.began)
	c.router.forget(c.state)
	c.state, c.index, c.known = next, change.After, c.known.fold(events)
	c.router.ring(&change)
	if next.Erased {
		c.router.erased()
	}
	return response{
		receipt: engine.Receipt{Card: next.Card(), Version: next.Version},
		events:  events,
		due:     change.After.Due[engine.DueSend],
		err:     refusal,
	}
}

// began is when somebody intervened in the conversation as it stands: known, unless
// it changed hands since and the event is gone or cannot be read.
func (c *conversation) began() (engine.Instant, bool) {
	if c.state.Cause == engine.CauseIntervened {
		return c.state.Since, true
	}
	events, err := c.router.store.Events(c.id, c.state.HeldFrom-1, 1)
	if err != nil || len(events) == 0 || events[0].Version != c.state.HeldFrom {
		return 0, false
	}
	return events[0].At, true
}

// inform adds to a command what only the journal knows, read here so that it
// stands within the conversation's order.
func (c *conversation) inform(cmd engine.Command, policy *engine.Policy) (engine.Command, error) {
	switch b := cmd.Body.(type) {
	case engine.RecordStatus:
		var err error
		if b.Known, err = c.delivery(b.Send); err != nil {
			return cmd, err
		}
		if b.Known.State == 0 && c.mayBeSent(b.Send) {
			b.Known.State = engine.Queued
		}
		cmd.Body = b
	case engine.RecordAttempt:
		var err error
		if b.Known, err = c.delivery(b.Send); err != nil {
			return cmd, err
		}
		cmd.Body = b
	case engine.ResendMessage:
		message, err := c.router.store.Message(engine.MessageID{Conversation: c.id, Version: b.Send})
		if err != nil && engine.CodeOf(err) != engine.CodeNotFound { // a repeated command may outlive it
			return cmd, fmt.Errorf("read message to resend: %w", err)
		}
		if queued, ok := message.Event.Body.(engine.MessageQueued); ok {
			b.Content, b.ReplyTo, b.Known = queued.Content, queued.ReplyTo, message.Delivery
		}
		cmd.Body = b
	case engine.FireTimer:
		if b.Timer != engine.DueRetention || !c.state.Exists() {
			break
		}
		kept := engine.InstantOf(time.Now()).Add(-policy.Retention)
		var err error
		if b.OldestKept, err = c.router.store.OldestSince(c.id, kept); err != nil {
			return cmd, fmt.Errorf("read oldest event to keep: %w", err)
		}
		cmd.Body = b
	}
	return cmd, nil
}

// mayBeSent reports that a send which was not attempted here may have been all the
// same, by the engine whose backup this one was restored from.
func (c *conversation) mayBeSent(send uint64) bool {
	if c.router.holds == nil || !c.state.Unattempted(send) {
		return false
	}
	through, held := c.router.holds.HeldThrough(engine.DueSend, c.id)
	return held && send <= through
}

func (c *conversation) delivery(send uint64) (engine.Delivery, error) {
	if known, ok := c.known.of(send); ok {
		return known, nil
	}
	read, err := c.router.store.Delivery(engine.MessageID{Conversation: c.id, Version: send})
	if err != nil {
		return engine.Delivery{}, fmt.Errorf("read delivery: %w", err)
	}
	if c.state.Exists() {
		c.known = c.known.learn(send, read)
	}
	return read, nil
}

// unchanged answers a command that made no event: refused, nothing to do, or
// accepted before, in which case it gets its first outcome again.
func (c *conversation) unchanged(cmd engine.Command, refusal error) response {
	if refusal != nil {
		return response{err: refusal}
	}
	state := c.state
	if first, ok := state.Outcome(cmd.ID); ok && first.Version < state.Version {
		then, err := c.router.store.LoadAt(c.id, first.Version)
		switch {
		case engine.CodeOf(err) == engine.CodeNotFound: // it was trimmed or erased since
		case err != nil:
			return response{err: fmt.Errorf("load first outcome: %w", err)}
		default:
			state = &then
		}
	}
	return response{
		receipt: engine.Receipt{Card: state.Card(), Version: state.Version},
		due:     c.index.Due[engine.DueSend],
	}
}

// askTurn makes the request of the owed turn.
func (c *conversation) askTurn() response {
	if !c.state.Turn.Owed() {
		return response{err: &engine.Error{Code: engine.CodeBotFenced, Epoch: c.state.Epoch}}
	}
	start := c.state.TurnStart()
	events, err := c.router.store.Events(c.id, start-1, int(c.state.Version-start+1))
	if err != nil {
		return response{err: fmt.Errorf("read turn: %w", err)}
	}
	turn, err := engine.TurnOf(c.state, events)
	return response{turn: &turn, err: err}
}

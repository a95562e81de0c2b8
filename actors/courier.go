package actors

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/engine"
)

const (
	// CourierHands is how many sends are on their way at once.
	CourierHands = 128
	// SendTimeout bounds one attempt; it ends well before AttemptTimeout, so
	// that a known outcome is recorded as one.
	SendTimeout = 20 * time.Second
	// StaleAttempt is how long after Attempted a send may still start.
	StaleAttempt = 5 * time.Second
	// RecordTries bounds how often an outcome is offered to the journal.
	// After them the send counts as Unknown once AttemptTimeout has passed.
	RecordTries = 5
	// RecordPause is between two of them.
	RecordPause = 200 * time.Millisecond
)

// CourierOptions are what a courier works with; Log and Registerer are optional.
type CourierOptions struct {
	Router     *Router
	Agenda     Agenda
	Outbox     Outbox
	Sender     Sender
	Pace       Pace          // nil: none
	Early      EarlyStatuses // nil: none are kept
	Registerer prometheus.Registerer
	Log        *slog.Logger
}

// Courier brings queued sends to the platform. Its queue is the journal; it
// decides nothing: whether a send may go, and what its outcome means, is the
// conversation's to say.
type Courier struct {
	*worker
	router *Router
	outbox Outbox
	sender Sender
	pace   Pace
	early  EarlyStatuses
}

// StartCourier starts one; Stop ends it.
func StartCourier(o CourierOptions) *Courier {
	log := logger(o.Log)
	c := &Courier{
		worker: newWorker(engine.DueSend, o.Agenda, newWorkerMetrics(o.Registerer), log),
		router: o.Router, outbox: o.Outbox, sender: o.Sender, pace: o.Pace, early: o.Early,
	}
	registerOutbox(o.Registerer, c)
	c.router.bells[engine.DueSend].Store(&bell{c.worker})
	c.start(CourierHands, c.deliver)
	if c.early != nil {
		c.group.Go(c.settleAll)
	}
	return c
}

// Stop takes no more sends and waits for those on their way.
func (c *Courier) Stop(ctx context.Context) { c.halt(ctx) }

// deliver sends what one conversation may send now. A crash before Attempted
// is durable leaves a queued send; after it, one that becomes Unknown.
func (c *Courier) deliver(ctx context.Context, id engine.ConversationID) {
	for range engine.MaxQueuedSends {
		if !c.mayGo(ctx, id) {
			return // the sweep comes back to it
		}
		answer := c.router.result(ctx, id, engineCommand(engine.AttemptSend{}))
		if answer.err != nil {
			return // the sweep comes back to it
		}
		attempt, found := attempted(answer.events)
		if found {
			c.attempt(ctx, id, attempt, time.Now())
		}
		if !found && (answer.due == 0 || answer.due > engine.InstantOf(time.Now())) {
			return
		}
	}
}

// mayGo reports whether the platform may be offered a send of id now. What may
// not stays queued, and spends no attempt.
func (c *Courier) mayGo(ctx context.Context, id engine.ConversationID) bool {
	if c.pace == nil {
		return true
	}
	work, err := c.router.work(ctx, id)
	if err != nil {
		return false
	}
	if work.sendDue == 0 || work.sendDue > engine.InstantOf(time.Now()) {
		return true // nothing will be sent, which AttemptSend finds out
	}
	return c.pace.Reserve(work.channel, work.contact) == 0
}

// attempted finds the send that may go.
func attempted(events []engine.Event) (engine.DeliveryChanged, bool) {
	for i := range events {
		if b, ok := events[i].Body.(engine.DeliveryChanged); ok && b.State == engine.Attempted {
			return b, true
		}
	}
	return engine.DeliveryChanged{}, false
}

func (c *Courier) attempt(ctx context.Context, id engine.ConversationID, a engine.DeliveryChanged, since time.Time) {
	result := engine.AttemptResult{State: engine.Queued} // surely not sent, unless the sender says otherwise
	message, card, err := c.read(engine.MessageID{Conversation: id, Version: a.Send})
	ctx, span := c.router.after(ctx, spanSend, message.Event.Trace)
	defer end(span, err) // the attempt's own outcome is its state
	switch {
	case engine.CodeOf(err) == engine.CodeNotFound:
		return // it was erased meanwhile
	case err != nil:
		c.log.ErrorContext(ctx, "send cannot be read", slog.String("conversation", id.String()), slog.Any("error", err))
		result.RetryAt = engine.InstantOf(time.Now().Add(StaleAttempt))
	case time.Since(since) < StaleAttempt:
		result = c.send(ctx, engine.Outbound{
			ID: message.ID, Channel: card.Channel, To: card.Contact, Content: message.content, ReplyTo: message.replyTo, Attempt: a.Attempt,
		})
	}
	if span != nil {
		span.Set(slog.String(attrConversation, id.String()), slog.String(attrWorkspace, string(card.Workspace)),
			slog.Int(attrAttempt, int(a.Attempt)), slog.String(attrState, result.State.String()))
	}
	c.record(ctx, id, engine.RecordAttempt{Send: a.Send, Attempt: a.Attempt, Result: result})
	if result.State == engine.Accepted && c.early != nil {
		c.settle(ctx, message.ID, card.Workspace, card.Channel, result.External)
	}
}

// outgoing is a message to be sent.
type outgoing struct {
	engine.Message
	content engine.Content
	replyTo string
}

func (c *Courier) read(id engine.MessageID) (outgoing, engine.Card, error) {
	message, err := c.outbox.Message(id)
	if err != nil {
		return outgoing{}, engine.Card{}, err
	}
	queued, ok := message.Event.Body.(engine.MessageQueued)
	if !ok {
		return outgoing{}, engine.Card{}, engine.Errorf(engine.CodeCorrupt, "event %d queued no message", id.Version)
	}
	card, err := c.outbox.Card(id.Conversation)
	return outgoing{message, queued.Content, queued.ReplyTo}, card, err
}

func (c *Courier) send(ctx context.Context, o engine.Outbound) engine.AttemptResult {
	ctx, cancel := context.WithTimeout(ctx, SendTimeout)
	defer cancel()
	result, retryAfter := c.sender.Send(ctx, o)
	if result.State == engine.Queued {
		result.RetryAt = engine.InstantOf(time.Now().Add(retryAfter))
	}
	return result
}

func (c *Courier) record(ctx context.Context, id engine.ConversationID, body engine.RecordAttempt) {
	for try := range RecordTries {
		// The outcome of a send that ended is recorded even while stopping.
		answer := c.router.result(context.WithoutCancel(ctx), id, engineCommand(body))
		switch engine.CodeOf(answer.err) {
		case engine.CodeUnavailable, engine.CodeFull, engine.CodeOverloaded:
			c.metrics.retries.WithLabelValues(c.kind.String()).Inc()
			time.Sleep(RecordPause << try)
		case engine.CodeNotFound:
			return // it was erased meanwhile
		default:
			if answer.err != nil {
				c.log.ErrorContext(ctx, "outcome of a send was refused", slog.String("conversation", id.String()), slog.Any("error", answer.err))
			}
			return
		}
	}
}

// engineCommand is one that the engine gives itself.
func engineCommand(body engine.CommandBody) engine.Command {
	return engine.Command{By: engine.Party{Kind: engine.Engine}, Body: body}
}

package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/engine"
)

const (
	// TurnHands is how many conversations are looked at at once for what their bot
	// owes. They wait for no bot: a lane does.
	TurnHands = 16
	// TurnTimeout is a bot's deadline, counted from each asking, unless its
	// workspace has another.
	TurnTimeout = 10 * time.Second
	// TurnTries is how often a bot is asked that surely did not begin with the turn,
	// within its deadline; TurnPause is before the second time, and doubles.
	TurnTries = 4
	TurnPause = 100 * time.Millisecond
)

// TurnsOptions are what the turns work with; Deadlines, Log and Registerer are
// optional.
type TurnsOptions struct {
	Router *Router
	Agenda Agenda
	// Bots are per workspace; each must have one.
	Bots map[engine.WorkspaceID]Bot
	// Deadlines are per workspace; one without has TurnTimeout.
	Deadlines  map[engine.WorkspaceID]time.Duration
	Registerer prometheus.Registerer
	Log        *slog.Logger
}

// Turns asks bots for the answers that they owe. A turn stays owed in the
// journal until its answer, or its failure, is durable: after a crash it is
// asked again under the same ID. Each bot has a lane of its own, so that one
// that hangs holds up nobody else's.
type Turns struct {
	*worker
	router *Router
	counts *botMetrics

	// lanes are replaced as a whole. One whose workspace is gone empties itself.
	lanes     atomic.Pointer[map[engine.WorkspaceID]*lane]
	replacing sync.Mutex
}

// StartTurns starts them; Stop ends them.
func StartTurns(o TurnsOptions) *Turns {
	t := &Turns{
		worker: newWorker(engine.DueTurn, o.Agenda, newWorkerMetrics(o.Registerer), logger(o.Log)),
		router: o.Router, counts: newBotMetrics(o.Registerer),
	}
	t.lanes.Store(new(map[engine.WorkspaceID]*lane))
	t.SetBots(o.Bots, o.Deadlines)
	t.ends = true
	t.router.bells[engine.DueTurn].Store(&bell{t.worker})
	t.start(TurnHands, t.route)
	return t
}

// SetBots replaces the bots of all workspaces. A turn ends with the bot that it began
// with; what waits in a lane goes to the new one, and finds there as much room and
// the same breaker.
func (t *Turns) SetBots(bots map[engine.WorkspaceID]Bot, deadlines map[engine.WorkspaceID]time.Duration) {
	t.replacing.Lock()
	defer t.replacing.Unlock()
	present := *t.lanes.Load()
	next := make(map[engine.WorkspaceID]*lane, len(bots))
	for workspace, bot := range bots {
		a := &answering{bot, deadlines[workspace]}
		if a.deadline == 0 {
			a.deadline = TurnTimeout
		}
		if l, ok := present[workspace]; ok {
			l.answers.Store(a)
			next[workspace] = l
			continue
		}
		next[workspace] = newLane(a, t.counts, string(workspace))
	}
	t.lanes.Store(&next)
}

// Stop asks no more and waits for the bots that were asked.
func (t *Turns) Stop(ctx context.Context) { t.halt(ctx) }

// route brings a conversation to the lane of its bot. Whatever waits in no lane is
// still in the journal, and the sweep comes back to it.
func (t *Turns) route(ctx context.Context, id engine.ConversationID) {
	request, err := t.router.turn(ctx, id)
	if err != nil {
		t.end(id) // nothing is owed any more, or the sweep comes back to it
		return
	}
	l, ok := (*t.lanes.Load())[request.Workspace]
	switch {
	case request.AcceptedUntil != 0:
		t.lapse(ctx, &request, l)
		t.end(id)
	case !ok:
		t.log.ErrorContext(ctx, "workspace has no bot", slog.String("workspace", string(request.Workspace)))
		t.router.result(ctx, id, request.Command(failure(&request)))
		t.end(id)
	default:
		switch l.enter(id) {
		case laneFree:
			t.group.Go(func() { t.drive(ctx, l, &request) })
		case laneFull:
			t.end(id)
		case laneBusy: // drive comes to it
		}
	}
}

// drive asks l's bot for request, then for whatever waits in the lane.
func (t *Turns) drive(ctx context.Context, l *lane, request *engine.TurnRequest) {
	id := request.ID.Conversation
	for {
		if request != nil {
			t.run(ctx, l, request)
		}
		t.end(id)
		var more bool
		if id, more = l.leave(t.stop); !more {
			return
		}
		// It is read again: the customer may have written while it waited.
		request = nil
		if fresh, err := t.router.turn(ctx, id); err == nil && fresh.AcceptedUntil == 0 {
			request = &fresh
		}
	}
}

// run asks for one turn, and records what comes of it.
func (t *Turns) run(ctx context.Context, l *lane, request *engine.TurnRequest) {
	start := time.Now()
	ctx, span := t.router.after(ctx, spanTurn, request.Trace)
	outcome, err := t.answer(ctx, l, request)
	l.settle(request, err)
	l.observe(outcome, time.Since(start))
	if span != nil {
		span.Set(slog.String(attrConversation, request.ID.Conversation.String()),
			slog.String(attrWorkspace, string(request.Workspace)), slog.String(attrState, outcome))
		span.End(err)
	}
}

// answer asks l's bot and gives the conversation what it answers, or that it failed,
// with the reason.
func (t *Turns) answer(ctx context.Context, l *lane, request *engine.TurnRequest) (outcome string, err error) {
	id := request.ID.Conversation
	body, err := l.ask(ctx, request)
	if err != nil && ctx.Err() != nil {
		return // the drain's time is over, which is no fault of the bot: the turn stays owed
	}
	if err != nil && !errors.Is(err, errBreakerOpen) { // of that the metric tells
		t.log.WarnContext(ctx, "bot failed", slog.String("workspace", string(request.Workspace)),
			slog.String("conversation", id.String()), slog.Any("error", err))
	}
	if body == nil {
		return outcomeAnswered, nil
	}
	command := request.Command(body)
	answer := t.router.result(ctx, id, command)
	if code := engine.CodeOf(answer.err); code == engine.CodeInvalid || code == engine.CodeOptedOut {
		t.log.WarnContext(ctx, "bot gave an answer that cannot be used", slog.String("workspace", string(request.Workspace)),
			slog.String("conversation", id.String()), slog.Any("error", answer.err))
		command.Body, err = failure(request), answer.err
		answer = t.router.result(ctx, id, command)
	}
	return turnOutcome(command, answer.err), err
}

// lapse ends a turn that the bot accepted and did not answer in time.
func (t *Turns) lapse(ctx context.Context, r *engine.TurnRequest, l *lane) {
	if r.AcceptedUntil > engine.InstantOf(time.Now()) {
		return // its row is due later
	}
	answer := t.router.result(ctx, r.ID.Conversation, r.Command(failure(r)))
	outcome := outcomeLapsed
	if answer.err != nil {
		outcome = engine.CodeOf(answer.err).String()
	}
	if l != nil {
		l.metrics.turns.WithLabelValues(l.workspace, outcome).Inc()
	}
}

// ask answers what the bot says, nil if it has been said, or its failure with the
// reason. It asks again while the bot surely did not begin with the turn, and the
// deadline allows.
func (l *lane) ask(ctx context.Context, r *engine.TurnRequest) (engine.CommandBody, error) {
	if !l.breaker.TryAcquirePermit() {
		return failure(r), errBreakerOpen
	}
	answers := l.answers.Load()
	r.Deadline = engine.InstantOf(time.Now().Add(answers.deadline))
	ctx, cancel := context.WithTimeout(ctx, answers.deadline)
	defer cancel()
	for try := 1; ; try++ {
		a, err := answers.turn(ctx, *r)
		switch {
		case err == nil && a.Given:
			return nil, nil
		case err == nil && a.Accepted:
			return r.Accept(a), nil
		case err == nil:
			return r.Answer(a), nil
		case engine.CodeOf(err) != engine.CodeUnavailable || try == TurnTries:
			return failure(r), err
		}
		l.metrics.retries.WithLabelValues(l.workspace).Inc()
		select {
		case <-time.After(rand.N(TurnPause << (try - 1))):
		case <-ctx.Done():
			return failure(r), err
		}
	}
}

// turn keeps a bot's panic from being everybody's.
func (b *answering) turn(ctx context.Context, r engine.TurnRequest) (a engine.TurnAnswer, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("bot panicked: %s", panicKind(cause))
		}
	}()
	return b.bot.Turn(ctx, r)
}

var errBreakerOpen = errors.New("the bot failed too often just now and is not asked")

func failure(r *engine.TurnRequest) engine.CommandBody {
	return engine.FailTurn{From: r.ID.Version, Through: r.Through}
}

const (
	outcomeAnswered = "answered"
	outcomeAccepted = "accepted"
	outcomeFailed   = "failed"
	// outcomeLapsed names a turn that was accepted and not answered.
	outcomeLapsed = "lapsed"
)

// turnOutcome names how a turn ended, for its metric.
func turnOutcome(command engine.Command, err error) string {
	if err != nil {
		return engine.CodeOf(err).String()
	}
	switch command.Body.(type) {
	case engine.FailTurn:
		return outcomeFailed
	case engine.AcceptTurn:
		return outcomeAccepted
	}
	return outcomeAnswered
}

package actors

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/engine"
)

const (
	// TurnHands is how many turns run at once, which also paces what is asked
	// again after a start.
	TurnHands = 64
	// TurnTimeout is a bot's deadline, counted from each asking.
	TurnTimeout = 10 * time.Second
)

// TurnsOptions are what the turns work with; Log and Registerer are optional.
type TurnsOptions struct {
	Router *Router
	Agenda Agenda
	// Bots are per workspace; each must have one.
	Bots       map[engine.WorkspaceID]Bot
	Registerer prometheus.Registerer
	Log        *slog.Logger
}

// Turns asks bots for the answers that they owe. A turn stays owed in the
// journal until its answer, or its failure, is durable: after a crash it is
// asked again under the same ID.
type Turns struct {
	*worker
	router *Router
	bots   map[engine.WorkspaceID]Bot
}

// StartTurns starts them; Stop ends them.
func StartTurns(o TurnsOptions) *Turns {
	t := &Turns{
		worker: newWorker(engine.DueTurn, o.Agenda, newWorkerMetrics(o.Registerer), logger(o.Log)),
		router: o.Router, bots: o.Bots,
	}
	t.router.bells[engine.DueTurn].Store(&bell{t.worker})
	t.start(TurnHands, t.run)
	return t
}

// Stop asks no more and waits for the bots that were asked.
func (t *Turns) Stop(ctx context.Context) { t.halt(ctx) }

func (t *Turns) run(ctx context.Context, id engine.ConversationID) {
	request, err := t.router.turn(ctx, id)
	if err != nil {
		return // nothing is owed any more, or the sweep comes back to it
	}
	command := request.Command(t.ask(ctx, &request))
	answer := t.router.result(ctx, id, command)
	if code := engine.CodeOf(answer.err); code == engine.CodeInvalid || code == engine.CodeOptedOut {
		t.log.Warn("bot gave an answer that cannot be used",
			slog.String("conversation", id.String()), slog.Any("error", answer.err))
		command.Body = failure(&request)
		answer = t.router.result(ctx, id, command)
	}
	t.metrics.turns.WithLabelValues(turnOutcome(command, answer.err)).Inc()
}

// ask answers what the bot says, or that it failed.
func (t *Turns) ask(ctx context.Context, r *engine.TurnRequest) engine.CommandBody {
	bot, ok := t.bots[r.Workspace]
	if !ok {
		t.log.Error("workspace has no bot", slog.String("workspace", string(r.Workspace)))
		return failure(r)
	}
	ctx, cancel := context.WithTimeout(ctx, TurnTimeout)
	defer cancel()
	a, err := bot.Turn(ctx, *r)
	if err != nil {
		t.log.Warn("bot failed", slog.String("conversation", r.ID.Conversation.String()), slog.Any("error", err))
		return failure(r)
	}
	return r.Answer(a)
}

func failure(r *engine.TurnRequest) engine.CommandBody {
	return engine.FailTurn{From: r.ID.Version, Through: r.Through}
}

// turnOutcome names how a turn ended, for its metric.
func turnOutcome(command engine.Command, err error) string {
	if err != nil {
		return engine.CodeOf(err).String()
	}
	if _, failed := command.Body.(engine.FailTurn); failed {
		return "failed"
	}
	return "answered"
}

package actors

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/intervenehq/intervene/engine"
)

const (
	// TimerHands is how many timers fire at once.
	TimerHands = 4
	// TimerRate is how many fire in a second: below what customers need.
	TimerRate = 500
	// MaxClockSkew is how far the wall clock may part from the monotonic one
	// before windows stop lapsing: a clock that jumped must not send everybody
	// to History.
	MaxClockSkew = time.Minute
)

// TimersOptions are what the timers work with; Log and Registerer are optional.
type TimersOptions struct {
	Router     *Router
	Agenda     Agenda
	Blobs      Blobs // nil: there are no files
	Registerer prometheus.Registerer
	Log        *slog.Logger
}

// Timers tell conversations that their time may have come. A timer is a row of
// the journal; what it does is the conversation's to say.
type Timers struct {
	router  *Router
	blobs   Blobs
	log     *slog.Logger
	metrics *workerMetrics
	limit   *rate.Limiter
	started time.Time
	workers []*worker
}

// StartTimers starts them; Stop ends them.
func StartTimers(o TimersOptions) *Timers {
	t := &Timers{
		router: o.Router, blobs: o.Blobs, log: logger(o.Log), metrics: newWorkerMetrics(o.Registerer),
		limit: rate.NewLimiter(TimerRate, TimerRate), started: time.Now(),
	}
	for _, kind := range []engine.DueKind{engine.DueWindow, engine.DueAutoResolve, engine.DueRetention} {
		w := newWorker(kind, o.Agenda, t.metrics, t.log)
		t.router.bells[kind].Store(&bell{w})
		w.start(TimerHands, func(ctx context.Context, id engine.ConversationID) { t.fire(ctx, kind, id) })
		t.workers = append(t.workers, w)
	}
	return t
}

// Stop fires no more.
func (t *Timers) Stop(ctx context.Context) {
	for _, w := range t.workers {
		w.halt(ctx)
	}
}

func (t *Timers) fire(ctx context.Context, kind engine.DueKind, id engine.ConversationID) {
	if skew := t.skew(time.Now()); skew > MaxClockSkew {
		t.metrics.clockSkew.Set(skew.Seconds())
		return // the row stays due; the sweep comes back to it
	}
	t.metrics.clockSkew.Set(0)
	if err := t.limit.Wait(ctx); err != nil {
		return
	}
	ctx, span := t.router.begin(ctx, spanTimer)
	if span != nil {
		span.Set(slog.String(attrConversation, id.String()), slog.String(attrTimer, kind.String()))
		defer span.End(nil)
	}
	if err := t.forgetFiles(ctx, kind, id); err != nil {
		t.log.ErrorContext(ctx, "files past their retention cannot be removed", slog.String("conversation", id.String()), slog.Any("error", err))
		return // the row stays due
	}
	answer := t.router.result(ctx, id, engineCommand(engine.FireTimer{Timer: kind}))
	if erased := engine.CodeOf(answer.err) == engine.CodeNotFound; answer.err != nil && !erased {
		t.log.ErrorContext(ctx, "timer cannot fire", slog.String("conversation", id.String()), slog.Any("error", answer.err))
	}
}

// forgetFiles removes the files that the conversation is about to forget: first,
// since after it nobody would come back to them. A crash between leaves messages
// without their files until the timer fires again.
func (t *Timers) forgetFiles(ctx context.Context, kind engine.DueKind, id engine.ConversationID) error {
	if kind != engine.DueRetention || t.blobs == nil {
		return nil
	}
	waits, err := t.router.work(ctx, id)
	if err != nil || waits.retention == 0 {
		return err
	}
	return t.blobs.RemoveBefore(id, time.Now().Add(-waits.retention))
}

// skew is how far the wall clock has parted from the monotonic one since the start.
func (t *Timers) skew(now time.Time) time.Duration {
	wall := now.Round(0).Sub(t.started.Round(0))
	return (wall - now.Sub(t.started)).Abs()
}

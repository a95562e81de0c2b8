package actors

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/intervenehq/intervene/engine"
)

const (
	// BotHands is how many turns one bot is asked at once, which also paces what is
	// asked again after a start.
	BotHands = 64
	// LaneQueue bounds the conversations that wait for one bot in memory. What finds
	// no room stays in the journal.
	LaneQueue = 4096
	// BreakerFailures in a row open a bot's breaker: for BreakerPause it is not asked,
	// and every turn fails at once. Then one turn tries it.
	BreakerFailures = 5
	BreakerPause    = 5 * time.Second
)

// lane is where the turns of one workspace's bot wait, and where they are counted.
type lane struct {
	// answers is who answers; a turn reads it once.
	answers   atomic.Pointer[answering]
	workspace string
	metrics   *botMetrics
	breaker   circuitbreaker.CircuitBreaker[any]

	mu      sync.Mutex
	running int
	waiting []engine.ConversationID
}

// answering is a bot, and how long it may take with a turn.
type answering struct {
	bot      Bot
	deadline time.Duration
}

func newLane(a *answering, metrics *botMetrics, workspace string) *lane {
	l := &lane{workspace: workspace, metrics: metrics}
	l.answers.Store(a)
	metrics.begin(workspace)
	open := metrics.open.WithLabelValues(workspace)
	l.breaker = circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(BreakerFailures).WithSuccessThreshold(1).WithDelay(BreakerPause).
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
			if e.NewState == circuitbreaker.ClosedState {
				open.Set(0)
			} else {
				open.Set(1)
			}
		}).Build()
	return l
}

// room is what enter found.
type room uint8

const (
	laneFree room = iota // a hand is the caller's now, until leave says otherwise
	laneBusy             // id waits for a hand
	laneFull
)

// enter takes a free hand, or a place in the queue for id.
func (l *lane) enter(id engine.ConversationID) room {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.running < BotHands:
		l.running++
		l.metrics.running.WithLabelValues(l.workspace).Set(float64(l.running))
		return laneFree
	case len(l.waiting) >= LaneQueue:
		l.metrics.overflows.WithLabelValues(l.workspace).Inc()
		return laneFull
	}
	l.waiting = append(l.waiting, id)
	return laneBusy
}

// leave gives the hand to the one that has waited longest, or back when nobody
// waits, or nobody is to be asked any more.
func (l *lane) leave(stop <-chan struct{}) (next engine.ConversationID, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-stop:
		l.waiting = nil
	default:
	}
	if len(l.waiting) == 0 {
		l.waiting = nil
		l.running--
		l.metrics.running.WithLabelValues(l.workspace).Set(float64(l.running))
		return engine.ConversationID{}, false
	}
	next, l.waiting = l.waiting[0], l.waiting[1:]
	return next, true
}

// settle tells the breaker how the turn r went. One customer's failures count once:
// after the first the conversation waits for a person, and what the bot then makes
// of it says nothing about the others.
func (l *lane) settle(r *engine.TurnRequest, err error) {
	switch {
	case errors.Is(err, errBreakerOpen): // it was not asked
	case err == nil:
		l.breaker.RecordSuccess()
	case r.Column == engine.Active || l.breaker.IsHalfOpen():
		l.breaker.RecordFailure()
	}
}

func (l *lane) observe(outcome string, took time.Duration) {
	l.metrics.turns.WithLabelValues(l.workspace, outcome).Inc()
	l.metrics.duration.WithLabelValues(l.workspace).Observe(took.Seconds())
}

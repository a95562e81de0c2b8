package serve

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/intervenehq/intervene/cmd/intervene/config"
)

const (
	// workShare of the limit of a drain is for what is on its way: calls, streams that
	// are told to go, sends and turns. What is left is for their outcomes, and the flush.
	workShare = 0.8
	// adminGrace is for the last answers on the admin listener.
	adminGrace = time.Second
)

// Stop takes the engine down in order. First it says that it is not ready, and goes on
// until load balancers had time to notice. Then nothing new comes in: webhooks and
// commands are refused, no bot is asked, nothing is sent. Streams are told to go
// elsewhere; what was taken is answered, and the outcomes of sends under way are made
// durable. The journal is closed last. What could not be finished is in the journal and
// goes on at the next start.
func (e *Engine) Stop(ctx context.Context) error {
	e.draining.Store(true)
	drain := e.config.Load().Drain
	limit := cmp.Or(drain.Limit, config.DefaultDrainLimit)
	delay(ctx, drain.Delay)
	e.log.Info("draining: nothing new is taken", slog.Duration("limit", limit))

	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	work, cancelWork := context.WithTimeout(ctx, time.Duration(workShare*float64(limit)))
	defer cancelWork()
	e.backups.cancel()
	err := e.router.Drain(work)
	var closing sync.WaitGroup
	closing.Go(func() { e.closePublic(work) })
	e.stopWorkers(work)
	closing.Wait()
	return errors.Join(err, e.halt(ctx))
}

// delay waits for d, or until ctx ends.
func delay(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// closePublic tells streams to go, and waits for them and for calls. Who does not go
// in time is cut off: what they were answered is durable.
func (e *Engine) closePublic(ctx context.Context) {
	if err := e.public.Shutdown(ctx); err != nil {
		e.log.Warn("connections are cut off that did not end in time", slog.Any("error", err))
		_ = e.public.Close() // nothing is left to do about what cannot be closed
	}
}

// stopWorkers has all of them take nothing more, at once, and waits for what they are
// doing; once ctx ends they give that up.
func (e *Engine) stopWorkers(ctx context.Context) {
	var stopping sync.WaitGroup
	for _, stop := range []func(context.Context){
		e.turns.Stop, e.courier.Stop, e.media.Stop, e.timers.Stop, func(context.Context) { e.erasure.Stop() },
	} {
		stopping.Go(func() { stop(ctx) })
	}
	stopping.Wait()
	e.courier = nil // they have stopped
}

// abandon takes down what a failed start had brought up.
func (e *Engine) abandon() error {
	ctx, cancel := context.WithTimeout(context.Background(), config.DefaultDrainLimit)
	defer cancel()
	return e.halt(ctx)
}

// halt stops what is there, in the reverse order of its start.
func (e *Engine) halt(ctx context.Context) error {
	close(e.stop)
	var err error
	if e.backups != nil {
		e.backups.cancel()
	}
	if e.edge != nil {
		e.edge.Close()
	}
	if e.courier != nil {
		e.stopWorkers(ctx)
	}
	if e.bots != nil {
		e.bots.close()
	}
	if e.router != nil {
		err = e.router.Drain(ctx)
	}
	if e.watchdog != nil {
		e.watchdog.halt(ctx)
	}
	if e.admin != nil {
		e.closeAdmin()
	}
	if e.router != nil {
		e.router.Stop()
	}
	if e.presence != nil {
		e.presence.Stop()
	}
	if e.overviews != nil {
		e.overviews.Stop()
	}
	if e.board != nil {
		e.board.Stop()
	}
	e.group.Wait()
	if e.graph != nil {
		e.graph.Close()
	}
	if e.journal != nil {
		err = errors.Join(err, e.journal.Close())
	}
	if e.traces != nil {
		e.traces.Stop(ctx)
	}
	return err
}

// closeAdmin is late, so that probes are answered until the end; who reads a profile
// is cut off.
func (e *Engine) closeAdmin() {
	ctx, cancel := context.WithTimeout(context.Background(), adminGrace)
	defer cancel()
	if err := e.admin.Shutdown(ctx); err != nil && !errors.Is(err, http.ErrServerClosed) {
		_ = e.admin.Close()
	}
}

// Package serve wires the parts into one running engine and takes it down
// again in order. It is the one place where they meet; it decides nothing.
package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/cmd/intervene/traces"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/engine/media"
	"github.com/intervenehq/intervene/rpc"
	"github.com/intervenehq/intervene/rpc/console"
	"github.com/intervenehq/intervene/rpc/whatsapp"
)

const (
	// DrainTimeout bounds an orderly stop: streams are told to go, what was
	// taken is answered, sends on their way come back.
	DrainTimeout = 25 * time.Second
	// ExpireInterval is how often the journal lets go of what it need not keep.
	ExpireInterval = time.Hour

	// mediaFolder holds the files, within the data directory.
	mediaFolder = "media"

	shard engine.Shard = 0 // one process owns all shards today
)

// Engine is one running engine. Stop ends it.
type Engine struct {
	config    *config.Config
	log       *slog.Logger
	registry  *prometheus.Registry
	traces    *traces.Traces // nil: nothing is recorded
	journal   *journal.Journal
	router    *actors.Router
	board     *actors.Board
	presence  *actors.Presences
	overviews *actors.Overviews
	courier   *actors.Courier
	turns     *actors.Turns
	bots      bots
	timers    *actors.Timers
	media     *actors.Media
	erasure   *actors.Erasure
	graph     *whatsapp.Graph
	tokens    *rpc.Tokens
	edge      *rpc.Server
	console   *console.Console
	files     *media.Store
	backups   *backups
	ops       *ops
	memory    *memory

	sessionKey rpc.SessionKey // seals the sessions of the console

	public, admin         *http.Server
	publicAddr, adminAddr net.Addr

	failed chan error // a listener that died
	stop   chan struct{}
	group  sync.WaitGroup
}

// Start brings an engine up from its configuration: the disk first, then what
// stands on it, the network last. When it returns, the engine is ready.
func Start(c *config.Config, log *slog.Logger) (*Engine, error) {
	e := &Engine{
		config: c, log: log, registry: prometheus.NewRegistry(),
		failed: make(chan error, 2), stop: make(chan struct{}),
	}
	e.registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	if err := e.start(); err != nil {
		return nil, errors.Join(err, e.abandon())
	}
	return e, nil
}

func (e *Engine) start() error {
	var err error
	e.memory = newMemory(e.registry, e.log)
	if err = e.startTraces(); err != nil {
		return err
	}
	if e.tokens, err = rpc.NewTokens(tokensOf(e.config)); err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	if e.journal, err = journal.Open(e.config.DataDir, journal.Options{
		Create: true, Shard: shard, Erasures: e.config.ErasureLedger, CacheBytes: e.memory.cacheBytes(), Registerer: e.registry, Logger: e.log,
	}); err != nil {
		return fmt.Errorf("open journal: %w", err)
	}
	if e.files, err = media.Open(filepath.Join(e.config.DataDir, mediaFolder), media.Options{Registerer: e.registry}); err != nil {
		return err
	}
	if e.backups, err = newBackups(e); err != nil {
		return err
	}
	if e.sessionKey, err = sessionKey(e.config.DataDir); err != nil {
		return fmt.Errorf("session key: %w", err)
	}
	e.router = actors.NewRouter(actors.RouterOptions{
		Store: e.journal, Holds: e.journal, Policies: policiesOf(e.config), Tracer: e.tracer(), Registerer: e.registry, Log: e.log,
	})
	if e.board, err = actors.StartBoard(e.journal, e.registry, e.log); err != nil {
		return fmt.Errorf("build board: %w", err)
	}
	e.presence = actors.StartPresences(e.registry)
	e.overviews = actors.StartOverviews(e.journal, e.log)
	channels := channelsOf(e.config)
	channels.Files = uploads{e.files}
	channels.Tracer = e.graphTracer()
	metrics := whatsapp.NewMetrics(e.registry)
	if e.graph, err = whatsapp.NewGraph(channels, e.log, metrics); err != nil {
		return fmt.Errorf("graph client: %w", err)
	}
	channels.Arrived, channels.Shed = e.graph.Arrived, e.memory.short
	inbox := actors.NewInbox(e.router, e.journal, e.journal, shard)
	e.ops = newOps(e.journal)
	webhook, err := whatsapp.NewWebhook(channels, marked{inbox, e.ops}, e.log, metrics)
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	if e.edge, err = rpc.New(e.edgeOptions(inbox)); err != nil {
		return fmt.Errorf("edge: %w", err)
	}
	if e.console, err = console.New(e.log); err != nil {
		return err
	}
	if e.bots, err = e.botsOf(e.config); err != nil {
		return err
	}
	e.startWorkers()
	return e.listen(e.traced(webhook))
}

// startWorkers begins to do what the journal says is due, also from before a
// crash.
func (e *Engine) startWorkers() {
	e.courier = actors.StartCourier(actors.CourierOptions{
		Router: e.router, Agenda: e.journal, Outbox: e.journal, Sender: marking{e.graph, e.ops}, Pace: e.graph, Early: e.journal,
		Registerer: e.registry, Log: e.log,
	})
	e.media = actors.StartMedia(actors.MediaOptions{
		Router: e.router, Agenda: e.journal, Outbox: e.journal, Source: e.graph, Blobs: e.files, Registerer: e.registry, Log: e.log,
	})
	e.erasure = actors.StartErasure(e.router, e.journal, e.files, e.log)
	e.turns = actors.StartTurns(actors.TurnsOptions{
		Router: e.router, Agenda: e.journal, Bots: e.bots.byWorkspace, Deadlines: e.bots.deadlines, Registerer: e.registry, Log: e.log,
	})
	e.timers = actors.StartTimers(actors.TimersOptions{
		Router: e.router, Agenda: e.journal, Blobs: e.files, Registerer: e.registry, Log: e.log,
	})
	e.group.Go(e.expire)
	e.group.Go(func() { e.memory.watch(e.router, e.stop) })
	if c := e.config.Backup; c != nil {
		e.group.Go(func() { e.backups.schedule(e.backups.ctx, *c) })
	}
	if held := e.held(); held != (Held{}) {
		e.log.Warn("work from before the restore is held: `intervene release` lists it, and lets it go",
			slog.Int("sends", held.Sends), slog.Int("turns", held.Turns))
	}
}

// expire lets the journal go of what it need not keep any more.
func (e *Engine) expire() {
	tick := time.NewTicker(ExpireInterval)
	defer tick.Stop()
	for {
		if err := e.journal.Expire(engine.InstantOf(time.Now())); err != nil {
			e.log.Error("journal could not expire what is old", slog.Any("error", err))
		}
		select {
		case <-e.stop:
			return
		case <-tick.C:
		}
	}
}

// Failed tells of a listener that died: the engine is of no use any more.
func (e *Engine) Failed() <-chan error { return e.failed }

// Addr is where Connect and the webhooks are served.
func (e *Engine) Addr() net.Addr { return e.publicAddr }

// AdminAddr is where metrics, probes and profiles are served.
func (e *Engine) AdminAddr() net.Addr { return e.adminAddr }

// Reload takes the tokens of next; what else differs waits for a restart and
// is told.
func (e *Engine) Reload(next *config.Config) (ignored []string, err error) {
	reloaded, ignored := e.config.WithTokens(next)
	if err := e.tokens.Replace(tokensOf(reloaded)); err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	e.config = reloaded
	return ignored, nil
}

// Stop takes the engine down in order: nothing new comes in, streams are told
// to go elsewhere, what was taken is answered, sends on their way come back,
// and the journal is closed last. What it could not finish is in the journal
// and goes on at the next start.
func (e *Engine) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, DrainTimeout)
	defer cancel()
	e.backups.cancel()
	err := e.router.Drain(ctx) // from here on /readyz says no
	err = errors.Join(err, e.public.Shutdown(ctx), e.admin.Shutdown(ctx))
	return errors.Join(err, e.halt(ctx))
}

// abandon takes down what a failed start had brought up.
func (e *Engine) abandon() error {
	ctx, cancel := context.WithTimeout(context.Background(), DrainTimeout)
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
		e.erasure.Stop()
		e.timers.Stop(ctx)
		e.media.Stop(ctx)
		e.turns.Stop(ctx)
		e.courier.Stop(ctx)
	}
	e.bots.close()
	if e.router != nil {
		err = e.router.Drain(ctx)
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

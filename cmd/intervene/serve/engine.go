// Package serve wires the parts into one running engine and takes it down
// again in order. It is the one place where they meet; it decides nothing.
package serve

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/cmd/intervene/restore"
	"github.com/intervenehq/intervene/cmd/intervene/traces"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/engine/media"
	"github.com/intervenehq/intervene/rpc"
	"github.com/intervenehq/intervene/rpc/console"
	"github.com/intervenehq/intervene/rpc/whatsapp"
)

const (
	// ExpireInterval is how often the journal lets go of what it need not keep.
	ExpireInterval = time.Hour

	// mediaFolder holds the files, within the data directory.
	mediaFolder = "media"

	shard engine.Shard = 0 // one process owns all shards today
)

// Engine is one running engine. Stop ends it.
type Engine struct {
	log       *slog.Logger
	level     *slog.LevelVar
	registry  *prometheus.Registry
	traces    *traces.Traces // nil: nothing is recorded
	journal   *journal.Journal
	router    *actors.Router
	board     *actors.Board
	presence  *actors.Presences
	overviews *actors.Overviews
	courier   *actors.Courier
	turns     *actors.Turns
	bots      *bots
	timers    *actors.Timers
	media     *actors.Media
	erasure   *actors.Erasure
	graph     *whatsapp.Graph
	webhook   *whatsapp.Webhook
	tokens    *rpc.Tokens
	edge      *rpc.Server
	console   *console.Console
	files     *media.Store
	backups   *backups
	marks     *restore.Marks
	memory    *memory
	watchdog  *watchdog

	sessionKey  rpc.SessionKey // seals the sessions of the console
	certificate certificate

	// config is the one in force. Reload replaces it, one at a time.
	config        atomic.Pointer[config.Config]
	configMetrics *configMetrics
	source        func() (*config.Config, error)
	reloading     sync.Mutex
	crew          *crew // under reloading

	public, admin         *http.Server
	publicAddr, adminAddr net.Addr

	draining atomic.Bool
	failed   chan error // a listener that died
	stop     chan struct{}
	group    sync.WaitGroup
}

// Option is what an engine is given besides its configuration.
type Option func(*Engine)

// WithSource reads the configuration anew when it is to be reloaded. Without it none is.
func WithSource(read func() (*config.Config, error)) Option {
	return func(e *Engine) { e.source = read }
}

// WithLevel has the engine set the level of its log by level.
func WithLevel(level *slog.LevelVar) Option { return func(e *Engine) { e.level = level } }

// Start brings an engine up from its configuration: the disk first, then what
// stands on it, the network last. When it returns, the engine is ready.
func Start(c *config.Config, log *slog.Logger, options ...Option) (*Engine, error) {
	e := &Engine{
		log: log, level: new(slog.LevelVar), registry: prometheus.NewRegistry(),
		failed: make(chan error, 2), stop: make(chan struct{}),
	}
	for _, apply := range options {
		apply(e)
	}
	e.config.Store(c)
	e.level.Set(c.LogLevel)
	e.registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	e.configMetrics = newConfigMetrics(e.registry)
	if err := e.start(c); err != nil {
		return nil, errors.Join(err, e.abandon())
	}
	return e, nil
}

func (e *Engine) start(c *config.Config) error {
	e.memory = newMemory(e.registry, e.log)
	if err := e.startTraces(); err != nil {
		return err
	}
	if err := e.openDisk(c); err != nil {
		return err
	}
	e.router = actors.NewRouter(actors.RouterOptions{
		Store: e.journal, Holds: e.journal, Policies: policiesOf(c), Tracer: e.tracer(), Registerer: e.registry, Log: e.log,
	})
	var err error
	if e.board, err = actors.StartBoard(e.journal, e.registry, e.log); err != nil {
		return fmt.Errorf("build board: %w", err)
	}
	e.presence = actors.StartPresences(e.registry)
	e.overviews = actors.StartOverviews(e.journal, e.log)
	inbox := actors.NewInbox(e.router, e.journal, e.journal, shard)
	if err := e.openWhatsApp(c, inbox); err != nil {
		return err
	}
	if e.tokens, err = rpc.NewTokens(tokensOf(c)); err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	if e.edge, err = rpc.New(e.edgeOptions(inbox)); err != nil {
		return fmt.Errorf("edge: %w", err)
	}
	if e.console, err = console.New(e.log); err != nil {
		return err
	}
	e.bots = newBots(e)
	if e.crew, err = e.bots.crew(c, nil); err != nil {
		return err
	}
	e.certificate.set(c.TLS)
	e.startWorkers(c)
	return e.listen()
}

// openDisk opens what is in the data directory.
func (e *Engine) openDisk(c *config.Config) (err error) {
	if e.journal, err = journal.Open(c.DataDir, journal.Options{
		Create: true, Shard: shard, Erasures: c.ErasureLedger, CacheBytes: e.memory.cacheBytes(), Registerer: e.registry, Logger: e.log,
	}); err != nil {
		return fmt.Errorf("open journal: %w", err)
	}
	if e.files, err = media.Open(filepath.Join(c.DataDir, mediaFolder), media.Options{Registerer: e.registry}); err != nil {
		return err
	}
	if e.backups, err = newBackups(e); err != nil {
		return err
	}
	if e.sessionKey, err = sessionKey(c.DataDir); err != nil {
		return fmt.Errorf("session key: %w", err)
	}
	return nil
}

// openWhatsApp makes both directions of the edge to Meta.
func (e *Engine) openWhatsApp(c *config.Config, inbox *actors.Inbox) (err error) {
	channels := channelsOf(c)
	channels.Files = uploads{e.files}
	channels.Tracer = e.graphTracer()
	metrics := whatsapp.NewMetrics(e.registry)
	if e.graph, err = whatsapp.NewGraph(channels, e.log, metrics); err != nil {
		return fmt.Errorf("graph client: %w", err)
	}
	channels.Arrived, channels.Shed = e.graph.Arrived, e.memory.short
	e.marks = restore.NewMarks(e.journal)
	if e.webhook, err = whatsapp.NewWebhook(channels, e.marks.Inbox(inbox), e.log, metrics); err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	return nil
}

// startWorkers begins to do what the journal says is due, also from before a
// crash.
func (e *Engine) startWorkers(c *config.Config) {
	e.courier = actors.StartCourier(actors.CourierOptions{
		Router: e.router, Agenda: e.journal, Outbox: e.journal, Sender: e.marks.Sender(e.graph), Pace: e.graph, Early: e.journal,
		Registerer: e.registry, Log: e.log,
	})
	e.media = actors.StartMedia(actors.MediaOptions{
		Router: e.router, Agenda: e.journal, Outbox: e.journal, Source: e.graph, Blobs: e.files, Registerer: e.registry, Log: e.log,
	})
	e.erasure = actors.StartErasure(e.router, e.journal, e.files, e.log)
	e.turns = actors.StartTurns(actors.TurnsOptions{
		Router: e.router, Agenda: e.journal, Bots: e.crew.byWorkspace, Deadlines: e.crew.deadlines, Registerer: e.registry, Log: e.log,
	})
	e.timers = actors.StartTimers(actors.TimersOptions{
		Router: e.router, Agenda: e.journal, Blobs: e.files, Registerer: e.registry, Log: e.log,
	})
	e.bots.gateway.Serve(e.crew.chatwoot...)
	e.group.Go(e.expire)
	e.group.Go(func() { e.memory.watch(e.router, e.stop) })
	e.backups.follow(c.Backup)
	e.group.Go(func() { e.backups.schedule(e.backups.ctx) })
	e.startWatchdog()
	e.registerHealth()
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

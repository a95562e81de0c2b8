package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/cmd/intervene/restore"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/engine/media"
	"github.com/intervenehq/intervene/rpc"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
	"github.com/intervenehq/intervene/rpc/whatsapp"
)

const (
	dataDir   = "/data"
	mediaDir  = dataDir + "/media"
	appSecret = "an app secret"
	graphURL  = "http://graph.test"
	hookURL   = "http://engine.test/webhooks/whatsapp/main"
	// drainTimeout is that of cmd/intervene/serve, which would bring the whole
	// Connect edge along.
	drainTimeout = 25 * time.Second
)

// world is one life of the engine: what cmd/intervene/serve wires, on a disk
// that may lose its power, with the network of the simulation.
type world struct {
	sim  *sim
	life int
	disk *disk
	// up ends with the life, however it ends.
	up   context.Context
	down context.CancelFunc

	journal *journal.Journal
	files   *media.Store
	router  *actors.Router
	board   *actors.Board
	courier *actors.Courier
	turns   *actors.Turns
	timers  *actors.Timers
	media   *actors.Media
	erasure *actors.Erasure
	inbox   *actors.Inbox
	marks   *restore.Marks
	graph   *whatsapp.Graph
	mux     *http.ServeMux
	// edge is what agents call, lobby what they said there of themselves.
	edge     *rpc.Server
	presence *actors.Presences
	lobby    *lobby
	callers  map[engine.AgentID]intervenev1connect.LiveChatServiceClient
	// inside are the requests that it has taken.
	inside sync.WaitGroup
	expire sync.WaitGroup
}

// open brings the journal up. An error without a cut or a fault is a violation.
func (s *sim) open(lifeNo int, d *disk) (*world, error) {
	w := &world{sim: s, life: lifeNo, disk: d}
	w.up, w.down = context.WithCancel(context.Background())
	skew := time.Duration(s.plan.seed.rng("clock", lifeNo).Int64N(int64(10*time.Minute))) - 5*time.Minute
	var err error
	w.journal, err = journal.Open(dataDir, journal.Options{
		FS: d, Create: true, CacheBytes: 1 << 20, Logger: w.log(),
		Now: func() time.Time { return time.Now().Add(skew) },
		Fatal: func(err error) {
			s.ledger.note("life %d ends: %v", lifeNo, err)
			d.cutPower()
		},
	})
	if err != nil {
		w.down()
		return nil, err
	}
	return w, nil
}

// start brings up what stands on the journal, as serve does.
func (w *world) start() error {
	s, log := w.sim, w.log()
	if err := w.disk.RemoveAll(checkpointDir); err != nil {
		return err
	}
	w.lobby = newLobby()
	w.router = actors.NewRouter(actors.RouterOptions{Store: attended{w.journal, w.lobby}, Holds: w.journal, Policies: s.plan.policies, Log: log})
	var err error
	if w.files, err = media.Open(mediaDir, media.Options{FS: w.disk}); err != nil {
		return err
	}
	if w.board, err = actors.StartBoard(forgetful{w.journal, s}, nil, log); err != nil {
		return fmt.Errorf("build board: %w", err)
	}
	config := whatsapp.Config{
		Apps: []whatsapp.App{{
			ID: "main", VerifyToken: "token", AppSecrets: []whatsapp.Secret{appSecret}, GraphBaseURL: graphURL,
		}},
		Transport: &graphWire{w},
	}
	for _, n := range s.plan.numbers {
		config.Channels = append(config.Channels, whatsapp.Channel{
			ID: n.channel, Workspace: n.workspace, App: "main",
			PhoneNumberID: whatsapp.PhoneNumberID(n.id), AccessToken: whatsapp.Secret(n.token),
			MessagesPerSecond: s.plan.perSecond,
		})
	}
	config.Files = uploads{w.files}
	metrics := whatsapp.NewMetrics(nil)
	if w.graph, err = whatsapp.NewGraph(config, log, metrics); err != nil {
		return fmt.Errorf("graph client: %w", err)
	}
	config.Arrived = w.graph.Arrived
	w.marks = restore.NewMarks(w.journal)
	w.inbox = actors.NewInbox(w.router, w.journal, w.journal, 0)
	webhook, err := whatsapp.NewWebhook(config, w.marks.Inbox(w.inbox), log, metrics)
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	w.mux = http.NewServeMux()
	w.mux.Handle(whatsapp.WebhookPattern, webhook)
	if err := w.startEdge(); err != nil {
		return fmt.Errorf("edge: %w", err)
	}
	return w.startWorkers(log)
}

func (w *world) startWorkers(log *slog.Logger) error {
	bots := make(map[engine.WorkspaceID]actors.Bot)
	for workspace := range w.sim.plan.policies {
		bot, err := w.bot(workspace)
		if err != nil {
			return fmt.Errorf("bot: %w", err)
		}
		bots[workspace] = bot
	}
	w.courier = actors.StartCourier(actors.CourierOptions{
		Router: w.router, Agenda: w.journal, Outbox: w.journal, Sender: w.marks.Sender(w.graph), Pace: w.graph, Early: w.journal, Log: log,
	})
	w.media = actors.StartMedia(actors.MediaOptions{
		Router: w.router, Agenda: w.journal, Outbox: w.journal, Source: w.graph, Blobs: w.files, Log: log,
	})
	w.erasure = actors.StartErasure(w.router, eraser{w}, w.files, log)
	w.turns = actors.StartTurns(actors.TurnsOptions{Router: w.router, Agenda: w.journal, Bots: bots, Log: log})
	w.timers = actors.StartTimers(actors.TimersOptions{Router: w.router, Agenda: w.journal, Log: log})
	w.expire.Go(w.keepExpiring)
	if len(w.journal.Restores()) > 0 {
		w.expire.Go(w.release)
	}
	if w.sim.mayLose() {
		w.expire.Go(w.backUpSometime)
	}
	return nil
}

// eraser is the journal, whose log is rotated again and again for a purge.
type eraser struct{ world *world }

func (e eraser) Purge(ctx context.Context, also func(engine.ConversationID) error) error {
	e.world.disk.beginFlush()
	defer e.world.disk.endFlush()
	if e.world.disk.logFailed() {
		return errReset // a real process has ended by now
	}
	return e.world.journal.Purge(ctx, also)
}

// keepExpiring has the journal forget, as serve does. What is removed is flushed
// ten seconds later, for which Pebble rotates its log.
func (w *world) keepExpiring() {
	for {
		began := time.Now()
		w.disk.setFlushing(1)
		if err := w.journal.Expire(engine.InstantOf(began)); err != nil {
			w.alive(func() { w.sim.ledger.note("expire: %v", err) })
		}
		up := w.pause(9*time.Second - time.Since(began))
		if up {
			w.disk.hurry(1)
			up = w.pause(2*time.Second + time.Since(began) - 9*time.Second)
			w.disk.hurry(-1)
		}
		w.disk.setFlushing(-1)
		if !up || !w.pause(time.Hour) {
			return
		}
	}
}

// erasing stands around an erasure, whose removal Pebble flushes ten seconds later
// unless the purge comes first.
func (w *world) erasing() (done func()) {
	answered := make(chan time.Time, 1)
	w.expire.Go(func() {
		if !w.pause(9 * time.Second) {
			return
		}
		w.disk.beginFlush()
		defer w.disk.endFlush()
		select {
		case <-w.up.Done():
		case at := <-answered:
			w.pause(12*time.Second - time.Since(at))
		}
	})
	return func() { answered <- time.Now() }
}

// pause reports whether w is still up after d.
func (w *world) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-w.up.Done():
		return false
	case <-timer.C:
		return true
	}
}

// alive runs note if the world is, which then happened before its death.
func (w *world) alive(note func()) bool { return w.disk.alive(note) }

// stop takes the engine down in order, or what is left of a dead one.
func (w *world) stop() {
	dead := !w.alive(func() {})
	patience, end := context.WithTimeout(context.Background(), drainTimeout)
	defer end()
	if dead {
		end()
	}
	w.down()
	w.disk.setSlow(false)
	w.inside.Wait()
	w.expire.Wait()
	if w.timers != nil {
		w.erasure.Stop()
		w.timers.Stop(patience)
		w.media.Stop(patience)
		w.turns.Stop(patience)
		w.courier.Stop(patience)
	}
	w.drain()
	if w.edge != nil {
		w.edge.Close()
		w.presence.Stop()
	}
	w.router.Stop()
	if w.board != nil {
		w.board.Stop()
	}
	if w.graph != nil {
		w.graph.Close()
	}
	w.close()
}

// drain has everything answered that was taken.
func (w *world) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := w.router.Drain(ctx); err != nil {
		w.sim.ledger.violate("liveness: life %d does not answer all that it has taken: %v", w.life, err)
	}
}

func (w *world) close() {
	err := w.journal.Close()
	if err != nil && w.alive(func() {}) {
		w.sim.ledger.violate("liveness: life %d cannot close its journal: %v", w.life, err)
	}
}

// enter takes a request in, if the engine is up; the caller calls leave.
func (s *sim) enter() (*world, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.world == nil {
		return nil, false
	}
	s.world.inside.Add(1)
	return s.world, true
}

func (w *world) leave() { w.inside.Done() }

var (
	errRefused = errors.New("connection refused")
	errReset   = errors.New("connection reset")
)

// patientFor is how long the platform is refused while the engine is down. After
// that its redeliveries are as rare as they get, and each of them costs more than
// all else that happens in a night, so that they hang until the engine is up.
const patientFor = 15 * time.Minute

// awaitLife waits for the next life, if the engine is down for long.
func (s *sim) awaitLife() {
	s.mu.Lock()
	for s.world == nil && time.Since(s.downSince) > patientFor && s.over.Err() == nil {
		moved := s.moved
		s.mu.Unlock()
		select {
		case <-moved:
		case <-s.over.Done():
		}
		s.mu.Lock()
	}
	s.mu.Unlock()
}

// hookWire carries the platform's webhooks to whatever life is up.
type hookWire struct{ sim *sim }

func (h hookWire) RoundTrip(request *http.Request) (*http.Response, error) {
	w, ok := h.sim.enter()
	if !ok {
		h.sim.awaitLife()
		return nil, errRefused
	}
	if h.sim.chance("strip", h.sim.plan.wire.stripped) {
		var err error
		if request, err = h.sim.strip(request); err != nil {
			w.leave()
			return nil, err
		}
	}
	answer := make(chan *http.Response, 1)
	go func() {
		defer w.leave()
		recorder := httptest.NewRecorder()
		w.mux.ServeHTTP(recorder, request)
		answer <- recorder.Result()
	}()
	select {
	case <-w.disk.cut:
		return nil, errReset
	case <-request.Context().Done():
		return nil, request.Context().Err()
	case response := <-answer:
		if !w.alive(func() {}) || h.sim.chance("ack", h.sim.plan.wire.ackLost) {
			return nil, errReset
		}
		return response, nil
	}
}

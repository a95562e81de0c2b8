package sim

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// sim is one simulation.
type sim struct {
	plan   *plan
	ledger *ledger
	meta   *standin.Graph
	began  time.Time

	mu    sync.Mutex
	world *world // nil while the engine is down
	// downSince is when it last was up.
	downSince time.Time
	moved     chan struct{}
	draws     map[string]*rand.Rand

	people   sync.WaitGroup // customers and agents
	watchers sync.WaitGroup
	over     context.Context // ends the watchers
	end      context.CancelFunc
	// customers are those of each workspace; nobody joins later.
	customers map[engine.WorkspaceID][]*customer
	boards    []*boardWatcher
	stories   []*storyWatcher
	frontends []*frontend
	readers   []*reader
	// dark ends the streams of pages for the night.
	dark      context.Context
	nightfall context.CancelFunc
	tally     tally
	// remoteAnswers are those of bots of other processes to the turns that they accepted.
	remoteAnswers map[engine.MessageID]*remoteAnswer
	submitting    sync.WaitGroup
	// backup is the newest one, restoredAt when one was last restored.
	backup     *backup
	restoredAt time.Time
	// aging: what workspaces do not keep for ever may be gone.
	aging bool
	// healed ends all faults but those of life. calmFrom is when nobody who reads a
	// stream falls asleep any more; zero: that is still to be said.
	healed   bool
	calmFrom time.Time
}

// simulate runs one seed and answers what it found.
func simulate(t *testing.T, s seed) *sim {
	sim := &sim{plan: newPlan(s), tally: tally{seen: make(coverage)}, draws: make(map[string]*rand.Rand), customers: make(map[engine.WorkspaceID][]*customer), remoteAnswers: make(map[engine.MessageID]*remoteAnswer)}
	synctest.Test(t, func(*testing.T) { sim.run() })
	return sim
}

func (s *sim) run() {
	s.began, s.downSince = time.Now(), time.Now()
	s.ledger, s.moved = newLedger(), make(chan struct{})
	s.over, s.end = context.WithCancel(context.Background())
	s.dark, s.nightfall = context.WithCancel(context.Background())
	defer func() { s.nightfall() }()
	var err error
	if s.meta, err = standin.New(s.standIn()); err != nil {
		s.ledger.violate("the stand-in does not start: %v", err)
		return
	}
	defer s.meta.Close()
	s.populate()
	mem := s.liveAndDie(vfs.NewCrashableMem())
	s.people.Wait()
	mem = s.rest(mem)
	s.end()
	s.watchers.Wait()
	s.submitting.Wait()
	s.ledger.note("the end")
	if !s.ledger.failed() {
		s.verify(mem)
	}
}

func (s *sim) standIn() standin.Config {
	config := standin.Config{
		BaseURL: graphURL,
		Seed:    uint64(s.plan.seed)*2 + 1, Transport: hookWire{s}, Faults: s.plan.faults,
		Apps: []standin.App{{ID: "main", Secret: appSecret, WebhookURL: hookURL}},
		Statuses: []standin.StatusStep{
			{Status: standin.StatusSent, After: 20 * time.Millisecond, Jitter: 500 * time.Millisecond},
			{Status: standin.StatusDelivered, After: 100 * time.Millisecond, Jitter: 5 * time.Second, SkipShare: 0.1},
			{Status: standin.StatusRead, After: 500 * time.Millisecond, Jitter: time.Minute, SkipShare: 0.2},
		},
		Webhook: standin.WebhookConfig{Shuffle: true, MaxOffers: 400, RedeliveryLongest: 10 * time.Minute},
	}
	if s.plan.pair > 0 {
		config.PairInterval, config.PairBurst = s.plan.pair, 3
	}
	for _, n := range s.plan.numbers {
		config.Numbers = append(config.Numbers, standin.Number{
			ID: n.id, DisplayPhoneNumber: "15550100", Business: "9", AccessToken: n.token, App: "main",
		})
	}
	return config
}

// chance draws from the lots of one name.
func (s *sim) chance(name string, share float64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.healed {
		return false
	}
	rng, ok := s.draws[name]
	if !ok {
		rng = s.plan.seed.rng(name)
		s.draws[name] = rng
	}
	return rng.Float64() < share
}

func (s *sim) sees(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tally.seen.saw(format, args...)
}

func (s *sim) isHealed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.healed
}

// calms has whoever reads a stream stay awake once the engine has done most of what it
// owes: what they missed in their sleep nobody tells them again.
func (s *sim) calms() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calmFrom = time.Now().Add(quietTime / 3)
}

func (s *sim) isCalm() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.calmFrom.IsZero() && !time.Now().Before(s.calmFrom)
}

func (s *sim) elapsed() time.Duration { return time.Since(s.began) }

// liveAndDie runs the planned lives one after another, and answers the disk
// that the last one left.
func (s *sim) liveAndDie(mem *vfs.MemFS) *vfs.MemFS {
	rng := s.plan.seed.rng("lose")
	for _, l := range s.plan.lives {
		mem = s.liveOnce(mem, l)
		if s.ledger.failed() {
			return mem
		}
		if rng.IntN(2) == 0 {
			mem = s.loseDisk(mem)
		}
	}
	if s.plan.losses.left > 0 {
		mem = s.loseDisk(mem)
	}
	return mem
}

func (s *sim) liveOnce(mem *vfs.MemFS, l life) *vfs.MemFS {
	w, left := s.boot(mem, l)
	if w == nil {
		time.Sleep(l.down)
		return left
	}
	timer := time.NewTimer(l.length)
	select {
	case <-w.disk.cut:
	case <-timer.C:
	}
	timer.Stop()
	left = s.shut(w, l.clean)
	time.Sleep(l.down)
	return left
}

// boot brings the engine up on mem. When it died on the way there is no world.
func (s *sim) boot(mem *vfs.MemFS, l life) (*world, *vfs.MemFS) {
	s.tally.lives++
	d := newDisk(mem, s.plan.seed.rng("disk", s.tally.lives), l.doom)
	d.pace = l.pace
	s.ledger.note("life %d begins (%s after %d)", s.tally.lives, l.doom.kind, l.doom.after)
	w, err := s.open(s.tally.lives, d)
	if err != nil {
		s.failedToOpen(d, err)
		return nil, s.remains(d)
	}
	if !d.alive(func() {}) {
		w.down()
		w.close()
		return nil, s.remains(d)
	}
	s.recovered(w)
	if err := w.start(); err != nil {
		if d.alive(func() {}) && l.doom.kind != doomError {
			s.ledger.violate("liveness: life %d does not start: %v", s.tally.lives, err)
		}
		d.cutPower()
		w.stop()
		return nil, s.remains(d)
	}
	d.setSlow(true)
	s.mu.Lock()
	s.world = w
	s.announce()
	s.mu.Unlock()
	return w, nil
}

// announce is called with mu held.
func (s *sim) announce() {
	close(s.moved)
	s.moved = make(chan struct{})
}

func (s *sim) failedToOpen(d *disk, err error) {
	if d.alive(func() {}) {
		s.ledger.violate("acknowledged means durable: life %d cannot open its journal: %v", s.tally.lives, err)
	}
	s.ledger.note("life %d does not begin: %v", s.tally.lives, err)
	d.cutPower()
}

// shut ends a life, in order or by cutting its power, and answers its disk.
func (s *sim) shut(w *world, clean bool) *vfs.MemFS {
	if clean {
		// As serve does: what comes while it drains is refused.
		w.edge.Drain()
		w.drain()
		time.Sleep(time.Duration(s.plan.seed.rng("drain", w.life).Int64N(int64(time.Second))))
	} else {
		w.disk.cutPower()
	}
	s.mu.Lock()
	s.world, s.downSince = nil, time.Now()
	s.announce()
	s.mu.Unlock()
	w.stop()
	return s.remains(w.disk)
}

// remains is the disk that the next life finds.
func (s *sim) remains(d *disk) *vfs.MemFS {
	if d.alive(func() {}) {
		s.ledger.note("life %d stopped in order", s.tally.lives)
		return d.mem
	}
	s.tally.crashes++
	if kind := d.died(); kind != doomNone {
		s.sees("disk: %s", kind)
	}
	s.ledger.note("life %d lost its power", s.tally.lives)
	return d.left
}

// rest lets everything that is owed happen, compares, waits until all that has
// a time has come due, and compares again.
func (s *sim) rest(mem *vfs.MemFS) *vfs.MemFS {
	if s.ledger.failed() {
		return mem
	}
	s.mu.Lock()
	s.healed = true
	s.mu.Unlock()
	s.meta.ClearFaults()
	s.ledger.note("everything is well from here on")
	last := s.plan.seed.rng("rest")
	mem = s.liveOnce(mem, life{length: time.Minute, clean: last.IntN(2) == 0, down: longestPause})
	w, left := s.boot(mem, life{})
	if w == nil {
		return left
	}
	s.calms()
	time.Sleep(quietTime)
	synctest.Wait()
	s.auditRest(w)
	mem = s.shut(w, last.IntN(2) == 0)
	if s.ledger.failed() {
		return mem
	}
	night := s.plan.night
	switch s.plan.nights {
	case nightDown:
		time.Sleep(night)
		night = 0
	case nightDawn:
		mem = s.dawn(mem)
		time.Sleep(night)
		night = 0
	}
	if w, left = s.boot(mem, life{}); w == nil {
		return left
	}
	s.nightfall()
	time.Sleep(night)
	s.dawns()
	s.settle()
	s.auditEnd(w)
	return s.age(s.shut(w, true))
}

const (
	// longestPause is before a send is tried again; the engine is down for it, since
	// virtual time is cheap there.
	longestPause = 2*time.Hour + 30*time.Minute
	// quietTime is what queued sends take, each of which waits for the one before it.
	quietTime = 15 * time.Minute
)

// dawn has the engine up while the windows of the first day close, of customers
// who wrote again later.
func (s *sim) dawn(mem *vfs.MemFS) *vfs.MemFS {
	sessions := s.plan.sessions
	begin, end := engine.Window-10*time.Second, sessions[len(sessions)-1].end+engine.Window
	if s.elapsed() > begin {
		return mem
	}
	time.Sleep(begin - s.elapsed())
	return s.liveOnce(mem, life{length: min(end-s.elapsed(), time.Hour)})
}

// dawns has agents open their pages again.
func (s *sim) dawns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dark, s.nightfall = context.WithCancel(context.Background())
}

// settle waits for the copies that the platform offers a day later.
func (s *sim) settle() {
	time.Sleep(10 * time.Minute)
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	if err := s.meta.Settle(ctx); err != nil {
		s.ledger.violate("liveness: webhook items are not acknowledged long after all faults ended: %v", err)
	}
	time.Sleep(actors.PassivateAfter + 2*actors.SweepInterval)
	synctest.Wait()
}

// verify has the journal checked against its events.
func (s *sim) verify(mem *vfs.MemFS) {
	report, err := journal.Verify(dataDir, mem)
	if err != nil {
		s.ledger.violate("the journal cannot be verified: %v", err)
		return
	}
	for i, f := range report.Findings {
		if i == maxViolations {
			break
		}
		s.ledger.violate("the journal does not follow from its events: %s", f)
	}
}

package actors

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/engine"
)

const (
	// MaxWaiting bounds the requests that wait in all mailboxes together.
	MaxWaiting = 65_536
	// MaxWaitingEach bounds those that wait for one conversation.
	MaxWaitingEach = 256
	// PassivateAfter is how long a conversation stays in memory unused.
	PassivateAfter = 5 * time.Minute
	// SweepInterval is how often each table shard looks for idle ones.
	SweepInterval = 30 * time.Second

	tableShards = 64
)

// Lane says who may be refused when too much waits.
type Lane uint8

const (
	// Offered requests come from outside and may be refused.
	Offered Lane = iota
	// Results come from the courier, bots and timers. They are as many as
	// those have workers, they free what they report on, and are never refused.
	Results
)

// RouterOptions are what a router works with; Store is required.
type RouterOptions struct {
	Store Store
	// Holds say what waits since a restore; nil: nothing does.
	Holds Holds
	// Policies are per workspace; a workspace without one has the zero policy. They are
	// replaced with SetPolicies, and not changed.
	Policies map[engine.WorkspaceID]engine.Policy
	// MaxResident bounds the conversations in memory; 0: DefaultMaxResident.
	MaxResident int
	// Tracer records commands, and what workers of this router do; nil: nobody does.
	Tracer     Tracer
	Registerer prometheus.Registerer
	Log        *slog.Logger
}

// Router is the directory of the conversations in memory: it makes their
// actors, hands requests over and lets go of the idle. It may be used from
// many goroutines.
type Router struct {
	store    Store
	holds    Holds
	policies atomic.Pointer[map[engine.WorkspaceID]engine.Policy]
	tracer   Tracer
	log      *slog.Logger
	metrics  *routerMetrics
	system   *actor.ActorSystem
	// props are those of every conversation: its own would outweigh it.
	props *actor.Props

	waiting  atomic.Int64 // requests not yet answered, both lanes
	draining atomic.Bool
	shedding atomic.Bool
	// residentEach is what a table shard may hold before it lets go of others.
	residentEach int
	bells        [8]atomic.Pointer[bell] // by DueKind, as workers start
	erasure      atomic.Pointer[Erasure] // once it has started
	requests     sync.Pool               // those that were answered
	states       sync.Pool               // those that were followed by others

	table [tableShards]tableShard

	stop    chan struct{}
	sweeper sync.WaitGroup
}

// tableShard is a part of the directory. Everything in it is guarded by mu; a
// request is put into a mailbox under it, so that passivation sees it.
type tableShard struct {
	mu      sync.Mutex
	entries map[engine.ConversationID]*entry
}

// entry is one conversation in memory.
type entry struct {
	id      engine.ConversationID
	pid     *actor.PID
	sent    uint64
	handled atomic.Uint64
	used    time.Time
	// empty says that the conversation has no event: an ID that somebody
	// guessed is not worth the room.
	empty atomic.Bool
	// quarantined keeps it here, so that it is not tried again and again.
	quarantined atomic.Bool
}

func (e *entry) waiting() uint64 { return e.sent - e.handled.Load() }

// NewRouter makes a router; Stop ends it.
func NewRouter(o RouterOptions) *Router {
	log := logger(o.Log)
	r := &Router{
		store: o.Store, holds: o.Holds, tracer: o.Tracer, log: log,
		system: actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return log })),
		stop:   make(chan struct{}),
	}
	r.SetPolicies(o.Policies)
	r.props = actor.PropsFromProducer(func() actor.Actor { return &conversation{router: r} }, actor.WithMailbox(newMailbox))
	if o.MaxResident == 0 {
		o.MaxResident = DefaultMaxResident
	}
	r.residentEach = max(1, o.MaxResident/tableShards)
	r.metrics = newRouterMetrics(o.Registerer, r)
	r.requests.New = func() any { return &request{turns: make(chan struct{}, 1)} }
	r.states.New = func() any { return new(engine.Conversation) }
	for i := range r.table {
		r.table[i].entries = make(map[engine.ConversationID]*entry)
	}
	r.sweeper.Go(r.sweep)
	return r
}

// SetPolicies replaces the policies of all workspaces. A request whose turn has come
// ends under those that it began with.
func (r *Router) SetPolicies(policies map[engine.WorkspaceID]engine.Policy) {
	r.policies.Store(&policies)
}

// policy is a workspace's. A request reads it once.
func (r *Router) policy(workspace engine.WorkspaceID) engine.Policy {
	return (*r.policies.Load())[workspace]
}

// Do hands cmd to a conversation and waits for its answer. When ctx ends before
// the command's turn has come, it has no effect; after that it is answered,
// whatever ctx says: an append takes as long as it takes.
func (r *Router) Do(ctx context.Context, id engine.ConversationID, cmd engine.Command) (engine.Receipt, error) {
	q := r.request(Offered)
	q.command = cmd
	answer := r.give(ctx, id, q)
	return answer.receipt, answer.err
}

// result hands cmd over in the lane that is never refused.
func (r *Router) result(ctx context.Context, id engine.ConversationID, cmd engine.Command) response {
	q := r.request(Results)
	q.command = cmd
	return r.give(ctx, id, q)
}

// turn asks for the turn that the bot owes.
func (r *Router) turn(ctx context.Context, id engine.ConversationID) (engine.TurnRequest, error) {
	q := r.request(Results)
	q.ask = askTurn
	answer := r.ask(ctx, id, q)
	if answer.err != nil {
		return engine.TurnRequest{}, answer.err
	}
	return *answer.turn, nil
}

// work asks for what waits to be sent and downloaded.
func (r *Router) work(ctx context.Context, id engine.ConversationID) (work, error) {
	q := r.request(Results)
	q.ask = askWork
	answer := r.ask(ctx, id, q)
	if answer.err != nil {
		return work{}, answer.err
	}
	return *answer.work, nil
}

// Answer returns once a conversation answered, whatever it said: one that nobody has, so
// that it takes nobody's turn.
func (r *Router) Answer() { _, _ = r.work(context.Background(), engine.ConversationID{}) }

func (r *Router) request(lane Lane) *request {
	q, _ := r.requests.Get().(*request)
	q.lane = lane
	return q
}

// ask puts q into the mailbox of id, waits for its turn and runs it. Requests
// that one goroutine asks of one conversation stay in order.
func (r *Router) ask(ctx context.Context, id engine.ConversationID, q *request) response {
	defer r.recycle(q)
	q.ctx, q.at = ctx, time.Now()
	if code := r.enqueue(id, q); code != 0 {
		return r.refuse(&engine.Error{Code: code})
	}
	defer r.answered(q)
	var wait time.Duration // no clock is read for those who wait for nobody
	if !q.granted {
		select {
		case <-q.turns:
			wait = time.Since(q.at)
		case <-ctx.Done():
			q.box.withdraw(q)
			return r.refuse(&engine.Error{Code: engine.CodeUnavailable, Err: ctx.Err()})
		}
	}
	r.metrics.mailboxWait.Observe(wait.Seconds())
	q.answer.err = errUnanswered
	q.box.run(q)
	return q.answer
}

// errUnanswered is the answer to a request whose actor is gone. None should be.
var errUnanswered = &engine.Error{Code: engine.CodeUnavailable, Err: errors.New("the conversation did not answer")}

// refuse counts a request that was not run.
func (r *Router) refuse(err *engine.Error) response {
	r.metrics.refused.WithLabelValues(err.Code.String()).Inc()
	return response{err: err}
}

// answered says that q, which was taken, waits no more.
func (r *Router) answered(q *request) {
	r.waiting.Add(-1)
	q.to.handled.Add(1)
}

// recycle keeps q for another request. It holds on to nothing.
func (r *Router) recycle(q *request) {
	*q = request{turns: q.turns}
	r.requests.Put(q)
}

func (r *Router) enqueue(id engine.ConversationID, q *request) engine.Code {
	if q.lane == Offered && r.draining.Load() {
		return engine.CodeUnavailable
	}
	shard := &r.table[id[len(id)-1]%tableShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	e := shard.entries[id]
	if q.lane == Offered {
		if r.shedding.Load() || r.waiting.Load() >= MaxWaiting || (e != nil && e.waiting() >= MaxWaitingEach) {
			return engine.CodeOverloaded
		}
	}
	if e == nil {
		if len(shard.entries) >= r.residentEach {
			r.makeRoom(shard)
		}
		e = r.activate(id)
		shard.entries[id] = e
	}
	r.waiting.Add(1)
	e.sent++
	e.used, q.to = q.at, e
	r.system.Root.Send(e.pid, q)
	return 0
}

// copyOf is state, to be changed.
func (r *Router) copyOf(state *engine.Conversation) *engine.Conversation {
	next, _ := r.states.Get().(*engine.Conversation)
	*next = *state
	return next
}

// forget keeps the room of a state that nobody uses any more.
func (r *Router) forget(state *engine.Conversation) {
	*state = engine.Conversation{}
	r.states.Put(state)
}

// activate spawns unnamed: the table is the directory, and named spawns race.
func (r *Router) activate(id engine.ConversationID) *entry {
	e := &entry{id: id, pid: r.system.Root.Spawn(r.props)}
	r.metrics.activations.Inc()
	return e
}

// ring tells the workers of work that a change brought.
func (r *Router) ring(change *engine.Change) {
	for _, kind := range engine.DueKinds {
		at := change.After.Due[kind]
		if at == 0 || at == change.Before.Due[kind] {
			continue
		}
		if b := r.bells[kind].Load(); b != nil {
			b.ring(change.Conversation, at)
		}
	}
}

// erased tells whoever gets rid of the bytes.
func (r *Router) erased() {
	if e := r.erasure.Load(); e != nil {
		e.ring()
	}
}

// Ready reports whether requests are taken.
func (r *Router) Ready() bool { return !r.draining.Load() }

// Drain refuses what comes from outside from now on and waits until everything
// taken is answered.
func (r *Router) Drain(ctx context.Context) error {
	r.draining.Store(true)
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	for r.waiting.Load() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// drainPoll is how often Drain looks whether the mailboxes are empty.
const drainPoll = 5 * time.Millisecond

// Stop lets go of all conversations. Call it once, after Drain and after the
// workers stopped.
func (r *Router) Stop() {
	r.draining.Store(true)
	close(r.stop)
	r.sweeper.Wait()
	for i := range r.table {
		shard := &r.table[i]
		shard.mu.Lock()
		for id, e := range shard.entries {
			r.release(shard, id, e)
		}
		shard.mu.Unlock()
	}
	r.system.Shutdown()
}

// NewConversationID draws the ID of a conversation on shard.
func NewConversationID(shard engine.Shard) engine.ConversationID {
	var random [14]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand ends the process instead
	return engine.NewConversationID(shard, random)
}

// logger is log, or one that says nothing.
func logger(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

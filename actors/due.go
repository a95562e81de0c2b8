package actors

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/intervenehq/intervene/engine"
)

const (
	// WorkQueue bounds what a worker knows of in memory. What finds no room
	// stays in the journal, and the next sweep finds it.
	WorkQueue = 8192
	// AgendaInterval is how soon a worker looks into the journal again while
	// something is due there: it may have found no room, or failed.
	AgendaInterval = 500 * time.Millisecond
	// AgendaIdle is how long a worker trusts that nothing is due: the wall
	// clock may jump.
	AgendaIdle = time.Minute
	// AgendaPage bounds one look.
	AgendaPage = 4096
)

// bell tells a worker that a conversation has work, now or later. It never blocks.
type bell struct{ worker *worker }

func (b *bell) ring(id engine.ConversationID, at engine.Instant) {
	if at <= engine.InstantOf(time.Now()) {
		b.worker.offer(id)
	} else {
		b.worker.expect(at)
	}
}

// worker does what conversations wait for. Its queue is the journal: the
// bell is a hint and the sweep is the guarantee, so a crash loses nothing.
type worker struct {
	kind    engine.DueKind
	agenda  Agenda
	handle  func(ctx context.Context, id engine.ConversationID)
	metrics *workerMetrics
	log     *slog.Logger
	// ends says that whoever handles a conversation calls end itself, maybe later.
	ends bool

	queue chan engine.ConversationID
	// oldest is since when the longest waiting work was due at the last look; 0: none was.
	oldest atomic.Int64
	// next is when the sweep looks again at the latest; sooner is told through
	// earlier.
	next    atomic.Int64
	earlier chan struct{}

	mu sync.Mutex
	// known are the conversations queued or being handled; true: it was
	// offered again while being handled.
	known map[engine.ConversationID]bool

	// seen is where the last look ended that did not see everything. The sweep owns it.
	seen engine.DueItem

	ctx    context.Context // ends when Stop has waited long enough
	cancel context.CancelFunc
	stop   chan struct{}
	group  sync.WaitGroup
}

func newWorker(kind engine.DueKind, agenda Agenda, metrics *workerMetrics, log *slog.Logger) *worker {
	w := &worker{
		kind: kind, agenda: agenda, metrics: metrics, log: log,
		queue: make(chan engine.ConversationID, WorkQueue),
		known: make(map[engine.ConversationID]bool), earlier: make(chan struct{}, 1),
		stop: make(chan struct{}),
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

// start runs handle on at most hands conversations at a time, never on one
// conversation twice at once.
func (w *worker) start(hands int, handle func(ctx context.Context, id engine.ConversationID)) {
	w.handle = handle
	for range hands {
		w.group.Go(w.work)
	}
	w.group.Go(w.sweep)
}

// halt takes no more work, waits for what runs until ctx ends, then cancels it.
func (w *worker) halt(ctx context.Context) {
	close(w.stop)
	defer context.AfterFunc(ctx, w.cancel)()
	w.group.Wait()
	w.cancel()
}

func (w *worker) offer(id engine.ConversationID) {
	if w.agenda.Held(w.kind, id) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.known[id]; ok {
		w.known[id] = true
		return
	}
	select {
	case w.queue <- id:
		w.known[id] = false
	default:
		w.metrics.overflows.WithLabelValues(w.kind.String()).Inc()
	}
}

func (w *worker) work() {
	for {
		select {
		case <-w.stop:
			return
		case id := <-w.queue:
			w.begin(id)
			w.handle(w.ctx, id)
			if !w.ends {
				w.end(id)
			}
		}
	}
}

// begin forgets offers from before: what they told of is looked at now.
func (w *worker) begin(id engine.ConversationID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known[id] = false
}

func (w *worker) end(id engine.ConversationID) {
	w.mu.Lock()
	again := w.known[id]
	delete(w.known, id)
	w.mu.Unlock()
	if again {
		w.offer(id)
	}
}

// expect makes the sweep look at the instant at, if it would look later.
func (w *worker) expect(at engine.Instant) {
	if int64(at) >= w.next.Load() {
		return
	}
	select {
	case w.earlier <- struct{}{}:
	default: // it is about to look already
	}
}

// Look makes the sweep look now: something was released.
func (w *worker) Look() { w.expect(0) }

func (w *worker) sweep() {
	for {
		timer := time.NewTimer(w.look())
		select {
		case <-w.stop:
			timer.Stop()
			return
		case <-w.earlier:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// look offers what is due and answers how long nothing else will be.
func (w *worker) look() time.Duration {
	now := engine.InstantOf(time.Now())
	// What a bell tells while we read may be missing from what we read.
	w.next.Store(math.MaxInt64)
	after := w.seen
	items, err := w.agenda.Due(w.kind, after, now.Add(AgendaIdle), AgendaPage)
	if err != nil {
		w.log.Error("agenda cannot be read", slog.String("kind", w.kind.String()), slog.Any("error", err))
		return AgendaInterval
	}
	// What is due and cannot be done, because its number may not send, must not
	// hide what stands behind it: the next look goes on where this one ends.
	if w.seen = (engine.DueItem{}); len(items) == AgendaPage && items[len(items)-1].At <= now {
		w.seen = items[len(items)-1]
	}
	wait := AgendaIdle
	due := 0
	for _, item := range items {
		if item.At > now {
			wait = item.At.Sub(now)
			break
		}
		due++
		w.offer(item.Conversation)
	}
	if due > 0 || after != (engine.DueItem{}) {
		wait = min(wait, AgendaInterval)
	}
	w.next.Store(int64(now.Add(wait)))
	if after == (engine.DueItem{}) {
		w.oldest.Store(int64(w.metrics.observe(w.kind, items[:due])))
	}
	return wait
}

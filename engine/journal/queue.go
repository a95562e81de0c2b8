package journal

import (
	"runtime"
	"sync"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// request is one append on its way through the committer and the publisher.
// Whoever appends owns it until it is queued, and again once it is answered.
type request struct {
	derivation
	append engine.Append // derivation.from
	at     time.Time     // when it was queued
	// done tells whoever appends that it is answered. False says that the journal
	// died: the request may still be in use, and nothing in it is an answer.
	done chan bool

	// The answer, from the committer.
	offset uint64
	err    error
}

// newRequest has room for the rows of most appends.
func newRequest() *request {
	r := &request{done: make(chan bool, 1)}
	r.buf, r.list = make([]byte, 0, usualRowBytes), make([]row, 0, usualRows)
	return r
}

// queue holds the appends that wait for the committer.
type queue struct {
	wake chan struct{} // holds one token when there may be something to take

	mu     sync.Mutex
	list   []queued
	closed bool
}

// queued is an append with the size of its rows, which is looked at in the
// queue, where all of them stand together.
type queued struct {
	*request
	bytes int
}

func (q *queue) push(r *request) error {
	q.mu.Lock()
	switch {
	case q.closed:
		q.mu.Unlock()
		return closedError()
	case len(q.list) >= maxQueuedAppends:
		q.mu.Unlock()
		return engine.Errorf(engine.CodeOverloaded, "%d appends are queued", maxQueuedAppends)
	}
	q.list = append(q.list, queued{r, len(r.buf)})
	q.mu.Unlock()
	q.ring()
	return nil
}

func (q *queue) ring() {
	select {
	case q.wake <- struct{}{}:
	default: // the token is there already
	}
}

// take waits for appends and adds those of the next batch to room. It answers
// false when the queue is closed and empty.
func (q *queue) take(room []*request) ([]*request, bool) {
	for {
		q.mu.Lock()
		if len(q.list) > 0 {
			room = q.takeBatch(room)
			q.mu.Unlock()
			return room, true
		}
		closed := q.closed
		q.mu.Unlock()
		if closed {
			return room, false
		}
		<-q.wake
		// Whoever can run already may bring its append along: on a busy machine a
		// batch is a fifth larger for it, and on an idle one this returns at once.
		runtime.Gosched()
	}
}

// takeBatch moves the next batch to room; mu is held.
func (q *queue) takeBatch(room []*request) []*request {
	n := batchLength(q.list)
	for _, r := range q.list[:n] {
		room = append(room, r.request)
	}
	rest := copy(q.list, q.list[n:])
	clear(q.list[rest:])
	q.list = q.list[:rest]
	return room
}

// batchLength is how many of the queued go into the next batch.
func batchLength(list []queued) int {
	size := 0
	for i := range list {
		size += list[i].bytes
		if i == maxBatchAppends || (i > 0 && size > maxBatchBytes) {
			return i
		}
	}
	return len(list)
}

// close takes no more appends.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.ring()
}

// abandon takes no more appends and answers those that wait that the journal died.
func (q *queue) abandon() {
	q.close()
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range q.list {
		r.done <- false
	}
	q.list = nil
}

func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.list)
}

// age is how long the oldest append in the queue has waited.
func (q *queue) age(now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) == 0 {
		return 0
	}
	return now.Sub(q.list[0].at)
}

// underway are the batches that left the queue and are not answered. A batch is
// answered by whoever takes it from here: the publisher, or the journal's death.
type underway struct {
	mu      sync.Mutex
	batches []*batch // oldest first
	dead    bool
}

// begin adds b; false says that the journal died.
func (u *underway) begin(b *batch) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.dead {
		return false
	}
	u.batches = append(u.batches, b)
	return true
}

// end takes b, the oldest; false says that it was abandoned.
func (u *underway) end() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.dead {
		return false
	}
	rest := copy(u.batches, u.batches[1:])
	u.batches[rest] = nil
	u.batches = u.batches[:rest]
	return true
}

// abandon answers all that is under way, and what would still begin, that the
// journal died.
func (u *underway) abandon() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.dead = true
	for _, b := range u.batches {
		b.abandon()
	}
	u.batches = nil
}

// age is how long the oldest append that left the queue is unfinished.
func (u *underway) age(now time.Time) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.batches) == 0 {
		return 0
	}
	return now.Sub(u.batches[0].requests[0].at)
}

// watch knows since when the oldest of the writes that it was told of is unfinished.
type watch struct {
	mu    sync.Mutex
	since []time.Time // oldest first
}

func (w *watch) begin(at time.Time) {
	w.mu.Lock()
	w.since = append(w.since, at)
	w.mu.Unlock()
}

func (w *watch) end() {
	w.mu.Lock()
	w.since = append(w.since[:0], w.since[1:]...)
	w.mu.Unlock()
}

func (w *watch) age(now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.since) == 0 {
		return 0
	}
	return now.Sub(w.since[0])
}

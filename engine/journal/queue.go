package journal

import (
	"sync"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// request is one append on its way through the committer and the publisher.
// Whoever appends owns it until it is queued, and again after done.
type request struct {
	derivation
	at   time.Time // when it was queued
	done chan struct{}

	// The answer, from the committer.
	offset uint64
	err    error
}

// newRequest has room for the rows of most appends.
func newRequest() *request {
	r := &request{done: make(chan struct{}, 1)}
	r.buf, r.list = make([]byte, 0, usualRowBytes), make([]row, 0, usualRows)
	return r
}

// queue holds the appends that wait for the committer.
type queue struct {
	wake chan struct{} // holds one token when there may be something to take

	mu     sync.Mutex
	list   []*request
	closed bool
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
	q.list = append(q.list, r)
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

// take waits for appends and takes all of them. The queue goes on with room,
// which take's caller gives back empty. It answers false when the queue is
// closed and empty.
func (q *queue) take(room []*request) ([]*request, bool) {
	for {
		q.mu.Lock()
		if len(q.list) > 0 {
			taken := q.list
			q.list = room
			q.mu.Unlock()
			return taken, true
		}
		closed := q.closed
		q.mu.Unlock()
		if closed {
			return room, false
		}
		<-q.wake
	}
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.ring()
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

// watch knows since when the oldest append that left the queue is unfinished.
type watch struct {
	mu    sync.Mutex
	since []time.Time // by batch, oldest first
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

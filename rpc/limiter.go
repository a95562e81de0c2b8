package rpc

import (
	"sync"
	"sync/atomic"

	"github.com/intervenehq/intervene/engine"
)

const (
	// DefaultMaxCalls bounds the calls under way that are no streams. It is far above
	// what two cores have in hand at once: more would only wait, each in some 40 KB.
	DefaultMaxCalls = 8192
	// DefaultMaxStreams bounds the streams that are open in all.
	DefaultMaxStreams = 10_000
	// DefaultMaxStreamsEach bounds those of one principal: tabs and devices.
	DefaultMaxStreamsEach = 64
)

// streamLimiter counts open streams, so that no principal, and not all of them
// together, can hold more than is good for the others.
type streamLimiter struct {
	max, maxEach int

	mu   sync.Mutex
	all  int
	each map[streamOwner]int
}

// streamOwner is one principal, whichever of its tokens it uses.
type streamOwner struct {
	workspace engine.WorkspaceID
	id        engine.AgentID
}

func newStreamLimiter(limit, limitEach int) *streamLimiter {
	return &streamLimiter{max: limit, maxEach: limitEach, each: make(map[streamOwner]int)}
}

// acquire takes one stream of p; whoever gets true releases it.
func (l *streamLimiter) acquire(p Principal) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	owner := streamOwner{p.Workspace, p.ID}
	if l.all >= l.max || l.each[owner] >= l.maxEach {
		return false
	}
	l.all++
	l.each[owner]++
	return true
}

func (l *streamLimiter) release(p Principal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	owner := streamOwner{p.Workspace, p.ID}
	l.all--
	if l.each[owner]--; l.each[owner] == 0 {
		delete(l.each, owner)
	}
}

// callLimiter counts the calls under way, so that those that are too many are
// refused before anything of them was read.
type callLimiter struct {
	max   int64
	count atomic.Int64
	shed  func() bool
}

// acquire takes the place of one call; whoever gets true releases it.
func (l *callLimiter) acquire() bool {
	if l.shed() {
		return false
	}
	if l.count.Add(1) > l.max {
		l.count.Add(-1)
		return false
	}
	return true
}

func (l *callLimiter) release() { l.count.Add(-1) }

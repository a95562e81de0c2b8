package rpc

import (
	"sync"

	"github.com/intervenehq/intervene/engine"
)

const (
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

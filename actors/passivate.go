package actors

import (
	"time"

	"github.com/intervenehq/intervene/engine"
)

const (
	// DefaultMaxResident bounds the conversations in memory: more than twice the hot
	// ones that the engine is built for.
	DefaultMaxResident = 1 << 18
	// evictionSample is how many conversations are looked at to find one to let go
	// of: the longest unused of these is seldom one that is needed soon.
	evictionSample = 8
)

// Why a conversation is let go of before its time: values of a metric's label.
const (
	evictedForRoom   = "resident"
	evictedForMemory = "memory"
)

// sweep lets go of conversations that nobody used for PassivateAfter, one
// table shard at a time so that no lock is held for long.
func (r *Router) sweep() {
	tick := time.NewTicker(SweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-r.stop:
			return
		case now := <-tick.C:
			for i := range r.table {
				released := r.passivate(&r.table[i], now.Add(-PassivateAfter))
				r.metrics.passivations.Add(float64(released))
			}
		}
	}
}

func (r *Router) passivate(shard *tableShard, idleSince time.Time) (released int) {
	shard.mu.Lock()
	defer shard.mu.Unlock()
	for id, e := range shard.entries {
		if (e.used.Before(idleSince) || e.empty.Load()) && e.releasable() {
			r.release(shard, id, e)
			released++
		}
	}
	return released
}

// releasable: messages in a stopping mailbox vanish, but nothing is in this one.
// All that was sent was answered, and nobody can send while the shard is locked.
func (e *entry) releasable() bool { return e.waiting() == 0 && !e.quarantined.Load() }

// makeRoom lets go of a conversation that was not used for long; shard.mu is held.
// When all that it looks at are at work there is none, and the bound gives way: what
// waits is bounded itself.
func (r *Router) makeRoom(shard *tableShard) {
	var oldest *entry
	looked := 0
	for _, e := range shard.entries { // in an order of chance
		if e.releasable() && (oldest == nil || e.used.Before(oldest.used)) {
			oldest = e
		}
		if looked++; looked == evictionSample {
			break
		}
	}
	if oldest != nil {
		r.release(shard, oldest.id, oldest)
		r.metrics.evictions.WithLabelValues(evictedForRoom).Inc()
	}
}

// Shed has all that comes from outside refused as overloaded while on: there is no
// memory for it. What it may be the end of, results, is taken.
func (r *Router) Shed(on bool) { r.shedding.Store(on) }

// Relieve lets go of the conversations that nobody used for a while, which is
// shorter than the usual.
func (r *Router) Relieve(unused time.Duration) {
	since := time.Now().Add(-unused)
	for i := range r.table {
		released := r.passivate(&r.table[i], since)
		r.metrics.evictions.WithLabelValues(evictedForMemory).Add(float64(released))
	}
}

// release forgets e; shard.mu is held and e has nothing waiting.
func (r *Router) release(shard *tableShard, id engine.ConversationID, e *entry) {
	delete(shard.entries, id)
	r.system.Root.Stop(e.pid)
}

// Resident is how many conversations are in memory.
func (r *Router) Resident() int {
	n := 0
	for i := range r.table {
		r.table[i].mu.Lock()
		n += len(r.table[i].entries)
		r.table[i].mu.Unlock()
	}
	return n
}

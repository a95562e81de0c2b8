package actors

import (
	"time"

	"github.com/intervenehq/intervene/engine"
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
				r.passivate(&r.table[i], now.Add(-PassivateAfter))
			}
		}
	}
}

func (r *Router) passivate(shard *tableShard, idleSince time.Time) {
	shard.mu.Lock()
	defer shard.mu.Unlock()
	for id, e := range shard.entries {
		// Messages in a stopping mailbox vanish. Nothing is in this one: all
		// that was sent was answered, and nobody can send while we hold mu.
		idle := e.used.Before(idleSince) || e.empty.Load()
		if idle && e.waiting() == 0 && !e.quarantined.Load() {
			r.release(shard, id, e)
			r.metrics.passivations.Inc()
		}
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

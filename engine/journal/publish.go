package journal

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// publish is the one goroutine that says that something is durable: it waits
// for each batch's fsync, publishes its changes, and answers its appends.
func (j *Journal) publish() {
	for b := range j.unsynced {
		if b.pebble != nil {
			if err := b.pebble.SyncWait(); err != nil {
				j.die(fmt.Errorf("sync a batch: %w", err))
			}
		}
		alive := j.underway.end()
		if alive {
			j.settle(b)
			j.wakeKeeper()
		}
		if b.pebble != nil {
			if err := b.pebble.Close(); err != nil {
				j.die(fmt.Errorf("release a batch: %w", err))
			}
		}
		if alive {
			clear(b.requests)
			j.batches.Put(b)
		}
	}
}

// wakeKeeper tells the keeper that there is more to mark.
func (j *Journal) wakeKeeper() {
	select {
	case j.keeperBell <- struct{}{}:
	default: // it knows
	}
}

// settle makes b known: first to the readers of the log, then to whoever asked
// for it.
func (j *Journal) settle(b *batch) {
	if n := len(b.changes); n > 0 {
		synced := now()
		j.metrics.syncDuration.Observe(synced.Sub(b.applied).Seconds())
		j.metrics.commitDuration.Observe(synced.Sub(b.began).Seconds())
		j.ring.add(b.changes)
		j.durable.raise(b.changes[n-1].Offset)
	}
	for _, r := range b.requests {
		if r.err == nil {
			for _, kind := range r.released {
				j.held.drop(kind, r.append.Conversation)
			}
		}
		r.done <- true
	}
}

// watermark is the newest durable offset.
type watermark struct {
	value atomic.Uint64

	mu sync.Mutex
	// moved is closed when value rises; nil while nobody waits.
	moved chan struct{}
}

func (w *watermark) offset() uint64 { return w.value.Load() }

func (w *watermark) raise(offset uint64) {
	w.value.Store(offset)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.moved != nil {
		close(w.moved)
		w.moved = nil
	}
}

// above is closed once value may have risen above offset; nil when it has.
func (w *watermark) above(offset uint64) <-chan struct{} {
	if w.value.Load() > offset {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.value.Load() > offset {
		return nil
	}
	if w.moved == nil {
		w.moved = make(chan struct{})
	}
	return w.moved
}

// settled waits until offset is durable: what a read that saw it must do before
// it shows anything.
func (j *Journal) settled(offset uint64) error {
	for offset > 0 {
		moved := j.durable.above(offset - 1)
		if moved == nil {
			return nil
		}
		select {
		case <-moved:
		case <-j.dead:
			return closedError()
		}
	}
	return nil
}

// settledAll waits until everything that a read begun before this call may have
// seen is durable.
func (j *Journal) settledAll() error { return j.settled(j.assigned.Load()) }

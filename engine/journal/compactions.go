package journal

import (
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// compactions decides when Pebble compacts: as much at once as it allows itself,
// and nothing before begin, because opening a store waits for every compaction
// that starts meanwhile. One that was owed so long is started by begin.
//
// Locks of Pebble are taken before mu, so mu is never held while Pebble is called.
type compactions struct {
	// store is set before anything else is called but begin.
	store pebble.DBForCompaction
	// wake holds one token when there may be something to start.
	wake chan struct{}
	stop chan struct{}
	done sync.WaitGroup

	mu sync.Mutex
	// begun is set from begin to Unregister.
	begun   bool
	running int
}

var (
	_ pebble.CompactionScheduler   = (*compactions)(nil)
	_ pebble.CompactionGrantHandle = (*compactions)(nil)
)

func newCompactions() *compactions {
	return &compactions{wake: make(chan struct{}, 1), stop: make(chan struct{})}
}

// begin lets the store compact, once it is open.
func (c *compactions) begin() {
	c.mu.Lock()
	c.begun = true
	c.mu.Unlock()
	c.ring()
	c.done.Go(c.start)
}

// start starts what Pebble had to put off. What Pebble allows itself may have
// grown without a word, so it also looks now and then.
func (c *compactions) start() {
	ticker := time.NewTicker(compactionInterval)
	defer ticker.Stop()
	for {
		select {
		case <-c.wake:
		case <-ticker.C:
		case <-c.stop:
			return
		}
		for c.take() {
			if !c.store.Schedule(c) {
				c.give()
				break
			}
		}
	}
}

// take takes a turn, if one is free; give gives it back.
func (c *compactions) take() bool {
	allowed := c.store.GetAllowedWithoutPermission()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.begun || c.running >= allowed {
		return false
	}
	c.running++
	return true
}

func (c *compactions) give() {
	c.mu.Lock()
	c.running--
	c.mu.Unlock()
}

func (c *compactions) ring() {
	select {
	case c.wake <- struct{}{}:
	default: // the token is there already
	}
}

// Register is told of the store while that is opened.
func (c *compactions) Register(_ int, store pebble.DBForCompaction) { c.store = store }

// Unregister ends all calls of the store, which is being closed.
func (c *compactions) Unregister() {
	c.mu.Lock()
	c.begun = false
	c.mu.Unlock()
	close(c.stop)
	c.done.Wait()
}

// TrySchedule asks for a turn. What gets none waits until start comes to it.
func (c *compactions) TrySchedule() (bool, pebble.CompactionGrantHandle) { return c.take(), c }

// UpdateGetAllowedWithoutPermission is called after each flush.
func (c *compactions) UpdateGetAllowedWithoutPermission() { c.ring() }

// Done is the end of a compaction.
func (c *compactions) Done() {
	c.give()
	c.ring()
}

// Started, MeasureCPU and CumulativeStats would let a compaction be slowed down.
func (c *compactions) Started()                                          {}
func (c *compactions) MeasureCPU(pebble.CompactionGoroutineKind)         {}
func (c *compactions) CumulativeStats(pebble.CompactionGrantHandleStats) {}

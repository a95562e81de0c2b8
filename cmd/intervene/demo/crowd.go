package demo

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// arrivalTick is how often the crowd looks who is due: several may come at once.
const arrivalTick = 10 * time.Millisecond

// crowd are the customers. They come at a steady rate, whatever the engine
// does with those who are there.
type crowd struct {
	seed   uint64
	rate   float64 // arrivals per second
	graph  *standin.Graph
	ledger *ledger
	first  int // ordinal of the first customer
	// least come in any case, on a machine that cannot keep up, too.
	least int

	wrote atomic.Int64
}

// run lets customers come until ctx ends. Whoever came writes at least once, and
// finishes what they began; the rest of their script is never written.
func (c *crowd) run(ctx context.Context) {
	var customers sync.WaitGroup
	defer customers.Wait()
	tick := time.NewTicker(arrivalTick)
	defer tick.Stop()
	started := time.Now()
	arrived := 0
	admit := func(due int) {
		for ; arrived < due; arrived++ {
			script := newScript(c.seed, c.first+arrived)
			customers.Go(func() { c.play(ctx, script) })
		}
	}
	for {
		select {
		case <-ctx.Done():
			admit(c.least)
			return
		case <-tick.C:
			admit(int(time.Since(started).Seconds() * c.rate))
		}
	}
}

func (c *crowd) play(ctx context.Context, s script) {
	for n, l := range s.lines {
		if n > 0 && !rest(ctx, l.pause) {
			return
		}
		var at time.Time
		if s.late {
			at = time.Now().Add(-lateBy)
		}
		// Not ctx: what is begun is finished, and then stands in the ledger.
		wamid, err := c.graph.WriteText(context.WithoutCancel(ctx), s.customer, l.text, at)
		if err != nil {
			c.ledger.problem(fmt.Sprintf("customer could not write: %v", err))
			return
		}
		c.wrote.Add(1)
		c.ledger.offer(offered{ordinal: s.ordinal, phone: s.customer.WAID, wamid: wamid, text: l.text, late: s.late})
	}
}

// rest reports whether d passed before ctx ended.
func rest(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

package actors

import "sync/atomic"

const (
	// MaxIdleHands bounds the goroutines that wait for a mailbox to run. They
	// are let go of, and their stacks with them, at every sweep.
	MaxIdleHands = 4096
	// handsThroughput is how many messages of one mailbox a hand runs before it
	// lets others go first.
	handsThroughput = 300
)

// hands run the mailboxes, each on one goroutine at a time. protoactor's own
// dispatcher begins a goroutine for every run, whose stack has to grow each time
// before it is deep enough for an append: these keep what they have grown.
type hands struct {
	work chan func() // received from by idle hands; nil sends one away
	stop chan struct{}
	idle atomic.Int64
}

func newHands() *hands {
	return &hands{work: make(chan func()), stop: make(chan struct{})}
}

// Schedule never blocks: a run may wait for the disk, and another must not wait
// for it.
func (h *hands) Schedule(run func()) {
	select {
	case h.work <- run:
	default: // nobody is idle
		go h.hand(run)
	}
}

// Throughput is protoactor's word for how long a hand stays with a mailbox.
func (h *hands) Throughput() int { return handsThroughput }

func (h *hands) hand(run func()) {
	for run != nil {
		run()
		if h.idle.Add(1) > MaxIdleHands {
			h.idle.Add(-1)
			return
		}
		select {
		case run = <-h.work:
		case <-h.stop:
			run = nil
		}
		h.idle.Add(-1)
	}
}

// rest sends the idle away.
func (h *hands) rest() {
	for range MaxIdleHands {
		select {
		case h.work <- nil:
		default:
			return
		}
	}
}

// halt ends the idle, and the others once they are.
func (h *hands) halt() { close(h.stop) }

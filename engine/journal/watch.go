package journal

import (
	"fmt"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// exclusive is one sort of write that is no append, of which one runs at a time.
type exclusive struct {
	turn    chan struct{} // holds one token while one runs
	running watch
}

func newExclusive() exclusive { return exclusive{turn: make(chan struct{}, 1)} }

func (x *exclusive) begin() {
	x.turn <- struct{}{}
	x.running.begin(now())
}

func (x *exclusive) end() {
	x.running.end()
	<-x.turn
}

// watchAge ends the process when a write takes too long. It does no I/O: it
// must go on when that hangs.
func (j *Journal) watchAge() {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-j.stop:
			return
		case <-j.dead:
			return
		case now := <-ticker.C:
			if age := j.age(now); age > appendTimeout {
				j.die(fmt.Errorf("a write is unfinished after %s", age.Round(time.Millisecond)))
				return
			}
		}
	}
}

// age is how long the oldest write is under way.
func (j *Journal) age(now time.Time) time.Duration {
	return max(j.queue.age(now), j.underway.age(now),
		j.marking.running.age(now), j.changing.running.age(now), j.expiring.running.age(now))
}

// closeInTime ends the process when closing takes too long: all that was
// answered is durable, and whoever waits for the end is better served by it.
func (j *Journal) closeInTime() error {
	done := make(chan error, 1)
	go func() { done <- j.close() }() // ends with the process, should the disk hang
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		err := fmt.Errorf("closing is unfinished after %s", closeTimeout)
		j.die(err)
		return &engine.Error{Code: engine.CodeUnavailable, Err: err}
	}
}

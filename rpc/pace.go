package rpc

import (
	"runtime"
	"time"

	"golang.org/x/time/rate"
)

const (
	// deliveryCost is the CPU that one frame of one stream takes, nearly whatever
	// it holds; docs/PERFORMANCE.md has the measurement.
	deliveryCost = 20 * time.Microsecond
	// deliveryPercent is how much of all CPUs deliveries may take.
	deliveryPercent = 50
	// deliveryBurst is how long a time's worth of deliveries may go at once.
	deliveryBurst = 50 * time.Millisecond
	// maxPause is the longest that a view holds changes back.
	maxPause = time.Second
)

// pace keeps the deliveries of all streams within a share of the CPU: a view
// pays for what it told, and waits until that is earned.
type pace struct{ limiter *rate.Limiter }

func newPace() *pace {
	each := float64(time.Second/deliveryCost) * float64(runtime.GOMAXPROCS(0)) * deliveryPercent / 100
	return &pace{rate.NewLimiter(rate.Limit(each), int(each*deliveryBurst.Seconds()))}
}

// take pays for deliveries and answers how long to wait for it.
func (p *pace) take(now time.Time, deliveries int) time.Duration {
	var pause time.Duration
	for deliveries > 0 {
		n := min(deliveries, p.limiter.Burst())
		pause = p.limiter.ReserveN(now, n).DelayFrom(now)
		deliveries -= n
	}
	return min(pause, maxPause)
}

package standin

import "time"

// rateLimit is a token bucket kept as one time (GCRA): the moment at which the
// bucket would be full again. Its owner locks.
type rateLimit struct {
	interval time.Duration // one token
	burst    int
	fullAt   time.Time
}

func newNumberRate(perSecond int) *rateLimit {
	if perSecond == 0 {
		return nil
	}
	return &rateLimit{interval: time.Second / time.Duration(perSecond), burst: perSecond}
}

// has tells whether a token is there.
func (r *rateLimit) has(now time.Time) bool {
	return r == nil || r.fullAt.Sub(now) <= time.Duration(r.burst-1)*r.interval
}

// spend takes a token, or runs into debt: what customers write counts against
// the number's rate but is never refused.
func (r *rateLimit) spend(now time.Time) {
	if r == nil {
		return
	}
	if r.fullAt.Before(now) {
		r.fullAt = now
	}
	r.fullAt = r.fullAt.Add(r.interval)
}

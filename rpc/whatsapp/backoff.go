package whatsapp

import (
	"net/http"
	"strconv"
	"time"
)

// pacing is how long a send waits that was surely not sent: up to base, and
// backoffFactor times as long with each further attempt, at most longest.
// engine.MaxAttempts attempts outlast an outage of about half an hour, and of
// a few hours where an operator has to act.
type pacing struct {
	base    time.Duration
	longest time.Duration
	// exact waits are not drawn from a range: Meta says how long.
	exact bool
}

const backoffFactor = 4

var (
	paceRetry = pacing{base: time.Second, longest: 30 * time.Minute}
	paceQuota = pacing{base: time.Minute, longest: time.Hour}
	// Meta asks for 4^n seconds, n counting the refusals from 0.
	pacePair  = pacing{base: time.Second, longest: time.Hour, exact: true}
	pacePause = pacing{base: 5 * time.Minute, longest: 2 * time.Hour}
)

// MaxRetryAfter bounds what a Retry-After can make us wait.
const MaxRetryAfter = 6 * time.Hour

// wait is how long to wait after the given attempt, the first being 1. A wait
// that the server asked for is a floor. draw picks from [0, n): full jitter
// keeps those who failed together from coming again together.
func (p pacing) wait(attempt uint32, asked time.Duration, draw func(time.Duration) time.Duration) time.Duration {
	wait := p.base
	for n := uint32(1); n < attempt && wait < p.longest; n++ {
		wait *= backoffFactor
	}
	wait = min(wait, p.longest)
	if p.exact {
		return max(asked, wait)
	}
	return asked + draw(wait)
}

// retryAfter reads the header of that name, in both of its forms; 0 if there is
// none or it makes no sense.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		seconds = min(max(seconds, 0), int64(MaxRetryAfter/time.Second))
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter)
}

package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	// firstPause bounds the pause before the first attempt to come back, each
	// further one doubles it, up to longestPause. A pause is drawn from all of what
	// bounds it, so that those who were cut off together do not come back together.
	firstPause   = 250 * time.Millisecond
	longestPause = 15 * time.Second
	// longestAsked bounds the pause that a server may ask for.
	longestAsked = time.Minute
)

// backoff counts the attempts since the last that came to something.
type backoff struct{ failures int }

// pause is how long to stay away after err. live: the stream that it ended had
// come as far as showing the present.
func (b *backoff) pause(err error, live bool) time.Duration {
	asked := askedPause(err)
	if live {
		b.failures = 0
		if errors.Is(err, ErrSentAway) {
			return asked // the server has spread its callers already
		}
	}
	return asked + rand.N(b.next())
}

// next is the bound of a pause that is drawn.
func (b *backoff) next() time.Duration {
	bound := firstPause
	for n := 0; n < b.failures && bound < longestPause; n++ {
		bound *= 2
	}
	b.failures++
	return min(bound, longestPause)
}

// rest reports whether d passed before ctx ended.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

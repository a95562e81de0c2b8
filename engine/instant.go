package engine

import "time"

// Instant is a point in time in milliseconds since the Unix epoch, the
// resolution of everything that is stored. The zero value means none.
type Instant int64

// InstantOf drops what is finer than a millisecond.
func InstantOf(t time.Time) Instant {
	if t.IsZero() {
		return 0
	}
	return Instant(t.UnixMilli())
}

// Time is i in UTC; the zero Instant is the zero time.
func (i Instant) Time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(i)).UTC()
}

// IsZero reports that i names no point in time.
func (i Instant) IsZero() bool { return i == 0 }

// Add is the instant d after i.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d.Milliseconds()) }

// Sub is the time from earlier to i.
func (i Instant) Sub(earlier Instant) time.Duration {
	return time.Duration(i-earlier) * time.Millisecond
}

// Truncate is i rounded down to a multiple of d.
func (i Instant) Truncate(d time.Duration) Instant {
	return i - i%Instant(d.Milliseconds())
}

package standin

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// seed decides every draw. A draw is a hash of the seed and of the name of the
// thing decided, not the next number of a shared stream: which goroutine comes
// first changes nothing.
type seed uint64

// newSeed draws a seed when none was given. Two runs against one receiver must
// not give the same WAMIDs to different messages.
func newSeed(configured uint64) seed {
	for configured == 0 {
		configured = rand.Uint64()
	}
	return seed(configured)
}

// draw is FNV-1a over the parts, closed with the SplitMix64 finalizer: FNV
// alone leaves the high bits of near-equal names alike.
func (s seed) draw(parts ...string) uint64 {
	const (
		fnvOffset = 14695981039346656037
		fnvPrime  = 1099511628211
	)
	h := uint64(fnvOffset) ^ uint64(s)
	for _, part := range parts {
		for i := range len(part) {
			h = (h ^ uint64(part[i])) * fnvPrime
		}
		h = (h ^ 0xff) * fnvPrime // so that "ab","c" and "a","bc" differ
	}
	h ^= uint64(s)
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// chance is true with probability p, for ever the same for the same parts.
func (s seed) chance(p float64, parts ...string) bool {
	return unit(s.draw(parts...)) < p
}

// within draws a duration in [0, limit).
func (s seed) within(limit time.Duration, parts ...string) time.Duration {
	if limit <= 0 {
		return 0
	}
	return time.Duration(unit(s.draw(parts...)) * float64(limit))
}

// unit maps a draw to [0, 1).
func unit(lot uint64) float64 {
	return math.Ldexp(float64(lot>>11), -53)
}

func itoa(n int) string { return strconv.Itoa(n) }

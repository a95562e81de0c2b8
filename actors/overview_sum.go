package actors

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// MaxDistinct bounds the conversations that a period knows one by one. With more of
// them their number is estimated, within some 2 % in the mean.
const MaxDistinct = 2048

// distinct counts conversations, each once: exactly while they are few, and then by
// how densely the smallest IDs lie, which are random.
type distinct struct {
	smallest []engine.ConversationID // in the order of their random part
	dropped  bool                    // there were more
	sealed   bool
	counted  uint64 // once sealed
}

// byChance orders by the random part of an ID: its shard stands before.
func byChance(a, b engine.ConversationID) int { return bytes.Compare(a[2:], b[2:]) }

func (d *distinct) add(id engine.ConversationID) {
	if d.sealed {
		return
	}
	at, known := slices.BinarySearchFunc(d.smallest, id, byChance)
	switch {
	case known:
		return
	case len(d.smallest) == MaxDistinct:
		d.dropped = true
		if at == MaxDistinct {
			return
		}
		d.smallest = d.smallest[:MaxDistinct-1]
	}
	d.smallest = slices.Insert(d.smallest, at, id)
}

func (d *distinct) count() uint64 {
	switch {
	case d.sealed:
		return d.counted
	case !d.dropped:
		return uint64(len(d.smallest))
	}
	largest := d.smallest[MaxDistinct-1]
	share := float64(binary.BigEndian.Uint64(largest[2:])) / math.MaxUint64
	return uint64(math.Round((MaxDistinct - 1) / share))
}

// seal keeps the number alone: what comes later is not counted.
func (d *distinct) seal() { *d = distinct{sealed: true, counted: d.count()} }

const (
	// spanSteps is how many buckets there are from one duration to its double: a
	// quantile is within 2^(1/16), less than 5 %.
	spanSteps = 8
	// spanBuckets reach from a second to a month. The first is of all that is less,
	// the last of all that is more.
	spanBuckets = 2 + 22*spanSteps
)

// spans sum up how long things took.
type spans struct {
	count   uint64
	total   time.Duration
	longest time.Duration
	buckets *[spanBuckets]uint32 // nil while there is none
}

func (s *spans) add(d time.Duration) {
	d = max(d, 0)
	if s.buckets == nil {
		s.buckets = new([spanBuckets]uint32)
	}
	s.count++
	s.total += d
	s.longest = max(s.longest, d)
	s.buckets[spanBucket(d)]++
}

func spanBucket(d time.Duration) int {
	if d < time.Second {
		return 0
	}
	return min(1+int(math.Log2(d.Seconds())*spanSteps), spanBuckets-1)
}

func (s *spans) sum() engine.Durations {
	if s.count == 0 {
		return engine.Durations{}
	}
	return engine.Durations{
		Count: s.count, Median: s.quantile(0.5), NinthDecile: s.quantile(0.9), Longest: s.longest,
		Mean: s.total / time.Duration(s.count),
	}
}

// quantile is the middle of the bucket that holds it.
func (s *spans) quantile(q float64) time.Duration {
	rank := uint64(math.Ceil(q * float64(s.count)))
	for i, n := range s.buckets {
		if rank > uint64(n) {
			rank -= uint64(n)
			continue
		}
		middle := 0.5
		if i > 0 {
			middle = math.Exp2((float64(i-1) + 0.5) / spanSteps)
		}
		return min(time.Duration(middle*float64(time.Second)), s.longest)
	}
	return s.longest
}

package standin

import (
	"container/heap"
	"time"
)

// parcel is what becomes one POST, or, while unsealed, a part of one.
type parcel struct {
	due    time.Time
	seq    uint64 // of queueing: equal due times keep their order
	items  []*item
	offers int  // made so far
	sealed bool // takes no more items: it was offered before, or is forged
	forged bool // to be signed wrongly, and never offered again
}

// schedule is a heap of parcels, the next due on top. Its owner locks.
type schedule []*parcel

func (s schedule) Len() int { return len(s) }

func (s schedule) Less(i, j int) bool {
	if !s[i].due.Equal(s[j].due) {
		return s[i].due.Before(s[j].due)
	}
	return s[i].seq < s[j].seq
}

func (s schedule) Swap(i, j int) { s[i], s[j] = s[j], s[i] }

func (s *schedule) Push(x any) { *s = append(*s, x.(*parcel)) }

func (s *schedule) Pop() any {
	last := len(*s) - 1
	p := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	return p
}

// take answers the next parcel that is due, merged with those due after it up
// to the limits, or how long to wait for one. Nil and zero: nothing is queued.
func (s *schedule) take(now time.Time, maxItems, maxBytes int) (*parcel, time.Duration) {
	if len(*s) == 0 {
		return nil, 0
	}
	if wait := (*s)[0].due.Sub(now); wait > 0 {
		return nil, wait
	}
	p := heap.Pop(s).(*parcel)
	if p.sealed {
		return p, 0
	}
	size := p.items[0].size()
	for len(*s) > 0 && len(p.items) < maxItems {
		next := (*s)[0]
		if next.sealed || next.due.After(now) {
			break
		}
		if size += next.items[0].size(); size > maxBytes {
			break
		}
		heap.Pop(s)
		p.items = append(p.items, next.items...)
	}
	p.sealed = true
	return p, 0
}

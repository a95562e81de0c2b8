package actors

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// TestDistinct: few are counted exactly, many within 10 %, in bounded memory, and
// none of them twice.
func TestDistinct(t *testing.T) {
	draw := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 1000, MaxDistinct, MaxDistinct + 1, 10_000, 200_000} {
		var d distinct
		ids := make([]engine.ConversationID, n)
		for i := range ids {
			var random [14]byte
			for j := range random {
				random[j] = byte(draw.IntN(256))
			}
			ids[i] = engine.NewConversationID(engine.Shard(i%3), random)
			d.add(ids[i])
		}
		for _, id := range ids {
			d.add(id)
		}
		got := float64(d.count())
		if off := math.Abs(got - float64(n)); off > 0.1*float64(n) || (n <= MaxDistinct && off != 0) {
			t.Errorf("got %v, want %d, exactly up to %d", got, n, MaxDistinct)
		}
		if len(d.smallest) > MaxDistinct {
			t.Errorf("got %d kept, want %d at most", len(d.smallest), MaxDistinct)
		}
		d.seal()
		d.add(engine.ConversationID{2: 1})
		if float64(d.count()) != got || d.smallest != nil {
			t.Errorf("sealed: got %d and %d kept, want %v and none", d.count(), len(d.smallest), got)
		}
	}
}

// TestSpanBuckets: every duration has a bucket, and the bounds are where they belong.
func TestSpanBuckets(t *testing.T) {
	for _, d := range []time.Duration{math.MinInt64, -1, 0, 1, time.Second - 1, time.Second, time.Minute, 40 * day, math.MaxInt64} {
		var s spans
		s.add(d)
		s.add(d)
		sum := s.sum()
		if want := max(d, 0); sum.Count != 2 || sum.Longest != want || sum.Median > want {
			t.Errorf("%v: got %+v, want two of it", d, sum)
		}
	}
	if first, last := spanBucket(time.Second), spanBucket(math.MaxInt64); first != 1 || last != spanBuckets-1 {
		t.Errorf("got buckets %d, %d, want 1, %d", first, last, spanBuckets-1)
	}
}

// TestHeldSinceIsBounded: of more than so many the beginning is not remembered, and
// what is over is forgotten.
func TestHeldSinceIsBounded(t *testing.T) {
	o := &Overviews{workspaces: make(map[engine.WorkspaceID]*workspaceOverview), heldSince: make(map[engine.ConversationID]engine.Instant)}
	held := func(holder engine.AgentID, since engine.Instant) engine.Index {
		return engine.Index{Workspace: "acme", Column: engine.Intervened, Holder: holder, Order: since}
	}
	id := func(n int) engine.ConversationID {
		return engine.ConversationID{2: byte(n), 3: byte(n >> 8), 4: byte(n >> 16)}
	}
	for n := range MaxTransferred + 1 {
		o.foldOne(&engine.Change{Conversation: id(n), At: 2000, Before: held("asha", 1000), After: held("ben", 2000), Cause: engine.CauseTransferred})
	}
	if len(o.heldSince) != MaxTransferred {
		t.Errorf("got %d remembered, want %d", len(o.heldSince), MaxTransferred)
	}
	for _, n := range []int{0, MaxTransferred} {
		o.foldOne(&engine.Change{Conversation: id(n), At: 5000, Before: held("ben", 2000), After: engine.Index{Workspace: "acme", Column: engine.Active}, Cause: engine.CauseResolved})
	}
	o.foldOne(&engine.Change{Conversation: id(1), At: 5000, Before: held("ben", 2000), After: engine.Index{Workspace: "acme"}}) // erased
	if len(o.heldSince) != MaxTransferred-2 {
		t.Errorf("got %d remembered, want two less", len(o.heldSince))
	}
	hours := o.Overview("acme", 5000).Hours
	if got := hours[OverviewHours-1].Holding; got.Count != 2 || got.Longest != 4*time.Second || got.Mean != 3500*time.Millisecond {
		t.Errorf("got %+v, want one held for 4 s and one since it changed hands, for 3 s", got)
	}
}

// BenchmarkOverviewFold counts a change by which a customer of many wrote.
func BenchmarkOverviewFold(b *testing.B) {
	o := &Overviews{workspaces: make(map[engine.WorkspaceID]*workspaceOverview), heldSince: make(map[engine.ConversationID]engine.Instant)}
	draw := rand.New(rand.NewPCG(1, 2))
	changes := make([]engine.Change, 100_000)
	for i := range changes {
		var random [14]byte
		for j := range random {
			random[j] = byte(draw.IntN(256))
		}
		index := engine.Index{Workspace: "acme", Column: engine.Requesting, WaitingSince: 1000, Order: 1000}
		changes[i] = engine.Change{Conversation: engine.NewConversationID(0, random), At: engine.Instant(1000 * i), Before: index, After: index}
		changes[i].After.Unread++
	}
	for i := 0; b.Loop(); i++ {
		o.foldOne(&changes[i%len(changes)])
	}
}

package journal

import (
	"math/rand/v2"
	"testing"

	"github.com/intervenehq/intervene/engine"
)

// TestVersionsGrow: what was set last is known, nearly all else too, and nothing
// is known wrongly, however many there are.
func TestVersionsGrow(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var ids []engine.ConversationID
	v := newVersions()
	want := make(map[engine.ConversationID]uint64)
	for n := range uint64(25_000) {
		id := engine.ConversationID{1}
		if len(ids) > 0 && rng.IntN(4) == 0 {
			id = ids[rng.IntN(len(ids))]
		} else {
			for i := range id[1:] {
				id[1+i] = byte(rng.Uint32())
			}
			ids = append(ids, id)
		}
		want[id] = n + 1
		v.set(id, n+1)
		if got, ok := v.get(id); !ok || got != n+1 {
			t.Fatalf("just set: got version %d, known %t, want %d", got, ok, n+1)
		}
	}
	known := 0
	for _, id := range ids {
		got, ok := v.get(id)
		if ok && got != want[id] {
			t.Errorf("got version %d, want %d", got, want[id])
		}
		if ok {
			known++
		}
	}
	if known < len(ids)*19/20 {
		t.Errorf("got %d of %d known, want nearly all", known, len(ids))
	}
	if got := len(v.known); got != maxVersions {
		t.Errorf("got %d places, want %d", got, maxVersions)
	}
}

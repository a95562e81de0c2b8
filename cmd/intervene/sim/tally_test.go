package sim

import (
	"fmt"

	"github.com/intervenehq/intervene/engine"
)

// tally is what was simulated.
type tally struct {
	lives, crashes int
	// queued are the sends of conversations that are there in the end; offered
	// the requests with one that reached the platform, accepted those that it took.
	queued, offered, accepted   int
	repeated, resent, unknown   int
	pictures, amended, erased   int
	linked, muted               int
	restores, held, interrupted int
	seen                        coverage
}

func (t *tally) add(o *tally) {
	if t.seen == nil {
		t.seen = make(coverage)
	}
	for name, n := range o.seen {
		t.seen[name] += n
	}
	t.lives, t.crashes = t.lives+o.lives, t.crashes+o.crashes
	t.queued, t.offered, t.accepted = t.queued+o.queued, t.offered+o.offered, t.accepted+o.accepted
	t.repeated, t.resent, t.unknown = t.repeated+o.repeated, t.resent+o.resent, t.unknown+o.unknown
	t.pictures, t.amended, t.erased = t.pictures+o.pictures, t.amended+o.amended, t.erased+o.erased
	t.linked, t.muted = t.linked+o.linked, t.muted+o.muted
	t.restores, t.held, t.interrupted = t.restores+o.restores, t.held+o.held, t.interrupted+o.interrupted
}

func (t *tally) String() string {
	return fmt.Sprintf("%d lives, %d crashes; %d sends queued, %d offered, %d accepted, %d unknown in the end, %d repeated, %d resent; "+
		"%d pictures, %d amendments, %d linked, %d muted, %d erased; %d restores of which %d interrupted, %d holds%s", t.lives, t.crashes, t.queued, t.offered, t.accepted,
		t.unknown, t.repeated, t.resent, t.pictures, t.amended, t.linked, t.muted, t.erased,
		t.restores, t.interrupted, t.held, t.seen)
}

// count is called with the ledger held.
func (s *sim) count(chronicles map[engine.ConversationID]*chronicle) {
	t := &s.tally
	t.offered, t.accepted = len(s.ledger.calls), len(s.meta.Deliveries())
	for _, c := range chronicles {
		t.queued += len(c.order)
		t.pictures += len(c.files)
		t.amended += len(c.amended)
		t.linked += len(c.cards.Linked)
		if c.mutedUntil > 0 {
			t.muted++
		}
		for _, send := range c.sends {
			if send.repeated {
				t.repeated++
			}
			if send.resentAs != 0 {
				t.resent++
			}
			if send.state == engine.Unknown {
				t.unknown++
			}
		}
	}
	s.cover(chronicles)
	for _, story := range s.ledger.stories {
		if story.erased != nil {
			t.erased++
		}
	}
}

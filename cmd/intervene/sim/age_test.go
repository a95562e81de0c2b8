package sim

import (
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/intervenehq/intervene/engine"
)

const (
	// retention is how long some workspaces keep what was said: longer than all
	// else takes, so that its end is a time of its own.
	retention = 10 * 24 * time.Hour
	// agedUp is how long the engine is up after it.
	agedUp = 10 * time.Minute
)

// age waits until everything is older than workspaces keep it. A conversation that
// is not in History yet when that is found loses what was said, and goes a step later.
func (s *sim) age(mem *vfs.MemFS) *vfs.MemFS {
	if s.ledger.failed() || s.plan.policies[other].Retention == 0 {
		return mem
	}
	s.ledger.note("all is left alone until it is old")
	s.aging = true
	for _, down := range []time.Duration{retention + time.Hour, engine.RetentionStep + time.Hour, engine.RetentionStep + time.Hour} {
		time.Sleep(down)
		w, left := s.boot(mem, life{})
		if w == nil {
			return left
		}
		time.Sleep(agedUp)
		synctest.Wait()
		if down != retention+time.Hour {
			s.auditAged(w)
		}
		mem = s.shut(w, true)
		if s.ledger.failed() {
			break
		}
	}
	return mem
}

// auditAged: nothing that was said is kept longer than its workspace wants, and
// where it is kept for ever it is all there.
func (s *sim) auditAged(w *world) {
	all := s.everything(w)
	if all == nil {
		return
	}
	s.showAll(all, "age")
	there := make(map[engine.ConversationID]*chronicle)
	now := engine.InstantOf(time.Now())
	for id, events := range all {
		c, err := w.journal.Load(id)
		if err != nil {
			s.ledger.violate("age: %s cannot be read: %v", id, err)
			continue
		}
		if !c.Erased {
			there[id] = nil
		}
		switch {
		case s.plan.policies[c.Workspace].Retention == 0 && events[0].Version != 1 && !s.ledger.isErasing(id):
			s.ledger.violate("age: %s begins at version %d, and is kept for ever", id, events[0].Version)
		case s.plan.policies[c.Workspace].Retention == 0 || c.Erased:
		case c.Column == engine.History && !c.OptedOut:
			s.ledger.violate("age: %s is still there, its newest message is %s old", id, now.Sub(c.LastActivity))
		default:
			s.forgets(w, id, now)
		}
	}
	for id := range there {
		there[id] = newChronicle(s.ledger, s.plan, id)
	}
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	s.folders(w, there)
	s.ages(all)
}

// forgets: nothing that was said in a conversation which stays is still there.
func (s *sim) forgets(w *world, id engine.ConversationID, now engine.Instant) {
	messages, err := w.journal.Messages(id, 0, 10_000)
	if err != nil {
		s.ledger.violate("age: the messages of %s cannot be read: %v", id, err)
	}
	for i := range messages {
		if old := now.Sub(messages[i].Event.At); old > retention+engine.RetentionStep+timerSlack {
			s.ledger.violate("age: message %s is still there, %s old", messages[i].ID, old)
		}
	}
}

// ages counts what became of them. The ledger is held.
func (s *sim) ages(all map[engine.ConversationID][]engine.Event) {
	for id, events := range all {
		switch story := s.ledger.stories[id]; {
		case story == nil || s.plan.policies[story.workspace].Retention == 0 || story.erasing:
		case isErased(events):
			s.tally.seen.saw("age: ended")
		case events[0].Version > 1:
			s.tally.seen.saw("age: trimmed")
		}
	}
}

// unasked: before anything is old enough nothing is erased but by a command. The
// ledger is held.
func (s *sim) unasked() {
	for _, id := range s.ledger.order {
		if story := s.ledger.stories[id]; story.erased != nil && !story.erasing {
			s.ledger.violateLocked("age: %s is erased, and nobody asked for it", id)
		}
	}
}

package sim

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// restored is one restore: from it on the conversations go on at the versions of
// cut, and what had come after them is lost.
type restored struct {
	era   int
	mark  uint64 // in the names of sends from then on
	began engine.Instant
	at    engine.Instant
	cut   map[engine.ConversationID]uint64
	// holds are the conversations whose sends are held; sent those of which they
	// were let go after all.
	holds, sent []engine.ConversationID
}

// versionBits of a send's name are its version, the others say of which journal it is.
const versionBits = 40

func markOf(identity [16]byte) uint64 { return binary.BigEndian.Uint64(identity[:])>>versionBits | 1 }

// resolve finds the message that the platform knows as op, and after how many restores it
// was sent; not ok: it is of a time that was lost. The ledger is held.
func (l *ledger) resolve(op engine.MessageID) (id engine.MessageID, era int, ok bool) {
	id = engine.MessageID{Conversation: op.Conversation, Version: op.Version & (1<<versionBits - 1)}
	if mark := op.Version >> versionBits; mark != 0 {
		era = 1 + slices.IndexFunc(l.restores, func(r *restored) bool { return r.mark == mark })
	}
	for _, r := range l.restores[era:] {
		if id.Version > r.cut[id.Conversation] {
			return id, era, false
		}
	}
	return id, era, true
}

// wasHeld reports whether a message stood in a conversation as a restore found it
// with its sends held. The ledger is held.
func (l *ledger) wasHeld(id engine.MessageID) (r *restored, held bool) {
	for _, r := range l.restores {
		if id.Version <= r.cut[id.Conversation] && slices.Contains(r.holds, id.Conversation) {
			return r, true
		}
	}
	return nil, false
}

func (l *ledger) releases(id engine.ConversationID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.restores {
		r.sent = append(r.sent, id)
	}
}

// rewind forgets what was told and is not in all, which is what r brought back. What
// had been told before the backup began must be there. The ledger is held.
func (l *ledger) rewind(b *backup, r *restored, all map[engine.ConversationID][]engine.Event) {
	for id, story := range l.stories {
		events := all[id]
		if newestOf(events) < b.newest[id] {
			l.violateLocked("restore: %s is back at version %d, version %d was shown before the backup", id, newestOf(events), b.newest[id])
		}
		r.cut[id] = newestOf(events)
		story.rewind(events)
	}
	for id, events := range all {
		r.cut[id] = newestOf(events)
	}
	l.restores = append(l.restores, r)
	l.order = slices.DeleteFunc(l.order, func(id engine.ConversationID) bool { return l.stories[id].lost })
	for _, o := range l.opOrder {
		l.rewindOp(b, o, all[o.conversation])
	}
	l.claims = slices.DeleteFunc(l.claims, func(c claim) bool { return c.end >= b.began })
	l.turns = slices.DeleteFunc(l.turns, func(t *turn) bool { return t.begin >= b.began })
	for _, c := range l.calls {
		c.lost = c.lost || c.begin >= b.began
	}
	l.noteLocked("the backup of %d is restored: %d conversations, of %d the sends are held", b.began, len(all), len(r.holds))
}

// rewind forgets what the restored events do not hold.
func (t *story) rewind(events []engine.Event) {
	newest := newestOf(events)
	t.newest, t.lost = newest, newest == 0
	erased := isErased(events)
	if erased {
		newest-- // the tombstone is one of its own
	} else {
		t.erased = nil
	}
	t.erasing = t.erasing && newest > 0
	for version := range t.events {
		if version > newest {
			delete(t.events, version)
		}
	}
	for version := range t.cards {
		if version > newest {
			delete(t.cards, version)
		}
	}
	maps.DeleteFunc(t.wired, func(version uint64, _ wiredCard) bool { return version > newest })
	maps.DeleteFunc(t.told, func(version uint64, _ *intervenev1.ConversationEvent) bool { return version > newest })
	clear(t.delivery)
}

// rewindOp forgets the outcome of a command that was lost. What was erased is told by
// the erasure ledger, not by the command.
func (l *ledger) rewindOp(b *backup, o *op, events []engine.Event) {
	o.refused = nil
	there := slices.ContainsFunc(events, func(e engine.Event) bool { return e.Command == o.id })
	if there || b.accepted[o] {
		return
	}
	o.receipt, o.ended = nil, 0
	if _, begins := o.body.(engine.StartConversation); begins && len(events) == 0 {
		o.conversation = engine.ConversationID{}
	}
}

// rewind has a client begin anew, as the stream tells it to.
func (f *storyWatcher) rewind(r *restored) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = min(f.seen, r.cut[f.id])
	if r.cut[f.id] == 0 {
		f.id, f.seen = engine.ConversationID{}, 0
	}
}

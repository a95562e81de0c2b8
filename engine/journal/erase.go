package journal

import (
	"slices"

	"github.com/intervenehq/intervene/engine"
)

// removal is what an append takes away: of a conversation that is erased
// everything, of one whose retention has passed what is older.
type removal struct {
	erases, trims bool
	// oldest is the version of the oldest event that was kept so far.
	oldest uint64
	// claims are the identities that removed events claimed, names what the
	// platform called sends that nothing is kept of.
	claims []digest
	names  []naming
	// amended is how many amendments are kept.
	amended int
	// dead are the dead letters among these sends.
	dead []engine.DeadLetter
	// before is the conversation as of the newest event that is removed: what
	// the kept ones are applied to.
	before engine.Conversation
}

func (r *removal) any() bool { return r.erases || r.trims }

// foldRemoval reads what has to go, if the append removes anything.
func (d *derivation) foldRemoval() error {
	r := &d.removal
	for i := range d.from.Events {
		switch d.from.Events[i].Body.(type) {
		case engine.Erased:
			r.erases = true
		case engine.Trimmed:
			r.trims = true
		}
	}
	if !r.any() {
		return nil
	}
	r.trims = r.trims && !r.erases
	if d.from.Expected == 0 || oldestOf(d.from.After) > d.from.After.Version {
		return &engine.Error{Code: engine.CodeInvalid, Field: "append", Problem: "must remove what is there"}
	}
	at, err := d.stored.check()
	if err != nil {
		return err
	}
	r.oldest = at.oldest
	if r.trims && oldestOf(d.from.After) <= at.oldest {
		r.trims = false // it is done already
		return nil
	}
	for _, read := range []func() error{d.removeEvents, d.removeClaimed, d.removeDeadLetters, d.rebase} {
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

// removeEvents goes through the events for what rows of theirs stand elsewhere.
func (d *derivation) removeEvents() error {
	r := &d.removal
	use := func(e *engine.Event, _ bool) error {
		removed := !d.kept(e.Version)
		for _, c := range claimsOf(nil, d.from.After.Channel, e) {
			if c.kind == engine.ClaimIdentity && (removed || r.erases) {
				r.claims = append(r.claims, c.id)
			}
		}
		switch b := e.Body.(type) {
		case engine.DeliveryChanged:
			if b.External != "" && (removed || !d.kept(b.Send)) {
				r.names = append(r.names, naming{b.External, e.At, b.Send})
			}
		case engine.Amended:
			// The rows are made anew, of the events that are kept.
			if !removed && r.trims {
				r.amended++
				return d.foldAmended(&b)
			}
		}
		return nil
	}
	return scanEvents(d.stored.journal.db, d.from.Conversation, r.oldest-1, d.from.Expected, use)
}

// removeClaimed adds, to erase them, the identities whose events went before.
func (d *derivation) removeClaimed() error {
	if !d.removal.erases {
		return nil
	}
	prefix := conversationRange(nil, spaceClaimed, d.from.Conversation)
	return scan(d.stored.journal.db, prefix, afterAll(prefix), func(key, _ []byte) (bool, error) {
		if len(key) != len(prefix)+len(digest{}) {
			return false, corrupt("claimed: the key has another size")
		}
		d.removal.claims = append(d.removal.claims, digest(key[len(prefix):]))
		return true, nil
	})
}

func (d *derivation) removeDeadLetters() error {
	id := d.from.Conversation
	lower, upper := conversationKey(nil, spaceDelivery, id, 0), conversationKey(nil, spaceDelivery, id, oldestOf(d.from.After))
	return scan(d.stored.journal.db, lower, upper, func(key, value []byte) (bool, error) {
		delivery, err := decodeDelivery(value)
		if at := deadLetterAt(&delivery); at != 0 {
			d.removal.dead = append(d.removal.dead, engine.DeadLetter{
				At: at, Message: engine.MessageID{Conversation: id, Version: conversationKeyNumber(key)},
			})
		}
		return true, err
	})
}

// rebase finds what the kept events are applied to. Of an erased conversation
// that is what the append leaves.
func (d *derivation) rebase() (err error) {
	r := &d.removal
	if r.erases {
		r.before = *d.from.After
		return nil
	}
	at := head{version: d.from.Expected, oldest: r.oldest}
	if r.before, err = loadAt(d.stored.journal.db, d.from.Conversation, at, oldestOf(d.from.After)-1); err != nil {
		return err
	}
	r.forget(d.from.After)
	return nil
}

// forget takes from what was before the content that after has no more. The
// kept events lead from there to after all the same: they set these, and do not
// read them.
func (r *removal) forget(after *engine.Conversation) {
	c := &r.before
	if c.Preview != after.Preview {
		c.Preview = ""
	}
	if after.Variables == nil {
		c.Variables = nil
	}
	if after.Reason == "" {
		c.Reason = ""
	}
	// Of amendments that came ahead only that of the newest message is left. Where
	// old ones may have been crowded out, that is seen by applying all.
	if len(c.Ahead)+r.amended <= engine.MaxAmendedAhead {
		c.Ahead = slices.DeleteFunc(slices.Clone(c.Ahead), func(a engine.AmendedAhead) bool { return a.Target != after.PreviewOf })
	}
}

// base is the snapshot that all loads begin with once the first event is gone.
func (d *derivation) base() error { return d.setSnapshot(baseSnapshot, &d.removal.before) }

// removals are the first of an append's rows: what it sets stays.
func (d *derivation) removals() error {
	r := &d.removal
	if !r.any() {
		return nil
	}
	id, oldest := d.from.Conversation, oldestOf(d.from.After)
	for _, s := range [...]space{spaceConversation, spaceDelivery, spaceMedia} {
		lower := len(d.buf)
		d.buf = conversationKey(d.buf, s, id, 0)
		upper := len(d.buf)
		d.buf = conversationKey(d.buf, s, id, oldest)
		d.removeRange(lower, upper)
	}
	whole := []space{spaceSnapshot, spaceAmendment}
	if r.erases {
		whole = append(whole, spaceParked, spaceClaimed)
	}
	for _, s := range whole {
		lower := len(d.buf)
		d.buf = conversationRange(d.buf, s, id)
		end := afterAll(d.buf[lower:])
		upper := len(d.buf)
		d.buf = append(d.buf, end...)
		d.removeRange(lower, upper)
	}
	if r.erases {
		key := len(d.buf)
		d.buf = conversationRange(d.buf, spacePurge, id)
		value := len(d.buf)
		d.buf = append(d.buf, recordVersion)
		d.set(key, value)
	}
	d.removeReferences()
	return nil
}

// removeReferences removes what points to what is gone.
func (d *derivation) removeReferences() {
	for _, c := range d.removal.claims {
		key := len(d.buf)
		if d.removal.erases {
			d.buf = identityKey(d.buf, d.shard, c)
			d.remove(key)
			continue
		}
		// The identity stays the conversation's: for its erasure.
		d.buf = hashKey(d.buf, spaceClaimed, d.from.Conversation, c)
		value := len(d.buf)
		d.buf = append(d.buf, recordVersion)
		d.set(key, value)
	}
	for _, n := range d.removal.names {
		key := len(d.buf)
		d.buf = sendKey(d.buf, d.shard, generationOf(n.at), d.from.After.Channel, n.external)
		d.remove(key)
	}
	for _, dead := range d.removal.dead {
		key := len(d.buf)
		d.buf = d.deadLetterKey(dead.At, dead.Message.Version)
		d.remove(key)
	}
}

package journal

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/intervenehq/intervene/engine"
)

// now is the clock that ages and durations are measured with; it is monotonic.
func now() time.Time { return time.Now() }

// batch is what one fsync makes durable, on its way from the committer to the
// publisher.
type batch struct {
	requests []*request
	pebble   *pebble.Batch // nil when nothing was accepted
	changes  []engine.Change
	began    time.Time // when the committer took it
	applied  time.Time
}

// committer is the one goroutine that orders appends. What it holds is its own.
type committer struct {
	*Journal
	offset   uint64 // the newest one given
	versions versions
	// claimed are the claims of the batch that is being made: those before it
	// are found in the store.
	claimed map[digest]engine.ConversationID
}

// commit runs the committer until the queue is closed and empty.
func (j *Journal) commit() {
	defer close(j.unsynced)
	c := &committer{
		Journal: j, offset: j.assigned.Load(), versions: newVersions(),
		claimed: make(map[digest]engine.ConversationID),
	}
	for {
		b, ok := c.batch()
		if !ok {
			return
		}
		if !c.underway.begin(b) {
			b.abandon()
			return
		}
		if !c.commitBatch(b) {
			return
		}
	}
}

// batch takes the next one from the queue; false says that the queue is closed
// and empty.
func (j *Journal) batch() (*batch, bool) {
	b, _ := j.batches.Get().(*batch)
	var ok bool
	b.requests, ok = j.queue.take(b.requests[:0])
	b.changes = slices.Grow(b.changes[:0], len(b.requests))
	b.pebble, b.began = nil, now()
	return b, ok
}

// abandon answers that the journal died.
func (b *batch) abandon() {
	for _, r := range b.requests {
		r.done <- false
	}
}

// commitBatch checks, orders and applies b, and passes it on. What of it is
// refused goes the same way, so that nobody is told of a conflict with something
// that is not durable. It answers false when the journal died.
func (c *committer) commitBatch(b *batch) bool {
	c.metrics.batchSize.Observe(float64(len(b.requests)))
	clear(c.claimed)
	for _, r := range b.requests {
		if r.err = c.admit(r); r.err != nil {
			continue
		}
		c.offset++
		r.offset = c.offset
		r.stamp(r.offset)
		c.references.write(&r.rows, r.offset)
		change := r.change()
		change.Offset = r.offset
		b.changes = append(b.changes, change)
	}
	if len(b.changes) > 0 {
		if err := c.apply(b); err != nil {
			c.die(fmt.Errorf("apply a batch: %w", err))
			return false
		}
	}
	b.applied = now()
	c.unsynced <- b
	return true
}

// apply makes b visible and starts its fsync.
func (c *committer) apply(b *batch) error {
	size := 0
	for _, r := range b.requests {
		size += len(r.buf)
	}
	b.pebble = c.db.NewBatchWithSize(size+size/8, pebble.WithMaxRetainedSizeBytes(2*maxBatchBytes))
	for g := range groupCount {
		for _, r := range b.requests {
			if r.err != nil {
				continue
			}
			if err := r.write(b.pebble, g); err != nil {
				return err
			}
		}
	}
	c.assigned.Store(c.offset)
	return c.due.during(b.changes, func() error { return c.db.ApplyNoSyncWait(b.pebble, pebble.Sync) })
}

// admit checks the version that r expects and what it claims, and takes both.
func (c *committer) admit(r *request) error {
	version, err := c.version(r.from.Conversation)
	if err != nil {
		return err
	}
	if version != r.from.Expected {
		return engine.ConflictError(engine.ConversationID{}, false)
	}
	// An item that is known already is known, whoever its contact is by now.
	for _, kind := range [...]engine.ClaimKind{engine.ClaimExternal, engine.ClaimIdentity} {
		for i := range r.claims {
			if r.claims[i].kind != kind {
				continue
			}
			if err := c.admitClaim(r.from.Conversation, &r.claims[i]); err != nil {
				return err
			}
		}
	}
	for i := range r.claims {
		c.claimed[r.claims[i].id] = r.from.Conversation
	}
	c.versions.set(r.from.Conversation, r.from.After.Version)
	return nil
}

func (c *committer) admitClaim(by engine.ConversationID, claim *claim) error {
	owner, held := c.claimed[claim.id]
	if !held {
		var err error
		if owner, held, err = c.holder(c.db, claim); err != nil {
			return err
		}
	}
	if !held {
		return nil
	}
	if conflict := claim.conflict(by, owner); conflict != nil {
		return conflict
	}
	return nil
}

// version is the newest one of a conversation, given or applied.
func (c *committer) version(id engine.ConversationID) (uint64, error) {
	if version, ok := c.versions.get(id); ok {
		return version, nil
	}
	at, _, err := c.head(id)
	return at.version, err
}

// versions remembers conversations' newest versions, each in one of the two
// places that its random ID leads to. It grows with how many there are.
type versions struct {
	known []knownVersion
	held  int // places that are taken
}

type knownVersion struct {
	id      engine.ConversationID
	version uint64
}

func newVersions() versions { return versions{known: make([]knownVersion, minVersions)} }

// place is the first of the two; the other one is next to it.
func (v *versions) place(id engine.ConversationID) int {
	return int(binary.BigEndian.Uint32(id[idBytes-4:])) & (len(v.known) - 1) &^ 1
}

func (v *versions) get(id engine.ConversationID) (uint64, bool) {
	for _, e := range v.known[v.place(id):][:2] {
		if e.id == id && e.version > 0 {
			return e.version, true
		}
	}
	return 0, false
}

// set puts the newest in the first place, and forgets what stood in the second.
func (v *versions) set(id engine.ConversationID, version uint64) {
	if v.held > len(v.known)/placesEach && len(v.known) < maxVersions {
		v.grow()
	}
	at := v.place(id)
	if v.known[at].id != id {
		if v.known[at+1].version == 0 {
			v.held++
		}
		v.known[at+1] = v.known[at]
	}
	v.known[at] = knownVersion{id, version}
}

// grow doubles the places.
func (v *versions) grow() {
	old := v.known
	v.known, v.held = make([]knownVersion, 2*len(old)), 0
	for i := range old {
		// The second of two is older.
		if e := old[i^1]; e.version > 0 {
			v.set(e.id, e.version)
		}
	}
}

package journal

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/intervenehq/intervene/engine"
)

// heldKinds is the work that a restore holds: what may have been done already
// after the copy was made.
var heldKinds = [...]engine.DueKind{engine.DueSend, engine.DueTurn}

// Hold says that work of a conversation waits for an operator: its sends, or its
// turn, from before a restore, which are those up to the version Through.
type Hold struct {
	Conversation engine.ConversationID
	Through      uint64
}

// holds are all holds, which are rows too, in memory: they are seldom there, and
// then asked for whenever anything is due.
type holds struct {
	// some is how many there are, so that a journal that holds nothing asks no more.
	some atomic.Int64

	mu    sync.RWMutex
	kinds [len(engine.DueKinds) + 1]map[engine.ConversationID]uint64
}

func (h *holds) through(kind engine.DueKind, id engine.ConversationID) (through uint64, held bool) {
	if h.some.Load() == 0 {
		return 0, false
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	through, held = h.kinds[kind][id]
	return through, held
}

func (h *holds) add(kind engine.DueKind, hold Hold) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.kinds[kind] == nil {
		h.kinds[kind] = make(map[engine.ConversationID]uint64)
	}
	h.kinds[kind][hold.Conversation] = hold.Through
	h.count()
}

func (h *holds) drop(kind engine.DueKind, id engine.ConversationID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.kinds[kind], id)
	h.count()
}

func (h *holds) count() {
	n := 0
	for _, kind := range h.kinds {
		n += len(kind)
	}
	h.some.Store(int64(n))
}

func (h *holds) length(kind engine.DueKind) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.kinds[kind])
}

// holdsOn reports whether anything of c is left of what is held through a version.
func holdsOn(kind engine.DueKind, through uint64, c *engine.Conversation) bool {
	if kind == engine.DueSend {
		return len(c.Sends) > 0 && c.Sends[0].Version <= through
	}
	return c.Turn.Owed() && c.Turn.From <= through
}

// Held reports whether a conversation's work of a kind waits for an operator: it
// must not be done. What came after the restore waits behind it.
func (j *Journal) Held(kind engine.DueKind, id engine.ConversationID) bool {
	_, held := j.held.through(kind, id)
	return held
}

// HeldThrough is the version up to which a conversation's work of a kind is held.
func (j *Journal) HeldThrough(kind engine.DueKind, id engine.ConversationID) (through uint64, held bool) {
	return j.held.through(kind, id)
}

// Holds are all of a kind, by conversation.
func (j *Journal) Holds(kind engine.DueKind) []Hold {
	j.held.mu.RLock()
	defer j.held.mu.RUnlock()
	if int(kind) >= len(j.held.kinds) {
		return nil
	}
	list := make([]Hold, 0, len(j.held.kinds[kind]))
	for id, through := range j.held.kinds[kind] {
		list = append(list, Hold{id, through})
	}
	slices.SortFunc(list, func(a, b Hold) int { return slices.Compare(a.Conversation[:], b.Conversation[:]) })
	return list
}

// Release lets the work of these conversations be done, durable when it answers.
func (j *Journal) Release(kind engine.DueKind, ids []engine.ConversationID) error {
	for some := range slices.Chunk(ids, holdBatch) {
		err := j.change(func(b *pebble.Batch) error {
			for _, id := range some {
				if err := b.Delete(heldKey(nil, j.shard, kind, id), nil); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("release: %w", err)
		}
		for _, id := range some {
			j.held.drop(kind, id)
		}
	}
	return nil
}

// readHolds reads the rows.
func (j *Journal) readHolds() error {
	prefix := shardKey(nil, spaceHeld, j.shard)
	return scan(j.db, prefix, afterAll(prefix), func(key, value []byte) (bool, error) {
		kind, id, ok := parseHeldKey(key)
		if !ok || !slices.Contains(heldKinds[:], kind) {
			return false, corrupt("held: the key cannot be read")
		}
		through, err := decodeNumber(spaceHeld.String(), value)
		if err != nil {
			return false, err
		}
		j.held.add(kind, Hold{id, through})
		return true, nil
	})
}

// holdAll holds all work that waits now.
func (j *Journal) holdAll(kind engine.DueKind) (n int, err error) {
	prefix := dueRange(nil, j.shard, kind)
	var waiting []engine.ConversationID
	err = scan(j.db, prefix, afterAll(prefix), func(key, _ []byte) (bool, error) {
		item, ok := parseDueKey(key)
		if !ok {
			return false, corrupt("due: the key cannot be read")
		}
		waiting = append(waiting, item.Conversation)
		return true, nil
	})
	if err != nil {
		return 0, err
	}
	for some := range slices.Chunk(waiting, holdBatch) {
		if err := j.hold(kind, some); err != nil {
			return 0, err
		}
	}
	return len(waiting), nil
}

func (j *Journal) hold(kind engine.DueKind, ids []engine.ConversationID) error {
	list := make([]Hold, 0, len(ids))
	err := j.change(func(b *pebble.Batch) error {
		for _, id := range ids {
			at, found, err := j.head(id)
			if err == nil && !found {
				err = corrupt("due: the conversation is not there")
			}
			if err != nil {
				return err
			}
			list = append(list, Hold{id, at.version})
			if err := b.Set(heldKey(nil, j.shard, kind, id), appendNumberRecord(nil, at.version), nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, hold := range list {
		j.held.add(kind, hold)
	}
	return nil
}

// releases ends the holds of which the append leaves nothing.
func (d *derivation) releases() {
	if d.stored.journal == nil {
		return
	}
	for _, kind := range heldKinds {
		through, held := d.stored.journal.held.through(kind, d.from.Conversation)
		if !held || holdsOn(kind, through, d.from.After) {
			continue
		}
		key := len(d.buf)
		d.buf = heldKey(d.buf, d.shard, kind, d.from.Conversation)
		d.remove(key)
		d.released = append(d.released, kind)
	}
}

package journal

import (
	"context"
	"sync"

	"github.com/intervenehq/intervene/engine"
)

// ring holds the newest durable changes for readers that keep up.
type ring struct {
	mu      sync.RWMutex
	changes [ringChanges]engine.Change
	// first and last are the offsets that it holds; none while first > last.
	first, last uint64
}

// begin says that the changes up to offset are on the disk alone.
func (r *ring) begin(offset uint64) { r.first, r.last = offset+1, offset }

// add appends changes, whose offsets follow on the last one.
func (r *ring) add(changes []engine.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range changes {
		r.last = changes[i].Offset
		r.changes[r.last%ringChanges] = changes[i]
	}
	if held := r.last + 1 - r.first; held > ringChanges {
		r.first = r.last + 1 - ringChanges
	}
}

// after copies up to limit changes that follow on offset; ok is false when the
// first of them is not here any more.
func (r *ring) after(offset uint64, limit int) (changes []engine.Change, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if offset+1 < r.first {
		return nil, false
	}
	for next := offset + 1; next <= r.last && len(changes) < limit; next++ {
		changes = append(changes, r.changes[next%ringChanges])
	}
	return changes, true
}

// Tail answers up to limit durable changes that follow on the offset after, in
// order and without a gap; it waits until there is one. CodeNotFound says that
// the log does not reach back that far, or that it never had such an offset: the
// reader rebuilds what it made of the log.
func (j *Journal) Tail(ctx context.Context, after uint64, limit int) ([]engine.Change, error) {
	if after > j.durable.offset() {
		return nil, engine.Errorf(engine.CodeNotFound, "offset %d is not in the log", after)
	}
	for {
		moved := j.durable.above(after)
		if moved == nil {
			break
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-j.shut:
			return nil, closedError()
		case <-j.dead:
			return nil, closedError()
		}
	}
	limit = max(limit, 1)
	if changes, ok := j.ring.after(after, limit); ok {
		return changes, nil
	}
	j.metrics.behind.Inc()
	return j.tailRows(after, limit)
}

// LogFloor is the offset after which the log is kept. It rises when the journal
// expires what is old.
func (j *Journal) LogFloor() uint64 { return j.logFloor.Load() }

// tailRows is Tail for a reader whom the ring has left behind.
func (j *Journal) tailRows(after uint64, limit int) ([]engine.Change, error) {
	if err := j.enter(); err != nil {
		return nil, err
	}
	defer j.leave()
	if after < j.logFloor.Load() {
		return nil, trimmed(after)
	}
	until := j.durable.offset()
	var changes []engine.Change
	next := after + 1
	err := scan(j.db, logKey(nil, j.shard, next), logKey(nil, j.shard, until+1), func(key, value []byte) (bool, error) {
		l, err := decodeChange(logKeyOffset(key), value)
		if err != nil {
			return false, err
		}
		if l.Offset != next {
			return false, corrupt("log: got offset %d, want %d", l.Offset, next)
		}
		changes = append(changes, l.Change)
		next++
		return len(changes) < limit, nil
	})
	if after < j.logFloor.Load() {
		return nil, trimmed(after) // meanwhile: what is missing was removed
	}
	if err == nil && len(changes) == 0 {
		err = corrupt("log: offset %d is missing", next)
	}
	if err != nil {
		return nil, err
	}
	return changes, nil
}

func trimmed(offset uint64) error {
	return engine.Errorf(engine.CodeNotFound, "the log does not reach back to offset %d", offset)
}

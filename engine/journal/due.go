package journal

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/intervenehq/intervene/engine"
)

// dueFloors are where the due rows of each kind begin, so that a scan does not
// walk over all that was done since the rows were last compacted.
type dueFloors struct {
	// mu keeps a batch from being applied between a scan's look at lowered and
	// its view of the store.
	mu    sync.Mutex
	kinds [len(engine.DueKinds) + 1]dueFloor
	// sends is how many conversations have sends that wait: there is one row for each.
	sends atomic.Int64
}

type dueFloor struct {
	// scanning lets one scan of a kind go at a time.
	scanning sync.Mutex
	// floor is where the next scan begins. The scans own it.
	floor engine.Instant
	// lowered is the earliest row that was set since the newest scan began.
	lowered engine.Instant
}

const (
	earliest = engine.Instant(math.MinInt64)
	latest   = engine.Instant(math.MaxInt64)
)

func (d *dueFloors) init() {
	for i := range d.kinds {
		d.kinds[i].floor, d.kinds[i].lowered = earliest, latest
	}
}

// during applies changes by means of apply.
func (d *dueFloors) during(changes []engine.Change, apply func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range changes {
		c := &changes[i]
		for _, kind := range engine.DueKinds {
			if at := c.After.Due[kind]; at != 0 && at != c.Before.Due[kind] {
				d.kinds[kind].lowered = min(d.kinds[kind].lowered, at)
			}
		}
		d.sends.Add(sendsWait(&c.After) - sendsWait(&c.Before))
	}
	return apply()
}

// sendsWait is 1 if there is a row for the sends of a conversation, else 0.
func sendsWait(i *engine.Index) int64 {
	if i.Due[engine.DueSend] != 0 {
		return 1
	}
	return 0
}

// countSends counts those that an earlier process left behind, and spares the first
// scan the way there.
func (j *Journal) countSends() error {
	prefix := dueRange(nil, j.shard, engine.DueSend)
	floor := &j.due.kinds[engine.DueSend]
	n, first := int64(0), latest
	err := scan(j.db, prefix, afterAll(prefix), func(key, _ []byte) (bool, error) {
		item, ok := parseDueKey(key)
		if !ok {
			return false, corrupt("due: the key cannot be read")
		}
		n, first = n+1, min(first, item.At)
		return true, nil
	})
	if err != nil {
		return err
	}
	floor.floor = first
	j.due.sends.Store(n)
	return nil
}

// Due are the conversations that wait for work of a kind until an instant and
// not for an operator, the longest waiting first: those that follow on after, or the first ones when after
// is zero; at most limit.
func (j *Journal) Due(kind engine.DueKind, after engine.DueItem, until engine.Instant, limit int) ([]engine.DueItem, error) {
	if kind < engine.DueKinds[0] || int(kind) > len(engine.DueKinds) {
		return nil, &engine.Error{Code: engine.CodeInvalid, Field: "kind", Problem: "must be one"}
	}
	if err := j.enter(); err != nil {
		return nil, err
	}
	defer j.leave()
	if after != (engine.DueItem{}) {
		return j.dueAfter(kind, after, until, limit)
	}
	floor := &j.due.kinds[kind]
	floor.scanning.Lock()
	defer floor.scanning.Unlock()

	it, err := j.dueIter(kind, floor)
	if err != nil {
		return nil, readError(err)
	}
	items, first, err := j.scanDue(it, until, pageLimit(limit))
	if err != nil {
		return nil, err
	}
	floor.floor = first
	if err := j.settledAll(); err != nil {
		return nil, err
	}
	return items, nil
}

// dueAfter goes on where another scan ended. The floor is for those that begin.
func (j *Journal) dueAfter(kind engine.DueKind, after engine.DueItem, until engine.Instant, limit int) ([]engine.DueItem, error) {
	lower := append(dueKey(nil, j.shard, kind, after.At, after.Conversation), 0)
	it, err := j.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: afterAll(dueRange(nil, j.shard, kind))})
	if err != nil {
		return nil, readError(err)
	}
	items, _, err := j.scanDue(it, until, pageLimit(limit))
	if err == nil {
		err = j.settledAll()
	}
	return items, err
}

// dueIter lowers the floor to what was set since the scan before, and looks at
// the rows from there on.
func (j *Journal) dueIter(kind engine.DueKind, floor *dueFloor) (*pebble.Iterator, error) {
	j.due.mu.Lock()
	defer j.due.mu.Unlock()
	floor.floor = min(floor.floor, floor.lowered)
	floor.lowered = latest
	prefix := dueRange(nil, j.shard, kind)
	return j.db.NewIter(&pebble.IterOptions{
		LowerBound: appendNumber(append([]byte(nil), prefix...), int64(floor.floor)), UpperBound: afterAll(prefix),
	})
}

// scanDue reads items until an instant, and says where the first row is, whether
// it is due or not.
func (j *Journal) scanDue(it *pebble.Iterator, until engine.Instant, limit int) (items []engine.DueItem, first engine.Instant, err error) {
	first = latest
	err = scanIter(it, func(key, _ []byte) (bool, error) {
		item, ok := parseDueKey(key)
		if !ok {
			return false, corrupt("due: the key cannot be read")
		}
		first = min(first, item.At)
		if item.At > until {
			return false, nil
		}
		if j.Held(item.Kind, item.Conversation) {
			return true, nil
		}
		items = append(items, item)
		return len(items) < limit, nil
	})
	return items, first, err
}

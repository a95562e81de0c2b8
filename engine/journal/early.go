package journal

import (
	"cmp"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal/record"
)

// earlyGeneration is how long at least a status is kept that came before anybody
// knew the send it is of, and at most half of how long.
const earlyGeneration = 24 * time.Hour

func earlyDay(i engine.Instant) int64 {
	return int64(i.Truncate(earlyGeneration)) / earlyGeneration.Milliseconds()
}

// ParkStatus makes a status durable that names a message which nobody has sent
// yet: the platform was faster than its own answer. Should the send have become
// known meanwhile, it is answered, and nothing is kept: so either the caller of
// this finds the send, or the one who records the platform's answer finds the
// status with EarlyStatuses. One that comes again is parked once.
//
// Past a limit the oldest are dropped, not the newest refused: a send of ours is
// known within seconds, so these are of messages that somebody else has sent, and
// a platform that is refused keeps what else it has to tell.
func (j *Journal) ParkStatus(i engine.Inbound) (send engine.MessageID, known bool, err error) {
	s := i.Status
	if s == nil {
		return engine.MessageID{}, false, &engine.Error{Code: engine.CodeInvalid, Field: "status", Problem: "must be given"}
	}
	value, err := appendRecord(nil, &record.Early{Workspace: string(i.Workspace), Channel: string(i.Channel), Status: status(s)})
	if err != nil {
		return engine.MessageID{}, false, err
	}
	day := earlyDay(engine.InstantOf(j.options.Now()))
	key := append(earlyKey(nil, j.shard, day, i.Channel, s.External), byte(s.State))
	if err := j.change(func(b *pebble.Batch) error { return j.addEarly(b, key, value) }); err != nil {
		return engine.MessageID{}, false, err
	}
	if send, known, err = j.BySend(i.Channel, s.External); err != nil || !known {
		return engine.MessageID{}, false, err
	}
	return send, true, j.change(func(b *pebble.Batch) error { return j.removeEarly(b, key) })
}

// addEarly makes room for a status and adds it.
func (j *Journal) addEarly(b *pebble.Batch, key, value []byte) error {
	known, err := get(j.db, key, func([]byte) error { return nil })
	if err != nil || known {
		return err
	}
	if j.early.Load() >= maxEarlyStatuses {
		if err := j.dropOldest(b); err != nil {
			return err
		}
	}
	j.early.Add(1) // before it can be found
	return b.Set(key, value, nil)
}

// dropOldest drops many at once, because it looks at all of them.
func (j *Journal) dropOldest(b *pebble.Batch) error {
	type parked struct {
		at  engine.Instant
		key []byte
	}
	var all []parked
	prefix := shardKey(nil, spaceEarly, j.shard)
	err := scan(j.db, prefix, afterAll(prefix), func(key, value []byte) (bool, error) {
		item, err := decodeEarly(value)
		if err != nil {
			return false, err
		}
		all = append(all, parked{item.Status.At, slices.Clone(key)})
		return true, nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b parked) int { return cmp.Compare(a.at, b.at) })
	dropped := all[:min(len(all), earlyDropped)]
	for _, p := range dropped {
		if err := b.Delete(p.key, nil); err != nil {
			return err
		}
	}
	j.early.Store(int64(len(all) - len(dropped)))
	j.metrics.earlyDropped.Add(float64(len(dropped)))
	return nil
}

// EarlyStatuses are the parked statuses of a message that the platform has just
// named, the oldest first. They stay until they are dropped, or for a day at least.
func (j *Journal) EarlyStatuses(channel engine.ChannelID, external string) ([]engine.Inbound, error) {
	if j.early.Load() == 0 {
		return nil, nil // there is none at all
	}
	if err := j.enter(); err != nil {
		return nil, err
	}
	defer j.leave()
	// Nothing is shown before it is durable.
	j.changing.begin()
	defer j.changing.end()
	var found []engine.Inbound
	for _, prefix := range j.earlyPrefixes(channel, external) {
		items, err := j.scanEarly(prefix)
		if err != nil {
			return nil, err
		}
		found = append(found, items...)
	}
	slices.SortStableFunc(found, func(a, b engine.Inbound) int { return cmp.Compare(a.Status.At, b.Status.At) })
	return found, nil
}

// AllEarlyStatuses are all that are parked, at most limit: what a start after a
// crash looks through for messages that are known by now.
func (j *Journal) AllEarlyStatuses(limit int) ([]engine.Inbound, error) {
	if err := j.enter(); err != nil {
		return nil, err
	}
	defer j.leave()
	j.changing.begin()
	defer j.changing.end()
	items, err := j.scanEarly(shardKey(nil, spaceEarly, j.shard))
	return items[:min(len(items), pageLimit(limit))], err
}

// DropEarly forgets the parked statuses of a message, which were recorded.
func (j *Journal) DropEarly(channel engine.ChannelID, external string) error {
	if j.early.Load() == 0 {
		return nil
	}
	return j.change(func(b *pebble.Batch) error { return j.removeEarly(b, j.earlyPrefixes(channel, external)...) })
}

// removeEarly removes the statuses that are parked under some prefixes of keys.
func (j *Journal) removeEarly(b *pebble.Batch, prefixes ...[]byte) error {
	removed := int64(0)
	for _, prefix := range prefixes {
		err := scan(j.db, prefix, afterAll(prefix), func(key, _ []byte) (bool, error) {
			removed++
			return true, b.Delete(key, nil)
		})
		if err != nil {
			return err
		}
	}
	j.early.Add(-removed) // never less than there are
	return nil
}

func (j *Journal) scanEarly(prefix []byte) (items []engine.Inbound, err error) {
	err = scan(j.db, prefix, afterAll(prefix), func(_, value []byte) (bool, error) {
		item, err := decodeEarly(value)
		items = append(items, item)
		return len(items) < maxPage, err
	})
	return items, err
}

// earlyPrefixes are where statuses of a message may stand. The day ahead is of
// those that came while the clock ran ahead.
func (j *Journal) earlyPrefixes(channel engine.ChannelID, external string) [][]byte {
	today := earlyDay(engine.InstantOf(j.options.Now()))
	var prefixes [][]byte
	for day := today - 1; day <= today+1; day++ {
		prefixes = append(prefixes, earlyKey(nil, j.shard, day, channel, external))
	}
	return prefixes
}

func earlyKey(key []byte, shard engine.Shard, day int64, channel engine.ChannelID, external string) []byte {
	d := digestOf(spaceEarly, string(channel), external)
	return append(appendNumber(shardKey(key, spaceEarly, shard), day), d[:]...)
}

func decodeEarly(value []byte) (engine.Inbound, error) {
	var m record.Early
	if err := decodeRecord("early", value, &m); err != nil {
		return engine.Inbound{}, err
	}
	return engine.Inbound{
		Workspace: engine.WorkspaceID(m.GetWorkspace()), Channel: engine.ChannelID(m.GetChannel()), Status: statusOf(m.GetStatus()),
	}, nil
}

// countEarly counts what is parked. Nothing is parked meanwhile.
func (j *Journal) countEarly() error {
	n := int64(0)
	prefix := shardKey(nil, spaceEarly, j.shard)
	err := scan(j.db, prefix, afterAll(prefix), func([]byte, []byte) (bool, error) {
		n++
		return true, nil
	})
	if err == nil {
		j.early.Store(n)
	}
	return err
}

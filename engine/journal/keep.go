package journal

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal/record"
)

// keep runs the keeper: it rewrites the durable mark while the durable offset
// moves, and looks at the free space.
func (j *Journal) keep() {
	disk := time.NewTicker(diskInterval)
	defer disk.Stop()
	for {
		select {
		case <-j.stop:
			return
		case <-j.dead:
			return
		case <-disk.C:
			j.lookAtDisk()
		case <-j.keeperBell:
			if err := j.writeMark(markOpen); err != nil {
				j.die(err)
				return
			}
			if !j.pause(markInterval) {
				return
			}
		}
	}
}

// writeMark makes what is durable now the durable mark.
func (j *Journal) writeMark(state markState) error {
	j.marking.begin()
	defer j.marking.end()
	return j.mark.write(marked{identity: j.identity, offset: j.durable.offset(), changes: j.changes.Load(), state: state})
}

// pause waits, unless the journal ends.
func (j *Journal) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-j.stop:
		return false
	case <-j.dead:
		return false
	}
}

// lookAtDisk refuses appends before the disk is full, and takes them again when
// there is room.
func (j *Journal) lookAtDisk() {
	free, err := checkSpace(j.options.FS, j.place.dir, appendReserve)
	j.metrics.free.Set(float64(free))
	if err != nil {
		j.refuse(err)
	} else if j.full.Swap(false) {
		j.options.Logger.Info("the journal takes appends again", "free_bytes", free)
	}
}

// refuse refuses appends until the disk has room, and says so once.
func (j *Journal) refuse(err error) {
	if !j.full.Swap(true) {
		j.options.Logger.Error("the journal refuses appends: the disk is full", "error", err)
	}
}

// foundFull refuses appends. Without the pause Pebble would try its flush
// again and again at full speed.
func (j *Journal) foundFull(err error) {
	j.refuse(err)
	j.pause(fullPause)
}

// Expire removes what retention has passed at an instant. Its owner calls it
// from time to time.
func (j *Journal) Expire(now engine.Instant) error {
	if err := j.enter(); err != nil {
		return err
	}
	defer j.leave()
	j.expiring.begin()
	defer j.expiring.end()
	kept, err := readRetention(j.db)
	if err != nil {
		return err
	}
	b := j.db.NewBatch()
	if err := j.expireInto(b, kept, now); err != nil {
		return err
	}
	if b.Empty() {
		return b.Close()
	}
	value, err := appendRecord(nil, kept)
	if err != nil {
		return err
	}
	if err := b.Set(metaRetentionKey, value, nil); err != nil {
		return fmt.Errorf("expire: %w", err)
	}
	// Before they go: a reader that finds rows missing looks at the floor.
	j.logFloor.Store(kept.GetLogOffset())
	if err := b.Commit(pebble.Sync); err != nil {
		j.die(fmt.Errorf("expire: %w", err))
		return engine.Errorf(engine.CodeUnknownOutcome, "expire: %w", err)
	}
	j.changing.begin()
	defer j.changing.end()
	return errors.Join(j.countEarly(), b.Close())
}

// expireInto adds to b the removal of what is past, and moves kept forward.
// Nothing that was removed ever comes back, also when the clock does.
func (j *Journal) expireInto(b *pebble.Batch, kept *record.Retention, now engine.Instant) error {
	remove := func(lower, upper []byte) error {
		if err := b.DeleteRange(lower, upper, nil); err != nil {
			return fmt.Errorf("expire: %w", err)
		}
		return nil
	}
	if minute := minuteOf(now.Add(-dedupeRetention - dedupeFresh)); minute > kept.GetDedupeMinute() {
		all := shardKey(nil, spaceDedupe, j.shard)
		kept.DedupeMinute = minute
		if err := remove(all, appendNumber(append([]byte(nil), all...), minute)); err != nil {
			return err
		}
	}
	if generation := generationOf(now) - 1; generation > kept.GetExternalGeneration() {
		all := shardKey(nil, spaceExternal, j.shard)
		kept.ExternalGeneration = generation
		if err := remove(all, appendNumber(append([]byte(nil), all...), generation)); err != nil {
			return err
		}
	}
	if day := earlyDay(now) - 1; day > kept.GetEarlyGeneration() {
		all := shardKey(nil, spaceEarly, j.shard)
		kept.EarlyGeneration = day
		if err := remove(all, appendNumber(append([]byte(nil), all...), day)); err != nil {
			return err
		}
	}
	if before := now.Add(-deadLetterRetention).Truncate(time.Hour); int64(before) > kept.GetDeadLetterAt() {
		kept.DeadLetterAt = int64(before)
		if err := j.expireDeadLetters(before, remove); err != nil {
			return err
		}
	}
	last := j.durable.offset()
	if last <= maxLogRows || last-maxLogRows <= kept.GetLogOffset() {
		return nil
	}
	kept.LogOffset = last - maxLogRows
	return remove(logKey(nil, j.shard, 0), logKey(nil, j.shard, kept.GetLogOffset()+1))
}

// Checkpoint writes a copy of the journal, as of now and durable, to a directory
// that must not exist. The erasure ledger goes with it as it was when that began.
func (j *Journal) Checkpoint(dir string) error {
	if err := j.enter(); err != nil {
		return err
	}
	defer j.leave()
	to := placeOf(j.options.FS, dir)
	if err := to.prepare(true); err != nil {
		return err
	}
	if err := j.copyErasures(to); err != nil {
		return err
	}
	// The mark says less than the copy that is made after it.
	m := marked{identity: j.identity, offset: j.durable.offset(), changes: j.changes.Load()}
	if err := createMark(to, m); err != nil {
		return err
	}
	if err := j.db.Checkpoint(to.store, pebble.WithFlushedWAL()); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return syncDir(to.fs, to.dir)
}

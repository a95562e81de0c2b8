package journal

import (
	"context"
	"fmt"
	"path"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/intervenehq/intervene/engine"
)

const (
	// maxRotations is within how many new files of the write-ahead log none of the
	// old ones is kept to be used again: Pebble keeps one more of them than of
	// memtables, behind those that are in use.
	maxRotations = 2*memTableStop + 2
	// purgeInterval is how often is looked whether Pebble has removed a file.
	purgeInterval = 20 * time.Millisecond
	tableSuffix   = ".sst"
)

// purged are the spaces that hold what was said, or by whom.
var purged = [...]space{
	spaceConversation, spaceSnapshot, spaceDelivery, spaceParked, spaceAmendment, spaceMedia, spaceClaimed,
}

// Purge gets rid of the bytes of conversations that were erased: until then they
// stand, unreachable, in Pebble's tables and logs. When it answers no file of
// the journal holds any of them. Its owner calls it after an erasure, and after a
// start: what a crash or ctx interrupted is done anew. also is called for each of
// the conversations, for what its owner keeps of them elsewhere; it may be called
// again after a crash. Copies that were made of the journal are not its matter.
func (j *Journal) Purge(ctx context.Context, also func(engine.ConversationID) error) error {
	if err := j.enter(); err != nil {
		return err
	}
	defer j.leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	j.running.Go(func() { // Close does not wait for tables to be compacted
		select {
		case <-j.shut:
			cancel()
		case <-ctx.Done():
		}
	})
	select {
	case j.purging <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-j.purging }()
	j.erasing.Lock() // what is listed is in the ledger
	ids, err := j.erased()
	j.erasing.Unlock()
	if err != nil || len(ids) == 0 {
		return err
	}
	began := now()
	return j.metrics.purgeEnded(began, len(ids), j.purgeAll(ctx, ids, also))
}

func (j *Journal) purgeAll(ctx context.Context, ids []engine.ConversationID, also func(engine.ConversationID) error) error {
	for _, id := range ids {
		if err := also(id); err != nil {
			return fmt.Errorf("purge: %w", err)
		}
	}
	if err := j.purge(ctx, ids); err != nil {
		return fmt.Errorf("purge: %w", err)
	}
	return j.change(func(b *pebble.Batch) error {
		for _, id := range ids {
			if err := b.Delete(conversationRange(nil, spacePurge, id), nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// erased are the conversations that are to be purged, durable.
func (j *Journal) erased() (ids []engine.ConversationID, err error) {
	prefix := shardKey(nil, spacePurge, j.shard)
	err = scan(j.db, prefix, afterAll(prefix), func(key, _ []byte) (bool, error) {
		if len(key) != 1+idBytes {
			return false, corrupt("purge: the key has another size")
		}
		ids = append(ids, engine.ConversationID(key[1:]))
		return true, nil
	})
	if err == nil {
		err = j.settledAll()
	}
	return ids, err
}

func (j *Journal) purge(ctx context.Context, ids []engine.ConversationID) error {
	logs, err := j.files(walExtension)
	if err != nil {
		return err
	}
	j.events.freshLogs.Add(1)
	defer j.events.freshLogs.Add(-1)
	if err := j.db.Flush(); err != nil {
		return err
	}
	tables, err := j.files(tableSuffix)
	if err != nil {
		return err
	}
	for _, id := range ids {
		for _, s := range purged {
			lower := conversationRange(nil, s, id)
			if err := j.db.Compact(ctx, lower, afterAll(lower), false); err != nil {
				return err
			}
		}
	}
	if err := j.rotate(ctx, logs); err != nil {
		return err
	}
	return j.awaitTables(ctx, tables)
}

// rotate begins new files of the write-ahead log until no old one is left.
func (j *Journal) rotate(ctx context.Context, old map[string]bool) error {
	for range maxRotations {
		if left, err := j.left(walExtension, old); err != nil || left == 0 {
			return err
		}
		if err := j.db.Flush(); err != nil {
			return err
		}
	}
	return j.poll(ctx, func() (bool, error) {
		left, err := j.left(walExtension, old)
		return left == 0, err
	})
}

// awaitTables waits until Pebble has removed those of old that it uses no more.
func (j *Journal) awaitTables(ctx context.Context, old map[string]bool) error {
	return j.poll(ctx, func() (bool, error) {
		levels, err := j.db.SSTables()
		if err != nil {
			return false, err
		}
		unused := make(map[string]bool, len(old))
		for name := range old {
			unused[name] = true
		}
		for _, level := range levels {
			for i := range level {
				delete(unused, fmt.Sprintf("%06d%s", level[i].BackingSSTNum, tableSuffix))
			}
		}
		left, err := j.left(tableSuffix, unused)
		return left == 0, err
	})
}

func (j *Journal) poll(ctx context.Context, done func() (bool, error)) error {
	ticker := time.NewTicker(purgeInterval)
	defer ticker.Stop()
	for {
		if ok, err := done(); err != nil || ok {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// files are the store's files with an extension.
func (j *Journal) files(extension string) (map[string]bool, error) {
	names, err := j.place.fs.List(j.place.store)
	if err != nil {
		return nil, fmt.Errorf("list the store: %w", err)
	}
	found := make(map[string]bool)
	for _, name := range names {
		if path.Ext(name) == extension {
			found[name] = true
		}
	}
	return found, nil
}

// left is how many of old there still are.
func (j *Journal) left(extension string, old map[string]bool) (n int, err error) {
	now, err := j.files(extension)
	for name := range now {
		if old[name] {
			n++
		}
	}
	return n, err
}

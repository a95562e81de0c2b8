package journal

import (
	"encoding/binary"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/intervenehq/intervene/engine"
)

// deadLetterRetention is how long a send that ended undelivered is listed.
const deadLetterRetention = 30 * 24 * time.Hour

// deadLetterAt is since when a send is a dead letter; 0: it is none.
func deadLetterAt(d *engine.Delivery) engine.Instant {
	if (d.State == engine.Rejected || d.State == engine.Failed) && d.ResentAs == 0 {
		return d.At
	}
	return 0
}

// DeadLetters are those of a workspace that follow on after, the newest first, or
// the first ones when after is zero; at most limit. They are listed for 30 days.
func (j *Journal) DeadLetters(workspace engine.WorkspaceID, after engine.DeadLetter, limit int) ([]engine.DeadLetter, error) {
	if len(workspace) > maxKeyPart {
		return nil, nil
	}
	if err := j.enter(); err != nil {
		return nil, err
	}
	defer j.leave()
	prefix := appendPart(shardKey(nil, spaceDeadLetter, j.shard), string(workspace))
	lower := prefix
	if after != (engine.DeadLetter{}) {
		lower = append(deadLetterKey(nil, j.shard, workspace, after.At, after.Message), 0)
	}
	limit = pageLimit(limit)
	var letters []engine.DeadLetter
	err := scan(j.db, lower, afterAll(prefix), func(key, _ []byte) (bool, error) {
		letter, ok := parseDeadLetterKey(key)
		if !ok {
			return false, corrupt("dead letter: the key cannot be read")
		}
		letters = append(letters, letter)
		return len(letters) < limit, nil
	})
	if err == nil {
		err = j.settledAll()
	}
	if err != nil {
		return nil, err
	}
	return letters, nil
}

// deadLetterKey is inverted by time: they are read newest first.
func deadLetterKey(key []byte, shard engine.Shard, workspace engine.WorkspaceID, at engine.Instant, id engine.MessageID) []byte {
	key = appendNumber(appendPart(shardKey(key, spaceDeadLetter, shard), string(workspace)), ^int64(at))
	key = append(key, id.Conversation[:]...)
	return binary.BigEndian.AppendUint64(key, id.Version)
}

func parseDeadLetterKey(key []byte) (engine.DeadLetter, bool) {
	if len(key) < 3 {
		return engine.DeadLetter{}, false
	}
	_, rest, ok := cutPart(key[3:])
	if !ok || len(rest) != 8+idBytes+8 {
		return engine.DeadLetter{}, false
	}
	return engine.DeadLetter{
		At: engine.Instant(^numberOf(rest)),
		Message: engine.MessageID{
			Conversation: engine.ConversationID(rest[8 : 8+idBytes]), Version: binary.BigEndian.Uint64(rest[8+idBytes:]),
		},
	}, true
}

// expireDeadLetters removes from each workspace those from before an instant.
func (j *Journal) expireDeadLetters(before engine.Instant, remove func(lower, upper []byte) error) error {
	all := shardKey(nil, spaceDeadLetter, j.shard)
	it, err := j.db.NewIter(&pebble.IterOptions{LowerBound: all, UpperBound: afterAll(all)})
	if err != nil {
		return readError(err)
	}
	workspaces := func() error {
		for ok := it.First(); ok; {
			workspace, _, ok2 := cutPart(it.Key()[min(len(it.Key()), 3):])
			if !ok2 {
				return corrupt("dead letter: the key cannot be read")
			}
			prefix := appendPart(shardKey(nil, spaceDeadLetter, j.shard), workspace)
			end := afterAll(prefix)
			// Newest first: the old ones stand behind.
			if err := remove(appendNumber(prefix, ^int64(before)+1), end); err != nil {
				return err
			}
			ok = it.SeekGE(end)
		}
		return nil
	}
	err = workspaces()
	if iterErr := it.Error(); err == nil && iterErr != nil {
		err = readError(iterErr)
	}
	if closeErr := it.Close(); err == nil && closeErr != nil {
		err = readError(closeErr)
	}
	return err
}

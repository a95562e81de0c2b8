package journal

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/intervenehq/intervene/engine"
)

// head reads where a conversation stands, applied and perhaps not durable yet.
func (j *Journal) head(id engine.ConversationID) (h head, found bool, err error) {
	var key [1 + idBytes + 8]byte
	found, err = get(j.db, headKey(key[:0], id), func(value []byte) error {
		h, err = decodeHead(value)
		return err
	})
	return h, found, err
}

// settledHead is where a conversation stands, durable: what was read of the
// conversation before this call is, too.
func (j *Journal) settledHead(id engine.ConversationID) (h head, found bool, err error) {
	h, found, err = j.head(id)
	if err != nil || !found {
		return h, found, err
	}
	return h, true, j.settled(h.offset)
}

// Load is the conversation as all its durable events made it. One that has no
// event is empty but for its ID.
func (j *Journal) Load(id engine.ConversationID) (engine.Conversation, error) {
	if err := j.enter(); err != nil {
		return engine.Conversation{}, err
	}
	defer j.leave()
	h, found, err := j.settledHead(id)
	if err != nil {
		return engine.Conversation{}, err
	}
	if !found {
		return engine.Conversation{ID: id}, nil
	}
	return loadAt(j.db, id, h.version)
}

// LoadAt is the conversation as it was at version.
func (j *Journal) LoadAt(id engine.ConversationID, version uint64) (engine.Conversation, error) {
	if err := j.enter(); err != nil {
		return engine.Conversation{}, err
	}
	defer j.leave()
	h, _, err := j.settledHead(id)
	if err != nil {
		return engine.Conversation{}, err
	}
	if version > h.version {
		return engine.Conversation{}, engine.Errorf(engine.CodeNotFound, "the conversation has no version %d", version)
	}
	return loadAt(j.db, id, version)
}

// loadAt applies to the newest snapshot that is not past version the events
// that follow on it.
func loadAt(r pebble.Reader, id engine.ConversationID, version uint64) (engine.Conversation, error) {
	c, err := nearestSnapshot(r, id, version)
	if err != nil || c.Version == version {
		return c, err
	}
	err = scanEvents(r, id, c.Version, version, func(e *engine.Event, _ bool) error {
		c.Apply(e)
		return nil
	})
	return c, err
}

// nearestSnapshot looks under version's own interval and, when that one's was
// taken later or never, under those before.
func nearestSnapshot(r pebble.Reader, id engine.ConversationID, version uint64) (engine.Conversation, error) {
	for interval := version / snapshotInterval; interval > 0; interval-- {
		c := engine.Conversation{ID: id}
		key := conversationKey(nil, spaceSnapshot, id, interval)
		found, err := get(r, key, func(value []byte) (err error) {
			c, err = decodeSnapshot(id, value)
			return err
		})
		if err != nil {
			return engine.Conversation{}, err
		}
		if found && c.Version <= version {
			return c, nil
		}
	}
	return engine.Conversation{ID: id}, nil
}

// scanEvents passes the events after one version up to and including another,
// all of which must be there.
func scanEvents(r pebble.Reader, id engine.ConversationID, after, until uint64, use func(*engine.Event, bool) error) error {
	next := after + 1
	lower := conversationKey(nil, spaceConversation, id, next)
	upper := conversationKey(nil, spaceConversation, id, until+1)
	err := scan(r, lower, upper, func(key, value []byte) (bool, error) {
		version := conversationKeyNumber(key)
		if version != next {
			return false, corrupt("events: got version %d, want %d", version, next)
		}
		e, endsAppend, err := decodeEvent(version, value)
		if err != nil {
			return false, err
		}
		next++
		return true, use(&e, endsAppend)
	})
	if err == nil && next != until+1 {
		err = corrupt("events: the last version is %d, want %d", next-1, until)
	}
	return err
}

// Events are the durable events that follow on the version after, at most
// limit, ascending and contiguous.
func (j *Journal) Events(id engine.ConversationID, after uint64, limit int) ([]engine.Event, error) {
	if err := j.enter(); err != nil {
		return nil, err
	}
	defer j.leave()
	h, _, err := j.settledHead(id)
	if err != nil || h.version <= after {
		return nil, err
	}
	until := min(h.version, after+uint64(pageLimit(limit)))
	events := make([]engine.Event, 0, until-after)
	err = scanEvents(j.db, id, after, until, func(e *engine.Event, _ bool) error {
		events = append(events, *e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return events, nil
}

// pageLimit is what a caller's limit comes to.
func pageLimit(limit int) int { return min(max(limit, 1), maxPage) }

// Card is what a board shows of the conversation.
func (j *Journal) Card(id engine.ConversationID) (engine.Card, error) {
	if err := j.enter(); err != nil {
		return engine.Card{}, err
	}
	defer j.leave()
	var card engine.Card
	var projection uint32
	var offset uint64
	found, err := get(j.db, headKey(nil, id), func(value []byte) error {
		h, err := decodeHead(value)
		if err != nil {
			return err
		}
		offset = h.offset
		card, projection, err = decodeCard(id, value)
		return err
	})
	if err == nil && !found {
		err = &engine.Error{Code: engine.CodeNotFound}
	}
	if err == nil {
		err = j.settled(offset)
	}
	if err != nil {
		return engine.Card{}, err
	}
	if projection == projectionVersion {
		return card, nil
	}
	// Another version made this card of the same events.
	c, err := loadAt(j.db, id, card.Version)
	if err != nil {
		return engine.Card{}, err
	}
	return c.Card(), nil
}

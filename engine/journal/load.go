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
	c, err := loadAt(j.db, id, h, h.version)
	if again, h := j.trimmedSince(id, h, err); again {
		return loadAt(j.db, id, h, h.version)
	}
	return c, err
}

// trimmedSince reports that what was read after h was found may have gone
// meanwhile, and where the conversation stands now.
func (j *Journal) trimmedSince(id engine.ConversationID, h head, err error) (bool, head) {
	if engine.CodeOf(err) != engine.CodeCorrupt {
		return false, h
	}
	now, found, headErr := j.settledHead(id)
	return headErr == nil && found && now.oldest != h.oldest, now
}

// LoadAt is the conversation as it was at version. One that lies further back
// than what is kept of it is not found.
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
	c, err := loadAt(j.db, id, h, version)
	if again, h := j.trimmedSince(id, h, err); again {
		return loadAt(j.db, id, h, version)
	}
	return c, err
}

// loadAt applies to the newest snapshot that is not past version the events
// that follow on it.
func loadAt(r pebble.Reader, id engine.ConversationID, h head, version uint64) (engine.Conversation, error) {
	c, err := nearestSnapshot(r, id, h.oldest, version)
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
// taken later or never, under those before. Where the first events are gone, the
// base is the last of them.
func nearestSnapshot(r pebble.Reader, id engine.ConversationID, oldest, version uint64) (engine.Conversation, error) {
	for interval := version / snapshotInterval; interval > 0 && (interval+1)*snapshotInterval >= oldest; interval-- {
		c, found, err := readSnapshot(r, id, interval)
		if err != nil {
			return engine.Conversation{}, err
		}
		if found && c.Version <= version {
			return c, nil
		}
	}
	if oldest <= 1 || version == 0 {
		return engine.Conversation{ID: id}, nil
	}
	base, found, err := readSnapshot(r, id, baseSnapshot)
	switch {
	case err != nil:
		return engine.Conversation{}, err
	case !found:
		return engine.Conversation{}, corrupt("snapshot: the first events are gone, and what they made")
	case base.Version > version:
		return engine.Conversation{}, engine.Errorf(engine.CodeNotFound, "version %d is not kept", version)
	}
	return base, nil
}

func readSnapshot(r pebble.Reader, id engine.ConversationID, interval uint64) (c engine.Conversation, found bool, err error) {
	found, err = get(r, conversationKey(nil, spaceSnapshot, id, interval), func(value []byte) (err error) {
		c, err = decodeSnapshot(id, value)
		return err
	})
	return c, found, err
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
// limit, ascending and contiguous. Where these are not kept any more, they begin
// with the oldest that is: its version says so.
func (j *Journal) Events(id engine.ConversationID, after uint64, limit int) ([]engine.Event, error) {
	if err := j.enter(); err != nil {
		return nil, err
	}
	defer j.leave()
	h, _, err := j.settledHead(id)
	if err != nil || h.version <= after {
		return nil, err
	}
	events, err := j.eventsAfter(id, h, after, limit)
	if again, h := j.trimmedSince(id, h, err); again {
		events, err = j.eventsAfter(id, h, after, limit)
	}
	return events, err
}

func (j *Journal) eventsAfter(id engine.ConversationID, h head, after uint64, limit int) ([]engine.Event, error) {
	after = max(after, h.oldest-1)
	until := min(h.version, after+uint64(pageLimit(limit)))
	events := make([]engine.Event, 0, until-after)
	err := scanEvents(j.db, id, after, until, func(e *engine.Event, _ bool) error {
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

// OldestSince is the version of the oldest event that was made at an instant or
// later; one more than the newest version when there is none.
func (j *Journal) OldestSince(id engine.ConversationID, since engine.Instant) (uint64, error) {
	if err := j.enter(); err != nil {
		return 0, err
	}
	defer j.leave()
	h, _, err := j.settledHead(id)
	if err != nil {
		return 0, err
	}
	version, err := j.oldestSince(id, h, since)
	if again, h := j.trimmedSince(id, h, err); again {
		version, err = j.oldestSince(id, h, since)
	}
	return version, err
}

// oldestSince halves what is kept again and again: time never runs backwards in
// a conversation.
func (j *Journal) oldestSince(id engine.ConversationID, h head, since engine.Instant) (uint64, error) {
	low, high := max(h.oldest, 1), h.version+1
	for low < high {
		middle := low + (high-low)/2
		var at engine.Instant
		found, err := get(j.db, conversationKey(nil, spaceConversation, id, middle), func(value []byte) error {
			e, _, err := decodeEvent(middle, value)
			at = e.At
			return err
		})
		switch {
		case err != nil:
			return 0, err
		case !found:
			return 0, corrupt("events: version %d is missing", middle)
		case at < since:
			low = middle + 1
		default:
			high = middle
		}
	}
	return low, nil
}

// Card is what a board shows of the conversation.
func (j *Journal) Card(id engine.ConversationID) (engine.Card, error) {
	if err := j.enter(); err != nil {
		return engine.Card{}, err
	}
	defer j.leave()
	var card engine.Card
	var projection uint32
	var at head
	found, err := get(j.db, headKey(nil, id), func(value []byte) error {
		h, err := decodeHead(value)
		if err != nil {
			return err
		}
		at = h
		card, projection, err = decodeCard(id, value)
		return err
	})
	if err == nil && !found {
		err = &engine.Error{Code: engine.CodeNotFound}
	}
	if err == nil {
		err = j.settled(at.offset)
	}
	if err != nil {
		return engine.Card{}, err
	}
	if projection == projectionVersion {
		return card, nil
	}
	// Another version made this card of the same events.
	c, err := loadAt(j.db, id, at, card.Version)
	if err != nil {
		return engine.Card{}, err
	}
	return c.Card(), nil
}

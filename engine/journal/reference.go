package journal

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/intervenehq/intervene/engine"
)

// ByIdentity is the conversation that a contact of the channel has.
func (j *Journal) ByIdentity(channel engine.ChannelID, identity engine.Identity) (engine.ConversationID, bool, error) {
	var key [64]byte
	ref, found, err := j.reference("identity", identityKey(key[:0], j.shard, identityDigest(channel, identity)))
	return ref.Conversation, found, err
}

// BySend is the message that the platform gave an ID to, for at least 30 days.
func (j *Journal) BySend(channel engine.ChannelID, external string) (engine.MessageID, bool, error) {
	newest := generationOf(engine.InstantOf(j.options.Now()))
	// The one ahead is of events whose time ran ahead of this clock.
	for _, generation := range [...]int64{newest, newest - 1, newest + 1} {
		var key [64]byte
		ref, found, err := j.reference("external", sendKey(key[:0], j.shard, generation, channel, external))
		if found || err != nil {
			return ref, found, err
		}
	}
	return engine.MessageID{}, false, nil
}

// reference follows a row that points to a conversation, once it is durable.
func (j *Journal) reference(what string, key []byte) (ref engine.MessageID, found bool, err error) {
	if err := j.enter(); err != nil {
		return engine.MessageID{}, false, err
	}
	defer j.leave()
	found, err = get(j.db, key, func(value []byte) error {
		ref, err = decodeReference(what, value)
		return err
	})
	if err == nil && found {
		err = j.settled(j.references.writtenBy(key))
	}
	if err != nil {
		return engine.MessageID{}, false, err
	}
	return ref, found, nil
}

// references knows by which append a row that points to a conversation was
// written, or by one that is newer: rows that share a place wait for each other.
// The head would say it too, at the price of another read for each item that
// comes in. What was written before the journal was opened is durable.
type references [referencePlaces]atomic.Uint64

// place of a row is drawn by the digest that its key ends with.
func (r *references) place(key []byte) *atomic.Uint64 {
	return &r[binary.BigEndian.Uint64(key[len(key)-8:])%referencePlaces]
}

// write notes, before they can be seen, the rows of an append. Offsets only rise.
func (r *references) write(w *rows, offset uint64) {
	for _, row := range w.list[w.ends[groupExternal-1]:w.ends[groupIdentity]] {
		r.place(w.buf[row.key:row.value]).Store(offset)
	}
}

func (r *references) writtenBy(key []byte) uint64 { return r.place(key).Load() }

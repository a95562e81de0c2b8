package journal

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/cockroachdb/pebble/v2"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal/record"
)

// Park makes an item durable beside its conversation, which cannot take it
// now. An item that comes again is parked once. It stays until Unpark.
func (j *Journal) Park(p engine.Parked) error {
	value, err := appendParked(nil, &p)
	if err != nil {
		return err
	}
	return j.change(func(b *pebble.Batch) error {
		key := parkedKey(&p)
		known, err := get(j.db, key, func([]byte) error { return nil })
		if err != nil || known {
			return err
		}
		return b.Set(key, value, nil)
	})
}

// Unpark forgets a parked item, which its conversation has taken.
func (j *Journal) Unpark(p engine.Parked) error {
	return j.change(func(b *pebble.Batch) error { return b.Delete(parkedKey(&p), nil) })
}

// Parked are all parked items, in the order in which they came.
func (j *Journal) Parked() ([]engine.Parked, error) {
	if err := j.enter(); err != nil {
		return nil, err
	}
	defer j.leave()
	// Nothing is shown before it is durable.
	j.changing.begin()
	defer j.changing.end()
	var parked []engine.Parked
	prefix := shardKey(nil, spaceParked, j.shard)
	err := scan(j.db, prefix, afterAll(prefix), func(key, value []byte) (bool, error) {
		p, err := decodeParked(key, value)
		parked = append(parked, p)
		return true, err
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(parked, func(a, b engine.Parked) int { return cmp.Compare(a.At, b.At) })
	return parked, nil
}

// change writes a batch of its own: rows that no event makes, and seldom. One
// at a time: what fill sees is durable, so that nobody is told of an item that
// is parked already before it is.
func (j *Journal) change(fill func(*pebble.Batch) error) error {
	if err := j.enter(); err != nil {
		return err
	}
	defer j.leave()
	if j.full.Load() {
		return engine.Errorf(engine.CodeFull, "less than %d MB are free", appendReserve>>20)
	}
	j.changing.begin()
	defer j.changing.end()
	b := j.db.NewBatch()
	if err := fill(b); err != nil || b.Empty() {
		return errors.Join(err, b.Close())
	}
	n := j.changes.Load() + 1
	if err := b.Set(metaChangesKey, appendNumberRecord(nil, n), nil); err != nil {
		return errors.Join(err, b.Close())
	}
	if err := b.Commit(pebble.Sync); err != nil {
		j.die(fmt.Errorf("write a parked item: %w", err))
	}
	if j.isDead() {
		return engine.Errorf(engine.CodeUnknownOutcome, "write a parked item: the journal ended")
	}
	j.changes.Store(n)
	j.wakeKeeper()
	return b.Close()
}

func appendNumberRecord(value []byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append(value, recordVersion), n)
}

func decodeNumber(row string, value []byte) (uint64, error) {
	rest, err := checkVersion(row, value)
	if err != nil {
		return 0, err
	}
	if len(rest) != 8 {
		return 0, corrupt("%s: the value has another size", row)
	}
	return binary.BigEndian.Uint64(rest), nil
}

func parkedKey(p *engine.Parked) []byte {
	var d digest
	if m := p.Item.Message; m != nil {
		d = digestOf(spaceParked, "message", string(p.Item.Channel), m.External)
	} else if s := p.Item.Status; s != nil {
		d = digestOf(spaceParked, "status", string(p.Item.Channel), s.External, strconv.Itoa(int(s.State)))
	}
	key := append([]byte{byte(spaceParked)}, p.Conversation[:]...)
	return append(key, d[:]...)
}

func appendParked(value []byte, p *engine.Parked) ([]byte, error) {
	m := &record.Parked{At: int64(p.At), Workspace: string(p.Item.Workspace), Channel: string(p.Item.Channel)}
	switch {
	case p.Item.Message != nil:
		r := p.Item.Message
		m.Item = &record.Parked_Message{Message: &record.ParkedMessage{
			Contact: contact(r.Contact), External: r.External, SentAt: int64(r.SentAt),
			Content: content(r.Content), ReplyTo: r.ReplyTo,
		}}
	case p.Item.Status != nil:
		s := p.Item.Status
		m.Item = &record.Parked_Status{Status: &record.ParkedStatus{
			External: s.External, Send: s.Op.Version, State: uint32(s.State), Error: s.Error, At: int64(s.At),
		}}
	default:
		return nil, &engine.Error{Code: engine.CodeInvalid, Field: "item", Problem: "must be a message or a status"}
	}
	return appendRecord(value, m)
}

func decodeParked(key, value []byte) (engine.Parked, error) {
	if len(key) != 1+idBytes+len(digest{}) {
		return engine.Parked{}, corrupt("parked: the key has another size")
	}
	var m record.Parked
	if err := decodeRecord("parked", value, &m); err != nil {
		return engine.Parked{}, err
	}
	p := engine.Parked{Conversation: conversationKeyID(key), At: engine.Instant(m.GetAt())}
	p.Item.Workspace, p.Item.Channel = engine.WorkspaceID(m.GetWorkspace()), engine.ChannelID(m.GetChannel())
	switch item := m.GetItem().(type) {
	case *record.Parked_Message:
		r := item.Message
		p.Item.Message = &engine.Receive{
			Channel: p.Item.Channel, Contact: contactOf(r.GetContact()), External: r.GetExternal(),
			SentAt: engine.Instant(r.GetSentAt()), Content: contentOf(r.GetContent()), ReplyTo: r.GetReplyTo(),
		}
	case *record.Parked_Status:
		s := item.Status
		p.Item.Status = &engine.Status{
			External: s.GetExternal(), Op: engine.MessageID{Conversation: p.Conversation, Version: s.GetSend()},
			State: engine.DeliveryState(s.GetState()), Error: s.GetError(), At: engine.Instant(s.GetAt()),
		}
	default:
		return engine.Parked{}, corrupt("parked: the item is neither message nor status")
	}
	return p, nil
}

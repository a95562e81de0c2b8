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
	channel := string(p.Item.Channel)
	var d digest
	switch i := &p.Item; {
	case i.Message != nil:
		d = digestOf(spaceParked, "message", channel, i.Message.External)
	case i.Status != nil:
		d = digestOf(spaceParked, "status", channel, i.Status.External, strconv.Itoa(int(i.Status.State)))
	case i.Amend != nil:
		d = digestOf(spaceParked, "amendment", channel, i.Amend.External)
	case i.Echo != nil:
		d = digestOf(spaceParked, "echo", channel, i.Echo.External)
	case i.Change != nil:
		d = digestOf(spaceParked, "change", channel, i.Change.External)
	case i.Consent != nil:
		d = digestOf(spaceParked, "consent", channel, strconv.Itoa(int(i.Consent.Consent)), strconv.FormatInt(int64(i.Consent.At), 10))
	}
	key := append([]byte{byte(spaceParked)}, p.Conversation[:]...)
	return append(key, d[:]...)
}

func appendParked(value []byte, p *engine.Parked) ([]byte, error) {
	m := &record.Parked{At: int64(p.At), Workspace: string(p.Item.Workspace), Channel: string(p.Item.Channel)}
	switch i := &p.Item; {
	case i.Message != nil:
		r := i.Message
		m.Item = &record.Parked_Message{Message: &record.ParkedMessage{
			Contact: contact(r.Contact), External: r.External, SentAt: int64(r.SentAt),
			Content: content(r.Content), ReplyTo: r.ReplyTo, Context: messageContext(r.Context), Consent: uint32(r.Consent),
		}}
	case i.Status != nil:
		m.Item = &record.Parked_Status{Status: status(i.Status)}
	case i.Amend != nil:
		a := i.Amend
		m.Item = &record.Parked_Amendment{Amendment: &record.ParkedAmendment{Contact: contact(a.Contact), Outside: a.Outside, Amended: &record.Amended{
			External: a.External, SentAt: int64(a.SentAt), Target: a.Target, What: uint32(a.What), Content: content(a.Content),
		}}}
	case i.Echo != nil:
		e := i.Echo
		m.Item = &record.Parked_Echo{Echo: &record.ParkedEcho{
			Contact: contact(e.Contact), External: e.External, SentAt: int64(e.SentAt), Content: content(e.Content), ReplyTo: e.ReplyTo,
		}}
	case i.Change != nil:
		c := i.Change
		m.Item = &record.Parked_Change{Change: &record.ParkedChange{
			Contact: contact(c.Contact), Changed: contact(c.Changed), External: c.External, SentAt: int64(c.SentAt),
		}}
	case i.Consent != nil:
		c := i.Consent
		m.Item = &record.Parked_Consent{Consent: &record.ParkedConsent{
			Contact: contact(c.Contact), Consent: uint32(c.Consent), At: int64(c.At),
		}}
	default:
		return nil, &engine.Error{Code: engine.CodeInvalid, Field: "item", Problem: "must be one"}
	}
	return appendRecord(value, m)
}

func status(s *engine.Status) *record.ParkedStatus {
	return &record.ParkedStatus{
		External: s.External, Send: s.Op.Version, State: uint32(s.State), Error: s.Error, Detail: s.Detail, At: int64(s.At),
	}
}

// statusOf leaves out the conversation of the status's send.
func statusOf(m *record.ParkedStatus) *engine.Status {
	return &engine.Status{
		External: m.GetExternal(), Op: engine.MessageID{Version: m.GetSend()}, State: engine.DeliveryState(m.GetState()),
		Error: m.GetError(), Detail: m.GetDetail(), At: engine.Instant(m.GetAt()),
	}
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
	if !parkedItemOf(&p, &m) {
		return engine.Parked{}, corrupt("parked: the item is none that is known")
	}
	return p, nil
}

func parkedItemOf(p *engine.Parked, m *record.Parked) bool {
	channel := p.Item.Channel
	switch item := m.GetItem().(type) {
	case *record.Parked_Message:
		r := item.Message
		p.Item.Message = &engine.Receive{
			Channel: channel, Contact: contactOf(r.GetContact()), External: r.GetExternal(),
			SentAt: engine.Instant(r.GetSentAt()), Content: contentOf(r.GetContent()), ReplyTo: r.GetReplyTo(),
			Context: messageContextOf(r.GetContext()), Consent: engine.Consent(r.GetConsent()),
		}
	case *record.Parked_Status:
		p.Item.Status = statusOf(item.Status)
		p.Item.Status.Op.Conversation = p.Conversation
	case *record.Parked_Amendment:
		a := amendedOf(item.Amendment.GetAmended())
		p.Item.Amend = &engine.Amend{
			Channel: channel, Contact: contactOf(item.Amendment.GetContact()), External: a.External, SentAt: a.SentAt,
			Target: a.Target, What: a.What, Content: a.Content, Outside: item.Amendment.GetOutside(),
		}
	case *record.Parked_Echo:
		e := item.Echo
		p.Item.Echo = &engine.RecordEcho{
			Channel: channel, Contact: contactOf(e.GetContact()), External: e.GetExternal(),
			SentAt: engine.Instant(e.GetSentAt()), Content: contentOf(e.GetContent()), ReplyTo: e.GetReplyTo(),
		}
	case *record.Parked_Change:
		c := item.Change
		p.Item.Change = &engine.ChangeContact{
			Channel: channel, Contact: contactOf(c.GetContact()), Changed: contactOf(c.GetChanged()),
			External: c.GetExternal(), SentAt: engine.Instant(c.GetSentAt()),
		}
	case *record.Parked_Consent:
		c := item.Consent
		p.Item.Consent = &engine.SetConsent{
			Channel: channel, Contact: contactOf(c.GetContact()), Consent: engine.Consent(c.GetConsent()), At: engine.Instant(c.GetAt()),
		}
	default:
		return false
	}
	return true
}

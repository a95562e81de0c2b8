package journal

import (
	"bytes"
	"reflect"

	"github.com/intervenehq/intervene/engine"
)

// conversationCheck derives one conversation's rows from its events, without
// the code that wrote them: from where the conversation stands, not from what
// each append changed.
type conversationCheck struct {
	*verifier
	id engine.ConversationID
	// broken: an event is missing or unreadable, and nothing after it is known.
	broken bool
	state  engine.Conversation
	// oldest is the version of the first event that should be there, next that of
	// the one that comes next.
	oldest, next uint64
	// base is the version that state had before any event was applied.
	base uint64
	// end and index are those of the newest whole append.
	end      uint64
	index    engine.Index
	headSeen bool
	// trimmed: the append that is read removes events.
	trimmed bool
	// log are its rows in the log that no append was found for yet; logged is
	// the offset of the newest for which one was.
	log       []logRow
	logged    uint64
	sends     map[uint64]engine.Delivery
	amended   map[digest]engine.Amendments
	media     map[uint64]engine.MediaStatus
	snapshots []wantedSnapshot
	reference map[string]engine.MessageID
	spaceOf   map[string]space
}

// wantedSnapshot is what a snapshot must hold. A later append may remove it.
type wantedSnapshot struct {
	interval, version uint64
	state             []byte
}

func newConversationCheck(v *verifier, id engine.ConversationID) (*conversationCheck, error) {
	c := &conversationCheck{
		verifier: v, id: id, state: engine.Conversation{ID: id}, log: v.log[id], oldest: 1, next: 1,
		sends: make(map[uint64]engine.Delivery), amended: make(map[digest]engine.Amendments), media: make(map[uint64]engine.MediaStatus),
		reference: make(map[string]engine.MessageID), spaceOf: make(map[string]space),
	}
	delete(v.log, id)
	v.report.Conversations++
	return c, c.begin()
}

// begin finds where the events begin, and what the ones that are gone made.
func (c *conversationCheck) begin() error {
	_, err := get(c.db, headKey(nil, c.id), func(value []byte) error {
		if h, err := decodeHead(value); err == nil {
			c.oldest, c.next = h.oldest, h.oldest
		}
		return nil // it is read again, and reported, when its turn comes
	})
	if err != nil || c.oldest <= 1 {
		return err
	}
	c.verifier.oldest[c.id] = c.oldest
	c.count(spaceSnapshot, conversationKey(nil, spaceSnapshot, c.id, baseSnapshot))
	base, found, err := readSnapshot(c.db, c.id, baseSnapshot)
	switch {
	case err != nil && engine.CodeOf(err) != engine.CodeCorrupt:
		return err
	case err != nil:
		c.broken = true
		c.add(ProblemUnreadable, spaceSnapshot, c.oldest, err.Error())
	case !found:
		c.broken = true
		c.add(ProblemMissing, spaceSnapshot, c.oldest, "the first events are gone, and what they made")
	default:
		c.state, c.base, c.end, c.index = base, base.Version, base.Version, base.Index()
	}
	for len(c.log) > 0 && c.log[0].version <= c.base {
		c.logged, c.log = c.log[0].offset, c.log[1:]
	}
	prefix := conversationRange(nil, spaceClaimed, c.id)
	return scan(c.db, prefix, afterAll(prefix), func(key, value []byte) (bool, error) {
		empty, err := isEmpty(spaceClaimed)(value)
		if err != nil || !empty || len(key) != len(prefix)+len(digest{}) {
			c.add(ProblemUnreadable, spaceClaimed, 0, "the row has another size or version")
			return true, nil
		}
		c.refer(spaceIdentity, identityKey(nil, c.shard, digest(key[len(prefix):])), engine.MessageID{Conversation: c.id})
		return true, nil
	})
}

func (c *conversationCheck) add(problem Problem, row space, number uint64, detail string) {
	c.report.add(Finding{Problem: problem, Row: row.String(), Conversation: c.id, Number: number, Detail: detail})
}

func (c *conversationCheck) addHead(problem Problem, detail string) {
	c.report.add(Finding{Problem: problem, Row: "head", Conversation: c.id, Number: c.state.Version, Detail: detail})
}

// event applies one event and notes what rows it makes.
func (c *conversationCheck) event(version uint64, value []byte) error {
	c.report.Events++
	if c.broken {
		return nil
	}
	if version != c.next {
		c.broken = true
		c.add(ProblemMissing, spaceConversation, c.next, "versions are not contiguous")
		return nil
	}
	c.next++
	e, endsAppend, err := decodeEvent(version, value)
	if err != nil {
		c.broken = true
		c.add(ProblemUnreadable, spaceConversation, version, err.Error())
		return nil
	}
	if version > c.base {
		oldest := oldestOf(&c.state)
		c.state.Apply(&e)
		if oldestOf(&c.state) > oldest {
			c.snapshots, c.trimmed = nil, true // they held what was removed
		}
	}
	c.note(&e)
	if endsAppend && version > c.base {
		return c.endAppend()
	}
	return nil
}

// note remembers the rows that point to e.
func (c *conversationCheck) note(e *engine.Event) {
	for _, claim := range claimsOf(nil, c.state.Channel, e) {
		if claim.kind == engine.ClaimIdentity {
			c.refer(spaceIdentity, identityKey(nil, c.shard, claim.id), engine.MessageID{Conversation: c.id})
			continue
		}
		for _, minute := range claim.minutes() {
			if minute >= c.kept.GetDedupeMinute() {
				c.refer(spaceDedupe, dedupeKey(nil, c.shard, minute, claim.id), engine.MessageID{Conversation: c.id, Version: e.Version})
			}
		}
	}
	switch b := e.Body.(type) {
	case engine.DeliveryChanged:
		c.noteDelivery(e, b)
	case engine.MessageQueued:
		if b.ResendOf >= c.oldest {
			sent := c.sends[b.ResendOf]
			sent.ResentAs = e.Version
			c.sends[b.ResendOf] = sent
		}
	case engine.Amended:
		target := targetDigest(b.Target)
		c.amended[target] = c.amended[target].Fold(b)
	case engine.MediaChanged:
		if b.Message >= c.oldest {
			c.media[b.Message] = engine.MediaStatus{State: b.State, Blob: b.Blob, Bytes: b.Bytes}
		}
	}
}

func (c *conversationCheck) noteDelivery(e *engine.Event, change engine.DeliveryChanged) {
	if change.Send < c.oldest {
		return
	}
	before := c.sends[change.Send]
	c.sends[change.Send] = before.Fold(change, e.At)
	generation := generationOf(e.At)
	if change.External != "" && change.External != before.External && generation >= c.kept.GetExternalGeneration() {
		key := sendKey(nil, c.shard, generation, c.state.Channel, change.External)
		c.refer(spaceExternal, key, engine.MessageID{Conversation: c.id, Version: change.Send})
	}
}

func (c *conversationCheck) refer(s space, key []byte, to engine.MessageID) {
	c.reference[string(key)], c.spaceOf[string(key)] = to, s
}

// endAppend checks what was written with an append: its row in the log, and its
// snapshot if it reached the next.
func (c *conversationCheck) endAppend() error {
	begin, before := c.end, c.index
	c.end, c.index = c.state.Version, c.state.Index()
	c.report.Appends++
	c.checkLog(begin, before)
	interval := c.end / snapshotInterval
	if interval == begin/snapshotInterval && !c.trimmed || interval == baseSnapshot {
		c.trimmed = false
		return nil
	}
	c.trimmed = false
	state, err := appendRecord(nil, snapshot(&c.state))
	c.snapshots = append(c.snapshots, wantedSnapshot{interval, c.end, state})
	return err
}

// finishSnapshots compares as the disk does: what encodes alike is alike.
func (c *conversationCheck) finishSnapshots() error {
	for _, w := range c.snapshots {
		key := conversationKey(nil, spaceSnapshot, c.id, w.interval)
		err := c.want(spaceSnapshot, key, w.version, func(value []byte) (bool, error) {
			got, err := decodeSnapshot(c.id, value)
			if err != nil {
				return false, err
			}
			again, err := appendRecord(nil, snapshot(&got))
			return bytes.Equal(again, w.state), err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// checkLog compares the oldest row of the log that is left with the append that
// ends here. Retention may have removed the rows of the first appends.
func (c *conversationCheck) checkLog(begin uint64, before engine.Index) {
	if len(c.log) == 0 || c.log[0].version > c.end {
		if c.logged != 0 || c.kept.GetLogOffset() == 0 {
			c.add(ProblemMissing, spaceLog, c.end, "no row goes with the append of this version")
		}
		return
	}
	row := c.log[0]
	c.log, c.logged = c.log[1:], row.offset
	switch {
	case row.version != c.end, row.expected != begin && (begin != c.base || row.expected > begin):
		c.add(ProblemDiffers, spaceLog, row.offset, "its versions are not the append's")
	case row.after != c.hash(c.index):
		c.add(ProblemDiffers, spaceLog, row.offset, "what it says after is not what the events make")
	case row.expected == begin && row.before != c.hash(before):
		c.add(ProblemDiffers, spaceLog, row.offset, "what it says before is not what the events make")
	case row.at != 0 && row.at != c.state.Updated:
		c.add(ProblemDiffers, spaceLog, row.offset, "its time is not the newest event's")
	}
}

// head compares the head, which comes after all events.
func (c *conversationCheck) head(value []byte) error {
	c.headSeen = true
	h, err := decodeHead(value)
	if err != nil {
		c.addHead(ProblemUnreadable, err.Error())
		return nil
	}
	card, projection, err := decodeCard(c.id, value)
	if err != nil {
		c.addHead(ProblemUnreadable, err.Error())
		return nil
	}
	if c.broken {
		return nil
	}
	want := c.state.Card()
	if len(want.Tags) == 0 {
		want.Tags = nil
	}
	if len(want.Linked) == 0 {
		want.Linked = nil
	}
	switch {
	case h.version != c.state.Version:
		c.addHead(ProblemDiffers, "it has another version")
	case h.oldest != oldestOf(&c.state):
		c.addHead(ProblemDiffers, "it says that other events are kept")
	case projection == projectionVersion && !reflect.DeepEqual(card, want):
		c.addHead(ProblemDiffers, "the card is not what the events make")
	case h.offset == 0, c.logged != 0 && h.offset != c.logged, c.logged == 0 && h.offset > c.kept.GetLogOffset():
		c.addHead(ProblemDiffers, "its offset is not the newest append's")
	}
	return nil
}

// finish checks what follows from all events together.
func (c *conversationCheck) finish() error {
	if c == nil || c.broken {
		return nil
	}
	if !c.headSeen {
		c.addHead(ProblemMissing, "")
	}
	if c.end != c.state.Version {
		c.add(ProblemMissing, spaceConversation, c.state.Version+1, "the newest append is not whole")
		return nil
	}
	for _, row := range c.log {
		c.add(ProblemExtra, spaceLog, row.offset, "no event goes with it")
	}
	for key, to := range c.reference {
		s := c.spaceOf[key]
		err := c.want(s, []byte(key), to.Version, func(value []byte) (bool, error) {
			got, err := decodeReference(s.String(), value)
			return got == to, err
		})
		if err != nil {
			return err
		}
	}
	for _, finish := range []func() error{c.finishSnapshots, c.finishSends, c.finishAmended, c.finishMedia} {
		if err := finish(); err != nil {
			return err
		}
	}
	return c.finishIndex()
}

func (c *conversationCheck) finishSends() error {
	for send, want := range c.sends {
		key := conversationKey(nil, spaceDelivery, c.id, send)
		err := c.want(spaceDelivery, key, send, func(value []byte) (bool, error) {
			got, err := decodeDelivery(value)
			return got == want, err
		})
		if err != nil {
			return err
		}
		at := deadLetterAt(&want)
		if at == 0 || int64(at) < c.kept.GetDeadLetterAt() {
			continue
		}
		key = deadLetterKey(nil, c.shard, c.state.Workspace, at, engine.MessageID{Conversation: c.id, Version: send})
		if err := c.want(spaceDeadLetter, key, send, isEmpty(spaceDeadLetter)); err != nil {
			return err
		}
	}
	return nil
}

// isEmpty finds that a row has nothing but its record version.
func isEmpty(s space) func(value []byte) (bool, error) {
	return func(value []byte) (bool, error) {
		rest, err := checkVersion(s.String(), value)
		return len(rest) == 0, err
	}
}

func (c *conversationCheck) finishAmended() error {
	for target, want := range c.amended {
		err := c.want(spaceAmendment, hashKey(nil, spaceAmendment, c.id, target), 0, func(value []byte) (bool, error) {
			got, err := decodeAmendments(value)
			return err == nil && bytes.Equal(appendAmendments(nil, &got), appendAmendments(nil, &want)), err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *conversationCheck) finishMedia() error {
	for message, want := range c.media {
		err := c.want(spaceMedia, conversationKey(nil, spaceMedia, c.id, message), message, func(value []byte) (bool, error) {
			got, err := decodeMediaStatus(value)
			return got == want, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *conversationCheck) finishIndex() error {
	if c.index.Column == 0 {
		return nil // it was erased, or it has no event: its head was found alone
	}
	countColumn(c.counters, &c.index)
	s := spaceBoard
	if c.index.Column == engine.History {
		s = spaceHistory
	}
	err := c.want(s, rowKey(nil, c.shard, c.id, &c.index), c.end, func(value []byte) (bool, error) {
		got := engine.BoardRow{Index: engine.Index{Workspace: c.index.Workspace, Column: c.index.Column, Order: c.index.Order}}
		err := decodeBoardRow(&got, value)
		return got.Index == placed(&c.index), err
	})
	if err != nil {
		return err
	}
	for _, kind := range engine.DueKinds {
		at := c.index.Due[kind]
		if at == 0 {
			continue
		}
		if err := c.want(spaceDue, dueKey(nil, c.shard, kind, at, c.id), uint64(kind), isEmpty(spaceDue)); err != nil {
			return err
		}
	}
	return nil
}

// count notes a row that should be there.
func (c *conversationCheck) count(s space, key []byte) {
	c.expected[s]++
	if keys := c.keys[s]; keys != nil {
		keys[string(key)] = true
	}
}

// want looks for a row that the events make, and compares it.
func (c *conversationCheck) want(s space, key []byte, number uint64, same func(value []byte) (bool, error)) error {
	c.count(s, key)
	if c.keys != nil {
		return nil // the second time it is the keys alone that matter
	}
	found, err := get(c.db, key, func(value []byte) error {
		ok, err := same(value)
		switch {
		case err != nil:
			c.add(ProblemUnreadable, s, number, err.Error())
		case !ok:
			c.add(ProblemDiffers, s, number, "")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !found {
		c.add(ProblemMissing, s, number, "")
	}
	return nil
}

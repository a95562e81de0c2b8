package journal

import (
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
	// end and index are those of the newest whole append.
	end      uint64
	index    engine.Index
	headSeen bool
	// log are its rows in the log that no append was found for yet; logged is
	// the offset of the newest for which one was.
	log       []logRow
	logged    uint64
	sends     map[uint64]engine.Delivery
	reference map[string]engine.MessageID
	spaceOf   map[string]space
}

func newConversationCheck(v *verifier, id engine.ConversationID) *conversationCheck {
	c := &conversationCheck{
		verifier: v, id: id, state: engine.Conversation{ID: id}, log: v.log[id],
		sends: make(map[uint64]engine.Delivery), reference: make(map[string]engine.MessageID), spaceOf: make(map[string]space),
	}
	delete(v.log, id)
	v.report.Conversations++
	return c
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
	if version != c.state.Version+1 {
		c.broken = true
		c.add(ProblemMissing, spaceConversation, c.state.Version+1, "versions are not contiguous")
		return nil
	}
	e, endsAppend, err := decodeEvent(version, value)
	if err != nil {
		c.broken = true
		c.add(ProblemUnreadable, spaceConversation, version, err.Error())
		return nil
	}
	c.state.Apply(&e)
	c.note(&e)
	if endsAppend {
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
	change, ok := e.Body.(engine.DeliveryChanged)
	if !ok {
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
	if interval == begin/snapshotInterval {
		return nil
	}
	key := conversationKey(nil, spaceSnapshot, c.id, interval)
	return c.want(spaceSnapshot, key, c.end, func(value []byte) (bool, error) {
		got, err := decodeSnapshot(c.id, value)
		return err == nil && c.equalsState(&got), err
	})
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
	case row.version != c.end, row.expected != begin:
		c.add(ProblemDiffers, spaceLog, row.offset, "its versions are not the append's")
	case row.after != c.hash(c.index):
		c.add(ProblemDiffers, spaceLog, row.offset, "what it says after is not what the events make")
	case row.before != c.hash(before):
		c.add(ProblemDiffers, spaceLog, row.offset, "what it says before is not what the events make")
	}
}

// equalsState compares as the disk does: what encodes alike is alike.
func (c *conversationCheck) equalsState(got *engine.Conversation) bool {
	value, err := appendRecord(nil, snapshot(&c.state))
	if err != nil {
		return false
	}
	want, err := decodeSnapshot(c.id, value)
	return err == nil && reflect.DeepEqual(&want, got)
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
	switch {
	case h.version != c.state.Version:
		c.addHead(ProblemDiffers, "it has another version")
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
	if err := c.finishSends(); err != nil {
		return err
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
	}
	return nil
}

func (c *conversationCheck) finishIndex() error {
	if c.index.Column == 0 {
		return nil // it has no event: its head was found alone
	}
	count(c.counters, &c.index)
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
		err := c.want(spaceDue, dueKey(nil, c.shard, kind, at, c.id), uint64(kind), func(value []byte) (bool, error) {
			rest, err := checkVersion(spaceDue.String(), value)
			return len(rest) == 0, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// want looks for a row that the events make, and compares it.
func (c *conversationCheck) want(s space, key []byte, number uint64, same func(value []byte) (bool, error)) error {
	c.expected[s]++
	if keys := c.keys[s]; keys != nil {
		keys[string(key)] = true
	}
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

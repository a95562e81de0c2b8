package journal

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/engine"
)

// derivation is one append on its way to rows.
type derivation struct {
	rows
	shard  engine.Shard
	from   *engine.Append
	after  engine.Index
	stored headOf // what is there already
	claims []claim
	sends  []changedSend
	names  []naming
	// amended and media are of seldom appends.
	amended []amendedMessage
	media   []changedMedia
	removal removal
	// released are the kinds of held work of which the append leaves nothing.
	released []engine.DueKind
}

// changedSend is a send whose delivery the append changes, as it finds and as it
// leaves it.
type changedSend struct {
	version          uint64
	before, delivery engine.Delivery
}

// amendedMessage is what the customer made of a message, as the append leaves it.
type amendedMessage struct {
	target     digest
	amendments engine.Amendments
}

// changedMedia is how far the file of a message has got.
type changedMedia struct {
	message uint64
	status  engine.MediaStatus
}

// naming is an ID that the platform gave a send.
type naming struct {
	external string
	at       engine.Instant
	send     uint64
}

func (d *derivation) reset() {
	d.rows.reset()
	d.from, d.claims, d.sends = nil, d.claims[:0], d.sends[:0]
	clear(d.names)
	d.names = d.names[:0]
	d.amended, d.media, d.removal = nil, nil, removal{}
	d.released = d.released[:0]
}

// derive makes the rows of a. prior finds how far a send had come before it.
func (d *derivation) derive(a *engine.Append, prior func(send uint64) (engine.Delivery, error)) error {
	d.from, d.after = a, a.After.Index()
	for i := range a.Events {
		d.claims = claimsOf(d.claims, a.After.Channel, &a.Events[i])
	}
	if repeatsExternal(d.claims) {
		return &engine.Error{Code: engine.CodeInvalid, Field: "append", Problem: "must not hold an item twice"}
	}
	if err := d.foldRemoval(); err != nil {
		return err
	}
	if err := d.fold(prior); err != nil {
		return err
	}
	steps := [groupCount]func() error{
		groupRemoval:      d.removals,
		groupConversation: d.conversation,
		groupSnapshot:     d.snapshot,
		groupDelivery:     d.deliveries,
		groupAmendment:    d.amendments,
		groupMedia:        d.medias,
		groupDeadLetter:   d.deadLetters,
		groupLog:          d.log,
		groupDedupe:       d.dedupe,
		groupExternal:     d.externals,
		groupIdentity:     d.identities,
		groupBoard:        d.board,
		groupDue:          d.dues,
	}
	for g, step := range steps {
		if err := step(); err != nil {
			return err
		}
		d.ends[g] = len(d.list)
	}
	return nil
}

func repeatsExternal(claims []claim) bool {
	for i := range claims {
		for j := range claims[:i] {
			if claims[i].kind == engine.ClaimExternal && claims[i].id == claims[j].id {
				return true
			}
		}
	}
	return false
}

// fold brings what the append changes of single messages up to date.
func (d *derivation) fold(prior func(send uint64) (engine.Delivery, error)) error {
	if d.removal.erases {
		return nil
	}
	for i := range d.from.Events {
		e := &d.from.Events[i]
		var err error
		switch b := e.Body.(type) {
		case engine.DeliveryChanged:
			err = d.foldDelivery(e, &b, prior)
		case engine.MessageQueued:
			err = d.foldResend(e, &b, prior)
		case engine.Amended:
			err = d.foldAmended(&b)
		case engine.MediaChanged:
			d.foldMedia(&b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// kept reports whether the message of a version is still there after the
// append: nothing is kept of one that retention has removed.
func (d *derivation) kept(version uint64) bool { return version >= oldestOf(d.from.After) }

func (d *derivation) foldDelivery(e *engine.Event, change *engine.DeliveryChanged, prior func(uint64) (engine.Delivery, error)) error {
	if !d.kept(change.Send) {
		return nil
	}
	send, err := d.send(change.Send, prior)
	if err != nil {
		return err
	}
	if change.External != "" && change.External != send.delivery.External {
		d.names = append(d.names, naming{change.External, e.At, change.Send})
	}
	send.delivery = send.delivery.Fold(*change, e.At)
	return nil
}

func (d *derivation) foldResend(e *engine.Event, queued *engine.MessageQueued, prior func(uint64) (engine.Delivery, error)) error {
	if queued.ResendOf == 0 || !d.kept(queued.ResendOf) {
		return nil
	}
	send, err := d.send(queued.ResendOf, prior)
	if err != nil {
		return err
	}
	send.delivery.ResentAs = e.Version
	return nil
}

func (d *derivation) foldAmended(b *engine.Amended) error {
	target := targetDigest(b.Target)
	for i := range d.amended {
		if m := &d.amended[i]; m.target == target {
			m.amendments = m.amendments.Fold(*b)
			return nil
		}
	}
	var before engine.Amendments
	if d.from.Expected > 0 && !d.removal.trims { // then it has folded all that are left
		var err error
		if before, err = d.stored.amendments(target); err != nil {
			return err
		}
	}
	d.amended = append(d.amended, amendedMessage{target, before.Fold(*b)})
	return nil
}

func (d *derivation) foldMedia(b *engine.MediaChanged) {
	if !d.kept(b.Message) {
		return
	}
	status := engine.MediaStatus{State: b.State, Blob: b.Blob, Bytes: b.Bytes}
	for i := range d.media {
		if d.media[i].message == b.Message {
			d.media[i].status = status
			return
		}
	}
	d.media = append(d.media, changedMedia{b.Message, status})
}

// prior is what the caller knows, or else what read finds.
func (d *derivation) prior(send uint64, read func(send uint64) (engine.Delivery, error)) (engine.Delivery, error) {
	for i := range d.from.Known {
		if d.from.Known[i].Send == send {
			return d.from.Known[i].Delivery, nil
		}
	}
	return read(send)
}

func (d *derivation) send(version uint64, prior func(send uint64) (engine.Delivery, error)) (*changedSend, error) {
	for i := range d.sends {
		if d.sends[i].version == version {
			return &d.sends[i], nil
		}
	}
	send := changedSend{version: version}
	if version <= d.from.Expected { // else it was queued in this append
		var err error
		if send.before, err = d.prior(version, prior); err != nil {
			return nil, err
		}
	}
	send.delivery = send.before
	d.sends = append(d.sends, send)
	return &d.sends[len(d.sends)-1], nil
}

// setRecord adds a row whose key has been appended to buf from key on.
func (d *derivation) setRecord(key int, m proto.Message) error {
	value := len(d.buf)
	buf, err := appendRecord(d.buf, m)
	if err != nil {
		return err
	}
	d.buf = buf
	d.set(key, value)
	return nil
}

func (d *derivation) conversation() error {
	for i := range d.from.Events {
		e := &d.from.Events[i]
		if !d.kept(e.Version) {
			continue
		}
		key := len(d.buf)
		d.buf = conversationKey(d.buf, spaceConversation, d.from.Conversation, e.Version)
		value := len(d.buf)
		buf, err := appendEvent(d.buf, e, i == len(d.from.Events)-1)
		if err != nil {
			return err
		}
		d.buf = buf
		d.set(key, value)
	}
	key := len(d.buf)
	d.buf = headKey(d.buf, d.from.Conversation)
	value := len(d.buf)
	d.headOffset = value + headOffsetAt
	d.buf = appendHead(d.buf, d.from.After)
	d.set(key, value)
	return nil
}

// snapshot is written by the append that reaches the next interval. It stands
// under the interval's number, so that a load finds it with one read.
func (d *derivation) snapshot() error {
	interval := d.from.After.Version / snapshotInterval
	if d.removal.any() {
		if err := d.base(); err != nil || interval == 0 || d.removal.erases {
			return err
		}
	} else if interval == d.from.Expected/snapshotInterval {
		return nil
	}
	return d.setSnapshot(interval, d.from.After)
}

func (d *derivation) setSnapshot(interval uint64, c *engine.Conversation) error {
	key := len(d.buf)
	d.buf = conversationKey(d.buf, spaceSnapshot, d.from.Conversation, interval)
	return d.setRecord(key, snapshot(c))
}

func (d *derivation) deliveries() error {
	for i := range d.sends {
		key := len(d.buf)
		d.buf = conversationKey(d.buf, spaceDelivery, d.from.Conversation, d.sends[i].version)
		value := len(d.buf)
		d.buf = appendDelivery(d.buf, &d.sends[i].delivery)
		d.set(key, value)
	}
	return nil
}

func (d *derivation) amendments() error {
	for i := range d.amended {
		key := len(d.buf)
		d.buf = hashKey(d.buf, spaceAmendment, d.from.Conversation, d.amended[i].target)
		value := len(d.buf)
		d.buf = appendAmendments(d.buf, &d.amended[i].amendments)
		d.set(key, value)
	}
	return nil
}

func (d *derivation) medias() error {
	for i := range d.media {
		key := len(d.buf)
		d.buf = conversationKey(d.buf, spaceMedia, d.from.Conversation, d.media[i].message)
		value := len(d.buf)
		d.buf = appendMediaStatus(d.buf, &d.media[i].status)
		d.set(key, value)
	}
	return nil
}

// deadLetters moves what became one, or is one no more.
func (d *derivation) deadLetters() error {
	for i := range d.sends {
		send := &d.sends[i]
		before, after := deadLetterAt(&send.before), deadLetterAt(&send.delivery)
		if before == after {
			continue
		}
		if before != 0 {
			key := len(d.buf)
			d.buf = d.deadLetterKey(before, send.version)
			d.remove(key)
		}
		if after != 0 {
			key := len(d.buf)
			d.buf = d.deadLetterKey(after, send.version)
			value := len(d.buf)
			d.buf = append(d.buf, recordVersion)
			d.set(key, value)
		}
	}
	return nil
}

func (d *derivation) deadLetterKey(at engine.Instant, send uint64) []byte {
	return deadLetterKey(d.buf, d.shard, d.from.After.Workspace, at, engine.MessageID{Conversation: d.from.Conversation, Version: send})
}

func (d *derivation) log() error {
	key := len(d.buf)
	d.buf = logKey(d.buf, d.shard, 0)
	d.logOffset = len(d.buf) - 8
	l := logged{Change: d.change(), Expected: d.from.Expected}
	value := len(d.buf)
	d.buf = appendChange(d.buf, &l)
	d.set(key, value)
	return nil
}

// change is what the log says of the append, without its offset.
func (d *derivation) change() engine.Change {
	return d.from.Change(d.after)
}

func (d *derivation) dedupe() error {
	for i := range d.claims {
		c := &d.claims[i]
		if c.kind != engine.ClaimExternal {
			continue
		}
		for _, minute := range c.minutes() {
			key := len(d.buf)
			d.buf = dedupeKey(d.buf, d.shard, minute, c.id)
			value := len(d.buf)
			d.buf = appendReference(d.buf, d.from.Conversation, c.version)
			d.set(key, value)
		}
	}
	return nil
}

func (d *derivation) externals() error {
	for _, n := range d.names {
		key := len(d.buf)
		d.buf = sendKey(d.buf, d.shard, generationOf(n.at), d.from.After.Channel, n.external)
		value := len(d.buf)
		d.buf = appendReference(d.buf, d.from.Conversation, n.send)
		d.set(key, value)
	}
	return nil
}

func (d *derivation) identities() error {
	for i := range d.claims {
		if d.claims[i].kind != engine.ClaimIdentity || d.removal.erases {
			continue
		}
		key := len(d.buf)
		d.buf = identityKey(d.buf, d.shard, d.claims[i].id)
		value := len(d.buf)
		d.buf = appendReference(d.buf, d.from.Conversation, 0)
		d.set(key, value)
	}
	return nil
}

// board moves or rewrites the row in the conversation's column, when anything
// that it shows has changed.
func (d *derivation) board() error {
	before, after := &d.from.Before, &d.after
	if placed(before) == placed(after) {
		return nil
	}
	if before.Column != 0 && (before.Column != after.Column || before.Order != after.Order) {
		key := len(d.buf)
		d.buf = rowKey(d.buf, d.shard, d.from.Conversation, before)
		d.remove(key)
	}
	if after.Column == 0 {
		return nil // erased
	}
	key := len(d.buf)
	d.buf = rowKey(d.buf, d.shard, d.from.Conversation, after)
	value := len(d.buf)
	d.buf = appendBoardRow(d.buf, after)
	d.set(key, value)
	return nil
}

// placed is what of i a board row holds: all but the due work, which changes
// with every message.
func placed(i *engine.Index) engine.Index {
	place := *i
	clear(place.Due[:])
	return place
}

func (d *derivation) dues() error {
	d.releases()
	for _, kind := range engine.DueKinds {
		before, after := d.from.Before.Due[kind], d.after.Due[kind]
		if before == after {
			continue
		}
		if before != 0 {
			key := len(d.buf)
			d.buf = dueKey(d.buf, d.shard, kind, before, d.from.Conversation)
			d.remove(key)
		}
		if after != 0 {
			key := len(d.buf)
			d.buf = dueKey(d.buf, d.shard, kind, after, d.from.Conversation)
			value := len(d.buf)
			d.buf = append(d.buf, recordVersion)
			d.set(key, value)
		}
	}
	return nil
}

// check finds what is wrong with an append before anything of it is written.
func (d *derivation) check(a *engine.Append) error {
	invalid := func(format string, args ...any) error {
		return &engine.Error{Code: engine.CodeInvalid, Field: "append", Problem: fmt.Sprintf(format, args...)}
	}
	switch {
	case a.Conversation.IsZero() || a.After == nil || a.After.ID != a.Conversation:
		return invalid("must name one conversation")
	case a.Conversation.Shard() != d.shard:
		return engine.Errorf(engine.CodeFenced, "the conversation belongs to shard %d", a.Conversation.Shard())
	case len(a.Events) == 0:
		return invalid("must hold events")
	case a.After.Version != a.Expected+uint64(len(a.Events)) || a.After.Version == headVersion:
		return invalid("must end at the version that it leads to")
	case (a.Expected == 0) != (a.Before == engine.Index{}):
		return invalid("must begin where it says")
	case a.Expected > 0 && (a.Before.Workspace != a.After.Workspace || a.Before.Channel != a.After.Channel):
		return invalid("must stay on its channel")
	case !a.After.Erased && !a.After.Column.OnBoard() && a.After.Column != engine.History:
		return invalid("must leave the conversation somewhere")
	case len(a.After.Workspace) > maxKeyPart || len(a.After.Channel) > maxKeyPart:
		return invalid("must not have longer names")
	}
	for i := range a.Events {
		if a.Events[i].Version != a.Expected+uint64(i)+1 {
			return invalid("must have contiguous versions")
		}
		if a.Events[i].Body == nil {
			return invalid("must have events with bodies")
		}
	}
	return nil
}

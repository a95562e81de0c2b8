package journal

import (
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal/record"
)

const (
	// recordVersion begins every value. A reader that meets another one
	// refuses: it does not know what the fields mean there.
	recordVersion = 2
	// projectionVersion is how cards are made of events. It goes up whenever
	// engine.Conversation.Card changes what it shows.
	projectionVersion = 2
)

var marshal = proto.MarshalOptions{Deterministic: true}

// appendRecord appends m as a value.
func appendRecord(value []byte, m proto.Message) ([]byte, error) {
	value, err := marshal.MarshalAppend(append(value, recordVersion), m)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", m.ProtoReflect().Descriptor().Name(), err)
	}
	return value, nil
}

// appendEvent appends e as a value: the kind stands before the record, so that
// a reader can pass over what it does not look for.
func appendEvent(value []byte, e *engine.Event, endsAppend bool) ([]byte, error) {
	f := packed(append(value, recordVersion, byte(e.Body.Kind()))).signed(1, int64(e.At)).party(2, e.By)
	if !e.Command.IsZero() {
		f = f.bytes(3, e.Command[:])
	}
	if e.Digest != (engine.Digest{}) {
		f = f.bytes(4, e.Digest[:])
	}
	return f.boolean(5, endsAppend).text(6, string(e.Trace)).body(e.Body)
}

// body appends the one of record.Event's bodies that b is.
func (f packed) body(b engine.Body) (packed, error) {
	if int(b.Kind()) >= len(bodyFields) {
		return nil, fmt.Errorf("encode event: body %T has no record", b)
	}
	f, at := f.open(bodyFields[b.Kind()])
	switch b := b.(type) {
	case engine.Opened:
		f = f.text(1, string(b.Workspace)).text(2, string(b.Channel)).contact(3, b.Contact)
	case engine.ContactChanged:
		f = f.contact(1, b.Contact).text(2, b.External).signed(3, int64(b.SentAt))
	case engine.MessageReceived:
		f = f.text(1, b.External).signed(2, int64(b.SentAt)).content(3, &b.Content).text(4, b.ReplyTo)
		if b.Context != nil {
			f = f.message(5, messageContext(b.Context))
		}
	case engine.MessageQueued:
		f = f.content(1, &b.Content).number(2, b.Epoch).text(3, b.ReplyTo).boolean(4, b.Repeatable).number(5, b.ResendOf)
	case engine.DeliveryChanged:
		f = f.number(1, b.Send).number(2, uint64(b.State)).number(3, uint64(b.Attempt)).text(4, b.External).
			signed(5, int64(b.Error)).signed(6, int64(b.NotBefore)).text(7, b.Detail).boolean(8, b.Held).boolean(9, b.Repeated)
	case engine.Moved:
		f = f.number(1, uint64(b.To)).number(2, uint64(b.Cause)).text(3, string(b.Holder)).text(4, b.Reason).
			signed(5, int64(b.AutoResolveAt))
	case engine.TurnEnded:
		f = f.number(1, b.Through).boolean(2, b.Failed).boolean(3, b.Variables != nil).variables(4, b.Variables)
	case engine.BotDiscarded:
		f = f.content(1, &b.Content).number(2, b.Epoch).number(3, uint64(b.Reason))
	case engine.NoteAdded:
		f = f.text(1, b.Body)
	case engine.Tagged:
		f = f.elements(1, b.Tags)
	case engine.TimerArmed:
		f = f.number(1, uint64(b.Timer)).signed(2, int64(b.At))
	case engine.MarkedRead, engine.WindowLapsed, engine.Noted, engine.Erased:
		// They say nothing but that they happened.
	default:
		var ok bool
		if f, ok = f.seldom(b); !ok {
			return nil, fmt.Errorf("encode event: body %T has no record", b)
		}
	}
	return f.close(at), nil
}

// seldom appends what stands in bodies that are seldom.
func (f packed) seldom(b engine.Body) (packed, bool) {
	switch b := b.(type) {
	case engine.Amended:
		f = f.amended(&b)
	case engine.EchoReceived:
		f = f.text(1, b.External).signed(2, int64(b.SentAt)).content(3, &b.Content).text(4, b.ReplyTo).signed(5, int64(b.MutedUntil))
	case engine.ContactLinked:
		f = f.bytes(1, b.Other[:])
	case engine.ConsentChanged:
		f = f.number(1, uint64(b.Consent)).signed(2, int64(b.SentAt))
	case engine.MediaChanged:
		f = f.number(1, b.Message).number(2, uint64(b.State)).text(3, string(b.Blob)).signed(4, b.Bytes).
			number(5, uint64(b.Attempt)).signed(6, int64(b.NotBefore))
	case engine.Trimmed:
		f = f.number(1, b.OldestKept)
	case engine.TurnAccepted:
		f = f.number(1, b.Through).signed(2, int64(b.Until))
	default:
		return nil, false
	}
	return f, true
}

func (f packed) amended(b *engine.Amended) packed {
	return f.text(1, b.External).signed(2, int64(b.SentAt)).text(3, b.Target).number(4, uint64(b.What)).content(5, &b.Content)
}

// bodyFields are the numbers of record.Event's bodies.
var bodyFields = [...]protowire.Number{
	engine.KindOpened: 16, engine.KindContactChanged: 17, engine.KindMessageReceived: 18, engine.KindMessageQueued: 19,
	engine.KindDeliveryChanged: 20, engine.KindMoved: 21, engine.KindTurnEnded: 22, engine.KindBotDiscarded: 23,
	engine.KindMarkedRead: 24, engine.KindNoteAdded: 25, engine.KindTagged: 26, engine.KindWindowLapsed: 27,
	engine.KindTimerArmed: 28, engine.KindNoted: 29, engine.KindAmended: 30, engine.KindEchoReceived: 31,
	engine.KindContactLinked: 32, engine.KindConsentChanged: 33, engine.KindMediaChanged: 34, engine.KindTrimmed: 35,
	engine.KindErased: 36, engine.KindTurnAccepted: 37,
}

func (f packed) party(field protowire.Number, p engine.Party) packed {
	f, at := f.open(field)
	return f.number(1, uint64(p.Kind)).text(2, string(p.ID)).close(at)
}

func (f packed) contact(field protowire.Number, c engine.Contact) packed {
	f, at := f.open(field)
	return f.text(1, c.Name).text(2, c.WaID).text(3, c.UserID).text(4, c.ParentUserID).close(at)
}

func (f packed) content(field protowire.Number, c *engine.Content) packed {
	f, at := f.open(field)
	return f.number(1, uint64(c.Kind)).text(2, c.Text).text(3, c.Payload).text(4, c.Raw).details(c).close(at)
}

func (f packed) variables(field protowire.Number, vars []engine.Variable) packed {
	for _, v := range vars {
		inner, at := f.open(field)
		f = inner.text(1, v.Name).text(2, v.Value).close(at)
	}
	return f
}

func contact(c engine.Contact) *record.Contact {
	return &record.Contact{Name: c.Name, WaId: c.WaID, UserId: c.UserID, ParentUserId: c.ParentUserID}
}

func variables(vars []engine.Variable) []*record.Variable {
	var records []*record.Variable
	for _, v := range vars {
		records = append(records, &record.Variable{Name: v.Name, Value: v.Value})
	}
	return records
}

// headPrefix is what stands in a head before its record, so that versions are
// compared and reads bounded without decoding a card: the record version, the
// conversation's version, the offset of the append that made it, and the
// version of the oldest event that is still there.
const (
	headVersionAt = 1
	headOffsetAt  = headVersionAt + 8
	headOldestAt  = headOffsetAt + 8
	headPrefix    = headOldestAt + 8
)

// appendHead appends c's head without its offset, which the committer fills in.
func appendHead(value []byte, c *engine.Conversation) []byte {
	value = append(value, recordVersion)
	value = binary.BigEndian.AppendUint64(value, c.Version)
	value = binary.BigEndian.AppendUint64(value, 0)
	value = binary.BigEndian.AppendUint64(value, oldestOf(c))
	card := c.Card()
	return packed(value).number(1, projectionVersion).card(2, &card)
}

// oldestOf is the version of c's oldest event that is still there.
func oldestOf(c *engine.Conversation) uint64 { return max(c.OldestKept, 1) }

func (f packed) card(field protowire.Number, c *engine.Card) packed {
	f, at := f.open(field)
	f = f.text(1, string(c.Workspace)).text(2, string(c.Channel)).number(3, uint64(c.Column)).
		number(4, c.Epoch).text(5, string(c.Holder)).contact(6, c.Contact).text(7, c.Preview).
		number(8, uint64(c.Unread)).elements(9, c.Tags).number(10, uint64(c.Cause)).text(11, c.Reason).
		signed(12, int64(c.RequestedAt)).signed(13, int64(c.Since)).
		signed(14, int64(c.LastActivity)).signed(15, int64(c.WindowExpiresAt)).
		boolean(16, c.OptedOut).signed(17, int64(c.MutedUntil))
	for i := range c.Linked {
		f = f.bytes(18, c.Linked[i][:])
	}
	return f.close(at)
}

func snapshot(c *engine.Conversation) *record.Snapshot {
	s := &record.Snapshot{
		Version: c.Version, Updated: int64(c.Updated),
		Workspace: string(c.Workspace), Channel: string(c.Channel), Contact: contact(c.Contact),
		Column: uint32(c.Column), Epoch: c.Epoch, Holder: string(c.Holder), Since: int64(c.Since),
		Cause: uint32(c.Cause), Reason: c.Reason, RequestedAt: int64(c.RequestedAt), Requests: c.Requests,
		HeldFrom: c.HeldFrom, Unread: c.Unread, Preview: c.Preview, LastActivity: int64(c.LastActivity),
		Tags: c.Tags, CustomerAt: int64(c.CustomerAt), WindowMarked: c.WindowMarked,
		Turn: &record.Turn{
			From: c.Turn.From, Message: c.Turn.Message, Returned: c.Turn.Returned, At: int64(c.Turn.At),
			Until: int64(c.Turn.Until), Through: c.Turn.Through,
		},
		Variables: variables(c.Variables), Gate: int64(c.Gate), GateSend: c.GateSend,
		WindowTimer: int64(c.WindowTimer), AutoResolveTimer: int64(c.AutoResolveTimer), RetentionTimer: int64(c.RetentionTimer),
		OptedOut: c.OptedOut, ConsentAt: int64(c.ConsentAt), MutedUntil: int64(c.MutedUntil), PreviewOf: c.PreviewOf, OldestKept: c.OldestKept, Erased: c.Erased,
		Ahead: each(c.Ahead, func(a *engine.AmendedAhead) *record.AmendedAhead {
			return &record.AmendedAhead{Target: a.Target, Preview: a.Preview, SentAt: int64(a.SentAt)}
		}),
		Media: each(c.Media, func(p *engine.PendingMedia) *record.PendingMedia {
			return &record.PendingMedia{Message: p.Message, Attempt: p.Attempt, NotBefore: int64(p.NotBefore)}
		}),
	}
	for i := range c.Linked {
		s.Linked = append(s.Linked, c.Linked[i][:])
	}
	for _, send := range c.Sends {
		s.Sends = append(s.Sends, &record.Send{
			Version: send.Version, By: uint32(send.By), State: uint32(send.State),
			Attempt: send.Attempt, NotBefore: int64(send.NotBefore),
			Held: send.Held, Template: send.Template, Marketing: send.Marketing, Repeatable: send.Repeatable,
		})
	}
	for i := range c.Outcomes {
		o := &c.Outcomes[i]
		s.Outcomes = append(s.Outcomes, &record.Outcome{
			Command: o.Command[:], Digest: o.Digest[:], Version: o.Version, At: int64(o.At),
		})
	}
	return s
}

func (f packed) index(field protowire.Number, i *engine.Index) packed {
	f, at := f.open(field)
	f = f.text(1, string(i.Workspace)).text(2, string(i.Channel)).number(3, uint64(i.Column)).
		text(4, string(i.Holder)).number(5, uint64(i.Unread)).text(6, i.Tags).
		signed(7, int64(i.Order)).signed(8, int64(i.WaitingSince))
	f, dues := f.open(9)
	for _, kind := range engine.DueKinds {
		f = protowire.AppendVarint(f, uint64(i.Due[kind]))
	}
	return f.close(dues).close(at)
}

// logged is one append as the log has it: what readers of the log are given,
// and where it began.
type logged struct {
	engine.Change
	Expected uint64
}

func appendChange(value []byte, l *logged) []byte {
	f := packed(append(value, recordVersion)).bytes(1, l.Conversation[:]).number(2, l.Expected).number(3, l.Version).index(4, &l.After)
	switch l.Before {
	case engine.Index{}:
	case l.After:
		f = f.boolean(6, true)
	default:
		f = f.index(5, &l.Before)
	}
	return f.signed(7, int64(l.At)).number(8, uint64(l.Cause))
}

func appendBoardRow(value []byte, i *engine.Index) []byte {
	return packed(append(value, recordVersion)).text(1, string(i.Channel)).text(2, string(i.Holder)).
		number(3, uint64(i.Unread)).text(4, i.Tags).signed(5, int64(i.WaitingSince))
}

func appendDelivery(value []byte, d *engine.Delivery) []byte {
	return packed(append(value, recordVersion)).number(1, uint64(d.State)).number(2, uint64(d.Attempt)).
		text(3, d.External).signed(4, int64(d.Error)).signed(5, int64(d.At)).text(6, d.Detail).
		boolean(7, d.Repeated).number(8, d.ResentAs)
}

func appendAmendments(value []byte, a *engine.Amendments) []byte {
	f := packed(append(value, recordVersion)).text(1, a.Reaction).signed(2, int64(a.ReactedAt))
	if a.Edit != nil {
		f = f.content(3, a.Edit)
	}
	return f.signed(4, int64(a.EditedAt)).signed(5, int64(a.RevokedAt))
}

func appendMediaStatus(value []byte, m *engine.MediaStatus) []byte {
	return packed(append(value, recordVersion)).number(1, uint64(m.State)).text(2, string(m.Blob)).signed(3, m.Bytes)
}

// appendReference appends a value that points to an event, or to a
// conversation when version is 0.
func appendReference(value []byte, id engine.ConversationID, version uint64) []byte {
	value = append(value, recordVersion)
	value = append(value, id[:]...)
	return binary.BigEndian.AppendUint64(value, version)
}

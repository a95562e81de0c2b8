package journal

import (
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal/record"
)

const (
	// recordVersion begins every value. A reader that meets another one
	// refuses: it does not know what the fields mean there.
	recordVersion = 1
	// projectionVersion is how cards are made of events. It goes up whenever
	// engine.Conversation.Card changes what it shows.
	projectionVersion = 1
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
	m := record.Event{At: int64(e.At), By: party(e.By), EndsAppend: endsAppend}
	if !e.Command.IsZero() {
		m.Command = e.Command[:]
	}
	if e.Digest != (engine.Digest{}) {
		m.Digest = e.Digest[:]
	}
	if err := encodeBody(&m, e.Body); err != nil {
		return nil, err
	}
	value = append(value, recordVersion, byte(e.Body.Kind()))
	value, err := marshal.MarshalAppend(value, &m)
	if err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	return value, nil
}

func encodeBody(m *record.Event, body engine.Body) error {
	switch b := body.(type) {
	case engine.Opened:
		m.Body = &record.Event_Opened{Opened: &record.Opened{
			Workspace: string(b.Workspace), Channel: string(b.Channel), Contact: contact(b.Contact),
		}}
	case engine.ContactChanged:
		m.Body = &record.Event_ContactChanged{ContactChanged: &record.ContactChanged{Contact: contact(b.Contact)}}
	case engine.MessageReceived:
		m.Body = &record.Event_MessageReceived{MessageReceived: &record.MessageReceived{
			External: b.External, SentAt: int64(b.SentAt), Content: content(b.Content), ReplyTo: b.ReplyTo,
		}}
	case engine.MessageQueued:
		m.Body = &record.Event_MessageQueued{MessageQueued: &record.MessageQueued{Content: content(b.Content), Epoch: b.Epoch}}
	case engine.DeliveryChanged:
		m.Body = &record.Event_DeliveryChanged{DeliveryChanged: &record.DeliveryChanged{
			Send: b.Send, State: uint32(b.State), Attempt: b.Attempt, External: b.External,
			Error: b.Error, NotBefore: int64(b.NotBefore),
		}}
	case engine.Moved:
		m.Body = &record.Event_Moved{Moved: &record.Moved{
			To: uint32(b.To), Cause: uint32(b.Cause), Holder: string(b.Holder), Reason: b.Reason,
			AutoResolveAt: int64(b.AutoResolveAt),
		}}
	case engine.TurnEnded:
		m.Body = &record.Event_TurnEnded{TurnEnded: &record.TurnEnded{
			Through: b.Through, Failed: b.Failed, SetsVariables: b.Variables != nil, Variables: variables(b.Variables),
		}}
	case engine.BotDiscarded:
		m.Body = &record.Event_BotDiscarded{BotDiscarded: &record.BotDiscarded{
			Content: content(b.Content), Epoch: b.Epoch, Reason: uint32(b.Reason),
		}}
	case engine.MarkedRead:
		m.Body = &record.Event_MarkedRead{MarkedRead: &record.MarkedRead{}}
	case engine.NoteAdded:
		m.Body = &record.Event_NoteAdded{NoteAdded: &record.NoteAdded{Body: b.Body}}
	case engine.Tagged:
		m.Body = &record.Event_Tagged{Tagged: &record.Tagged{Tags: b.Tags}}
	case engine.WindowLapsed:
		m.Body = &record.Event_WindowLapsed{WindowLapsed: &record.WindowLapsed{}}
	case engine.TimerArmed:
		m.Body = &record.Event_TimerArmed{TimerArmed: &record.TimerArmed{Timer: uint32(b.Timer), At: int64(b.At)}}
	case engine.Noted:
		m.Body = &record.Event_Noted{Noted: &record.Noted{}}
	default:
		return fmt.Errorf("encode event: body %T has no record", body)
	}
	return nil
}

func party(p engine.Party) *record.Party {
	return &record.Party{Kind: uint32(p.Kind), Id: string(p.ID)}
}

func contact(c engine.Contact) *record.Contact {
	return &record.Contact{Name: c.Name, WaId: c.WaID, UserId: c.UserID}
}

func content(c engine.Content) *record.Content {
	return &record.Content{Kind: uint32(c.Kind), Text: c.Text, Payload: c.Payload, Raw: c.Raw}
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
// conversation's version, and the offset of the append that made it.
const (
	headVersionAt = 1
	headOffsetAt  = headVersionAt + 8
	headPrefix    = headOffsetAt + 8
)

// appendHead appends c's head without its offset, which the committer fills in.
func appendHead(value []byte, c *engine.Conversation) ([]byte, error) {
	value = append(value, recordVersion)
	value = binary.BigEndian.AppendUint64(value, c.Version)
	value = binary.BigEndian.AppendUint64(value, 0)
	value, err := marshal.MarshalAppend(value, &record.Head{Projection: projectionVersion, Card: card(c.Card())})
	if err != nil {
		return nil, fmt.Errorf("encode head: %w", err)
	}
	return value, nil
}

func card(c engine.Card) *record.Card {
	return &record.Card{
		Workspace: string(c.Workspace), Channel: string(c.Channel), Column: uint32(c.Column),
		Epoch: c.Epoch, Holder: string(c.Holder), Contact: contact(c.Contact), Preview: c.Preview,
		Unread: c.Unread, Tags: c.Tags, Cause: uint32(c.Cause), Reason: c.Reason,
		RequestedAt: int64(c.RequestedAt), Since: int64(c.Since),
		LastActivity: int64(c.LastActivity), WindowExpiresAt: int64(c.WindowExpiresAt),
	}
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
		},
		Variables: variables(c.Variables), Gate: int64(c.Gate), GateSend: c.GateSend,
		WindowTimer: int64(c.WindowTimer), AutoResolveTimer: int64(c.AutoResolveTimer),
	}
	for _, send := range c.Sends {
		s.Sends = append(s.Sends, &record.Send{
			Version: send.Version, By: uint32(send.By), State: uint32(send.State),
			Attempt: send.Attempt, NotBefore: int64(send.NotBefore),
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

func index(i *engine.Index) *record.Index {
	m := &record.Index{
		Workspace: string(i.Workspace), Channel: string(i.Channel), Column: uint32(i.Column),
		Holder: string(i.Holder), Unread: i.Unread, Tags: i.Tags,
		Order: int64(i.Order), WaitingSince: int64(i.WaitingSince),
	}
	for _, kind := range engine.DueKinds {
		m.Due = append(m.Due, int64(i.Due[kind]))
	}
	return m
}

// logged is one append as the log has it: what readers of the log are given,
// and where it began.
type logged struct {
	engine.Change
	Expected uint64
}

func change(l *logged) *record.Change {
	m := &record.Change{
		Conversation: l.Conversation[:], Expected: l.Expected, Version: l.Version, After: index(&l.After),
	}
	switch l.Before {
	case engine.Index{}:
	case l.After:
		m.Unchanged = true
	default:
		m.Before = index(&l.Before)
	}
	return m
}

func boardRow(i *engine.Index) *record.BoardRow {
	return &record.BoardRow{
		Channel: string(i.Channel), Holder: string(i.Holder), Unread: i.Unread, Tags: i.Tags,
		WaitingSince: int64(i.WaitingSince),
	}
}

func delivery(d engine.Delivery) *record.Delivery {
	return &record.Delivery{
		State: uint32(d.State), Attempt: d.Attempt, External: d.External, Error: d.Error, At: int64(d.At),
	}
}

// appendReference appends a value that points to an event, or to a
// conversation when version is 0.
func appendReference(value []byte, id engine.ConversationID, version uint64) []byte {
	value = append(value, recordVersion)
	value = append(value, id[:]...)
	return binary.BigEndian.AppendUint64(value, version)
}

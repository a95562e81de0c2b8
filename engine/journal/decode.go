package journal

import (
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal/record"
)

// corrupt says that what was read is not what was written. It never carries
// what was read.
func corrupt(format string, args ...any) *engine.Error {
	return engine.Errorf(engine.CodeCorrupt, format, args...)
}

// checkVersion takes the record version off the front of a value.
func checkVersion(what string, value []byte) ([]byte, error) {
	if len(value) == 0 {
		return nil, corrupt("%s: the value is empty", what)
	}
	if value[0] != recordVersion {
		return nil, corrupt("%s: record version %d is not known", what, value[0])
	}
	return value[1:], nil
}

// unmarshal reads a record and refuses what it does not know: a field that a
// newer version wrote has a meaning that would be guessed.
func unmarshal(what string, data []byte, m proto.Message) error {
	if err := proto.Unmarshal(data, m); err != nil {
		return corrupt("%s: the record cannot be read", what)
	}
	if !known(m.ProtoReflect()) {
		return corrupt("%s: the record has fields that are not known", what)
	}
	return nil
}

func decodeRecord(what string, value []byte, m proto.Message) error {
	data, err := checkVersion(what, value)
	if err != nil {
		return err
	}
	return unmarshal(what, data, m)
}

// known reports that m and all that it holds have no unknown fields.
func known(m protoreflect.Message) bool {
	ok := len(m.GetUnknown()) == 0
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case field.Message() == nil:
		case field.IsList():
			list := v.List()
			for i := 0; ok && i < list.Len(); i++ {
				ok = known(list.Get(i).Message())
			}
		default:
			ok = ok && known(v.Message())
		}
		return ok
	})
	return ok
}

// eventKind is the kind of an event's value, without decoding it.
func eventKind(value []byte) (engine.EventKind, error) {
	data, err := checkVersion("event", value)
	if err != nil {
		return 0, err
	}
	if len(data) == 0 {
		return 0, corrupt("event: the kind is missing")
	}
	return engine.EventKind(data[0]), nil
}

// decodeEvent reads what appendEvent wrote.
func decodeEvent(version uint64, value []byte) (e engine.Event, endsAppend bool, err error) {
	kind, err := eventKind(value)
	if err != nil {
		return engine.Event{}, false, err
	}
	var m record.Event
	if err := unmarshal("event", value[2:], &m); err != nil {
		return engine.Event{}, false, err
	}
	e = engine.Event{Version: version, At: engine.Instant(m.GetAt()), By: partyOf(m.GetBy()), Trace: engine.Trace(m.GetTrace())}
	if n := len(e.Trace); n != 0 && n != engine.TraceBytes {
		return engine.Event{}, false, corrupt("event: a trace has another size")
	}
	if !copyHash(e.Command[:], m.GetCommand()) || !copyHash(e.Digest[:], m.GetDigest()) {
		return engine.Event{}, false, corrupt("event: a command's ID or digest has another size")
	}
	if e.Body = bodyOf(&m); e.Body == nil || e.Body.Kind() != kind {
		return engine.Event{}, false, corrupt("event: kind %d is not known or not the body's", kind)
	}
	return e, m.GetEndsAppend(), nil
}

// copyHash copies a value of fixed size, which is absent when it is zero.
func copyHash(to, from []byte) bool {
	return len(from) == 0 || copy(to, from) == len(to) && len(from) == len(to)
}

func bodyOf(m *record.Event) engine.Body {
	switch b := m.GetBody().(type) {
	case *record.Event_Opened:
		o := b.Opened
		return engine.Opened{
			Workspace: engine.WorkspaceID(o.GetWorkspace()), Channel: engine.ChannelID(o.GetChannel()), Contact: contactOf(o.GetContact()),
		}
	case *record.Event_ContactChanged:
		c := b.ContactChanged
		return engine.ContactChanged{
			Contact: contactOf(c.GetContact()), External: c.GetExternal(), SentAt: engine.Instant(c.GetSentAt()),
		}
	case *record.Event_MessageReceived:
		r := b.MessageReceived
		return engine.MessageReceived{
			External: r.GetExternal(), SentAt: engine.Instant(r.GetSentAt()), Content: contentOf(r.GetContent()), ReplyTo: r.GetReplyTo(),
			Context: messageContextOf(r.GetContext()),
		}
	case *record.Event_MessageQueued:
		q := b.MessageQueued
		return engine.MessageQueued{
			Content: contentOf(q.GetContent()), Epoch: q.GetEpoch(), ReplyTo: q.GetReplyTo(),
			Repeatable: q.GetRepeatable(), ResendOf: q.GetResendOf(),
		}
	case *record.Event_DeliveryChanged:
		d := b.DeliveryChanged
		return engine.DeliveryChanged{
			Send: d.GetSend(), State: engine.DeliveryState(d.GetState()), Attempt: d.GetAttempt(), External: d.GetExternal(),
			Error: d.GetError(), NotBefore: engine.Instant(d.GetNotBefore()),
			Detail: d.GetDetail(), Held: d.GetHeld(), Repeated: d.GetRepeated(),
		}
	case *record.Event_Moved:
		d := b.Moved
		return engine.Moved{
			To: engine.Column(d.GetTo()), Cause: engine.Cause(d.GetCause()), Holder: engine.AgentID(d.GetHolder()),
			Reason: d.GetReason(), AutoResolveAt: engine.Instant(d.GetAutoResolveAt()),
		}
	case *record.Event_TurnEnded:
		return turnEndedOf(b.TurnEnded)
	case *record.Event_BotDiscarded:
		d := b.BotDiscarded
		return engine.BotDiscarded{Content: contentOf(d.GetContent()), Epoch: d.GetEpoch(), Reason: engine.Code(d.GetReason())}
	case *record.Event_MarkedRead:
		return engine.MarkedRead{}
	case *record.Event_NoteAdded:
		return engine.NoteAdded{Body: b.NoteAdded.GetBody()}
	case *record.Event_Tagged:
		return engine.Tagged{Tags: b.Tagged.GetTags()}
	case *record.Event_WindowLapsed:
		return engine.WindowLapsed{}
	case *record.Event_TimerArmed:
		return engine.TimerArmed{Timer: engine.DueKind(b.TimerArmed.GetTimer()), At: engine.Instant(b.TimerArmed.GetAt())}
	case *record.Event_Noted:
		return engine.Noted{}
	}
	return seldomOf(m)
}

func seldomOf(m *record.Event) engine.Body {
	switch b := m.GetBody().(type) {
	case *record.Event_Amended:
		return amendedOf(b.Amended)
	case *record.Event_EchoReceived:
		r := b.EchoReceived
		return engine.EchoReceived{
			External: r.GetExternal(), SentAt: engine.Instant(r.GetSentAt()), Content: contentOf(r.GetContent()),
			ReplyTo: r.GetReplyTo(), MutedUntil: engine.Instant(r.GetMutedUntil()),
		}
	case *record.Event_ContactLinked:
		var linked engine.ContactLinked
		if !copyHash(linked.Other[:], b.ContactLinked.GetOther()) {
			return nil
		}
		return linked
	case *record.Event_ConsentChanged:
		return engine.ConsentChanged{
			Consent: engine.Consent(b.ConsentChanged.GetConsent()), SentAt: engine.Instant(b.ConsentChanged.GetSentAt()),
		}
	case *record.Event_MediaChanged:
		c := b.MediaChanged
		return engine.MediaChanged{
			Message: c.GetMessage(), State: engine.MediaState(c.GetState()), Blob: engine.BlobID(c.GetBlob()), Bytes: c.GetBytes(),
			Attempt: c.GetAttempt(), NotBefore: engine.Instant(c.GetNotBefore()),
		}
	case *record.Event_Trimmed:
		return engine.Trimmed{OldestKept: b.Trimmed.GetOldestKept()}
	case *record.Event_Erased:
		return engine.Erased{}
	case *record.Event_TurnAccepted:
		return engine.TurnAccepted{Through: b.TurnAccepted.GetThrough(), Until: engine.Instant(b.TurnAccepted.GetUntil())}
	}
	return nil
}

func amendedOf(m *record.Amended) engine.Amended {
	return engine.Amended{
		External: m.GetExternal(), SentAt: engine.Instant(m.GetSentAt()), Target: m.GetTarget(),
		What: engine.Amendment(m.GetWhat()), Content: contentOf(m.GetContent()),
	}
}

func turnEndedOf(m *record.TurnEnded) engine.TurnEnded {
	t := engine.TurnEnded{Through: m.GetThrough(), Failed: m.GetFailed(), Variables: variablesOf(m.GetVariables())}
	if m.GetSetsVariables() && t.Variables == nil {
		t.Variables = []engine.Variable{}
	}
	return t
}

func partyOf(m *record.Party) engine.Party {
	return engine.Party{Kind: engine.PartyKind(m.GetKind()), ID: engine.AgentID(m.GetId())}
}

func contactOf(m *record.Contact) engine.Contact {
	return engine.Contact{Name: m.GetName(), WaID: m.GetWaId(), UserID: m.GetUserId(), ParentUserID: m.GetParentUserId()}
}

func variablesOf(records []*record.Variable) []engine.Variable {
	var vars []engine.Variable
	for _, v := range records {
		vars = append(vars, engine.Variable{Name: v.GetName(), Value: v.GetValue()})
	}
	return vars
}

// head is what stands in a head before its card.
type head struct {
	version uint64
	offset  uint64
	oldest  uint64 // the version of the oldest event that is still there
}

func decodeHead(value []byte) (head, error) {
	if _, err := checkVersion("head", value); err != nil {
		return head{}, err
	}
	if len(value) < headPrefix {
		return head{}, corrupt("head: the value is too short")
	}
	return head{
		version: binary.BigEndian.Uint64(value[headVersionAt:]),
		offset:  binary.BigEndian.Uint64(value[headOffsetAt:]),
		oldest:  binary.BigEndian.Uint64(value[headOldestAt:]),
	}, nil
}

// decodeCard reads the card of a head, and says how it was made of the events.
func decodeCard(id engine.ConversationID, value []byte) (c engine.Card, projection uint32, err error) {
	h, err := decodeHead(value)
	if err != nil {
		return engine.Card{}, 0, err
	}
	var m record.Head
	if err := unmarshal("head", value[headPrefix:], &m); err != nil {
		return engine.Card{}, 0, err
	}
	r := m.GetCard()
	linked, err := linkedOf("head", r.GetLinked())
	if err != nil {
		return engine.Card{}, 0, err
	}
	return engine.Card{
		Conversation: id, Workspace: engine.WorkspaceID(r.GetWorkspace()), Channel: engine.ChannelID(r.GetChannel()),
		Version: h.version, Column: engine.Column(r.GetColumn()), Epoch: r.GetEpoch(), Holder: engine.AgentID(r.GetHolder()),
		Contact: contactOf(r.GetContact()), Preview: r.GetPreview(), Unread: r.GetUnread(), Tags: r.GetTags(),
		Cause: engine.Cause(r.GetCause()), Reason: r.GetReason(), RequestedAt: engine.Instant(r.GetRequestedAt()),
		Since: engine.Instant(r.GetSince()), LastActivity: engine.Instant(r.GetLastActivity()),
		WindowExpiresAt: engine.Instant(r.GetWindowExpiresAt()),
		OptedOut:        r.GetOptedOut(), MutedUntil: engine.Instant(r.GetMutedUntil()), Linked: linked,
	}, m.GetProjection(), nil
}

func linkedOf(what string, records [][]byte) ([]engine.ConversationID, error) {
	var linked []engine.ConversationID
	for _, r := range records {
		if len(r) != idBytes {
			return nil, corrupt("%s: a conversation's ID has another size", what)
		}
		linked = append(linked, engine.ConversationID(r))
	}
	return linked, nil
}

func decodeSnapshot(id engine.ConversationID, value []byte) (engine.Conversation, error) {
	var m record.Snapshot
	if err := decodeRecord("snapshot", value, &m); err != nil {
		return engine.Conversation{}, err
	}
	c := engine.Conversation{
		ID: id, Version: m.GetVersion(), Updated: engine.Instant(m.GetUpdated()),
		Workspace: engine.WorkspaceID(m.GetWorkspace()), Channel: engine.ChannelID(m.GetChannel()), Contact: contactOf(m.GetContact()),
		Column: engine.Column(m.GetColumn()), Epoch: m.GetEpoch(), Holder: engine.AgentID(m.GetHolder()),
		Since: engine.Instant(m.GetSince()), Cause: engine.Cause(m.GetCause()), Reason: m.GetReason(),
		RequestedAt: engine.Instant(m.GetRequestedAt()), Requests: m.GetRequests(), HeldFrom: m.GetHeldFrom(),
		Unread: m.GetUnread(), Preview: m.GetPreview(), LastActivity: engine.Instant(m.GetLastActivity()), Tags: m.GetTags(),
		CustomerAt: engine.Instant(m.GetCustomerAt()), WindowMarked: m.GetWindowMarked(),
		Turn: engine.Turn{
			From: m.GetTurn().GetFrom(), Message: m.GetTurn().GetMessage(), Returned: m.GetTurn().GetReturned(),
			At: engine.Instant(m.GetTurn().GetAt()), Until: engine.Instant(m.GetTurn().GetUntil()), Through: m.GetTurn().GetThrough(),
		},
		Variables: variablesOf(m.GetVariables()), Gate: engine.Instant(m.GetGate()), GateSend: m.GetGateSend(),
		WindowTimer: engine.Instant(m.GetWindowTimer()), AutoResolveTimer: engine.Instant(m.GetAutoResolveTimer()),
		RetentionTimer: engine.Instant(m.GetRetentionTimer()),
		OptedOut:       m.GetOptedOut(), ConsentAt: engine.Instant(m.GetConsentAt()), MutedUntil: engine.Instant(m.GetMutedUntil()),
		PreviewOf:  m.GetPreviewOf(),
		OldestKept: m.GetOldestKept(), Erased: m.GetErased(),
		Ahead: eachOf(m.GetAhead(), func(a *record.AmendedAhead) *engine.AmendedAhead {
			return &engine.AmendedAhead{Target: a.GetTarget(), Preview: a.GetPreview(), SentAt: engine.Instant(a.GetSentAt())}
		}),
		Media: eachOf(m.GetMedia(), func(p *record.PendingMedia) *engine.PendingMedia {
			return &engine.PendingMedia{Message: p.GetMessage(), Attempt: p.GetAttempt(), NotBefore: engine.Instant(p.GetNotBefore())}
		}),
	}
	var err error
	if c.Linked, err = linkedOf("snapshot", m.GetLinked()); err != nil {
		return engine.Conversation{}, err
	}
	for _, send := range m.GetSends() {
		c.Sends = append(c.Sends, engine.Send{
			Version: send.GetVersion(), By: engine.PartyKind(send.GetBy()), State: engine.DeliveryState(send.GetState()),
			Attempt: send.GetAttempt(), NotBefore: engine.Instant(send.GetNotBefore()),
			Held: send.GetHeld(), Template: send.GetTemplate(), Marketing: send.GetMarketing(), Repeatable: send.GetRepeatable(),
		})
	}
	for _, r := range m.GetOutcomes() {
		o := engine.Outcome{Version: r.GetVersion(), At: engine.Instant(r.GetAt())}
		if !copyHash(o.Command[:], r.GetCommand()) || !copyHash(o.Digest[:], r.GetDigest()) {
			return engine.Conversation{}, corrupt("snapshot: a command's ID or digest has another size")
		}
		c.Outcomes = append(c.Outcomes, o)
	}
	return c, nil
}

func indexOf(m *record.Index) (engine.Index, error) {
	i := engine.Index{
		Workspace: engine.WorkspaceID(m.GetWorkspace()), Channel: engine.ChannelID(m.GetChannel()),
		Column: engine.Column(m.GetColumn()), Holder: engine.AgentID(m.GetHolder()), Unread: m.GetUnread(), Tags: m.GetTags(),
		Order: engine.Instant(m.GetOrder()), WaitingSince: engine.Instant(m.GetWaitingSince()),
	}
	if len(m.GetDue()) != len(engine.DueKinds) {
		return engine.Index{}, corrupt("index: %d kinds of work, want %d", len(m.GetDue()), len(engine.DueKinds))
	}
	for n, kind := range engine.DueKinds {
		i.Due[kind] = engine.Instant(m.GetDue()[n])
	}
	return i, nil
}

func decodeChange(offset uint64, value []byte) (logged, error) {
	var m record.Change
	if err := decodeRecord("log", value, &m); err != nil {
		return logged{}, err
	}
	l := logged{Change: engine.Change{
		Offset: offset, Version: m.GetVersion(), At: engine.Instant(m.GetAt()), Cause: engine.Cause(m.GetCause()),
	}, Expected: m.GetExpected()}
	if len(m.GetConversation()) != idBytes {
		return logged{}, corrupt("log: a conversation's ID has another size")
	}
	copy(l.Conversation[:], m.GetConversation())
	var err error
	if l.After, err = indexOf(m.GetAfter()); err != nil {
		return logged{}, fmt.Errorf("log: %w", err)
	}
	switch {
	case m.GetUnchanged():
		l.Before = l.After
	case m.GetBefore() != nil:
		if l.Before, err = indexOf(m.GetBefore()); err != nil {
			return logged{}, fmt.Errorf("log: %w", err)
		}
	}
	return l, nil
}

// decodeBoardRow adds to row, which its key began, what its value holds.
func decodeBoardRow(row *engine.BoardRow, value []byte) error {
	var m record.BoardRow
	if err := decodeRecord("board", value, &m); err != nil {
		return err
	}
	i := &row.Index
	i.Channel, i.Holder = engine.ChannelID(m.GetChannel()), engine.AgentID(m.GetHolder())
	i.Unread, i.Tags, i.WaitingSince = m.GetUnread(), m.GetTags(), engine.Instant(m.GetWaitingSince())
	return nil
}

func decodeDelivery(value []byte) (engine.Delivery, error) {
	var m record.Delivery
	if err := decodeRecord("delivery", value, &m); err != nil {
		return engine.Delivery{}, err
	}
	return engine.Delivery{
		State: engine.DeliveryState(m.GetState()), Attempt: m.GetAttempt(), External: m.GetExternal(),
		Error: m.GetError(), At: engine.Instant(m.GetAt()), Detail: m.GetDetail(),
		Repeated: m.GetRepeated(), ResentAs: m.GetResentAs(),
	}, nil
}

func decodeAmendments(value []byte) (engine.Amendments, error) {
	var m record.Amendments
	if err := decodeRecord("amendment", value, &m); err != nil {
		return engine.Amendments{}, err
	}
	a := engine.Amendments{
		Reaction: m.GetReaction(), ReactedAt: engine.Instant(m.GetReactedAt()),
		EditedAt: engine.Instant(m.GetEditedAt()), RevokedAt: engine.Instant(m.GetRevokedAt()),
	}
	if m.GetEdit() != nil {
		edit := contentOf(m.GetEdit())
		a.Edit = &edit
	}
	return a, nil
}

func decodeMediaStatus(value []byte) (engine.MediaStatus, error) {
	var m record.MediaStatus
	if err := decodeRecord("media", value, &m); err != nil {
		return engine.MediaStatus{}, err
	}
	return engine.MediaStatus{State: engine.MediaState(m.GetState()), Blob: engine.BlobID(m.GetBlob()), Bytes: m.GetBytes()}, nil
}

// decodeReference reads what appendReference wrote.
func decodeReference(what string, value []byte) (engine.MessageID, error) {
	data, err := checkVersion(what, value)
	if err != nil {
		return engine.MessageID{}, err
	}
	if len(data) != idBytes+8 {
		return engine.MessageID{}, corrupt("%s: the reference has another size", what)
	}
	return engine.MessageID{
		Conversation: engine.ConversationID(data[:idBytes]), Version: binary.BigEndian.Uint64(data[idBytes:]),
	}, nil
}

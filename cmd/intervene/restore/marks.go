package restore

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/rpc/whatsapp"
)

// opVersionBits are those of an op id's version that are the message's; the ones
// above them say which journal named it.
const opVersionBits = 40

// Marks name sends towards the platform. After a restore two journals have given the
// same names to different messages: the one that was lost, and this one. So a send
// carries besides which of them it is of, and a status that comes for one of the
// other journal counts only for what both have in common. A journal that was never
// restored adds nothing.
type Marks struct {
	journal *journal.Journal
	mark    uint64
	// until is up to when the messages of earlier journals are this one's, by their marks.
	until map[uint64]engine.Instant
}

// NewMarks reads what j has come through.
func NewMarks(j *journal.Journal) *Marks {
	m := &Marks{journal: j, until: make(map[uint64]engine.Instant)}
	for i, r := range j.Restores() {
		before := uint64(0)
		if i > 0 {
			before = markOf(r.Before)
		}
		m.until[before] = r.At
		m.mark = markOf(j.ID())
	}
	return m
}

// markOf tells journals that were restored apart; 0 is one that never was.
func markOf(identity [16]byte) uint64 {
	return (binary.BigEndian.Uint64(identity[:])>>opVersionBits | 1) << opVersionBits
}

// find is the message that an op id names; zero if it is none of this journal, or
// one that cannot be read.
func (m *Marks) find(op engine.MessageID) engine.MessageID {
	const versions = 1<<opVersionBits - 1
	id := engine.MessageID{Conversation: op.Conversation, Version: op.Version & versions}
	mark := op.Version &^ versions
	if mark == m.mark {
		return id
	}
	until, known := m.until[mark]
	if !known {
		return engine.MessageID{}
	}
	if message, err := m.journal.Message(id); err != nil || message.Event.At >= until {
		return engine.MessageID{}
	}
	return id
}

// Sender sends with the journal's mark.
func (m *Marks) Sender(s actors.Sender) actors.Sender { return marking{s, m} }

// Inbox takes items whose op ids carry marks.
func (m *Marks) Inbox(i whatsapp.Inbox) whatsapp.Inbox { return marked{i, m} }

type marking struct {
	actors.Sender
	marks *Marks
}

// Send is the Sender's own.
func (m marking) Send(ctx context.Context, o engine.Outbound) (engine.AttemptResult, time.Duration) {
	o.ID.Version |= m.marks.mark
	return m.Sender.Send(ctx, o)
}

type marked struct {
	whatsapp.Inbox
	marks *Marks
}

// Receive is the Inbox's own. A status of a message that is none of this journal's
// is one of somebody else's.
func (m marked) Receive(ctx context.Context, items []engine.Inbound) []error {
	for i := range items {
		s := items[i].Status
		if s == nil || s.Op.Conversation.IsZero() {
			continue
		}
		own := *s
		own.Op = m.marks.find(s.Op)
		items[i].Status = &own
	}
	return m.Inbox.Receive(ctx, items)
}

package serve

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

// ops name sends towards the platform. After a restore two journals have given the
// same names to different messages: the one that was lost, and this one. So a send
// carries besides which of them it is of, and a status that comes for one of the
// other journal counts only for what both have in common. A journal that was never
// restored adds nothing.
type ops struct {
	journal *journal.Journal
	mark    uint64
	// until is up to when the messages of earlier journals are this one's, by their marks.
	until map[uint64]engine.Instant
}

func newOps(j *journal.Journal) *ops {
	o := &ops{journal: j, until: make(map[uint64]engine.Instant)}
	for i, r := range j.Restores() {
		before := uint64(0)
		if i > 0 {
			before = markOf(r.Before)
		}
		o.until[before] = r.At
		o.mark = markOf(j.ID())
	}
	return o
}

// markOf tells journals that were restored apart; 0 is one that never was.
func markOf(identity [16]byte) uint64 {
	return (binary.BigEndian.Uint64(identity[:])>>opVersionBits | 1) << opVersionBits
}

// find is the message that an op id names; zero if it is none of this journal, or
// one that cannot be read.
func (o *ops) find(op engine.MessageID) engine.MessageID {
	const versions = 1<<opVersionBits - 1
	id := engine.MessageID{Conversation: op.Conversation, Version: op.Version & versions}
	mark := op.Version &^ versions
	if mark == o.mark {
		return id
	}
	until, known := o.until[mark]
	if !known {
		return engine.MessageID{}
	}
	if message, err := o.journal.Message(id); err != nil || message.Event.At >= until {
		return engine.MessageID{}
	}
	return id
}

// marking sends with the journal's mark.
type marking struct {
	actors.Sender
	ops *ops
}

// Send is the Sender's own.
func (m marking) Send(ctx context.Context, o engine.Outbound) (engine.AttemptResult, time.Duration) {
	o.ID.Version |= m.ops.mark
	return m.Sender.Send(ctx, o)
}

// marked takes items whose op ids carry marks.
type marked struct {
	whatsapp.Inbox
	ops *ops
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
		own.Op = m.ops.find(s.Op)
		items[i].Status = &own
	}
	return m.Inbox.Receive(ctx, items)
}

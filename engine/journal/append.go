package journal

import (
	"github.com/intervenehq/intervene/engine"
)

// Append makes a durable: its events with all rows that follow from them, or
// nothing. It answers once that is on the disk, with the change that readers of
// the log are told. Its errors:
//
//   - CodeConflict: the conversation stands at another version, or somebody
//     else holds what the events claim (Owner, Duplicate). Whoever holds it is
//     durable by then.
//   - CodeOverloaded, CodeFull, CodeUnavailable, CodeFenced: nothing was done.
//   - CodeInvalid: the parts of a do not fit together; nothing was done.
//   - CodeCorrupt: what had to be read for it is damaged; nothing was done.
//   - CodeUnknownOutcome: a write failed; it may have become durable or not.
//
// Expected is a version that was acknowledged or loaded: appends to one
// conversation that do not wait for each other conflict.
func (j *Journal) Append(a engine.Append) (engine.Change, error) {
	if j.full.Load() {
		err := engine.Errorf(engine.CodeFull, "less than %d MB are free", appendReserve>>20)
		return engine.Change{}, j.metrics.appended(err)
	}
	r, _ := j.requests.Get().(*request)
	r.append = a
	if err := j.submit(r); err != nil {
		j.recycle(r)
		return engine.Change{}, j.metrics.appended(err)
	}
	erases := r.removal.erases
	if erases {
		defer j.erasing.RUnlock()
	}
	if !<-r.done {
		err := engine.Errorf(engine.CodeUnknownOutcome, "the journal ended")
		return engine.Change{}, j.metrics.appended(err)
	}
	change, err := r.change(), r.err
	if erases && err == nil {
		err = j.enterErasure(&r.append)
	}
	change.Offset = r.offset
	j.recycle(r)
	if err != nil {
		return engine.Change{}, j.metrics.appended(err)
	}
	return change, j.metrics.appended(nil)
}

// submit makes r's rows, on its caller's time, and queues them.
func (j *Journal) submit(r *request) error {
	if err := j.enter(); err != nil {
		return err
	}
	defer j.leave()
	a := &r.append
	r.shard = j.shard
	if err := r.check(a); err != nil {
		return err
	}
	r.stored = headOf{journal: j, conversation: a.Conversation, expected: a.Expected}
	if err := r.derive(a, r.stored.prior); err != nil {
		return err
	}
	if r.removal.erases {
		j.erasing.RLock() // until it is in the ledger, see Append
	}
	r.at = now()
	err := j.queue.push(r)
	if err != nil && r.removal.erases {
		j.erasing.RUnlock()
	}
	return err
}

// recycle keeps r's buffers for another append.
func (j *Journal) recycle(r *request) {
	r.reset()
	r.append, r.offset, r.err = engine.Append{}, 0, nil
	if cap(r.buf) > maxRecycledBytes {
		r.buf = nil
	}
	j.requests.Put(r)
}

// headOf reads what an append changes in place.
type headOf struct {
	journal      *Journal
	conversation engine.ConversationID
	expected     uint64
}

// prior is how far a send had come at the expected version. The version is
// read first: if the conversation moves on after that, the append fails.
func (h headOf) prior(send uint64) (engine.Delivery, error) {
	if _, err := h.check(); err != nil {
		return engine.Delivery{}, err
	}
	return h.journal.readDelivery(engine.MessageID{Conversation: h.conversation, Version: send})
}

// amendments are what the customer had made of a message.
func (h headOf) amendments(target digest) (engine.Amendments, error) {
	if _, err := h.check(); err != nil {
		return engine.Amendments{}, err
	}
	return readAmendments(h.journal.db, h.conversation, target)
}

// check refuses an append that does not follow on what is there.
func (h headOf) check() (head, error) {
	at, found, err := h.journal.head(h.conversation)
	if err == nil && (!found || at.version != h.expected) {
		err = engine.ConflictError(engine.ConversationID{}, false)
	}
	return at, err
}

package engine

// attemptSend moves the oldest send on as far as it may go now.
func (d *decision) attemptSend() error {
	c := d.c
	if due := c.SendDue(); due == 0 || due > d.now {
		return nil
	}
	head := c.Sends[0]
	switch {
	case head.State == Attempted:
		// Nobody reported back: the process died, or the answer is lost.
		d.emit(DeliveryChanged{Send: head.Version, State: Unknown, Attempt: head.Attempt})
	case c.overtaken(head):
		d.emit(DeliveryChanged{Send: head.Version, State: Discarded, Attempt: head.Attempt})
	case !c.WindowOpen(d.now):
		d.emit(DeliveryChanged{Send: head.Version, State: Rejected, Attempt: head.Attempt, Error: ErrorWindowClosed})
	default:
		d.emit(DeliveryChanged{Send: head.Version, State: Attempted, Attempt: head.Attempt + 1})
	}
	return nil
}

// overtaken reports whether a person took the word after the bot said s: it is
// not attempted any more, not even once the bot has the word again.
func (c *Conversation) overtaken(s Send) bool { return s.By == Bot && s.Version < c.HeldFrom }

// ErrorWindowClosed is WhatsApp's code for a free message outside the window
// (developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes), used
// for sends that were refused here for the same reason.
const ErrorWindowClosed = 131047

func (d *decision) recordAttempt(b RecordAttempt) error {
	r := b.Result
	change := DeliveryChanged{Send: b.Send, State: r.State, Attempt: b.Attempt, External: r.External, Error: r.Error}

	inFlight := len(d.c.Sends) > 0 && d.c.Sends[0].Version == b.Send &&
		d.c.Sends[0].State == Attempted && d.c.Sends[0].Attempt == b.Attempt
	switch {
	case !inFlight:
		// A status or the time limit was faster. An answer that names the
		// message still settles what counted as unknown.
		if r.State == Accepted && b.Known.State == Unknown {
			d.emit(change)
		}
		return nil
	case r.State == Queued && d.c.overtaken(d.c.Sends[0]):
		change.State = Discarded
	case r.State == Queued && b.Attempt >= MaxAttempts:
		change.State = Rejected
	case r.State == Queued:
		change.NotBefore = max(r.RetryAt, d.now)
	case r.State != Accepted && r.State != Rejected && r.State != Unknown:
		return &Error{Code: CodeInvalid, Field: "state", Problem: "is not how an attempt ends"}
	}
	d.emit(change)
	return nil
}

func (d *decision) recordStatus(b RecordStatus) error {
	if b.State < Sent || b.State > Failed {
		return &Error{Code: CodeInvalid, Field: "state", Problem: "is not a status"}
	}
	if b.Known.State == 0 {
		return &Error{Code: CodeNotFound}
	}
	if !b.Known.State.Before(b.State) {
		return nil // repeated, or overtaken by a later one
	}
	d.emit(DeliveryChanged{Send: b.Send, State: b.State, Attempt: b.Known.Attempt, External: b.External, Error: b.Error})
	return nil
}

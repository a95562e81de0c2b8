package engine

// attemptSend moves the oldest send on as far as it may go now.
func (d *decision) attemptSend() error {
	c := d.c
	if due := c.SendDue(); due == 0 || due > d.now {
		return nil
	}
	head := c.Sends[0]
	change := DeliveryChanged{Send: head.Version, Attempt: head.Attempt}
	refused := d.refusesSend(head)
	switch {
	case head.State == Attempted:
		// Nobody reported back: the process died, or the answer is lost.
		change.State = Unknown
	case head.State == Unknown && (refused != 0 || c.overtaken(head, d.now) || head.counted() >= MaxAttempts):
		change.State = Unknown // for good: it may not be repeated any more
	case c.overtaken(head, d.now):
		change.State = Discarded
	case refused != 0:
		change.State, change.Error = Rejected, refused
	default:
		change.State, change.Attempt, change.Repeated = Attempted, head.Attempt+1, head.State == Unknown
	}
	d.emit(change)
	return nil
}

// refusesSend is the error under which s may not go now, 0: it may.
func (d *decision) refusesSend(s Send) int32 {
	switch {
	case !s.Template && !d.c.WindowOpen(d.now):
		return ErrorWindowClosed
	case s.Marketing && d.c.OptedOut:
		return ErrorOptedOut
	}
	return 0
}

// overtaken reports whether a person took the word after the bot said s: it is
// not attempted any more, not even once the bot has the word again.
func (c *Conversation) overtaken(s Send, now Instant) bool {
	return s.By == Bot && (s.Version < c.HeldFrom || now < c.MutedUntil)
}

// counted is how many attempts of s count against MaxAttempts.
func (s Send) counted() uint32 { return s.Attempt - min(s.Held, s.Attempt) }

// WhatsApp's codes of what is refused here for the same reasons
// (developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes).
const (
	ErrorWindowClosed = 131047 // a free message outside the window
	ErrorOptedOut     = 131050 // marketing to somebody who wants none
)

func (d *decision) recordAttempt(b RecordAttempt) error {
	r := b.Result
	change := DeliveryChanged{Send: b.Send, State: r.State, Attempt: b.Attempt, External: r.External, Error: r.Error, Detail: r.Detail}

	inFlight := len(d.c.Sends) > 0 && d.c.Sends[0].Version == b.Send &&
		d.c.Sends[0].State == Attempted && d.c.Sends[0].Attempt == b.Attempt
	switch {
	case !inFlight:
		// A status or the time limit was faster. An answer that names the message,
		// or refuses it, still settles what counted as unknown.
		settles := r.State == Accepted || r.State == Rejected && b.Attempt == b.Known.Attempt
		if settles && b.Known.State == Unknown {
			d.emit(change)
		}
		return nil
	case r.State == Queued && d.c.overtaken(d.c.Sends[0], d.now):
		change.State = Discarded
	case r.State == Queued && !r.Held && d.c.Sends[0].counted() >= MaxAttempts:
		change.State = Rejected
	case r.State == Queued:
		change.NotBefore, change.Held = max(r.RetryAt, d.now), r.Held
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
	d.emit(DeliveryChanged{Send: b.Send, State: b.State, Attempt: b.Known.Attempt, External: b.External, Error: b.Error, Detail: b.Detail})
	return nil
}

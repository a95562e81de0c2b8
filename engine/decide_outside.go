package engine

// amend takes what the customer did to a message, whether that has come or not.
func (d *decision) amend(b Amend) error {
	if b.What == 0 || b.What >= amendmentCount {
		return &Error{Code: CodeInvalid, Field: "what", Problem: "must be reacted, edited or revoked"}
	}
	d.meet(b.SentAt)
	d.emit(Amended{External: b.External, SentAt: b.SentAt, Target: b.Target, What: b.What, Content: b.Content})
	return nil
}

// recordEcho takes what somebody of the business wrote from elsewhere. By the
// workspace's policy the bot then leaves the word to them for a while: what it
// owes was answered, and what it has not sent it does not send.
func (d *decision) recordEcho(b RecordEcho) error {
	c := d.c
	d.meet(0)
	mute := d.mutedBy(b)
	d.emit(EchoReceived{External: b.External, SentAt: b.SentAt, Content: b.Content, ReplyTo: b.ReplyTo, MutedUntil: mute})
	d.refuseFile(b.Content)
	if mute == 0 {
		return nil
	}
	if c.Turn.Owed() && b.SentAt >= c.CustomerAt {
		d.emit(TurnEnded{Through: c.Version})
	}
	d.silence()
	return nil
}

// mutedBy is how long the bot is silent over b; zero: it is not. In Intervened
// it is silent anyway, and an echo that comes late has no say in the present.
func (d *decision) mutedBy(b RecordEcho) Instant {
	if d.policy.OutsideSilence <= 0 || d.c.Column == Intervened {
		return 0
	}
	until := min(b.SentAt, d.now).Add(d.policy.OutsideSilence)
	if until <= d.now {
		return 0
	}
	return until
}

// silence takes back what the bot has not sent: a person has the word now.
func (d *decision) silence() {
	for _, s := range d.c.Sends {
		switch {
		case s.By != Bot:
		case s.State == Queued:
			d.emit(DeliveryChanged{Send: s.Version, State: Discarded, Attempt: s.Attempt})
		case s.State == Unknown: // it is not repeated, and nobody ever knows
			d.emit(DeliveryChanged{Send: s.Version, State: Unknown, Attempt: s.Attempt})
		}
	}
}

// muted reports whether the bot leaves the word to somebody outside.
func (d *decision) muted() bool { return d.now < d.c.MutedUntil }

package engine

import "unicode/utf8"

// trigger is what moves a conversation between columns.
type trigger uint8

const (
	request trigger = iota
	withdraw
	intervene
	takeOver
	transfer
	resolve
	triggerCount
)

// verdict is what a trigger does to a conversation in a column. The zero
// verdict changes nothing and is accepted.
type verdict struct {
	to     Column
	refuse Code
}

// moves is the column table of the design: what each trigger does where.
var moves = [triggerCount][columnCount]verdict{
	request: {
		Active:  {to: Requesting},
		History: {refuse: CodeWindowClosed},
	},
	withdraw: {
		Requesting: {to: Active},
	},
	intervene: {
		Active:     {refuse: CodeNotRequesting}, // unless the policy lets agents in
		Requesting: {to: Intervened},
		Intervened: {refuse: CodeHeldByOther}, // unless the holder asks again
		History:    {refuse: CodeNotRequesting},
	},
	takeOver: {
		Active:     {refuse: CodeNotIntervened},
		Requesting: {refuse: CodeNotIntervened},
		Intervened: {to: Intervened},
		History:    {refuse: CodeNotIntervened},
	},
	transfer: {
		Active:     {refuse: CodeNotIntervened},
		Requesting: {refuse: CodeNotIntervened},
		Intervened: {to: Intervened},
		History:    {refuse: CodeNotIntervened},
	},
	resolve: {
		Active:     {refuse: CodeNotIntervened},
		Requesting: {to: Active}, // dismissed
		Intervened: {to: Active},
		History:    {refuse: CodeNotIntervened},
	},
}

// move does what the table says of t, as m describes it.
func (d *decision) move(t trigger, m Moved) error {
	v := moves[t][d.c.Column]
	if v.refuse != 0 {
		return d.c.refusal(v.refuse)
	}
	if err := d.checkEpoch(); err != nil {
		return err
	}
	m.To = v.to
	if v.to == 0 || (v.to == d.c.Column && m.Holder == d.c.Holder) {
		return nil // it stands there already
	}
	if m.To == Active && !d.c.WindowOpen(d.now) {
		m.To = History // the bot could not speak there
	}
	if m.To == Intervened && d.c.Column != Intervened {
		d.intervened(m)
		return nil
	}
	d.emit(m)
	return nil
}

// intervened hands the word to a person: what the bot queued and has not
// attempted is discarded in the same append, so that nothing of it can be
// attempted after.
func (d *decision) intervened(m Moved) {
	if d.policy.AutoResolveAfter > 0 {
		m.AutoResolveAt = d.now.Add(d.policy.AutoResolveAfter)
	}
	d.emit(m)
	d.silence()
}

func (d *decision) request(reason string) error {
	if err := validateReason(reason); err != nil {
		return err
	}
	if err := d.move(request, Moved{Cause: CauseRequested, Reason: reason}); err != nil {
		return err
	}
	d.endAccepted()
	return nil
}

func validateReason(reason string) error {
	if utf8.RuneCountInString(reason) > MaxReasonRunes || !utf8.ValidString(reason) {
		return &Error{Code: CodeInvalid, Field: "reason", Problem: "must be valid UTF-8 of at most 1024 characters"}
	}
	return nil
}

func (d *decision) intervene() error {
	by := d.cmd.By
	if !by.IsHuman() {
		return d.c.refusal(CodeForbidden)
	}
	m := Moved{Cause: CauseIntervened, Holder: by.ID}
	switch {
	case d.c.Column == Intervened && d.c.Holder == by.ID:
		return nil
	case d.c.Column == Active && d.policy.TakeoverFromActive:
		if err := d.checkEpoch(); err != nil {
			return err
		}
		m.To = Intervened
		d.intervened(m)
		return nil
	}
	return d.move(intervene, m)
}

func (d *decision) takeOver() error {
	if by := d.cmd.By; by.Kind != Supervisor || !by.IsHuman() {
		return d.c.refusal(CodeForbidden)
	}
	return d.move(takeOver, Moved{Cause: CauseTakenOver, Holder: d.cmd.By.ID})
}

func (d *decision) transfer(b Transfer) error {
	if b.To == "" {
		return &Error{Code: CodeInvalid, Field: "to_agent_id", Problem: "must name an agent"}
	}
	if d.c.Column == Intervened && !d.isHolder() && d.cmd.By.Kind != Supervisor {
		return d.c.refusal(CodeNotHolder)
	}
	return d.move(transfer, Moved{Cause: CauseTransferred, Holder: b.To})
}

func (d *decision) resolve() error {
	m := Moved{Cause: CauseResolved}
	switch {
	case d.c.Column == Requesting && !d.cmd.By.IsHuman():
		return d.c.refusal(CodeForbidden) // a bot withdraws
	case d.c.Column == Requesting:
		m.Cause = CauseDismissed
	case d.c.Column == Intervened && !d.isHolder() && d.cmd.By.Kind != Supervisor:
		return d.c.refusal(CodeNotHolder)
	}
	return d.move(resolve, m)
}

func (d *decision) fireTimer(b FireTimer) error {
	switch b.Timer {
	case DueWindow:
		if d.c.WindowTimer != 0 && d.c.WindowTimer <= d.now {
			d.lapse()
		}
	case DueAutoResolve:
		if d.c.AutoResolveTimer != 0 && d.c.AutoResolveTimer <= d.now {
			d.autoResolve()
		}
	case DueRetention:
		if d.c.RetentionTimer != 0 && d.c.RetentionTimer <= d.now {
			d.retain(b.OldestKept)
		}
	}
	return nil
}

func (d *decision) lapse() {
	switch {
	case d.c.WindowOpen(d.now):
		d.emit(TimerArmed{Timer: DueWindow, At: d.c.WindowEnd()})
	case d.c.Column != Active:
		d.emit(WindowLapsed{})
	case d.c.Turn.Message != 0:
		// The customer still waits for an answer that nobody may send freely.
		d.emit(Moved{To: Requesting, Cause: CauseWindowClosed})
	default:
		d.emit(Moved{To: History, Cause: CauseWindowLapsed})
	}
}

func (d *decision) autoResolve() {
	after := d.policy.AutoResolveAfter
	idle := d.now.Sub(max(d.c.LastActivity, d.c.Since))
	switch {
	case d.c.Column != Intervened || after <= 0:
		d.emit(TimerArmed{Timer: DueAutoResolve}) // the policy is gone: so is the timer
	case idle < after:
		d.emit(TimerArmed{Timer: DueAutoResolve, At: d.now.Add(after - idle)})
	default:
		m := Moved{To: Active, Cause: CauseAutoResolved}
		if !d.c.WindowOpen(d.now) {
			m.To = History
		}
		d.emit(m)
	}
}

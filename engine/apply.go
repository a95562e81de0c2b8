package engine

import "slices"

// Apply folds e into c. It is total: whatever e says becomes so, and nothing
// is checked, because what was durable was decided. Load and live traffic run
// this same function.
//
// It never changes an element of a slice in place, so a copy taken before stays
// what it was; it may extend a slice beyond the copy's length.
func (c *Conversation) Apply(e *Event) {
	c.Version = e.Version
	c.Updated = max(c.Updated, e.At)

	switch b := e.Body.(type) {
	case Opened:
		c.Workspace, c.Channel, c.Contact = b.Workspace, b.Channel, b.Contact
		c.Column, c.Epoch = History, 1
		c.Since = e.At
	case ContactChanged:
		c.Contact = b.Contact
	case MessageReceived:
		c.applyReceived(e, b)
	case MessageQueued:
		c.Sends = append(c.Sends, Send{Version: e.Version, By: e.By.Kind, State: Queued, NotBefore: e.At})
		c.Preview, c.LastActivity = b.Content.Preview(), e.At
	case DeliveryChanged:
		c.applyDelivery(e, b)
	case Moved:
		c.applyMoved(e, b)
	case TurnEnded:
		c.applyTurnEnded(e, b)
	case MarkedRead:
		c.Unread = 0
	case Tagged:
		c.Tags = b.Tags
	case WindowLapsed:
		c.WindowMarked, c.WindowTimer = true, 0
	case TimerArmed:
		if b.Timer == DueWindow {
			c.WindowTimer = b.At
		} else {
			c.AutoResolveTimer = b.At
		}
	case BotDiscarded, NoteAdded, Noted:
		// They are read from the log; the state does not need them.
	}
	if !e.Command.IsZero() {
		c.remember(Outcome{e.Command, e.Digest, e.Version, e.At})
	}
}

func (c *Conversation) applyReceived(e *Event, b MessageReceived) {
	c.CustomerAt = max(c.CustomerAt, min(b.SentAt, e.At))
	c.Preview, c.LastActivity = b.Content.Preview(), e.At
	if c.WindowOpen(e.At) {
		c.WindowMarked = false
	}
	if c.WindowTimer == 0 && !c.WindowMarked {
		c.WindowTimer = c.WindowEnd()
	}
	if c.Column == Requesting || c.Column == Intervened {
		c.Unread++
	}
	if c.Column == Intervened || !c.WindowOpen(e.At) {
		return // nobody waits for the bot, or it may not speak
	}
	c.Turn.Message = e.Version
	if !c.Turn.Owed() {
		c.Turn.From, c.Turn.At = e.Version, e.At
	}
}

func (c *Conversation) applyMoved(e *Event, b Moved) {
	from := c.Column
	if c.Holder != b.Holder {
		c.Epoch++
		c.Since = e.At
	}
	if from != b.To {
		c.Since = e.At
	}
	c.Column, c.Holder, c.Cause = b.To, b.Holder, b.Cause

	switch b.To {
	case Requesting:
		c.RequestedAt, c.Reason = e.At, b.Reason
		c.Requests++
	case Intervened:
		if from != Intervened {
			c.Turn = Turn{}
			c.HeldFrom = e.Version
			c.AutoResolveTimer = b.AutoResolveAt
		}
	default: // back to the bot, or to History
		c.RequestedAt, c.Reason, c.Unread, c.AutoResolveTimer = 0, "", 0, 0
		if from == Intervened {
			c.Turn = Turn{From: e.Version, Returned: e.Version, At: e.At}
		}
	}
	if b.To == History {
		c.WindowTimer = 0
	}
	if b.Cause == CauseWindowClosed {
		// The bot may not speak any more: what it owed is a person's now.
		c.Turn, c.WindowMarked, c.WindowTimer = Turn{}, true, 0
	}
}

func (c *Conversation) applyTurnEnded(e *Event, b TurnEnded) {
	if b.Variables != nil {
		c.Variables = b.Variables
	}
	t := c.Turn
	if t.Message <= b.Through {
		t.Message = 0
	}
	if t.Returned <= b.Through {
		t.Returned = 0
	}
	if t.Message == 0 && t.Returned == 0 {
		c.Turn = Turn{}
		return
	}
	t.From, t.At = b.Through+1, e.At
	c.Turn = t
}

func (c *Conversation) applyDelivery(e *Event, b DeliveryChanged) {
	if b.Send == c.GateSend && (b.State.final() || b.State >= Sent) {
		c.Gate = 0
	}
	i := slices.IndexFunc(c.Sends, func(s Send) bool { return s.Version == b.Send })
	if i < 0 {
		return // settled long ago; its status is in the log
	}
	switch b.State {
	case Queued, Attempted:
		send := c.Sends[i]
		send.State, send.Attempt, send.NotBefore = b.State, b.Attempt, b.NotBefore
		if b.State == Attempted {
			send.NotBefore = e.At.Add(AttemptTimeout)
		}
		c.Sends = slices.Clone(c.Sends)
		c.Sends[i] = send
		return
	case Accepted:
		c.Gate, c.GateSend = e.At.Add(SentWait), b.Send
	case Unknown:
		c.Gate, c.GateSend = e.At.Add(UnknownWait), b.Send
	}
	if i == 0 {
		c.Sends = c.Sends[1:]
	} else {
		c.Sends = slices.Delete(slices.Clone(c.Sends), i, i+1)
	}
	if len(c.Sends) == 0 {
		c.Sends = nil
	}
}

// remember keeps o, and forgets what nobody may retry any more.
func (c *Conversation) remember(o Outcome) {
	c.Outcomes = append(c.Outcomes, o)
	oldest := o.At.Add(-OutcomeRetention)
	drop := max(0, len(c.Outcomes)-MaxOutcomes)
	for drop < len(c.Outcomes) && c.Outcomes[drop].At < oldest {
		drop++
	}
	c.Outcomes = c.Outcomes[drop:]
}

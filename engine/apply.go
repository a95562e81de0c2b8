package engine

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
		c.Since, c.LastActivity = e.At, e.At
	case ContactChanged:
		c.Contact = b.Contact
	case MessageReceived:
		c.applyReceived(e, b)
	case MessageQueued:
		c.applyQueued(e, b)
	case EchoReceived:
		c.applyEcho(e, b)
	case Amended:
		c.applyAmended(b)
	case DeliveryChanged:
		c.applyDelivery(e, b)
	case Moved:
		c.applyMoved(e, b)
	case TurnEnded:
		c.applyTurnEnded(e, b)
	case TurnAccepted:
		c.Turn.Until, c.Turn.Through, c.Turn.At = b.Until, b.Through, max(b.Until, c.MutedUntil)
	case MarkedRead:
		c.Unread = 0
	case Tagged:
		c.Tags = b.Tags
	case WindowLapsed:
		c.WindowMarked, c.WindowTimer = true, 0
	case TimerArmed:
		c.applyTimer(b)
	case ContactLinked:
		c.Linked = appendBounded(c.Linked, b.Other, MaxLinked)
	case ConsentChanged:
		c.OptedOut, c.ConsentAt = b.Consent == Stop, max(c.ConsentAt, b.SentAt)
	case MediaChanged:
		c.applyMedia(b)
	case Trimmed:
		c.applyTrimmed(e, b)
	case Erased:
		c.applyErased(e)
	case BotDiscarded, NoteAdded, Noted:
		// They are read from the log; the state does not need them.
	}
	if !e.Command.IsZero() {
		c.remember(Outcome{e.Command, e.Digest, e.Version, e.At})
	}
}

func (c *Conversation) applyReceived(e *Event, b MessageReceived) {
	if b.Content.Kind == ContentSystem {
		return // nobody wrote
	}
	c.CustomerAt = max(c.CustomerAt, min(b.SentAt, e.At))
	c.show(b.External, b.Content, e.At)
	c.awaitFile(e, b.Content)
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
		c.Turn.From, c.Turn.At = e.Version, max(e.At, c.MutedUntil)
	}
}

func (c *Conversation) applyQueued(e *Event, b MessageQueued) {
	c.Sends = append(c.Sends, Send{
		Version: e.Version, By: e.By.Kind, State: Queued, NotBefore: e.At,
		Template: b.Content.Kind == ContentTemplate, Marketing: b.Content.isMarketing(), Repeatable: b.Repeatable,
	})
	if b.Content.Kind == ContentReaction {
		c.LastActivity = e.At
		return // it stands on another message
	}
	c.show("", b.Content, e.At)
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
			c.Turn = Turn{From: e.Version, Returned: e.Version, At: max(e.At, c.MutedUntil)}
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
	t.From, t.At = b.Through+1, max(e.At, c.MutedUntil)
	t.Until, t.Through = 0, 0
	c.Turn = t
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

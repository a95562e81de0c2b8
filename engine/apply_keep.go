package engine

import "slices"

func (c *Conversation) applyEcho(e *Event, b EchoReceived) {
	c.show(b.External, b.Content, e.At)
	c.awaitFile(e, b.Content)
	c.MutedUntil = max(c.MutedUntil, b.MutedUntil)
	if c.Turn.Owed() {
		c.Turn.At = max(c.Turn.At, c.MutedUntil)
	}
}

// awaitFile lets the file that e brought be downloaded.
func (c *Conversation) awaitFile(e *Event, content Content) {
	if content.HasFile() && len(c.Media) < MaxPendingMedia {
		c.Media = append(c.Media, PendingMedia{Message: e.Version, NotBefore: e.At})
	}
}

func (c *Conversation) applyMedia(b MediaChanged) {
	i := c.pendingMedia(b.Message)
	if i < 0 {
		return // it was given up at once
	}
	c.Media = slices.Clone(c.Media)
	if b.State == MediaPending {
		c.Media[i].Attempt, c.Media[i].NotBefore = b.Attempt, b.NotBefore
		return
	}
	if c.Media = slices.Delete(c.Media, i, i+1); len(c.Media) == 0 {
		c.Media = nil
	}
}

func (c *Conversation) applyTimer(b TimerArmed) {
	switch b.Timer {
	case DueWindow:
		c.WindowTimer = b.At
	case DueRetention:
		c.RetentionTimer = b.At
	default:
		c.AutoResolveTimer = b.At
	}
}

// applyTrimmed forgets what was made of events that are gone. What the bot
// remembers and why a person was asked for go with the last of them, unless the
// case is still open.
func (c *Conversation) applyTrimmed(e *Event, b Trimmed) {
	c.OldestKept = max(c.OldestKept, b.OldestKept)
	i := c.amendedAhead(c.PreviewOf)
	switch {
	case b.OldestKept >= e.Version:
		c.Preview, c.PreviewOf, c.Ahead = "", "", nil
	case i < 0:
		c.Ahead = nil
	default:
		c.Ahead = []AmendedAhead{c.Ahead[i]}
	}
	if b.OldestKept >= e.Version && c.Column == History {
		c.Variables, c.Reason = nil, ""
	}
}

// applyErased leaves the tombstone: that the conversation was there, and which
// commands it accepted, so that a retry of one is answered.
func (c *Conversation) applyErased(e *Event) {
	epoch := c.Epoch
	if c.Holder != "" {
		epoch++ // nobody holds it any more
	}
	outcomes := slices.Clone(c.Outcomes)
	for i := range outcomes {
		outcomes[i].Digest = Digest{}
	}
	*c = Conversation{
		ID: c.ID, Workspace: c.Workspace, Channel: c.Channel, Version: c.Version, Updated: c.Updated,
		Epoch: epoch, Outcomes: outcomes, OldestKept: e.Version, Erased: true,
	}
}

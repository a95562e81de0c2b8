package engine

import "slices"

func (c *Conversation) applyDelivery(e *Event, b DeliveryChanged) {
	if b.Send == c.GateSend && (b.State.final() || b.State >= Sent) {
		c.Gate = 0
	}
	i := slices.IndexFunc(c.Sends, func(s Send) bool { return s.Version == b.Send })
	if i < 0 {
		return // settled long ago; its status is in the log
	}
	send := c.Sends[i]
	switch b.State {
	case Queued, Attempted:
		c.setSend(i, send.after(e, b))
		return
	case Accepted:
		c.Gate, c.GateSend = e.At.Add(SentWait), b.Send
	case Unknown:
		if send.State == Unknown {
			break // it is given up
		}
		c.Gate, c.GateSend = e.At.Add(UnknownWait), b.Send
		if send.Repeatable && !c.overtaken(send, e.At) {
			send.State, send.NotBefore = Unknown, c.Gate
			c.setSend(i, send)
			return
		}
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

// after is s as b leaves it, which queues or attempts it.
func (s Send) after(e *Event, b DeliveryChanged) Send {
	s.State, s.Attempt, s.NotBefore = b.State, b.Attempt, b.NotBefore
	if b.State == Attempted {
		s.NotBefore = e.At.Add(AttemptTimeout)
	}
	if b.Held {
		s.Held++
	}
	if b.Repeated {
		s.Repeatable = false
	}
	return s
}

func (c *Conversation) setSend(i int, send Send) {
	c.Sends = slices.Clone(c.Sends)
	c.Sends[i] = send
}

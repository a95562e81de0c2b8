package engine

// startConversation writes to somebody who need not have written: with a
// template, as the platform demands.
func (d *decision) startConversation(b StartConversation) error {
	if err := b.validate(); err != nil {
		return err
	}
	if d.c.Exists() && d.c.Column != History {
		if !d.isHolder() {
			return d.c.refusal(CodeNotHolder)
		}
	} else if !d.policy.WriteFirst {
		return d.c.refusal(CodeForbidden)
	}
	if err := d.checkEpoch(); err != nil {
		return err
	}
	if err := d.checkConsent(b.Content); err != nil {
		return err
	}
	d.meet(0)
	err := d.queue(MessageQueued{Content: b.Content})
	if err != nil {
		d.events = nil // a refusal leaves no trace
	}
	return err
}

func (b StartConversation) validate() error {
	switch {
	case b.Contact.WaID == "" && b.Contact.UserID == "":
		return &Error{Code: CodeInvalid, Field: "to", Problem: "must name a contact"}
	case b.Contact.WaID != "" && !isNumber(b.Contact.WaID):
		return &Error{Code: CodeInvalid, Field: "to", Problem: "must be a phone number of 7 to 15 digits"}
	case b.Content.Kind != ContentTemplate:
		return &Error{Code: CodeInvalid, Field: "template", Problem: "must not be empty: nothing else goes to who has not written"}
	}
	return b.Content.validate()
}

// isNumber reports whether s is a phone number as WhatsApp writes it: E.164
// without its plus.
func isNumber(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return len(s) >= 7 && len(s) <= 15
}

// resendMessage queues anew what did not arrive, or nobody knows whether it did.
// It is the holder's word, or a supervisor's.
func (d *decision) resendMessage(b ResendMessage) error {
	if b.Known.State == 0 {
		return &Error{Code: CodeNotFound}
	}
	if err := b.Content.validate(); err != nil {
		return err
	}
	if !d.isHolder() && d.cmd.By.Kind != Supervisor {
		return d.c.refusal(CodeNotHolder)
	}
	if err := d.checkEpoch(); err != nil {
		return err
	}
	if !d.c.resendable(b) {
		return d.c.refusal(CodeNotResendable)
	}
	if err := d.mayPersonSend(b.Content); err != nil {
		return err
	}
	return d.queue(MessageQueued{Content: b.Content, ReplyTo: b.ReplyTo, ResendOf: b.Send})
}

// resendable reports whether the send that b names is over, without anybody
// knowing that it arrived, and was not sent again.
func (c *Conversation) resendable(b ResendMessage) bool {
	switch b.Known.State {
	case Rejected, Failed, Unknown:
		return b.Known.ResentAs == 0 && !c.isSending(b.Send)
	}
	return false
}

// isSending reports whether the courier still has the send.
func (c *Conversation) isSending(send uint64) bool {
	for i := range c.Sends {
		if c.Sends[i].Version == send {
			return true
		}
	}
	return false
}

// mayPersonSend refuses what may not go out to the customer now, whoever of the
// business writes it: outside the window, and in History, only templates go.
func (d *decision) mayPersonSend(content Content) error {
	if content.Kind == ContentTemplate {
		return d.checkConsent(content)
	}
	if d.c.Column == History || !d.c.WindowOpen(d.now) {
		return d.c.refusal(CodeWindowClosed)
	}
	return nil
}

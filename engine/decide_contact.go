package engine

import "slices"

// meet opens the conversation, or takes what a newer item says of its contact.
// An item that is newer than what the customer last wrote also replaces what
// they were known under. It answers where the conversation stands then.
func (d *decision) meet(sentAt Instant) Column {
	c := d.c
	channel, contact, _ := d.cmd.meets()
	column := c.Column
	if !c.Exists() {
		d.emit(Opened{Workspace: d.cmd.Workspace, Channel: channel, Contact: contact})
		column = History
	} else if merged := c.Contact.merge(contact, sentAt >= c.CustomerAt); merged != c.Contact {
		d.emit(ContactChanged{Contact: merged})
	}
	d.armRetention()
	return column
}

func (d *decision) changeContact(b ChangeContact) error {
	known := b.Contact
	if d.c.Exists() {
		known = d.c.Contact.merge(b.Contact, false)
	} else {
		d.meet(b.SentAt)
	}
	if merged := known.merge(b.Changed, true); merged != known || known != d.c.Contact {
		d.emit(ContactChanged{Contact: merged, External: b.External, SentAt: b.SentAt})
	}
	return nil
}

func (d *decision) linkContact(b LinkContact) error {
	if b.Other.IsZero() || b.Other == d.c.ID {
		return &Error{Code: CodeInvalid, Field: "other", Problem: "must name another conversation"}
	}
	if !slices.Contains(d.c.Linked, b.Other) {
		d.emit(ContactLinked(b))
	}
	return nil
}

func (d *decision) setConsent(b SetConsent) error {
	if b.Consent != Stop && b.Consent != Resume {
		return &Error{Code: CodeInvalid, Field: "consent", Problem: "must be stop or resume"}
	}
	d.meet(0)
	d.consents(b.Consent, b.At)
	return nil
}

// consents takes what the customer chose at, unless they chose later already:
// choices come repeated and out of order, too. The platform's clock has whole
// seconds: of two choices in one, stop holds.
func (d *decision) consents(consent Consent, at Instant) {
	if at == 0 || at > d.now {
		at = d.now
	}
	if at > d.c.ConsentAt || at == d.c.ConsentAt && consent == Stop && !d.c.OptedOut {
		d.emit(ConsentChanged{Consent: consent, SentAt: at})
	}
}

// checkConsent refuses marketing to those who want none. A template of which
// nobody knows the category may be marketing.
func (d *decision) checkConsent(content Content) error {
	if d.c.OptedOut && content.isMarketing() {
		return d.c.refusal(CodeOptedOut)
	}
	return nil
}

func (c Content) isMarketing() bool {
	if c.Kind != ContentTemplate || c.Template == nil {
		return false
	}
	category := c.Template.Category
	return category != Utility && category != Authentication
}

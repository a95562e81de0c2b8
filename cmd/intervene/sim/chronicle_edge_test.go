package sim

import (
	"slices"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// What customers do besides writing, and what others write to them.

// picture is the file of one message.
type picture struct {
	file    string // its hash, as it was sent
	content engine.Content
	status  engine.MediaStatus
}

func (c *chronicle) meets(contact engine.Contact) {
	c.contact = contact
	for _, identity := range contact.Identities() {
		if !slices.Contains(c.ever, identity) {
			c.ever = append(c.ever, identity)
		}
	}
}

func (c *chronicle) amends(b engine.Amended) {
	w, ok := c.ledger.written[standin.WAMID(b.External)]
	switch {
	case !ok || w.what != b.What || string(w.target) != b.Target || w.text != b.Content.Text || w.sentAt != b.SentAt:
		c.wrong("nothing is invented", "no customer %s %s in %s", b.What, b.Target, b.External)
	case w.customer.number.channel != c.channel:
		c.wrong("workspaces", "%s was done on %s", b.External, w.customer.number.channel)
	}
	c.amended = append(c.amended, b)
}

// hears: after an echo the bot is silent for as long as the workspace says.
func (c *chronicle) hears(e *engine.Event, b engine.EchoReceived) {
	w, ok := c.ledger.written[standin.WAMID(b.External)]
	if !ok || !w.echo || w.text != b.Content.Text || w.sentAt != b.SentAt || e.By.Kind != engine.Outside {
		c.wrong("nothing is invented", "nobody wrote %s from elsewhere", b.External)
	}
	c.activity = e.At
	until := min(b.SentAt, e.At).Add(c.plan.policies[c.workspace].OutsideSilence)
	if c.column == engine.Intervened || until <= e.At {
		until = 0
	}
	if b.MutedUntil != until {
		c.wrong("the bot is silent", "the echo mutes it until %d, want %d", b.MutedUntil, until)
	}
	if c.mutedUntil = max(c.mutedUntil, until); until != 0 {
		c.silences()
	}
}

func (c *chronicle) chooses(b engine.ConsentChanged) {
	if !slices.ContainsFunc(c.ledger.choices, func(said choice) bool {
		return said.consent == b.Consent && said.at == b.SentAt && said.customer.number.channel == c.channel
	}) {
		c.wrong("nothing is invented", "nobody chose %s at %d", b.Consent, b.SentAt)
	}
	// The platform's clock has whole seconds: of two choices in one the stop holds.
	stops := b.SentAt == c.chosenAt && b.Consent == engine.Stop && !c.optedOut
	if b.SentAt <= c.chosenAt && !stops {
		c.wrong("opted out", "what was chosen at %d counts after what was chosen at %d", b.SentAt, c.chosenAt)
	}
	c.optedOut, c.chosenAt = b.Consent == engine.Stop, b.SentAt
}

// downloads: a picture ends stored as it was sent, or failed because the
// platform gave another one.
func (c *chronicle) downloads(b engine.MediaChanged) {
	p, ok := c.files[b.Message]
	if !ok || p.status.State != engine.MediaPending {
		c.wrong("media", "the file of message %d, which does not wait, is %s", b.Message, b.State)
		return
	}
	p.status = engine.MediaStatus{State: b.State, Blob: b.Blob, Bytes: b.Bytes}
	came := c.ledger.files[p.content.Media.ID]
	switch b.State {
	case engine.MediaStored:
		if string(b.Blob) != p.file {
			c.wrong("media", "the file of message %d is stored otherwise than it was sent", b.Message)
		}
	case engine.MediaFailed:
		if !slices.ContainsFunc(came, func(sum string) bool { return sum != p.file }) {
			c.wrong("media", "the file of message %d is failed for no reason", b.Message)
		}
	case engine.MediaExpired:
		if !c.ledger.deleted[p.file] {
			c.wrong("media", "the file of message %d is expired, and the platform has it", b.Message)
		}
	}
}

// amendment is what should be shown of a message: of several that bear the same
// time any may count.
func (c *chronicle) amendment(target string) (reactions, edits []string, revoked bool) {
	var reactedAt, editedAt engine.Instant
	for _, b := range c.amended {
		if b.Target != target {
			continue
		}
		switch b.What {
		case engine.Reacted:
			reactions, reactedAt = newest(reactions, b, reactedAt)
		case engine.Edited:
			edits, editedAt = newest(edits, b, editedAt)
		case engine.Revoked:
			revoked = true
		}
	}
	return reactions, edits, revoked
}

func newest(texts []string, b engine.Amended, at engine.Instant) ([]string, engine.Instant) {
	switch {
	case b.SentAt > at:
		return []string{b.Content.Text}, b.SentAt
	case b.SentAt == at:
		return append(texts, b.Content.Text), at
	}
	return texts, at
}

// shows compares a message as it is read with what the events make of it.
func (c *chronicle) shows(m *engine.Message) {
	external := m.Delivery.External
	switch b := m.Event.Body.(type) {
	case engine.MessageReceived:
		external = b.External
	case engine.EchoReceived:
		external = b.External
	}
	if external != "" {
		reactions, edits, revoked := c.amendment(external)
		a := m.Amended
		if a.Reaction != "" || len(reactions) > 0 {
			if !slices.Contains(reactions, a.Reaction) {
				c.wrong("amendments", "message %d shows the reaction %q, want one of %q", m.ID.Version, a.Reaction, reactions)
			}
		}
		switch {
		case revoked != (a.RevokedAt != 0) || revoked && a.Edit != nil:
			c.wrong("amendments", "message %d is revoked: %v, want %v, edited: %v", m.ID.Version, a.RevokedAt != 0, revoked, a.Edit != nil)
		case !revoked && (a.Edit == nil) != (len(edits) == 0), a.Edit != nil && !slices.Contains(edits, a.Edit.Text):
			c.wrong("amendments", "message %d shows another edit than the newest of %d", m.ID.Version, len(edits))
		}
	}
	if p := c.files[m.ID.Version]; p != nil && m.Media != p.status {
		c.wrong("media", "message %d shows its file as %s, want %s", m.ID.Version, m.Media.State, p.status.State)
	}
	if s := c.sends[m.ID.Version]; s != nil && (m.Delivery.State != s.state || m.Delivery.Repeated != s.repeated || m.Delivery.ResentAs != s.resentAs) {
		c.wrong("statuses", "message %d shows %+v, want %s, repeated: %v, resent as %d", m.ID.Version, m.Delivery, s.state, s.repeated, s.resentAs)
	}
}

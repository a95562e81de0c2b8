package sim

import (
	"fmt"
	"time"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// write is what a customer does next, or somebody who writes to them from a phone.
func (c *customer) write(n int) {
	who := c.who()
	switch lots := c.rng.IntN(100); {
	case lots < 5:
		c.shows(who, n)
	case lots < 12:
		c.amends(who, engine.Reacted, n)
	case lots < 17:
		c.amends(who, engine.Edited, n)
	case lots < 20:
		c.amends(who, engine.Revoked, n)
	case lots < 24:
		c.hears(who, n)
	case lots < 26:
		c.chooses(who)
	case lots < 27:
		c.becomes(who, n)
	default:
		c.says(who, n)
	}
}

// who is what the customer calls themselves this time.
func (c *customer) who() standin.Customer {
	who := standin.Customer{PhoneNumberID: c.number.id, Name: c.name}
	as := c.habit
	if as == byEither {
		as = []habit{byNumber, byBoth, byUserID}[c.rng.IntN(3)]
	}
	if as != byUserID {
		who.WAID = standin.Identity(c.waID)
	}
	if as != byNumber {
		who.UserID = standin.Identity(c.userID)
	}
	return who
}

// at is when the platform says that something happened: now, mostly.
func (c *customer) at() time.Time {
	at := time.Now()
	switch c.rng.IntN(60) {
	case 0:
		at = at.Add(-25 * time.Hour)
	case 1:
		at = at.Add(-3 * time.Hour)
	case 2:
		at = at.Add(time.Duration(c.rng.Int64N(int64(3 * time.Minute))))
	}
	return at
}

func second(at time.Time) engine.Instant { return engine.InstantOf(at.Truncate(time.Second)) }

// noted takes what the stand-in was told.
func (c *customer) noted(wamid standin.WAMID, w *written, err error) {
	if err != nil {
		c.sim.ledger.violate("the stand-in refuses a customer: %v", err)
		return
	}
	w.customer = c
	c.sim.ledger.wrote(wamid, w)
	if w.what == 0 && !w.echo && w.change == (engine.Contact{}) {
		c.wrote = append(c.wrote, wamid)
	}
}

func (c *customer) says(who standin.Customer, n int) {
	text := fmt.Sprintf("%s %d", c.name, n)
	switch c.rng.IntN(9) {
	case 0:
		text += " a human please"
	case 1:
		text += " hello"
	case 2:
		text += " my order"
	case 3:
		text += " send it back"
	}
	text += "."
	at := c.at()
	w := &written{text: text, sentAt: second(at)}
	if c.rng.IntN(8) == 0 {
		wamid, err := c.sim.meta.PressButton(c.sim.over, who, standin.Reply{ID: "b", Title: text}, at)
		c.noted(wamid, w, err)
		return
	}
	wamid, err := c.sim.meta.WriteText(c.sim.over, who, text, at)
	c.noted(wamid, w, err)
}

// shows sends a picture.
func (c *customer) shows(who standin.Customer, n int) {
	picture := pictureOf(100+c.rng.IntN(2000), n, c.name)
	at, caption := c.at(), fmt.Sprintf("%s %d in a picture.", c.name, n)
	wamid, err := c.sim.meta.Write(c.sim.over, who, standin.Message{
		Media: &standin.Media{Kind: "image", MIMEType: "image/jpeg", Data: picture, Caption: caption},
	}, at)
	c.noted(wamid, &written{text: caption, sentAt: second(at), file: sumOf(picture)}, err)
	if c.rng.IntN(6) == 0 {
		c.forget(sumOf(picture))
	}
}

// amends reacts to a message of either side, or edits or revokes their own.
func (c *customer) amends(who standin.Customer, what engine.Amendment, n int) {
	targets := c.wrote
	if what == engine.Reacted {
		for _, identity := range []standin.Identity{who.WAID, who.UserID} {
			for _, d := range c.sim.meta.DeliveriesTo(identity) {
				targets = append(targets[:len(targets):len(targets)], d.WAMID)
			}
		}
	}
	if len(targets) == 0 {
		return
	}
	// The newest ones most of all, so that one is amended again and again.
	target := targets[len(targets)-1-c.rng.IntN(min(len(targets), 4))]
	at := time.Now().Add(-time.Duration(c.rng.Int64N(int64(10 * time.Second))))
	w := &written{sentAt: second(at), what: what, target: target}
	var m standin.Message
	switch what {
	case engine.Reacted:
		w.text = []string{"", "👍", "🎉"}[c.rng.IntN(3)]
		m.Reaction = &standin.Reaction{To: target, Emoji: w.text}
	case engine.Edited:
		w.text = fmt.Sprintf("%s %d edited.", c.name, n)
		m.Edit = &standin.Edit{To: target, Text: w.text}
	case engine.Revoked:
		m.Revoke = target
	}
	wamid, err := c.sim.meta.Write(c.sim.over, who, m, at)
	c.noted(wamid, w, err)
}

// hears is written to by somebody of the business, on the phone that shares its number.
func (c *customer) hears(who standin.Customer, n int) {
	at := time.Now()
	if c.rng.IntN(6) == 0 {
		at = at.Add(-time.Duration(c.rng.Int64N(int64(time.Hour))))
	}
	text := fmt.Sprintf("to %s %d.", c.name, n)
	wamid, err := c.sim.meta.Echo(c.sim.over, who, standin.Message{Text: text}, at)
	c.noted(wamid, &written{text: text, sentAt: second(at), echo: true}, err)
}

// chooses wants marketing, or none.
func (c *customer) chooses(who standin.Customer) {
	at, wanted := time.Now(), c.rng.IntN(3) == 0
	said := choice{customer: c, consent: engine.Stop, at: second(at)}
	if wanted {
		said.consent = engine.Resume
	}
	if c.rng.IntN(3) == 0 { // by a word
		text := map[engine.Consent]string{engine.Stop: "stop", engine.Resume: "START"}[said.consent]
		c.sim.ledger.chose(said)
		wamid, err := c.sim.meta.WriteText(c.sim.over, who, text, at)
		c.noted(wamid, &written{text: text, sentAt: said.at}, err)
		return
	}
	c.sim.ledger.chose(said)
	if err := c.sim.meta.SetMarketing(c.sim.over, who, wanted, at); err != nil {
		c.sim.ledger.violate("the stand-in refuses a customer: %v", err)
	}
}

// becomes has another number or user id from now on.
func (c *customer) becomes(who standin.Customer, n int) {
	at := time.Now()
	w := &written{sentAt: second(at)}
	change := standin.IdentityChange{NoPrevious: c.rng.IntN(3) == 0}
	if who.WAID != "" && (who.UserID == "" || c.rng.IntN(2) == 0) {
		change.WAID = standin.Identity(fmt.Sprintf("%s%d", c.first.WaID, n%100))
		w.change.WaID = string(change.WAID)
	} else {
		change.UserID = standin.Identity(fmt.Sprintf("%s%d", c.first.UserID, n))
		w.change.UserID = string(change.UserID)
	}
	wamid, err := c.sim.meta.ChangeIdentity(c.sim.over, who, change, at)
	c.noted(wamid, w, err)
	c.sim.ledger.mu.Lock()
	c.ever = append(c.ever, w.change.Identities()...)
	c.sim.ledger.mu.Unlock()
	if w.change.WaID != "" {
		c.waID = w.change.WaID
	} else {
		c.userID = w.change.UserID
	}
}

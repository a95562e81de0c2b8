package engine_test

import (
	"time"

	"pgregory.net/rapid"

	"github.com/intervenehq/intervene/engine"
)

func (p *players) customerAmends(t *rapid.T) {
	b := engine.Amend{
		Channel: channel, Contact: meera, External: "amended", SentAt: p.now.Add(-draw(t, "ago", 0, 0, time.Hour)),
		Target:  draw(t, "target", "in-hi", "w", "another"),
		What:    draw(t, "what", engine.Reacted, engine.Edited, engine.Revoked),
		Content: textOf("hey"),
	}
	p.give(engine.Command{Workspace: workspace, By: customer, Body: b})
}

func (p *players) outsiderWrites(t *rapid.T) {
	p.give(engine.Command{Workspace: workspace, By: outside, Body: engine.RecordEcho{
		Channel: channel, Contact: meera, External: "echo", SentAt: p.now.Add(-draw(t, "ago", 0, 0, time.Second, time.Hour, 24*time.Hour)),
		Content: textOf("Ravi here"),
	}})
}

func (p *players) customerChooses(t *rapid.T) {
	p.give(engine.Command{Workspace: workspace, By: customer, Body: engine.SetConsent{
		Channel: channel, Contact: meera, Consent: draw(t, "consent", engine.Stop, engine.Resume),
		At: p.now.Add(-draw(t, "ago", 0, 0, time.Hour)),
	}})
}

func (p *players) contactChanges(t *rapid.T) {
	if draw(t, "links", true, false) {
		other := engine.NewConversationID(7, [14]byte{byte(2 + evenly(12).Draw(t, "other"))})
		p.give(engine.Command{Workspace: workspace, By: courier, Body: engine.LinkContact{Other: other}})
		return
	}
	changed := engine.Contact{WaID: draw(t, "wa_id", "", "15550177"), UserID: draw(t, "user_id", "", "IN.abc", "IN.def")}
	p.give(engine.Command{Workspace: workspace, By: customer, Body: engine.ChangeContact{
		Channel: channel, Contact: meera, Changed: changed, External: "change", SentAt: p.now,
	}})
}

func (p *players) businessWritesFirst(t *rapid.T) {
	by := draw(t, "by", asha, ravi, sita, bot)
	p.give(p.command(t, by, engine.StartConversation{
		Channel: channel, Contact: meera, Content: templateOf("order", draw(t, "category", engine.Utility, engine.Marketing, "")),
	}))
}

func (p *players) somebodyResends(t *rapid.T) {
	if send := p.send(t); send != 0 {
		p.give(p.command(t, draw(t, "by", asha, ravi, sita, sita, bot), p.resends(send)))
	}
}

func (p *players) fileComes(t *rapid.T) {
	message := draw(t, "message", p.c.Version, 3)
	if len(p.c.Media) > 0 {
		message = draw(t, "file", p.c.Media...).Message
	}
	b := engine.RecordMedia{
		Message: message, Attempt: draw[uint32](t, "attempt", 1, 2, engine.MaxMediaAttempts), RetryAt: p.now.Add(time.Minute), Blob: blob,
		State: draw(t, "state", engine.MediaPending, engine.MediaStored, engine.MediaFailed, engine.MediaExpired),
	}
	p.give(engine.Command{Workspace: workspace, By: courier, Body: b})
}

// everythingIsErased seldom, for nothing comes after.
func (p *players) everythingIsErased(t *rapid.T) {
	if draw(t, "really", 0, 1, 2, 3, 4, 5, 6, 7) == 0 {
		p.give(p.command(t, draw(t, "by", asha, sita), engine.Erase{}))
	}
}

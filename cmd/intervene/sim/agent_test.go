package sim

import (
	"fmt"

	"github.com/intervenehq/intervene/engine"
)

// eraseShare: a supervisor erases at one look of so many.
const eraseShare = 60

// rarely is what people do seldom about what they see; mostly nothing.
func (a *agent) rarely(card *engine.Card, messages []engine.Message, text string) engine.CommandBody {
	if a.party.Kind == engine.Supervisor && a.rng.IntN(eraseShare) == 0 {
		return engine.Erase{}
	}
	if card.OptedOut && (card.Column == engine.History || card.Holder == a.party.ID) && a.rng.IntN(2) == 0 {
		return engine.SendMessage{Content: a.marketing(text)}
	}
	if card.Column == engine.History && a.rng.IntN(4) == 0 {
		return engine.SendMessage{Content: a.template(text)}
	}
	for i := range messages {
		m := &messages[i]
		switch m.Delivery.State {
		case engine.Rejected, engine.Failed, engine.Unknown:
			if a.rng.IntN(4) == 0 {
				return engine.ResendMessage{Send: m.ID.Version}
			}
		}
	}
	return nil
}

// begin writes first, to one of the customers or to somebody who never wrote.
func (a *agent) begin() {
	a.made++
	customers := a.sim.customers[a.workspace]
	c := customers[a.rng.IntN(len(customers))]
	to := engine.Contact{WaID: c.first.WaID}
	switch {
	case a.rng.IntN(8) == 0:
		to = engine.Contact{WaID: c.first.WaID + "0000"}
	case a.rng.IntN(2) == 0:
		to = engine.Contact{UserID: c.first.UserID}
	}
	text := fmt.Sprintf("%s %d", a.party.ID, a.made)
	a.command(engine.StartConversation{Channel: c.number.channel, Contact: to, Content: a.template(text)}, &engine.Card{}, false)
}

// template says text in a template.
func (a *agent) template(text string) engine.Content {
	category := []engine.TemplateCategory{engine.Marketing, engine.Utility, ""}[a.rng.IntN(3)]
	return engine.Content{Kind: engine.ContentTemplate, Template: &engine.Template{
		Name: "offer", Language: "de", Category: category,
		Components: []engine.TemplateComponent{{
			Type: "body", Parameters: []engine.TemplateParameter{{Type: "text", Text: text}},
		}},
	}}
}

// marketing says text in a template that is none of the business of who wants none.
func (a *agent) marketing(text string) engine.Content {
	content := a.template(text)
	content.Template.Category = engine.Marketing
	return content
}

// wordsOf is what is unique in content.
func wordsOf(content engine.Content) string {
	if content.Template != nil && len(content.Template.Components) > 0 {
		return content.Template.Components[0].Parameters[0].Text
	}
	return content.Text
}

func isMarketing(content engine.Content) bool {
	return content.Template != nil && content.Template.Category != engine.Utility && content.Template.Category != engine.Authentication
}

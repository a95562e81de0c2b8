// Package bot is the bot that is built in: a greeting, answers to keywords, a
// way to ask for a person, and a fallback, as one YAML file says.
//
// It answers a turn from the turn alone: it does no I/O, reads no clock, draws
// no lots and keeps nothing between turns but the variables that it hands back.
// It never answers what came while a person held the conversation.
package bot

import (
	"context"
	"fmt"

	"github.com/intervenehq/intervene/engine"
)

// ReasonAsked is the reason of a request that the customer's own words made.
const ReasonAsked = "bot: the customer asked for a person"

// Bot answers turns. It never changes, so any number of turns may run at once.
type Bot struct {
	phrases []phrase

	greeting      string // empty: nobody is greeted
	personAnswer  string
	waitingAnswer string
	missesAnswer  string
	fallback      string

	missesUntilRequest int // 0: misses never request anybody
}

// Turn answers r with exactly one message if the customer wrote, else with
// none. It never fails.
func (b *Bot) Turn(_ context.Context, r engine.TurnRequest) (engine.TurnAnswer, error) {
	before := recall(r.Variables)
	after := before
	if r.Returned {
		after = memory{greeted: true} // by a person, who also put an end to the misses
	}
	var answer engine.TurnAnswer
	if len(r.Messages) > 0 {
		answer, after = b.answer(&r, after)
	}
	if after != before {
		answer.Variables = after.variables()
	}
	return answer, nil
}

// answer chooses the one message that answers all of r's messages, and whether
// it comes with a request for an agent.
func (b *Bot) answer(r *engine.TurnRequest, m memory) (engine.TurnAnswer, memory) {
	waiting := r.Column == engine.Requesting
	heard := b.hear(r.Messages)
	next := memory{greeted: true}
	switch {
	case heard.person && waiting:
		return say(b.waitingAnswer), next
	case heard.person:
		return request(b.personAnswer, ReasonAsked), next
	case heard.answer != "":
		return say(heard.answer), next
	case waiting:
		return say(b.waitingAnswer), next
	}
	missed := b.fallback
	if !m.greeted && b.greeting != "" {
		missed = b.greeting // the first contact; a miss all the same
	}
	if b.missesUntilRequest == 0 {
		return say(missed), next // nothing would ever ask for the count
	}
	next.misses = m.misses + 1
	if next.misses < b.missesUntilRequest {
		return say(missed), next
	}
	next.misses = 0 // a dismissed request must not be followed by another at once
	return request(b.missesAnswer, fmt.Sprintf("bot: misses in a row: %d", m.misses+1)), next
}

func say(text string) engine.TurnAnswer {
	return engine.TurnAnswer{Say: []engine.Content{{Kind: engine.ContentText, Text: text}}}
}

func request(text, reason string) engine.TurnAnswer {
	answer := say(text)
	answer.Request, answer.Reason = true, reason
	return answer
}

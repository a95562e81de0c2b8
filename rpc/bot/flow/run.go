package flow

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// run is one turn on its way through a flow.
type run struct {
	ctx     context.Context
	flow    *Flow
	request *engine.TurnRequest
	now     time.Time

	position
	values  []string
	moved   bool   // it waited at a node that the flow no longer has
	message string // what the customer wrote last
	spoken  int    // the language, once it is known; -1: not yet

	answer engine.TurnAnswer
	steps  int
	calls  int
	called bool
	ended  bool // nothing more is run
}

func newRun(ctx context.Context, f *Flow, r *engine.TurnRequest) *run {
	run := &run{ctx: ctx, flow: f, request: r, now: f.options.Now(), spoken: -1}
	run.position, run.values, run.moved = f.recall(r.Variables)
	return run
}

// forget ends what was waited for: a person had the conversation.
func (r *run) forget() { r.position, r.moved = position{}, false }

// end is the answer of the turn.
func (r *run) end() engine.TurnAnswer {
	remembered := r.flow.remembered(r.position, r.values)
	if !slices.Equal(remembered, r.request.Variables) {
		r.answer.Variables = remembered
	}
	return r.answer
}

// language is the number of the one that the customer is spoken to in: the one
// that was chosen, else the one of where their number is from, else the first.
func (r *run) language() int {
	if r.spoken < 0 {
		r.spoken = r.languageNow()
	}
	return r.spoken
}

func (r *run) languageNow() int {
	f := r.flow
	if len(f.languages) == 1 {
		return 0
	}
	if i := f.variable(variableLanguage); i >= 0 {
		if chosen := slices.Index(f.languages, r.values[i]); chosen >= 0 {
			return chosen
		}
	}
	for length := min(maxCallingDigits, len(r.request.Contact.WaID)); length > 0; length-- {
		if i, ok := f.calling[r.request.Contact.WaID[:length]]; ok {
			return i
		}
	}
	locale := f.options.Locale
	short, _, _ := strings.Cut(locale, "-")
	return max(slices.Index(f.languages, locale), slices.Index(f.languages, short), 0)
}

const maxCallingDigits = 6

// today is the day where the business is.
func (r *run) today() time.Time {
	if r.flow.hours == nil {
		return r.now.UTC()
	}
	return r.now.In(r.flow.hours.zone)
}

// put gives a variable a value. One that makes all of them too many ends the
// turn: a person must see it.
func (r *run) put(variable int, value string) {
	value = strings.ToValidUTF8(value, "�")
	size := len(value) - len(r.values[variable])
	for i, v := range r.flow.variables {
		size += len(v.name) + len(r.values[i])
	}
	if size > MaxValueBytes {
		r.giveUp("flow: the variables are full")
		return
	}
	r.values[variable] = value
	r.spoken = -1
}

// say answers with one more message. One too many ends the turn.
func (r *run) say(c engine.Content) {
	if len(r.answer.Say) == engine.MaxTurnMessages {
		r.giveUp("flow: too many messages in a turn")
		return
	}
	r.answer.Say = append(r.answer.Say, c)
}

func (r *run) sayText(t text) {
	if t.given() {
		r.say(engine.Content{Kind: engine.ContentText, Text: t.in(r)})
	}
}

// giveUp ends a turn that the file makes impossible: a person must see it.
func (r *run) giveUp(reason string) {
	if len(r.answer.Say) == 0 {
		r.sayText(r.flow.pardon)
	}
	r.requestAgent(reason)
}

// requestAgent ends the turn with a request for an agent.
func (r *run) requestAgent(reason string) {
	r.position = position{away: r.away}
	r.answer.Request, r.answer.Reason = !r.waiting(), ""
	if r.answer.Request {
		r.answer.Reason = clip(reason, engine.MaxReasonRunes)
	}
	r.ended = true
}

// from runs the nodes from n on until the flow waits or ends.
func (r *run) from(n *node) {
	for n != nil && !r.ended {
		if r.steps == MaxSteps {
			r.giveUp("flow: too many nodes in a turn, at " + n.id)
			return
		}
		r.steps++
		switch n.kind {
		case kindSay:
			for _, c := range n.say {
				r.say(c(r))
			}
			n = n.next
		case kindMenu, kindAsk:
			r.wait(n)
			return
		case kindBranch:
			n = r.choose(n)
		case kindSet:
			for i := range n.set {
				r.put(n.set[i].variable, n.set[i].words(r))
			}
			n = n.next
		case kindCall:
			n = r.call(n)
		case kindRequest:
			r.hand(n.request)
		case kindEnd:
			r.answer.Withdraw = n.withdraw && r.waiting()
			r.node, r.back, r.misses = r.back, nil, 0
			return
		default:
			n = n.next
		}
	}
}

// wait asks what a node asks, and stops there.
func (r *run) wait(n *node) {
	if n.kind == kindMenu {
		r.say(n.menu.content(r, n.menu.text))
	} else {
		r.sayText(n.ask.text)
	}
	if !r.ended {
		r.node, r.misses = n, 0
	}
}

func (r *run) choose(n *node) *node {
	for _, b := range n.branch {
		if b.when.holds(r) {
			return b.next
		}
	}
	return n.otherwise
}

// hand asks for an agent. Who waits for one already hears so instead.
func (r *run) hand(n *request) {
	if r.waiting() && r.flow.waiting.given() {
		r.sayText(r.flow.waiting)
	} else {
		r.sayText(n.text)
	}
	if r.ended {
		return
	}
	if r.requestAgent(n.reason.in(r)); r.answer.Request {
		r.answer.Summary = n.summary.in(r)
	}
}

// reasonClosed is why an agent is requested where hours.away says so.
const reasonClosed = "bot: the customer wrote outside business hours"

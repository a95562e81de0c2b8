package flow

import (
	"cmp"
	"slices"
	"strings"

	"github.com/intervenehq/intervene/engine"
)

// hear answers what the customer wrote. Messages that came together get one
// answer: a person asked for in any of them comes first, then the newest that
// says something to the flow.
func (r *run) hear(messages []engine.TurnMessage) {
	heard := r.listen(messages)
	if r.moved {
		r.sayText(r.flow.changed)
	}
	if r.tellAway(); r.ended || r.chosen(heard) {
		return
	}
	understood := false
	switch {
	case r.node == nil:
		understood = r.follow(r.keyword(heard, false))
	case r.node.kind == kindMenu:
		understood = r.menuAnswer(heard)
	default:
		understood = r.askAnswer(heard)
	}
	switch {
	case understood:
	case r.node != nil || r.waiting() && r.flow.waiting.given():
		r.miss()
	default:
		r.from(r.flow.start)
	}
}

func (r *run) listen(messages []engine.TurnMessage) []said {
	heard := make([]said, 0, len(messages))
	for i := range messages {
		s := listen(messages[i].Content)
		if n, o := r.flow.pressed(s.payload); o != nil && n != r.node && !n.menu.lasting {
			s = said{} // a button of long ago: its title is no answer to what is asked now
		}
		heard = append(heard, s)
		if s.text != "" {
			r.message = clip(s.text, MaxValueRunes)
		}
	}
	return heard
}

// tellAway says once, while the business is closed, that it is.
func (r *run) tellAway() {
	h := r.flow.hours
	if h == nil || !h.away.given() {
		return
	}
	if h.open(r.now) {
		r.away = false
		return
	}
	if r.away || r.node != nil || r.waiting() {
		return
	}
	r.away = true
	r.sayText(h.away)
	if h.request && !r.ended {
		r.requestAgent(reasonClosed)
	}
}

// chosen takes the newest option that was pressed, or that a message says and
// nothing else, unless another message asks for a person. It reports whether
// there was either.
func (r *run) chosen(heard []said) bool {
	var from *node
	var option *option
	for i := range slices.Backward(heard) {
		if n, o := r.option(&heard[i]); o != nil {
			if option == nil {
				from, option = n, o
			}
			continue
		}
		// Who was asked for words may well use one of these among them.
		alone := r.node != nil && r.node.kind == kindAsk
		if p := r.flow.keywordOf(&heard[i], alone); p != nil && p.person {
			return r.follow(p)
		}
	}
	if option == nil {
		return false
	}
	if from != r.node {
		r.back = nil
	}
	r.take(from.menu, option)
	return true
}

// option is the one that s chooses.
func (r *run) option(s *said) (*node, *option) {
	if n, o := r.flow.pressed(s.payload); o != nil {
		return n, o
	}
	if r.node == nil || r.node.kind != kindMenu {
		return nil, nil
	}
	m := r.node.menu
	if p := s.find(m.phrases, true); p != nil {
		return r.node, &m.options[p.option]
	}
	return nil, nil
}

// pressed is the option whose button or row carries payload, if one does.
func (f *Flow) pressed(payload string) (*node, *option) {
	id, chosen, _ := strings.Cut(payload, "/")
	n := f.byID[id]
	if n == nil || n.kind != kindMenu {
		return nil, nil
	}
	for i := range n.menu.options {
		if o := &n.menu.options[i]; o.id == chosen {
			return n, o
		}
	}
	return nil, nil
}

// take goes on with an option.
func (r *run) take(m *menu, o *option) {
	if r.misses = 0; m.variable >= 0 {
		r.put(m.variable, o.id)
	}
	r.leave(o.next)
}

// leave goes on from where the flow waited.
func (r *run) leave(next *node) {
	r.node, r.misses = nil, 0
	r.from(next)
}

// follow goes where a keyword leads.
func (r *run) follow(p *phrase) bool {
	if p == nil {
		return false
	}
	back := r.node
	if !p.resume {
		back = nil
	} else if back == nil {
		back = r.back
	}
	r.back = back
	r.leave(p.next)
	return true
}

// keyword is the newest one, but first one that asks for a person; alone: only
// what says nothing else.
func (r *run) keyword(heard []said, alone bool) *phrase {
	var newest *phrase
	for i := range slices.Backward(heard) {
		p := r.flow.keywordOf(&heard[i], alone)
		if p != nil && p.person {
			return p
		}
		if newest == nil {
			newest = p
		}
	}
	return newest
}

// menuAnswer takes the newest message that has an option's words in it, or a
// keyword.
func (r *run) menuAnswer(heard []said) bool {
	m := r.node.menu
	for i := range slices.Backward(heard) {
		if o := heard[i].find(m.phrases, false); o != nil {
			r.take(m, &m.options[o.option])
			return true
		}
		if k := r.flow.keywordOf(&heard[i], false); k != nil {
			return r.follow(k)
		}
	}
	return false
}

// askAnswer takes a keyword that is said alone, then the newest answer, then a
// keyword in what is none: who was asked for words may use a keyword among them.
func (r *run) askAnswer(heard []said) bool {
	if r.follow(r.keyword(heard, true)) {
		return true
	}
	n := r.node
	value, ok := n.ask.answered(r, heard)
	if !ok {
		return r.follow(r.keyword(heard, false))
	}
	if r.put(n.ask.variable, value); !r.ended {
		r.leave(n.next)
	}
	return true
}

// answered is what heard answers.
func (a *ask) answered(r *run, heard []said) (string, bool) {
	if a.whole {
		var all []string
		for i := range heard {
			if words := strings.TrimSpace(heard[i].text); words != "" {
				all = append(all, words)
			}
		}
		return a.take(r, strings.Join(all, "\n"))
	}
	for i := range slices.Backward(heard) {
		if value, ok := a.take(r, strings.TrimSpace(heard[i].text)); ok {
			return value, true
		}
	}
	return "", false
}

// miss answers what was not understood where the flow waits.
func (r *run) miss() {
	if r.waiting() && r.flow.waiting.given() {
		r.sayText(r.flow.waiting)
		return
	}
	n := r.node
	retry, retries := r.flow.pardon, r.flow.misses-1
	if n.kind == kindMenu && n.menu.retries >= 0 {
		retries = n.menu.retries
	}
	if n.kind == kindAsk && n.ask.retries >= 0 {
		retries = n.ask.retries
	}
	if r.misses++; r.misses > retries {
		r.back = nil
		r.leave(cmp.Or(n.otherwise, r.flow.fallback))
		return
	}
	if n.kind == kindMenu {
		if n.menu.retry.given() {
			retry = n.menu.retry
		}
		r.say(n.menu.content(r, retry))
		return
	}
	if n.ask.retry.given() {
		retry = n.ask.retry
	}
	r.sayText(retry)
}

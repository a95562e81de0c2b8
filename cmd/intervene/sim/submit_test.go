package sim

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"sync"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// Bots that answer later do it as those of other processes do: by a command of their
// own that the turn itself names, as often as they like.

// submission is how a bot gives the answer of one turn that it accepted.
type submission struct {
	// group is waited for before the bot is gone, pause reports whether it is not.
	group *sync.WaitGroup
	pause func(time.Duration) bool
	// give gives the answer, otherwise another one in its place.
	give, otherwise func()
}

// later gives the answer of an accepted turn of its own accord: mostly within what
// it promised, sometimes after it, sometimes twice or otherwise the second time.
func (b *moodyBot) later(r *engine.TurnRequest, answer engine.TurnAnswer) {
	rng := b.world.sim.plan.seed.rng("later", int(r.ID.Version), int(r.Epoch), b.world.life)
	wait := time.Duration(rng.Int64N(int64(acceptedWithin * 5 / 4)))
	o := b.submission(r, answer)
	times, other := 1+rng.IntN(3)/2, rng.IntN(6) == 0
	o.group.Go(func() {
		for i := range times {
			if !o.pause(wait) {
				return
			}
			if i > 0 && other {
				o.otherwise()
			}
			o.give()
			wait = time.Duration(1+i) * time.Second
		}
	})
}

// command gives it to the router, and dies with the engine.
func (b *moodyBot) command(r *engine.TurnRequest, answer engine.TurnAnswer) submission {
	w, o := b.world, b.world.sim.answering(b, r, answer)
	return submission{group: &w.expire, pause: w.pause, give: func() { w.submit(o) }, otherwise: func() { w.otherwise(o) }}
}

// answering is the command that answers a turn, the same one for whoever answers it
// the same way.
func (s *sim) answering(b *moodyBot, r *engine.TurnRequest, answer engine.TurnAnswer) *op {
	name := sha256.Sum256([]byte("turn " + r.ID.String()))
	body := r.Answer(answer)
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // plain data
	}
	digest := sha256.Sum256(text)
	o := &op{
		id: engine.CommandID(name[:16]), digest: engine.Digest(digest[:16]), conversation: r.ID.Conversation, workspace: b.workspace,
		by: engine.Party{Kind: engine.Bot}, epoch: r.Epoch, body: body,
	}
	l := s.ledger
	l.mu.Lock()
	known := l.ops[o.id]
	l.mu.Unlock()
	if known != nil && known.digest == o.digest && known.epoch == o.epoch {
		return known
	}
	if known != nil {
		// The turn was asked again, and the bot says something else: it names it anew,
		// so that what it said first counts for itself.
		again := sha256.Sum256(append(name[:], digest[:]...))
		o.id = engine.CommandID(again[:16])
		if known = l.op(o.id); known != nil {
			return known
		}
	}
	l.begin(o)
	return o
}

func (l *ledger) op(id engine.CommandID) *op {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ops[id]
}

// submit gives a submission once.
func (w *world) submit(o *op) {
	ctx, cancel := context.WithTimeout(w.up, 15*time.Second)
	defer cancel()
	since := engine.InstantOf(time.Now())
	receipt, err := w.router.Do(ctx, o.conversation, o.command())
	w.alive(func() {
		if err == nil || !undecided(engine.CodeOf(err)) && engine.CodeOf(err) != 0 {
			w.sim.ledger.answered(o, since, receipt, err)
		}
	})
}

// otherwise gives another answer under the name of one: it is refused if the first
// was accepted.
func (w *world) otherwise(o *op) {
	if !w.sim.ledger.isAccepted(o) {
		return
	}
	forged := o.command()
	forged.Digest[0]++
	_, err := w.router.Do(w.up, o.conversation, forged)
	w.alive(func() {
		if code := engine.CodeOf(err); code != engine.CodeCommandReused && !undecided(code) && !w.sim.ledger.isErasing(o.conversation) {
			w.sim.ledger.violate("effects once: another answer under the accepted name %s of %s is answered %v", o.id, o.conversation, err)
		}
	})
}

func (o *op) command() engine.Command {
	return engine.Command{ID: o.id, Digest: o.digest, Workspace: o.workspace, By: o.by, Epoch: o.epoch, Body: o.body}
}

// asked: a turn tells the bot where the conversation stood, and what it remembered
// there, at the version through which it goes. The ledger is held.
func (s *sim) turns(chronicles map[engine.ConversationID]*chronicle) {
	for _, t := range s.ledger.turns {
		c := chronicles[t.id.Conversation]
		if c == nil || t.through == 0 || t.through > uint64(len(c.states)) {
			continue
		}
		state := &c.states[t.through-1]
		if t.column != state.column || t.epoch != state.epoch {
			c.wrong("turns", "turn %s through %d was told %s in epoch %d, it stood in %s in epoch %d",
				t.id, t.through, t.column, t.epoch, state.column, state.epoch)
		}
		if !sameVariables(t.variables, state.variables) {
			c.wrong("turns", "turn %s through %d was told %d variables that are not the %d which the bot had set", t.id, t.through, len(t.variables), len(state.variables))
		}
	}
}

func sameVariables(a, b []engine.Variable) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

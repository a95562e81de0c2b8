package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// customer writes to one number, under one or both of two identities.
type customer struct {
	sim    *sim
	name   string
	number number
	waID   string
	userID string
	habit  habit
	rng    *rand.Rand
	// first is what they are known as in the beginning, ever all that they were.
	first engine.Contact
	ever  []engine.Identity
	wrote []standin.WAMID
}

// habit is under which identities a customer writes.
type habit uint8

const (
	byNumber habit = iota
	byBoth
	byUserID
	byEither // one, the other, or both at once
	habits
)

func (s *sim) populate() {
	for i, n := range s.plan.numbers {
		for j := range s.plan.crowd {
			c := &customer{
				sim: s, name: fmt.Sprintf("%s-customer-%d", n.workspace, j), number: n,
				waID: fmt.Sprintf("4915550%d%02d", i, j), userID: fmt.Sprintf("DE.user%d%02d", i, j),
				rng: s.plan.seed.rng("customer", i, j),
			}
			c.habit = habit(c.rng.IntN(int(habits)))
			c.first = engine.Contact{WaID: c.waID, UserID: c.userID}
			c.ever = c.first.Identities()
			s.customers[n.workspace] = append(s.customers[n.workspace], c)
			s.people.Go(c.live)
		}
		for j := range s.plan.agents {
			kind := engine.Agent
			if j == 0 {
				kind = engine.Supervisor
			}
			a := &agent{
				sim: s, rng: s.plan.seed.rng("agent", i, j), workspace: n.workspace,
				party: engine.Party{Kind: kind, ID: engine.AgentID(fmt.Sprintf("%s-agent-%d", n.workspace, j))},
			}
			s.people.Go(a.live)
		}
		b := &agent{
			sim: s, rng: s.plan.seed.rng("outside bot", i), workspace: n.workspace,
			party: engine.Party{Kind: engine.Bot, ID: engine.AgentID(n.workspace) + "-bot"},
		}
		s.people.Go(b.live)
		s.watch(i, n)
		s.openPages(i, n)
	}
}

// awake sleeps until somebody who acts every pace or so is to act, and answers
// whether that is still to be.
func (s *sim) awake(rng *rand.Rand, pace time.Duration) bool {
	time.Sleep(time.Duration(rng.Int64N(int64(2 * pace))))
	for _, session := range s.plan.sessions {
		if now := s.elapsed(); now < session.end {
			if now < session.begin {
				time.Sleep(session.begin - now + time.Duration(rng.Int64N(int64(pace))))
			}
			return !s.ledger.failed()
		}
	}
	return false
}

func (c *customer) live() {
	for n := 0; c.sim.awake(c.rng, c.sim.plan.hurry); n++ {
		for range 1 + c.rng.IntN(3)/2*c.rng.IntN(4) {
			c.write(n)
			n++
		}
	}
}

// agent is somebody who gives commands: an agent, a supervisor, or a bot that
// speaks outside of its turns.
type agent struct {
	sim       *sim
	rng       *rand.Rand
	workspace engine.WorkspaceID
	party     engine.Party
	made      int
	accepted  []*op
}

func (a *agent) live() {
	for a.sim.awake(a.rng, a.sim.plan.hurry) {
		// Agents act at the same instants, so that they race.
		now := a.sim.elapsed()
		time.Sleep(now.Truncate(beat) + beat - now)
		a.act()
	}
}

const beat = 250 * time.Millisecond

func (a *agent) act() {
	if len(a.accepted) > 0 && a.rng.IntN(8) == 0 {
		a.repeat(a.accepted[a.rng.IntN(len(a.accepted))])
		return
	}
	workspace := a.workspace
	if a.rng.IntN(40) == 0 {
		workspace = map[engine.WorkspaceID]engine.WorkspaceID{acme: other, other: acme}[workspace]
	}
	if a.party.Kind != engine.Bot && a.rng.IntN(25) == 0 {
		a.begin()
		return
	}
	ids := a.sim.ledger.conversations(workspace)
	if len(ids) == 0 {
		return
	}
	id := ids[a.rng.IntN(len(ids))]
	card, messages, ok := a.read(id, workspace)
	if !ok {
		return
	}
	a.command(a.choose(&card, messages), &card, workspace != a.workspace)
}

// read looks at a conversation as whoever opens it does.
func (a *agent) read(
	id engine.ConversationID, workspace engine.WorkspaceID,
) (card engine.Card, messages []engine.Message, ok bool) {
	w, up := a.sim.enter()
	if !up {
		return card, nil, false
	}
	defer w.leave()
	card, err := w.journal.Card(id)
	if err == nil {
		messages, err = w.journal.Messages(id, 0, 5)
	}
	if err != nil {
		a.unreadable(w, id, err)
		return card, nil, false
	}
	return card, messages, w.alive(func() {
		a.sim.ledger.card(&card, workspace, "read")
		for i := range messages {
			a.sim.ledger.message(&messages[i], "page")
		}
	})
}

func (a *agent) unreadable(w *world, id engine.ConversationID, err error) {
	w.alive(func() {
		if engine.CodeOf(err) != engine.CodeUnavailable && !a.sim.ledger.isErasing(id) {
			a.sim.ledger.violate("acknowledged means durable: %s was shown and cannot be read: %v", id, err)
		}
	})
}

// command gives body to the conversation of card; without one, to whichever it finds.
func (a *agent) command(body engine.CommandBody, card *engine.Card, foreign bool) {
	o := &op{conversation: card.Conversation, workspace: a.workspace, by: a.party, body: body, foreign: foreign}
	for i := range o.id {
		o.id[i] = byte(a.rng.Uint32())
	}
	for i := range o.digest {
		o.digest[i] = byte(a.rng.Uint32())
	}
	if callable(body) && a.rng.IntN(2) == 0 {
		o.edge, o.digest = true, engine.Digest{} // which the edge draws
	}
	if _, begins := body.(engine.StartConversation); !begins && (a.rng.IntN(3) == 0 || a.party.Kind == engine.Bot) {
		o.epoch = card.Epoch
	}
	a.sim.ledger.begin(o)
	if a.give(o, 1+a.rng.IntN(6)) {
		a.accepted = append(a.accepted, o)
	}
}

// choose is what an agent does about what it sees.
func (a *agent) choose(card *engine.Card, messages []engine.Message) engine.CommandBody {
	a.made++
	text := fmt.Sprintf("%s %d", a.party.ID, a.made)
	say := engine.SendMessage{Content: engine.Content{Kind: engine.ContentText, Text: text}}
	if a.party.Kind == engine.Bot {
		a.sim.ledger.says(card.Conversation, text)
		say.Repeatable = a.rng.IntN(2) == 0
		return []engine.CommandBody{
			say, say, say, engine.RequestAgent{Reason: text}, engine.WithdrawRequest{},
		}[a.rng.IntN(5)]
	}
	mine := card.Holder == a.party.ID
	if body := a.rarely(card, messages, text); body != nil {
		return body
	}
	lots := a.rng.IntN(20)
	switch {
	case lots == 0:
		return engine.SetTags{Tags: []string{text, "tag"}[:a.rng.IntN(3)]}
	case lots == 1:
		return engine.AddNote{Body: text}
	case lots == 2:
		return engine.Resolve{}
	case lots == 3:
		return engine.TakeOver{}
	case lots == 4:
		return engine.Transfer{To: a.colleague()}
	case lots == 5:
		return engine.MarkRead{}
	case lots == 6:
		return say
	case mine && lots < 11:
		return engine.Resolve{}
	case mine && a.rng.IntN(4) == 0:
		return a.show(text)
	case mine:
		return say
	case card.Column == engine.Requesting || lots < 12:
		return engine.Intervene{}
	}
	if a.rng.IntN(5) == 0 {
		return a.show(text)
	}
	return say
}

func (a *agent) colleague() engine.AgentID {
	return engine.AgentID(fmt.Sprintf("%s-agent-%d", a.workspace, a.rng.IntN(a.sim.plan.agents)))
}

// give gives a command, and again while its outcome is not known, as long as
// the agent cares.
func (a *agent) give(o *op, patience int) bool {
	for range patience {
		err := a.once(o)
		if err == nil {
			return true
		}
		if refusal, ok := errors.AsType[*engine.Error](err); ok && !undecided(refusal.Code) {
			return false
		}
		time.Sleep(time.Duration(a.rng.Int64N(int64(3 * time.Second))))
	}
	return false
}

// undecided are the errors after which a caller does not know.
func undecided(code engine.Code) bool {
	switch code {
	case engine.CodeUnavailable, engine.CodeUnknownOutcome, engine.CodeOverloaded, engine.CodeFull, engine.CodeConflict:
		return true
	}
	return false
}

// once gives a command once. What it answers is what the agent was told.
func (a *agent) once(o *op) error {
	w, up := a.sim.enter()
	if !up {
		return errRefused
	}
	defer w.leave()
	ctx, cancel := context.WithTimeout(w.up, 15*time.Second)
	defer cancel()
	since := engine.InstantOf(time.Now())
	var receipt engine.Receipt
	var err error
	cmd := o.command()
	if err := w.upload(ctx, o); err != nil {
		return errReset // it is uploaded anew, if the agent still cares
	}
	if _, erases := o.body.(engine.Erase); erases {
		defer w.erasing()()
	}
	switch _, begins := o.body.(engine.StartConversation); {
	case begins:
		_, receipt, err = w.inbox.Begin(ctx, cmd)
	case o.edge:
		receipt, err = w.call(ctx, o)
	default:
		receipt, err = w.router.Do(ctx, o.conversation, cmd)
	}
	if a.sim.chance("reply", a.sim.plan.wire.replyLost) {
		return errReset
	}
	told := w.alive(func() {
		if refusal, ok := errors.AsType[*engine.Error](err); err == nil || ok && !undecided(refusal.Code) {
			a.sim.ledger.answered(o, since, receipt, err)
		}
	})
	if !told {
		return errReset
	}
	return err
}

// repeat gives a command again that was accepted: as it was, or another one
// under its name.
func (a *agent) repeat(o *op) {
	if engine.InstantOf(time.Now()).Sub(o.began) > engine.OutcomeRetention-time.Hour {
		return
	}
	if _, begins := o.body.(engine.StartConversation); begins && a.sim.ledger.isErasing(o.conversation) {
		return // that it was given is forgotten with the conversation: it would begin another
	}
	if a.rng.IntN(4) > 0 || !a.sim.ledger.isAccepted(o) {
		a.give(o, 3)
		return
	}
	w, up := a.sim.enter()
	if !up {
		return
	}
	defer w.leave()
	if o.edge && a.party.Kind != engine.Bot {
		a.forge(w, o)
		return
	}
	forged := o.command()
	forged.Digest[0]++
	forged.Body, forged.Epoch = engine.MarkRead{}, 0
	_, err := w.router.Do(w.up, o.conversation, forged)
	w.alive(func() {
		if code := engine.CodeOf(err); code != engine.CodeCommandReused && !undecided(code) && !a.sim.ledger.isErasing(o.conversation) {
			a.sim.ledger.violate("effects once: another command under the accepted id %s of %s is answered %v", o.id, o.conversation, err)
		}
	})
}

// forge calls the edge for another command under the name of one that was accepted.
func (a *agent) forge(w *world, o *op) {
	_, err := w.as(o.by.ID).AddNote(w.up, &intervenev1.AddNoteRequest{
		ConversationId: o.conversation.String(), CommandId: uuid.UUID(o.id).String(), Body: "something else",
	})
	if err != nil && !connect.IsWireError(err) {
		return
	}
	w.alive(func() {
		reused := connect.CodeOf(err) == connect.CodeAlreadyExists
		if !reused && !unsaid(err) && !a.sim.ledger.isErasing(o.conversation) {
			a.sim.ledger.violate("effects once: another call under the accepted id %s of %T in %s is answered %v", o.id, o.body, o.conversation, err)
		}
	})
}

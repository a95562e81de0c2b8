package sim

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// remoteAnswer is what a bot of another process answers to a turn that it accepted. It
// outlives the engine, and submits to whatever life is up.
type remoteAnswer struct {
	sim       *sim
	workspace engine.WorkspaceID
	request   *intervenev1.SubmitRequest
	body      engine.AnswerTurn
	op        *op // once a life has heard of it
}

// call submits through the edge. A bot that accepts a turn again answers it as it did.
func (b *remoteBot) call(r *engine.TurnRequest, answer engine.TurnAnswer) submission {
	s := b.world.sim
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.remoteAnswers[r.ID]
	if a == nil {
		a = &remoteAnswer{
			sim: s, workspace: b.workspace, body: r.Answer(answer),
			request: &intervenev1.SubmitRequest{
				TurnId: r.ID.String(), Epoch: r.Epoch, ThroughVersion: r.Through, Actions: actionsOf(&answer), Repeatable: answer.Repeatable,
			},
		}
		a.body.Variables = byName(a.body.Variables)
		s.remoteAnswers[r.ID] = a
	}
	return submission{group: &s.submitting, pause: s.pause, give: a.give, otherwise: a.otherwise}
}

// pause reports whether the simulation still runs after d.
func (s *sim) pause(d time.Duration) bool {
	select {
	case <-s.over.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// submits notes the command that the edge makes of an answer.
func (l *ledger) submits(a *remoteAnswer, id engine.ConversationID, cmd engine.Command) *op {
	if !reflect.DeepEqual(cmd.Body, a.body) || cmd.Workspace != a.workspace || cmd.Epoch != a.request.GetEpoch() {
		l.violate("bots: the submission of %s becomes %+v in epoch %d, want %+v in %d", a.request.GetTurnId(), cmd.Body, cmd.Epoch, a.body, a.request.GetEpoch())
	}
	if known := l.op(cmd.ID); known != nil {
		if known.digest != cmd.Digest || known.epoch != cmd.Epoch || known.by != cmd.By {
			l.violate("bots: the submission of %s is another command when it is repeated", a.request.GetTurnId())
		}
		return known
	}
	o := &op{id: cmd.ID, digest: cmd.Digest, conversation: id, workspace: cmd.Workspace, by: cmd.By, epoch: cmd.Epoch, body: cmd.Body}
	l.begin(o)
	return o
}

// submit calls the engine, if it is up, and says what that made of it.
func (a *remoteAnswer) submit(request *intervenev1.SubmitRequest, h *heard, tell func(since engine.Instant, err error)) {
	w, up := a.sim.enter()
	if !up {
		return
	}
	defer w.leave()
	ctx, cancel := context.WithTimeout(context.WithValue(w.up, heardKey{}, h), 15*time.Second)
	defer cancel()
	since := engine.InstantOf(time.Now())
	wire := &http.Client{Transport: edgeWire{w, engine.AgentID(botToken(a.workspace))}}
	_, err := intervenev1connect.NewBotGatewayServiceClient(wire, edgeURL).Submit(ctx, request)
	if err != nil && !connect.IsWireError(err) || a.sim.chance("submission's answer", a.sim.plan.wire.replyLost) {
		return // nothing was heard of it
	}
	w.alive(func() { tell(since, err) })
}

// give submits the answer once.
func (a *remoteAnswer) give() {
	l := a.sim.ledger
	var o *op
	h := &heard{note: func(id engine.ConversationID, cmd engine.Command) { o = l.submits(a, id, cmd) }}
	a.submit(a.request, h, func(since engine.Instant, err error) {
		if o == nil {
			if err == nil || !unsaid(err) && connect.CodeOf(err) != connect.CodeInvalidArgument {
				l.violate("bots: the submission of %s was answered %v, and became no command", a.request.GetTurnId(), err)
			}
			return
		}
		a.sim.mu.Lock()
		a.op = o
		a.sim.mu.Unlock()
		switch code := engine.CodeOf(h.err); {
		case (err == nil) != (h.err == nil):
			l.violate("bots: the submission of %s ended with %v, and its bot was told %v", a.request.GetTurnId(), h.err, err)
		case err == nil:
			a.sim.sees("bot: submission accepted")
			l.answered(o, since, h.receipt, nil)
		case !undecided(code) && code != 0:
			a.sim.sees("bot: submission %s", code)
			l.answered(o, since, h.receipt, h.err)
		}
	})
}

// otherwise submits another answer to the turn: it is refused if the first was accepted.
func (a *remoteAnswer) otherwise() {
	a.sim.mu.Lock()
	o := a.op
	a.sim.mu.Unlock()
	if o == nil || !a.sim.ledger.isAccepted(o) {
		return
	}
	other := proto.CloneOf(a.request)
	other.Repeatable = !other.GetRepeatable()
	unnoted := &heard{note: func(engine.ConversationID, engine.Command) {}}
	a.submit(other, unnoted, func(_ engine.Instant, err error) {
		switch {
		case connect.CodeOf(err) == connect.CodeAlreadyExists:
			a.sim.sees("bot: another submission refused")
		case !unsaid(err) && !a.sim.ledger.isErasing(o.conversation):
			a.sim.ledger.violate("effects once: another answer to %s, which is answered, was answered %v", a.request.GetTurnId(), err)
		}
	})
}

package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/bot/flow"
	"github.com/intervenehq/intervene/rpc/bot/flow/examples"
)

// flows are the bots of the workspaces, on good days.
var flows = sync.OnceValue(func() map[engine.WorkspaceID]*flow.Flow {
	shop, err := flow.Parse("shop.yaml", examples.Shop)
	if err != nil {
		panic(err) // an example of ours
	}
	return map[engine.WorkspaceID]*flow.Flow{acme: flow.Default(), other: shop}
})

// moodyBot is a flow on good and on bad days.
type moodyBot struct {
	world     *world
	workspace engine.WorkspaceID
	// submission is how it answers a turn that it accepted.
	submission func(*engine.TurnRequest, engine.TurnAnswer) submission
}

var errMood = errors.New("the bot does not feel like it")

func (b *moodyBot) Turn(ctx context.Context, r engine.TurnRequest) (engine.TurnAnswer, error) {
	s := b.world.sim
	t := &turn{id: r.ID, life: b.world.life, through: r.Through, epoch: r.Epoch, column: r.Column, variables: r.Variables, returned: r.Returned}
	if !b.world.alive(func() { s.ledger.asked(t, &r, b.workspace) }) {
		return engine.TurnAnswer{}, errReset
	}
	defer s.ledger.answeredTurn(t)
	moods := s.plan.bot
	if s.chance("bot slow", moods.slow) {
		rng := s.plan.seed.rng("slow", int(r.ID.Version), int(r.Epoch))
		select {
		case <-time.After(time.Duration(rng.Int64N(int64(14 * time.Second)))):
		case <-ctx.Done():
			return engine.TurnAnswer{}, ctx.Err()
		}
	}
	if s.chance("bot is away", moods.away) {
		return engine.TurnAnswer{}, engine.Errorf(engine.CodeUnavailable, "nobody listens")
	}
	if s.chance("bot fails", moods.fails) {
		return engine.TurnAnswer{}, errMood
	}
	answer, err := flows()[b.workspace].Turn(ctx, r)
	if len(answer.Say) > 0 && s.chance("bot talks", moods.talks) {
		for i := range moods.much {
			answer.Say = append(answer.Say, said(fmt.Sprintf("more of %s, %d", r.ID, i)))
		}
	}
	if s.chance("bot rambles", moods.rambles) {
		answer.Say = append(answer.Say, said(strings.Repeat("x", engine.MaxTextRunes+1)))
	}
	if err == nil && s.chance("bot notes", moods.notes) {
		answer.Variables = append(answer.Variables[:len(answer.Variables):len(answer.Variables)],
			engine.Variable{Name: "sim.note", Value: fmt.Sprintf("%s of epoch %d", r.ID, r.Epoch)})
	}
	answer.Repeatable = s.chance("bot repeatable", moods.repeatable)
	for _, content := range answer.Say {
		s.ledger.says(r.ID.Conversation, content.Text)
	}
	if err == nil && s.chance("bot accepts", moods.accepts) {
		b.later(&r, answer)
		return engine.TurnAnswer{Accepted: true, Within: acceptedWithin}, nil
	}
	return answer, err
}

// acceptedWithin is how long the bot promises to take at most. It breaks its word now
// and then, and always when the engine dies meanwhile.
const acceptedWithin = 10 * time.Second

func said(text string) engine.Content {
	return engine.Content{Kind: engine.ContentText, Text: text}
}

// asked notes a turn, and that what it tells was shown.
func (l *ledger) asked(t *turn, r *engine.TurnRequest, workspace engine.WorkspaceID) {
	l.reaches(r.ID.Conversation, r.Through, "turn")
	l.mu.Lock()
	defer l.mu.Unlock()
	t.begin = engine.InstantOf(time.Now())
	l.noteLocked("life %d asks the bot for %s.%d through %d", t.life, short(r.ID.Conversation), r.ID.Version, r.Through)
	if r.Workspace != workspace {
		l.violateLocked("workspaces: the bot of %s is asked for %s of %s", workspace, r.ID, r.Workspace)
	}
	if r.Column == engine.Intervened {
		l.violateLocked("bot is silent: it is asked for %s while an agent holds the conversation", r.ID)
	}
	for _, before := range l.turns {
		if before.id.Conversation == t.id.Conversation && before.life == t.life && before.end == 0 {
			l.violateLocked("one turn at a time: the bot is asked for %s while it answers %s", t.id, before.id)
		}
	}
	l.turns = append(l.turns, t)
}

func (l *ledger) answeredTurn(t *turn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.end = engine.InstantOf(time.Now())
}

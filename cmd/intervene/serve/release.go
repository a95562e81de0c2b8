package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
)

// releaseHands is how many conversations are given up at once.
const releaseHands = 16

// Held is how many conversations have sends, and turns, that a restore holds.
type Held struct {
	Sends int `json:"sends"`
	Turns int `json:"turns"`
}

// Released is how many were released.
type Released Held

func (e *Engine) held() Held {
	return Held{Sends: len(e.journal.Holds(engine.DueSend)), Turns: len(e.journal.Holds(engine.DueTurn))}
}

// releaseToSend lets everything be sent and asked that the restore held, also what
// was sent and answered already after the backup.
func (e *Engine) releaseToSend(*http.Request) (Released, error) {
	var released Released
	for kind, n := range map[engine.DueKind]*int{engine.DueSend: &released.Sends, engine.DueTurn: &released.Turns} {
		holds := e.journal.Holds(kind)
		ids := make([]engine.ConversationID, len(holds))
		for i := range holds {
			ids[i] = holds[i].Conversation
		}
		if err := e.journal.Release(kind, ids); err != nil {
			return released, err
		}
		*n = len(ids)
	}
	e.courier.Look()
	e.turns.Look()
	return released, nil
}

// releaseToDrop sends and asks nothing of it: nobody knows what became of the
// sends, and people see what stands unanswered.
func (e *Engine) releaseToDrop(r *http.Request) (Released, error) {
	sends, sendsErr := e.giveUp(r.Context(), engine.DueSend, e.courier.GiveUp)
	turns, turnsErr := e.giveUp(r.Context(), engine.DueTurn, e.turns.GiveUp)
	e.courier.Look()
	e.turns.Look()
	return Released{Sends: sends, Turns: turns}, errors.Join(sendsErr, turnsErr)
}

// giveUp gives up what is held of a kind, and answers of how many conversations.
func (e *Engine) giveUp(
	ctx context.Context, kind engine.DueKind, one func(context.Context, engine.ConversationID, uint64) error,
) (n int, err error) {
	holds := make(chan journal.Hold)
	var group sync.WaitGroup
	var mu sync.Mutex
	for range releaseHands {
		group.Go(func() {
			for hold := range holds {
				givenUp := one(ctx, hold.Conversation, hold.Through)
				if givenUp == nil && e.journal.Held(kind, hold.Conversation) { // nothing was left of it
					givenUp = e.journal.Release(kind, []engine.ConversationID{hold.Conversation})
				}
				mu.Lock()
				if givenUp == nil {
					n++
				} else {
					err = fmt.Errorf("conversation %s: %w", hold.Conversation, givenUp) // one of maybe many
				}
				mu.Unlock()
			}
		})
	}
	for _, hold := range e.journal.Holds(kind) {
		if ctx.Err() != nil {
			break
		}
		holds <- hold
	}
	close(holds)
	group.Wait()
	return n, errors.Join(err, ctx.Err())
}

package actors

import (
	"context"
	"fmt"

	"github.com/intervenehq/intervene/engine"
)

// GiveUp ends the sends of a conversation up to a version: they are Unknown, and
// never sent. What is queued behind them goes on.
func (c *Courier) GiveUp(ctx context.Context, id engine.ConversationID, through uint64) error {
	answer := c.router.result(ctx, id, engineCommand(engine.GiveUpSends{Through: through}))
	if answer.err != nil && engine.CodeOf(answer.err) != engine.CodeNotFound { // it was erased meanwhile
		return fmt.Errorf("give up sends: %w", answer.err)
	}
	return nil
}

// GiveUp ends the turn of a conversation that began at a version or before it, as
// if the bot had failed: a person sees what stands unanswered.
func (t *Turns) GiveUp(ctx context.Context, id engine.ConversationID, through uint64) error {
	request, err := t.router.turn(ctx, id)
	if err == nil && request.ID.Version <= through {
		err = t.router.result(ctx, id, request.Command(failure(&request))).err
	}
	switch engine.CodeOf(err) {
	case engine.CodeBotFenced, engine.CodeNotFound: // nothing is owed any more
		return nil
	}
	if err != nil {
		return fmt.Errorf("give up a turn: %w", err)
	}
	return nil
}

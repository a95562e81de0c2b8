package actors

import (
	"context"

	"github.com/intervenehq/intervene/engine"
)

// eventPage is how many events a watcher is given at once.
const eventPage = 256

// follower wakes those who watch one thing. It is guarded by the lock of what
// they watch.
type follower struct {
	moved    chan struct{}
	watchers int
}

func (f *follower) wake() {
	if f.watchers == 0 {
		return // whoever comes looks first
	}
	close(f.moved)
	f.moved = make(chan struct{})
}

// WatchConversation calls yield with the card and the events after a version,
// then again whenever there are more, in order and without a gap, until ctx
// ends or yield fails.
func (b *Board) WatchConversation(
	ctx context.Context, workspace engine.WorkspaceID, id engine.ConversationID, after uint64,
	yield func(engine.Card, []engine.Event) error,
) error {
	// Register first and read then: what comes between is seen, not missed.
	f := b.followConversation(id)
	defer b.unfollow(id, f)
	for first := true; ; first = false {
		moved := b.movedOf(f)
		card, err := b.source.Card(id)
		if err == nil && card.Workspace != workspace {
			err = &engine.Error{Code: engine.CodeNotFound}
		}
		if err != nil {
			return err
		}
		if first || card.Version > after {
			if after, err = b.yieldEvents(id, after, card, yield); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		}
	}
}

// yieldEvents brings a watcher from version after to that of card or beyond.
func (b *Board) yieldEvents(
	id engine.ConversationID, after uint64, card engine.Card, yield func(engine.Card, []engine.Event) error,
) (uint64, error) {
	for {
		events, err := b.source.Events(id, after, eventPage)
		if err != nil {
			return after, err
		}
		for len(events) > 0 && events[len(events)-1].Version > card.Version {
			events = events[:len(events)-1] // they come with a card of their own
		}
		if err := yield(card, events); err != nil {
			return after, err
		}
		if len(events) == 0 {
			return after, nil
		}
		after = events[len(events)-1].Version
		if after >= card.Version {
			return after, nil
		}
	}
}

func (b *Board) followConversation(id engine.ConversationID) *follower {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.followers[id]
	if !ok {
		f = &follower{moved: make(chan struct{})}
		b.followers[id] = f
	}
	f.watchers++
	return f
}

func (b *Board) unfollow(id engine.ConversationID, f *follower) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f.watchers--
	if f.watchers == 0 {
		delete(b.followers, id)
	}
}

func (b *Board) movedOf(f *follower) <-chan struct{} {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return f.moved
}

package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
)

// Repaired is what a repair did.
type Repaired struct {
	Replayed int // items that their conversations took, now or before
	// Left are the conversations that still cannot take theirs.
	Left map[engine.ConversationID]int
}

// Repair replays the items that were parked while their conversations were
// quarantined, through the code that live traffic runs. The engine must be
// stopped. What a crash interrupts is replayed again, and known by its ID.
func Repair(ctx context.Context, dir string, log *slog.Logger) (repaired Repaired, err error) {
	j, err := journal.Open(dir, journal.Options{Shard: shard, Logger: log})
	if err != nil {
		return Repaired{}, fmt.Errorf("open journal: %w", err)
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	router := actors.NewRouter(actors.RouterOptions{Store: j, Log: log})
	defer router.Stop()
	inbox := actors.NewInbox(router, j, nil, shard) // nothing is parked again

	parked, err := j.Parked()
	if err != nil {
		return Repaired{}, fmt.Errorf("read parked items: %w", err)
	}
	repaired.Left = make(map[engine.ConversationID]int)
	for _, p := range parked {
		// What came later must not overtake what is left.
		if repaired.Left[p.Conversation] > 0 || inbox.Receive(ctx, []engine.Inbound{p.Item})[0] != nil {
			repaired.Left[p.Conversation]++
			continue
		}
		if err := j.Unpark(p); err != nil {
			return repaired, fmt.Errorf("forget a replayed item: %w", err)
		}
		repaired.Replayed++
	}
	return repaired, ctx.Err()
}

package actors

import (
	"context"
	"log/slog"

	"github.com/intervenehq/intervene/engine"
)

// EarlyPage is how many statuses that overtook their send are looked at in one go
// after a start.
const EarlyPage = 1000

// settle records what was reported of a send before it had its name. A crash
// before they are dropped has them recorded again, which changes nothing.
func (c *Courier) settle(
	ctx context.Context, id engine.MessageID, workspace engine.WorkspaceID, channel engine.ChannelID, external string,
) {
	items, err := c.early.EarlyStatuses(channel, external)
	if err != nil {
		c.log.ErrorContext(ctx, "early statuses cannot be read", slog.String("conversation", id.Conversation.String()), slog.Any("error", err))
		return
	}
	for i := range items {
		status := *items[i].Status
		status.Op = id
		// The platform takes care of nothing here any more: the outcome is recorded
		// even while stopping.
		answer := c.router.result(context.WithoutCancel(ctx), id.Conversation, statusCommand(workspace, &status))
		if answer.err != nil && engine.CodeOf(answer.err) != engine.CodeNotFound {
			c.log.ErrorContext(ctx, "early status was refused", slog.String("conversation", id.Conversation.String()), slog.Any("error", answer.err))
			return // they stay; the next start looks at them again
		}
	}
	if len(items) == 0 {
		return
	}
	if err := c.early.DropEarly(channel, external); err != nil {
		c.log.ErrorContext(ctx, "early statuses cannot be dropped", slog.String("conversation", id.Conversation.String()), slog.Any("error", err))
	}
}

// settleAll does after a start what a crash left undone. Statuses of messages that
// nobody here has sent stay until they expire.
func (c *Courier) settleAll() {
	items, err := c.early.AllEarlyStatuses(EarlyPage)
	if err != nil {
		c.log.Error("early statuses cannot be read", slog.Any("error", err))
		return
	}
	for _, item := range items {
		if c.ctx.Err() != nil {
			return
		}
		id, known, err := c.early.BySend(item.Channel, item.Status.External)
		if err == nil && known {
			c.settle(c.ctx, id, item.Workspace, item.Channel, item.Status.External)
		}
	}
}

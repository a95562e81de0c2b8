package whatsapp

import (
	"context"

	"github.com/intervenehq/intervene/engine"
)

// Inbox takes in what a webhook delivered.
//
// Receive answers when the fate of every item is settled: one error for each
// item, in the same order. nil says that the item is durable, now or since
// before, because items come again. An error with the code Invalid, NotFound or
// Forbidden says that no repetition would change anything; any other asks for
// the item to be delivered again, and with it its whole POST.
//
// Items of one contact keep their order; what it does for several contacts at
// once, and how much, is its own affair. It is called concurrently. It keeps
// nothing of items but what it copies. ctx bounds the wait: an item that was
// begun may become durable after it ends.
type Inbox interface {
	Receive(ctx context.Context, items []engine.Inbound) []error
}

// settled reports whether an item that the Inbox answered with err need not be
// delivered again.
func settled(err error) bool {
	return err == nil || refused(err)
}

// refused reports whether err is a refusal that a redelivery could not mend.
func refused(err error) bool {
	switch engine.CodeOf(err) {
	case engine.CodeInvalid, engine.CodeNotFound, engine.CodeForbidden:
		return true
	default:
		return false
	}
}

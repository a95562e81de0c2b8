package client

import (
	"context"
	"errors"
	"time"

	"connectrpc.com/connect"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

// Conversation is one conversation that is kept up to date. It is safe for
// concurrent use; whoever follows one closes it.
type Conversation struct {
	follower
	api intervenev1connect.LiveChatServiceClient
	id  string

	fold  conversationFold      // guarded by mu
	shown *ConversationSnapshot // guarded by mu; nil: it is to be made
}

// ConversationSnapshot is a conversation at one moment. It never changes, and
// nobody may change what it holds.
type ConversationSnapshot struct {
	// Whole: every event has come that there was when the conversation was first
	// reached.
	Whole bool
	// Interrupted is why the stream does not show the present now; nil: it does.
	Interrupted error
	// Card is the newest; nil before there is one.
	Card *intervenev1.Card
	// Events follow each other without a gap, oldest first. Of a long conversation
	// these are the newest ones: ListMessages pages through what was before.
	Events []*intervenev1.ConversationEvent
	// Viewers are the agents who have it open, and whether they write.
	Viewers []*intervenev1.Viewer
}

// ConversationQuery says from where on to follow a conversation.
type ConversationQuery struct {
	// After is the version of the newest event that is known: with 0 it begins with
	// the oldest, or with the Tail newest ones if that is not 0.
	After uint64
	Tail  uint32
}

// After is the events that are newer than version.
func (s *ConversationSnapshot) After(version uint64) []*intervenev1.ConversationEvent {
	if len(s.Events) == 0 || s.Events[0].GetVersion() > version {
		return s.Events
	}
	return s.Events[min(version-s.Events[0].GetVersion()+1, uint64(len(s.Events))):]
}

// FollowConversation begins to follow a conversation. It goes on until ctx ends,
// Close is called, or the edge refuses for good.
//
// When the journal was restored to a time before what is known here, that is
// forgotten, and the conversation begins anew with its first event.
func (c *Client) FollowConversation(ctx context.Context, conversationID string, query ConversationQuery) *Conversation {
	v := &Conversation{
		follower: newFollower(), api: c.api, id: conversationID, fold: conversationFold{newest: query.After, tail: query.Tail},
	}
	v.start(ctx, v.session, func() {
		v.fold.interrupt()
		v.shown = nil
	})
	return v
}

// Snapshot is the conversation as it stands. It never waits, and while the
// stream is down it is what was known last.
func (c *Conversation) Snapshot() *ConversationSnapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.snapshot()
}

// Next waits for a whole conversation that is newer than the snapshot given; nil
// takes the first. Whoever is slow gets fewer ones with more in each. Its error
// is that of ctx, or what ended the conversation.
func (c *Conversation) Next(ctx context.Context, than *ConversationSnapshot) (*ConversationSnapshot, error) {
	var next *ConversationSnapshot
	err := c.await(ctx, func() bool {
		next = c.snapshot()
		return next.Whole && next != than
	})
	if err != nil {
		return nil, err
	}
	return next, nil
}

// Err is what ended the conversation: nil while it is followed, [ErrClosed], a
// [RefusedError], or the cause of its context's end.
func (c *Conversation) Err() error { return c.failure() }

// Close ends the conversation and waits for its goroutine. What was shown can
// still be had.
func (c *Conversation) Close() { c.close() }

func (c *Conversation) snapshot() *ConversationSnapshot {
	if c.shown == nil {
		c.shown = c.fold.snapshot()
		c.shown.Interrupted = c.interrupted
	}
	return c.shown
}

// session serves one stream.
func (c *Conversation) session(ctx context.Context) error {
	silence := silenceOf(heartbeatInterval)
	var request *intervenev1.WatchConversationRequest
	open := func(ctx context.Context) (*connect.ServerStreamForClient[intervenev1.WatchConversationResponse], error) {
		c.mu.Lock()
		request = c.fold.request(c.id)
		c.mu.Unlock()
		return c.api.WatchConversation(ctx, request)
	}
	err := receive(ctx, open, func(frame *intervenev1.WatchConversationResponse) (time.Duration, error) {
		if hello := frame.GetHello(); hello.GetHeartbeatInterval() != nil {
			silence = silenceOf(hello.GetHeartbeatInterval().AsDuration())
		}
		return silence, c.take(frame)
	})
	refused, ok := errors.AsType[*RefusedError](err)
	if !ok || request.GetAfterVersion() == 0 || !refused.names("after_version") {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fold.restart()
	return errRestored
}

// errRestored is why a conversation begins anew whose version came without a
// token: with one, the edge tells by a Reset.
var errRestored = errors.New("journal was restored to a time before what is known")

func (c *Conversation) take(frame *intervenev1.WatchConversationResponse) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if away := frame.GetGoAway(); away != nil {
		return sentAway{away.GetRetryAfter().AsDuration()}
	}
	changed, err := c.fold.take(frame)
	if c.fold.live {
		changed = changed || c.interrupted != nil
		c.interrupted = nil
	}
	if changed {
		c.shown = nil
		c.announce()
	}
	return err
}

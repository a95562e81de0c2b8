package rpc

import (
	"context"
	"fmt"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const (
	// maxFrameEvents and maxFrameBytes bound one frame of events.
	maxFrameEvents = 100
	maxFrameBytes  = 256 << 10
)

// WatchConversation implements the service.
func (s service) WatchConversation(ctx context.Context, r *intervenev1.WatchConversationRequest, out *connect.ServerStream[intervenev1.WatchConversationResponse]) error {
	id, err := conversationID(r.GetConversationId())
	if err != nil {
		return err
	}
	card, err := s.visibleCard(ctx, id)
	if err != nil {
		return err
	}
	c := &conversationStream{id: id, channel: card.Channel, after: r.GetAfterVersion()}
	token := s.cursors.conversationToken(id)
	switch {
	case len(r.GetResumeToken()) > 0 && !s.cursors.resumes(r.GetResumeToken(), token):
		c.after, c.forget = 0, true
	case r.GetAfterVersion() > card.Version:
		return invalid("after_version", "is beyond the newest event")
	}
	if tail := uint64(r.GetTail()); c.after == 0 && tail > 0 && card.Version > tail {
		c.after = card.Version - tail
	}
	if c.stream, err = openStream(ctx, s.Server, out); err != nil {
		return err
	}
	defer c.close()
	return c.follow(ctx, token)
}

// follow serves the stream while it watches.
func (c *conversationStream) follow(ctx context.Context, token []byte) error {
	watching, stop := context.WithCancel(ctx)
	after := c.after
	events := startFeed(watching, c.bell, func(ctx context.Context, update func(conversationUpdate) error) error {
		return c.server.options.Boards.WatchConversation(ctx, c.who.Workspace, c.id, after,
			func(card engine.Card, events []engine.Event) error { return update(conversationUpdate{card, events}) })
	})
	viewers := startFeed(watching, c.bell, func(ctx context.Context, update func([]engine.Viewer) error) error {
		return c.server.options.Presences.WatchViewers(ctx, c.who.Workspace, c.id, update)
	})
	defer func() {
		stop()
		<-events.ended
		<-viewers.ended
	}()
	pull := func() error {
		if err := c.greet(token); err != nil {
			return err
		}
		if err := events.pull(c.update); err != nil || c.card == 0 {
			return err // viewers of what is not known yet come later
		}
		return viewers.pull(c.sendViewers)
	}
	return c.serve(ctx, pull, frames[intervenev1.WatchConversationResponse]{
		heartbeat: &intervenev1.WatchConversationResponse{Frame: &intervenev1.WatchConversationResponse_Heartbeat{Heartbeat: &intervenev1.Heartbeat{}}},
		goAway: func(g *intervenev1.GoAway) *intervenev1.WatchConversationResponse {
			return &intervenev1.WatchConversationResponse{Frame: &intervenev1.WatchConversationResponse_GoAway{GoAway: g}}
		},
	})
}

// greet says which journal the versions are of, and whether the caller's are of
// another one.
func (c *conversationStream) greet(token []byte) error {
	if c.sent > 0 {
		return nil
	}
	err := c.send(&intervenev1.WatchConversationResponse{Frame: &intervenev1.WatchConversationResponse_Hello{Hello: &intervenev1.Hello{
		ServerId: c.server.id, HeartbeatInterval: durationpb.New(heartbeatInterval), ResumeToken: token,
		AgentId: string(c.who.ID), JournalId: c.server.cursors.name(),
	}}})
	if err != nil || !c.forget {
		return err
	}
	reason := intervenev1.ResetReason_RESET_REASON_TOKEN_UNKNOWN
	c.server.metrics.resets.WithLabelValues(reason.String()).Inc()
	return c.send(&intervenev1.WatchConversationResponse{Frame: &intervenev1.WatchConversationResponse_Reset_{Reset_: &intervenev1.Reset{Reason: reason}}})
}

func (c *conversationStream) sendViewers(viewers []engine.Viewer) error {
	return c.send(&intervenev1.WatchConversationResponse{Frame: &intervenev1.WatchConversationResponse_Viewers{Viewers: viewersOf(viewers)}})
}

type conversationUpdate struct {
	card   engine.Card
	events []engine.Event
}

// conversationStream is a stream of one conversation.
type conversationStream struct {
	*stream[intervenev1.WatchConversationResponse]
	id      engine.ConversationID
	channel engine.ChannelID
	// after is the version of the newest event sent, card that of the newest card.
	after, card uint64
	// forget: what the caller knows is of another journal.
	forget bool
	// begun: an event was sent. What was before the first one may be gone, because
	// its time of retention is over. What goes while a slow caller has not read it
	// ends the stream: no stream has a gap.
	begun bool
}

// update sends the card first to a caller that has none; later it follows its
// events.
func (c *conversationStream) update(u conversationUpdate) error {
	if c.card == 0 {
		if err := c.sendCard(&u.card); err != nil {
			return err
		}
	}
	if c.begun && len(u.events) > 0 && u.events[0].Version > c.after+1 {
		return backendEnded(nil) // what comes next is gone: the caller resumes with what is there
	}
	for events := u.events; len(events) > 0; {
		frame, rest, err := c.frame(events)
		if err != nil {
			return err
		}
		if err := c.send(&intervenev1.WatchConversationResponse{Frame: &intervenev1.WatchConversationResponse_Events{Events: frame}}); err != nil {
			return err
		}
		events = rest
	}
	if u.card.Version < c.after {
		// It was read before the newest events were: no later update need come.
		card, err := c.server.options.Conversations.Card(c.id)
		if err != nil {
			return fmt.Errorf("read card: %w", err)
		}
		u.card = card
	}
	if u.card.Version > c.card {
		return c.sendCard(&u.card)
	}
	return nil
}

func (c *conversationStream) sendCard(card *engine.Card) error {
	if card.Conversation != c.id || card.Workspace != c.who.Workspace {
		return fmt.Errorf("watch of conversation %v brought another one", c.id)
	}
	c.card = card.Version
	return c.send(&intervenev1.WatchConversationResponse{Frame: &intervenev1.WatchConversationResponse_Card{Card: cardOf(card)}})
}

// frame takes as many of events as one frame holds. A gap would be believed:
// it ends the stream instead, and the caller resumes where it stands.
func (c *conversationStream) frame(events []engine.Event) (*intervenev1.Events, []engine.Event, error) {
	frame := new(intervenev1.Events)
	bytes := 0
	for i := range events {
		if !c.begun && events[i].Version > c.after {
			c.begun, c.after = true, events[i].Version-1
		}
		if events[i].Version != c.after+1 {
			return nil, nil, fmt.Errorf("events of conversation %v: got version %d, want %d", c.id, events[i].Version, c.after+1)
		}
		event, err := c.server.event(c.channel, c.id, &events[i])
		if err != nil {
			return nil, nil, err
		}
		bytes += proto.Size(event)
		if i > 0 && (i == maxFrameEvents || bytes > maxFrameBytes) {
			return frame, events[i:], nil
		}
		frame.Events = append(frame.Events, event)
		c.after++
	}
	return frame, nil, nil
}

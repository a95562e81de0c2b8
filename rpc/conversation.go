package rpc

import (
	"context"
	"fmt"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

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
	if r.GetAfterVersion() > card.Version {
		return invalid("after_version", "is beyond the newest event")
	}
	st, err := openStream(ctx, s.Server, out)
	if err != nil {
		return err
	}
	defer st.close()
	c := &conversationStream{stream: st, id: id, channel: card.Channel, after: r.GetAfterVersion()}
	watch := func(ctx context.Context, update func(conversationUpdate) error) error {
		return s.options.Boards.WatchConversation(ctx, st.who.Workspace, id, r.GetAfterVersion(),
			func(card engine.Card, events []engine.Event) error { return update(conversationUpdate{card, events}) })
	}
	return follow(ctx, st, watch, frames[intervenev1.WatchConversationResponse, conversationUpdate]{
		update:    c.update,
		heartbeat: &intervenev1.WatchConversationResponse{Frame: &intervenev1.WatchConversationResponse_Heartbeat{Heartbeat: &intervenev1.Heartbeat{}}},
		goAway: func(g *intervenev1.GoAway) *intervenev1.WatchConversationResponse {
			return &intervenev1.WatchConversationResponse{Frame: &intervenev1.WatchConversationResponse_GoAway{GoAway: g}}
		},
	})
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
	// begun: an event was sent. What was before the first one may be gone, because
	// its time of retention is over; what is between two is not.
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

package client_test

import (
	"context"
	"strconv"
	"sync"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// generationHeader is in which generation of the journal something was said: the
// worlds' servers put it on every answer.
const generationHeader = "Test-Generation"

// tap notes every card and event that reaches a client, before the client does
// anything with it.
type tap struct {
	mu     sync.Mutex
	cards  map[sighting]*intervenev1.Card
	events map[sighting]*intervenev1.ConversationEvent
	// unjudged is what was not yet held against the journal.
	unjudged []sighting
	// of is the generation of each card that came.
	of map[*intervenev1.Card]int
	// boards and conversations count the resets of each reason.
	boards, conversations map[intervenev1.ResetReason]int
	problems              []string
}

// sighting is what was shown of a conversation at a version, and in which
// generation of the journal.
type sighting struct {
	generation   int
	conversation string
	version      uint64
	event        bool
}

func newTap() *tap {
	return &tap{
		cards: make(map[sighting]*intervenev1.Card), events: make(map[sighting]*intervenev1.ConversationEvent),
		of:     make(map[*intervenev1.Card]int),
		boards: make(map[intervenev1.ResetReason]int), conversations: make(map[intervenev1.ResetReason]int),
	}
}

// take is what was seen since it was last asked.
func (p *tap) take() (fresh []sighting, problems []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fresh, problems = p.unjudged, p.problems
	p.unjudged, p.problems = nil, nil
	return fresh, problems
}

// forget lets go of generations that nobody is shown any more.
func (p *tap) forget(before int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.cards {
		if s.generation < before {
			delete(p.cards, s)
		}
	}
	for s := range p.events {
		if s.generation < before {
			delete(p.events, s)
		}
	}
	for card, generation := range p.of {
		if generation < before {
			delete(p.of, card)
		}
	}
}

// generation is in which one a card came; 0: it never did.
func (p *tap) generation(card *intervenev1.Card) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.of[card]
}

func (p *tap) card(s sighting) *intervenev1.Card {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cards[s]
}

func (p *tap) event(s sighting) *intervenev1.ConversationEvent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.events[s]
}

// see notes what a message shows.
func (p *tap) see(header string, message any) {
	generation, _ := strconv.Atoi(header) // 0, which no world has, shows up at once
	p.mu.Lock()
	defer p.mu.Unlock()
	switch m := message.(type) {
	case *intervenev1.WatchBoardResponse:
		p.seeCards(generation, m.GetSnapshotChunk().GetCards())
		p.seeCards(generation, m.GetDeltaBatch().GetUpserts())
		if reset := m.GetReset_(); reset != nil {
			p.boards[reset.GetReason()]++
		}
	case *intervenev1.WatchConversationResponse:
		if reset := m.GetReset_(); reset != nil {
			p.conversations[reset.GetReason()]++
		}
		if card := m.GetCard(); card != nil {
			p.seeCards(generation, []*intervenev1.Card{card})
		}
	case interface{ GetCard() *intervenev1.Card }:
		if card := m.GetCard(); card != nil {
			p.seeCards(generation, []*intervenev1.Card{card})
		}
	}
}

// seeEvents notes those of a conversation, which their frame does not name.
func (p *tap) seeEvents(header, conversation string, events []*intervenev1.ConversationEvent) {
	generation, _ := strconv.Atoi(header)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, event := range events {
		s := sighting{generation, conversation, event.GetVersion(), true}
		if before, again := p.events[s]; !again {
			p.events[s] = event
			p.unjudged = append(p.unjudged, s)
		} else if !proto.Equal(before, event) {
			p.problems = append(p.problems, "one event was shown in two ways: "+before.String()+" and "+event.String())
		}
	}
}

// seeCards is called with mu held.
func (p *tap) seeCards(generation int, cards []*intervenev1.Card) {
	for _, card := range cards {
		p.of[card] = generation
		s := sighting{generation, card.GetConversationId(), card.GetVersion(), false}
		if before, again := p.cards[s]; !again {
			p.cards[s] = card
			p.unjudged = append(p.unjudged, s)
		} else if !proto.Equal(before, card) {
			p.problems = append(p.problems, "one version was shown in two ways: "+before.String()+" and "+card.String())
		}
	}
}

func (p *tap) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		response, err := next(ctx, request)
		if err == nil {
			p.see(response.Header().Get(generationHeader), response.Any())
		}
		return response, err
	}
}

func (p *tap) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		return &tapped{StreamingClientConn: next(ctx, spec), tap: p}
	}
}

func (p *tap) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// tapped is one stream of a client.
type tapped struct {
	connect.StreamingClientConn
	tap          *tap
	conversation string
}

func (c *tapped) Send(message any) error {
	if request, ok := message.(*intervenev1.WatchConversationRequest); ok {
		c.conversation = request.GetConversationId()
	}
	return c.StreamingClientConn.Send(message)
}

func (c *tapped) Receive(message any) error {
	if err := c.StreamingClientConn.Receive(message); err != nil {
		return err
	}
	header := c.ResponseHeader().Get(generationHeader)
	c.tap.see(header, message)
	if m, ok := message.(*intervenev1.WatchConversationResponse); ok {
		c.tap.seeEvents(header, c.conversation, m.GetEvents().GetEvents())
	}
	return nil
}

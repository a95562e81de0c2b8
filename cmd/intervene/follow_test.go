package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/rpc/client"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// boardFollower looks at one board all the time.
type boardFollower struct {
	api     *client.Client
	gallery *gallery
	query   client.BoardQuery
	as      string
	board   *client.Board

	mu         sync.Mutex
	generation int64
	// joined is the newest generation of which the board was live.
	joined int64
	// floors are the newest versions that were seen or answered.
	floors map[string]floor
}

type floor struct {
	generation int64
	card       *intervenev1.Card
}

func newBoardFollower(t *testing.T, v *streams, as string, q client.BoardQuery) *boardFollower {
	t.Helper()
	b := &boardFollower{
		api: newGalleryCaller(t, v, as), gallery: v.gallery, query: q, as: as,
		generation: v.gallery.generation.Load(), floors: make(map[string]floor),
	}
	b.board = b.api.FollowBoard(t.Context(), q)
	var looking sync.WaitGroup
	looking.Go(func() {
		var s *client.BoardSnapshot
		for err := error(nil); err == nil; {
			if s, err = b.board.Next(context.Background(), s); err == nil {
				b.mu.Lock()
				s = b.check()
				b.mu.Unlock()
			}
		}
	})
	t.Cleanup(func() {
		b.board.Close()
		looking.Wait()
	})
	return b
}

func (b *boardFollower) expect(generation int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.generation = generation
}

// apply shows what a command was answered with, unless the journal is another
// one by now, or the board is not yet of this one: nobody can tell then of which
// the answer is.
func (b *boardFollower) apply(card *intervenev1.Card) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if generation := b.gallery.born(card); generation == b.generation && generation == b.joined {
		b.gallery.applied.Add(1)
		b.board.Apply(card)
		b.raise(card, generation)
		b.check()
	}
}

// raise is called with mu held.
func (b *boardFollower) raise(card *intervenev1.Card, generation int64) {
	before := b.floors[card.GetConversationId()]
	if generation > before.generation || generation == before.generation && card.GetVersion() > before.card.GetVersion() {
		b.floors[card.GetConversationId()] = floor{generation, card}
	}
}

// check is called with mu held. While it is interrupted a board does not know
// that the journal is another. A change of version alone is none of a board, and
// an answer may tell of one.
func (b *boardFollower) check() *client.BoardSnapshot {
	s := b.board.Snapshot()
	for _, column := range s.Columns {
		for _, card := range column.Cards {
			generation, before := b.gallery.born(card), b.floors[card.GetConversationId()]
			if s.Interrupted == nil {
				b.joined = max(b.joined, generation)
			}
			if s.Interrupted == nil && generation < before.generation {
				b.gallery.problem("%v: a live board shows a card of generation %d after %d", b.query, generation, before.generation)
			}
			if generation == before.generation && card.GetVersion() < before.card.GetVersion() && !sameFace(card, before.card) {
				b.gallery.problem("%v: a conversation went back from %v to %v", b.query, before.card, card)
			}
			b.raise(card, generation)
		}
	}
	return s
}

// compare holds the board against what the lists say.
func (b *boardFollower) compare(ctx context.Context) error {
	s := b.board.Snapshot()
	if s.Interrupted != nil {
		return fmt.Errorf("%v: interrupted by %w", b.query, s.Interrupted)
	}
	mine, _, err := b.list(ctx, columnIntervened, &intervenev1.Filter{Mine: true}, listPage)
	if err != nil {
		return err
	}
	window := int(b.query.Window)
	if window == 0 {
		window = 50
	}
	for _, column := range s.Columns {
		want, counters, err := b.list(ctx, column.Column, b.query.Filter, window)
		if err != nil {
			return err
		}
		if b.query.IncludeMine && column.Column == columnIntervened {
			want = b.with(want, mine)
		}
		if !slices.EqualFunc(column.Cards, want, sameFace) {
			return fmt.Errorf("%v: %v shows %d cards, which are not the %d that there are", b.query, column.Column, len(column.Cards), len(want))
		}
		for _, counter := range counters.GetColumns() {
			if counter.GetColumn() == column.Column && !proto.Equal(counter, column.Counter) {
				return fmt.Errorf("%v: got counter %v, want %v", b.query, column.Counter, counter)
			}
		}
	}
	if got := s.Mine(); b.query.IncludeMine && !slices.EqualFunc(got, mine, sameFace) {
		return fmt.Errorf("%v: %d cards are mine, which are not the %d that there are", b.query, len(got), len(mine))
	}
	return nil
}

// with is a column's window and what is held, in the column's order: held ones
// stand by the moment since when they are.
func (b *boardFollower) with(window, mine []*intervenev1.Card) []*intervenev1.Card {
	all := slices.Clone(window)
	for _, card := range mine {
		if !slices.ContainsFunc(window, func(c *intervenev1.Card) bool { return c.GetConversationId() == card.GetConversationId() }) {
			all = append(all, card)
		}
	}
	slices.SortStableFunc(all, func(x, y *intervenev1.Card) int {
		if c := x.GetSince().AsTime().Compare(y.GetSince().AsTime()); c != 0 {
			return c
		}
		if x.GetConversationId() < y.GetConversationId() {
			return -1
		}
		return 1
	})
	return all
}

// list pages through a column until it has as many cards as asked for.
func (b *boardFollower) list(
	ctx context.Context, column intervenev1.Column, filter *intervenev1.Filter, limit int,
) (cards []*intervenev1.Card, counters *intervenev1.Counters, err error) {
	request := &intervenev1.ListConversationsRequest{Column: column, Filter: filter, PageSize: 40}
	for {
		page, err := b.api.API().ListConversations(ctx, request)
		if err != nil {
			return nil, nil, fmt.Errorf("list %v: %w", column, err)
		}
		cards, counters = append(cards, page.GetCards()...), page.GetCounters()
		if request.PageToken = page.GetNextPageToken(); request.PageToken == "" || len(cards) >= limit {
			return cards[:min(limit, len(cards))], counters, nil
		}
	}
}

// sameFace ignores the version: a board is not told of a change that it would
// not show.
func sameFace(got, want *intervenev1.Card) bool {
	x, y := proto.CloneOf(got), proto.CloneOf(want)
	x.Version, y.Version = 0, 0
	return proto.Equal(x, y)
}

// conversationFollower follows one conversation.
type conversationFollower struct {
	api          *client.Client
	id           string
	conversation *client.Conversation
}

func newConversationFollower(t *testing.T, v *streams, id string) *conversationFollower {
	t.Helper()
	api := newGalleryCaller(t, v, agentNames[v.dice.IntN(len(agentNames))])
	c := &conversationFollower{api: api, id: id, conversation: api.FollowConversation(t.Context(), id, client.ConversationQuery{})}
	t.Cleanup(c.conversation.Close)
	return c
}

// ended says why it should not have been: that its conversation is there.
func (c *conversationFollower) ended(ctx context.Context, eyes *caller) error {
	err := c.conversation.Err()
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[*client.RefusedError](err); !ok || refused.Reason != "NOT_FOUND" {
		return err
	}
	if _, err := eyes.api.GetConversation(ctx, &intervenev1.GetConversationRequest{ConversationId: c.id}); err == nil {
		return errors.New("refused as not found, and it is there")
	}
	return nil
}

// compare holds the conversation against what its stream tells from the first
// event on, and against its list of messages.
func (c *conversationFollower) compare(ctx context.Context, eyes *caller) error {
	s := c.conversation.Snapshot()
	var want seen
	if err := want.extend(ctx, eyes, c.id); err != nil {
		return err
	}
	same := slices.EqualFunc(s.Events, want.events, func(x, y *intervenev1.ConversationEvent) bool { return proto.Equal(x, y) })
	if s.Interrupted != nil || !same || !proto.Equal(s.Card, want.card) {
		return fmt.Errorf("conversation %s: got %d events and version %d, interrupted by %v, want %d and %d",
			c.id, len(s.Events), s.Card.GetVersion(), s.Interrupted, len(want.events), want.card.GetVersion())
	}
	return c.compareMessages(ctx, s)
}

func (c *conversationFollower) compareMessages(ctx context.Context, s *client.ConversationSnapshot) error {
	var got, want []string
	for _, event := range slices.Backward(s.Events) {
		if m := event.GetMessage(); m != nil {
			got = append(got, m.GetMessageId())
		}
	}
	request := &intervenev1.ListMessagesRequest{ConversationId: c.id}
	for {
		page, err := c.api.API().ListMessages(ctx, request)
		if err != nil {
			return fmt.Errorf("list messages: %w", err)
		}
		for _, m := range page.GetMessages() {
			want = append(want, m.GetMessageId())
		}
		if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("conversation %s: its events hold %d messages, its list %d, or others", c.id, len(got), len(want))
	}
	return nil
}

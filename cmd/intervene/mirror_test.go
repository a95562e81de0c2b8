package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const (
	listPage = 200
	// readers bounds the conversations that are read at once.
	readers = 8
)

// mirror is what the public API showed of every conversation. What it showed
// once it must show for ever.
type mirror struct {
	conversations map[string]*seen
	counters      *intervenev1.Counters
}

// seen is one conversation: its events from the first on, and its card as of
// some version among them.
type seen struct {
	card   *intervenev1.Card
	events []*intervenev1.ConversationEvent
}

func newMirror() *mirror { return &mirror{conversations: make(map[string]*seen)} }

// columns are all that a conversation may stand in.
var columns = []intervenev1.Column{columnActive, columnRequesting, columnIntervened, columnHistory}

// update reads what is new of every conversation.
func (m *mirror) update(ctx context.Context, c *caller) error {
	newest, _, err := m.list(ctx, c)
	if err != nil {
		return err
	}
	for id := range m.conversations {
		if newest[id] == nil { // it moved while the pages were turned
			found, err := c.api.GetConversation(ctx, &intervenev1.GetConversationRequest{ConversationId: id})
			if err != nil {
				return fmt.Errorf("conversation %s, of which %d events were seen: %w", id, len(m.conversations[id].events), err)
			}
			newest[id] = found.GetCard()
		}
	}
	var stale []string
	for id, card := range newest {
		known := m.conversations[id]
		switch {
		case known == nil:
			m.conversations[id] = &seen{}
		case card.GetVersion() < uint64(len(known.events)):
			return fmt.Errorf("conversation %s is at version %d, of which %d events were seen", id, card.GetVersion(), len(known.events))
		case card.GetVersion() == uint64(len(known.events)):
			continue
		}
		stale = append(stale, id)
	}
	return m.read(ctx, c, stale)
}

// list answers the newest card of each conversation, and whether a column had
// one twice, or two columns the same.
func (m *mirror) list(ctx context.Context, c *caller) (cards map[string]*intervenev1.Card, twice []string, err error) {
	cards = make(map[string]*intervenev1.Card)
	for _, column := range columns {
		request := &intervenev1.ListConversationsRequest{Column: column, PageSize: listPage}
		for {
			page, err := c.api.ListConversations(ctx, request)
			if err != nil {
				return nil, nil, fmt.Errorf("list %v: %w", column, err)
			}
			for _, card := range page.GetCards() {
				if before := cards[card.GetConversationId()]; before != nil {
					twice = append(twice, card.GetConversationId())
					if before.GetVersion() > card.GetVersion() {
						continue
					}
				}
				cards[card.GetConversationId()] = card
			}
			m.counters = page.GetCounters()
			if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
				break
			}
		}
	}
	return cards, twice, nil
}

// read extends conversations by what happened since they were read.
func (m *mirror) read(ctx context.Context, c *caller, ids []string) error {
	work := make(chan string)
	errs := make([]error, readers)
	var group sync.WaitGroup
	for n := range readers {
		group.Go(func() {
			for id := range work {
				if err := m.conversations[id].extend(ctx, c, id); err != nil {
					errs[n] = errors.Join(errs[n], fmt.Errorf("watch conversation %s: %w", id, err))
				}
			}
		})
	}
	for _, id := range ids {
		work <- id
	}
	close(work)
	group.Wait()
	return errors.Join(errs...)
}

// extend reads the stream up to the card that it began with.
func (s *seen) extend(ctx context.Context, c *caller, id string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.api.WatchConversation(ctx, &intervenev1.WatchConversationRequest{
		ConversationId: id, AfterVersion: uint64(len(s.events)),
	})
	if err != nil {
		return err
	}
	var first *intervenev1.Card
	for stream.Receive() {
		switch f := stream.Msg().GetFrame().(type) {
		case *intervenev1.WatchConversationResponse_Card:
			if first == nil {
				first = f.Card
			}
		case *intervenev1.WatchConversationResponse_Events:
			for _, e := range f.Events.GetEvents() {
				if want := uint64(len(s.events)) + 1; e.GetVersion() != want {
					return fmt.Errorf("got event %d, want %d", e.GetVersion(), want)
				}
				s.events = append(s.events, e)
			}
		}
		if first != nil && uint64(len(s.events)) >= first.GetVersion() {
			s.card = first
			cancel()
			_ = stream.Close() // left in the middle: its end tells nothing
			return nil
		}
	}
	return fmt.Errorf("ended after %d events: %w", len(s.events), errors.Join(stream.Err(), ctx.Err()))
}

// compare holds what is shown now, from the beginning, against what was shown
// before.
func (m *mirror) compare(again *mirror) []string {
	var problems []string
	for id, before := range m.conversations {
		now := again.conversations[id]
		if now == nil {
			problems = append(problems, fmt.Sprintf("conversation %s, of which %d events were seen, is gone", id, len(before.events)))
			continue
		}
		same := slices.EqualFunc(before.events, now.events[:min(len(before.events), len(now.events))],
			func(a, b *intervenev1.ConversationEvent) bool { return proto.Equal(a, b) })
		if !same {
			problems = append(problems, fmt.Sprintf("conversation %s: what was seen of its %d events is not what is seen now", id, len(before.events)))
		}
	}
	return problems
}

// tally compares the counters with the cards; nothing may change meanwhile.
func (m *mirror) tally(cards map[string]*intervenev1.Card) []string {
	type count struct{ conversations, unread uint64 }
	got, want := make(map[intervenev1.Column]count), make(map[intervenev1.Column]count)
	for _, c := range m.counters.GetColumns() {
		got[c.GetColumn()] = count{c.GetConversations(), c.GetUnread()}
	}
	for _, card := range cards {
		n := want[card.GetColumn()]
		n.conversations++
		if card.GetUnreadCount() > 0 {
			n.unread++
		}
		want[card.GetColumn()] = n
	}
	var problems []string
	for _, column := range columns[:3] {
		if got[column] != want[column] {
			problems = append(problems, fmt.Sprintf("counters of %v: got %+v, want %+v", column, got[column], want[column]))
		}
	}
	return problems
}

package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const (
	pageSize = 200
	// observers bounds the conversations that are read at once.
	observers = 16
)

// observation is one conversation as the API tells it.
type observation struct {
	card     *intervenev1.Card
	messages []*intervenev1.Message           // ListMessages, oldest first
	events   []*intervenev1.ConversationEvent // WatchConversation from the beginning
	at       time.Time                        // nothing here is older
}

// observeAll reads every conversation of every column.
func observeAll(ctx context.Context, callers []*caller) ([]*observation, error) {
	var all []*observation
	for _, column := range []intervenev1.Column{
		columnActive, columnRequesting,
		columnIntervened, columnHistory,
	} {
		cards, _, err := listColumn(ctx, callers[0], column)
		if err != nil {
			return nil, err
		}
		for _, card := range cards {
			all = append(all, &observation{card: card})
		}
	}
	return all, observe(ctx, callers, all)
}

// listColumn pages through a column.
func listColumn(ctx context.Context, c *caller, column intervenev1.Column) ([]*intervenev1.Card, *intervenev1.Counters, error) {
	var cards []*intervenev1.Card
	request := &intervenev1.ListConversationsRequest{Column: column, PageSize: pageSize}
	for {
		page, err := c.api.ListConversations(ctx, request)
		if err != nil {
			return nil, nil, fmt.Errorf("list %v: %w", column, err)
		}
		cards = append(cards, page.GetCards()...)
		if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
			return cards, page.GetCounters(), nil
		}
	}
}

// observe reads conversations anew, over the connections of callers.
func observe(ctx context.Context, callers []*caller, all []*observation) error {
	work := make(chan *observation)
	errs := make([]error, observers)
	var readers sync.WaitGroup
	for n := range observers {
		c := callers[n%len(callers)]
		readers.Go(func() {
			for o := range work {
				errs[n] = errors.Join(errs[n], o.read(ctx, c))
			}
		})
	}
	for _, o := range all {
		work <- o
	}
	close(work)
	readers.Wait()
	return errors.Join(errs...)
}

// read takes the events first: what ListMessages tells later can only be more,
// and the card that came with them says where they end.
func (o *observation) read(ctx context.Context, c *caller) error {
	id := o.card.GetConversationId()
	o.at = time.Now()
	if err := o.watch(ctx, c, id); err != nil {
		return fmt.Errorf("watch conversation %s: %w", id, err)
	}
	o.messages = nil
	request := &intervenev1.ListMessagesRequest{ConversationId: id, PageSize: pageSize}
	for {
		page, err := c.api.ListMessages(ctx, request)
		if err != nil {
			return fmt.Errorf("list messages of %s: %w", id, err)
		}
		o.messages = append(o.messages, page.GetMessages()...)
		if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
			slices.Reverse(o.messages)
			return nil
		}
	}
}

// watch reads the stream up to the card that it began with.
func (o *observation) watch(ctx context.Context, c *caller, id string) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.api.WatchConversation(ctx, &intervenev1.WatchConversationRequest{ConversationId: id})
	if err != nil {
		return err
	}
	// The stream is left in the middle: its end tells nothing.
	defer func() { _ = stream.Close() }()
	o.events, o.card = nil, nil
	for stream.Receive() {
		switch f := stream.Msg().GetFrame().(type) {
		case *intervenev1.WatchConversationResponse_Card:
			o.card = f.Card
		case *intervenev1.WatchConversationResponse_Events:
			o.events = append(o.events, f.Events.GetEvents()...)
		}
		if n := len(o.events); n > 0 && o.card != nil && o.events[n-1].GetVersion() >= o.card.GetVersion() {
			return nil
		}
	}
	return fmt.Errorf("ended before version %d: %w", o.card.GetVersion(), errors.Join(stream.Err(), ctx.Err()))
}

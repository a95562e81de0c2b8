package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

const (
	// maxInFlight bounds the changes that have no answer yet: what would be one
	// more is not made, and counted as shed.
	maxInFlight = 200
	// driverTick is how often changes are made that are due.
	driverTick = time.Millisecond
	// maxChanges bounds what a run remembers of its changes.
	maxChanges = 1 << 20
	// requestTimeout bounds one call.
	requestTimeout = 15 * time.Second
	// settlePause is between two looks at what is to come.
	settlePause = 50 * time.Millisecond
	// settleTimeout bounds the wait for it.
	settleTimeout = time.Minute
	// tagPrefix and a number are the tag that a change sets.
	tagPrefix = "t"
)

// driver changes boards at a rate, whatever comes of it (an open loop). Change n
// is of conversation n modulo their number, and sets the tag that names it.
type driver struct {
	api           intervenev1connect.LiveChatServiceClient
	conversations []target
	clock         time.Time // what sent and acked count from

	sent, acked []atomic.Int64 // nanoseconds, by the change's number; acked 0: not yet or never
	next        int            // of the goroutine of drive

	inFlight           sync.WaitGroup
	slots              chan struct{}
	made, shed, failed atomic.Int64
}

// target is one conversation, and who may change it.
type target struct {
	workspace *workspace
	id        string
}

func newDriver(s *site) *driver {
	d := &driver{
		api: newAPI(s.url()), clock: time.Now(), slots: make(chan struct{}, maxInFlight), next: 1,
		sent: make([]atomic.Int64, maxChanges), acked: make([]atomic.Int64, maxChanges),
	}
	// Neighbours are of different workspaces, so that these change alike.
	for i := range s.workspaces[0].conversations {
		for _, w := range s.workspaces {
			d.conversations = append(d.conversations, target{w, w.conversations[i]})
		}
	}
	return d
}

// plainHTTP2 is HTTP/2 without TLS, on connections of its own.
func plainHTTP2() *http.Transport {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	return &http.Transport{Protocols: &protocols}
}

func newAPI(url string) intervenev1connect.LiveChatServiceClient {
	return intervenev1connect.NewLiveChatServiceClient(&http.Client{Transport: plainHTTP2(), Timeout: requestTimeout}, url)
}

// drive makes changes until ctx ends, and waits for their answers.
func (d *driver) drive(ctx context.Context, rate int) {
	defer d.inFlight.Wait()
	start, first := time.Now(), d.next
	tick := time.NewTicker(driverTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		due := first + int(time.Since(start).Seconds()*float64(rate))
		for ; d.next < min(due, maxChanges); d.next++ {
			select {
			case d.slots <- struct{}{}:
			default:
				d.shed.Add(1)
				continue
			}
			n := d.next
			d.inFlight.Go(func() {
				d.change(n)
				<-d.slots
			})
		}
	}
}

// change outlives the load that it is of: half a change is no measurement.
func (d *driver) change(n int) {
	to := d.conversations[n%len(d.conversations)]
	d.sent[n].Store(int64(time.Since(d.clock)))
	_, err := d.api.SetTags(as(to.workspace.driver), &intervenev1.SetTagsRequest{
		ConversationId: to.id, CommandId: uuid.NewString(), Tags: []string{tagPrefix + strconv.Itoa(n)},
	})
	if err != nil {
		d.failed.Add(1)
		return
	}
	d.acked[n].Store(int64(time.Since(d.clock)))
	d.made.Add(1)
}

// changeOf is the number of the change that a card shows, and false if it shows
// none.
func changeOf(card *intervenev1.Card) (int, bool) {
	for _, tag := range card.GetTags() {
		if digits, ours := strings.CutPrefix(tag, tagPrefix); ours {
			n, err := strconv.Atoi(digits)
			return n, err == nil && 0 < n && n < maxChanges
		}
	}
	return 0, false
}

// as is the context of calls with a token.
func as(token string) context.Context {
	ctx, info := connect.NewClientContext(context.Background())
	info.RequestHeader().Set("Authorization", "Bearer "+token)
	return ctx
}

// askedAtOnce bounds the calls that populate a site.
const askedAtOnce = 32

// populate has each more customers write to all workspaces, and puts them all on
// Requesting.
func populate(ctx context.Context, s *site, each int) error {
	api := newAPI(s.url())
	for _, w := range s.workspaces {
		if err := s.write(w, w.customers, each, time.Now()); err != nil {
			return err
		}
		w.customers += each
	}
	for _, w := range s.workspaces {
		cards, err := await(ctx, api, w, intervenev1.Column_COLUMN_ACTIVE, each)
		if err != nil {
			return err
		}
		err = eachOf(cards, func(card *intervenev1.Card) error {
			_, err := api.RequestAgent(as(w.driver), &intervenev1.RequestAgentRequest{
				ConversationId: card.GetConversationId(), CommandId: uuid.NewString(), Reason: "bench",
			})
			return err
		})
		if err != nil {
			return fmt.Errorf("request an agent: %w", err)
		}
		for _, card := range cards {
			w.conversations = append(w.conversations, card.GetConversationId())
		}
	}
	return nil
}

// silence gives all conversations to the driver, so that no bot answers in them, and
// waits until what the bots have begun is done.
func silence(ctx context.Context, s *site) error {
	api := newAPI(s.url())
	for _, w := range s.workspaces {
		cards, err := list(api, w, intervenev1.Column_COLUMN_REQUESTING)
		if err != nil {
			return err
		}
		err = eachOf(cards, func(card *intervenev1.Card) error {
			_, err := api.Intervene(as(w.driver), &intervenev1.InterveneRequest{ConversationId: card.GetConversationId(), CommandId: uuid.NewString()})
			return err
		})
		if err != nil {
			return fmt.Errorf("intervene: %w", err)
		}
	}
	return quiet(ctx, s)
}

// quietFor is how long nothing may be appended before an engine counts as at rest.
const quietFor = time.Second

// quiet waits until nothing is appended any more.
func quiet(ctx context.Context, s *site) error {
	before, err := usageOf(ctx, s)
	for deadline := time.Now().Add(settleTimeout); err == nil; {
		if err = rest(ctx, quietFor); err != nil {
			break
		}
		var after usage
		if after, err = usageOf(ctx, s); err != nil || after.appends == before.appends {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the engine still appends after %s", settleTimeout)
		}
		before = after
	}
	return err
}

// eachOf does something for all cards, some at once.
func eachOf(cards []*intervenev1.Card, do func(*intervenev1.Card) error) error {
	var next atomic.Int64
	errs := make([]error, askedAtOnce)
	var asking sync.WaitGroup
	for worker := range errs {
		asking.Go(func() {
			for n := next.Add(1); n <= int64(len(cards)) && errs[worker] == nil; n = next.Add(1) {
				errs[worker] = do(cards[n-1])
			}
		})
	}
	asking.Wait()
	return errors.Join(errs...)
}

// await waits until n conversations stand on a column.
func await(ctx context.Context, api intervenev1connect.LiveChatServiceClient, w *workspace, column intervenev1.Column, n int) ([]*intervenev1.Card, error) {
	for deadline := time.Now().Add(settleTimeout); ; {
		cards, err := list(api, w, column)
		if err != nil {
			return nil, err
		}
		if len(cards) == n {
			return cards, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%d conversations stand on %v after %s, want %d", len(cards), column, settleTimeout, n)
		}
		if err := rest(ctx, settlePause); err != nil {
			return nil, err
		}
	}
}

// list is a whole column.
func list(api intervenev1connect.LiveChatServiceClient, w *workspace, column intervenev1.Column) ([]*intervenev1.Card, error) {
	var cards []*intervenev1.Card
	for token := ""; ; {
		page, err := api.ListConversations(as(w.driver), &intervenev1.ListConversationsRequest{Column: column, PageSize: 200, PageToken: token})
		if err != nil {
			return nil, fmt.Errorf("list conversations: %w", err)
		}
		cards = append(cards, page.GetCards()...)
		if token = page.GetNextPageToken(); token == "" {
			return cards, nil
		}
	}
}

// rest waits, and says why it did not.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errors.Join(errors.New("cut short"), ctx.Err())
	}
}

package actors

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/intervenehq/intervene/engine"
)

const (
	// AdmissionPause is how long an item waits before it asks again for room
	// in a crowded mailbox.
	AdmissionPause = 5 * time.Millisecond
	// StatusWait is how long a status waits for the outcome of its own send,
	// which it may overtake; StatusPause is between two looks.
	StatusWait  = 2 * time.Second
	StatusPause = 50 * time.Millisecond
)

// Inbox takes what a platform delivers and finds the conversations that it
// belongs to. It may be used from many goroutines.
type Inbox struct {
	router    *Router
	directory Directory
	parking   Parking
	shard     engine.Shard

	mu sync.Mutex
	// opening are the conversations whose first message is on its way into the
	// journal, by identity, so that the next message finds the same one.
	opening map[openingKey]*opening
}

type openingKey struct {
	channel  engine.ChannelID
	identity engine.Identity
}

// opening is one conversation that nobody has made durable yet.
type opening struct {
	id       engine.ConversationID
	messages int // on their way
	keys     []openingKey
}

// NewInbox makes the inbox of one shard. Items of a quarantined conversation are
// parked; without parking they are refused.
func NewInbox(router *Router, directory Directory, parking Parking, shard engine.Shard) *Inbox {
	return &Inbox{
		router: router, directory: directory, parking: parking, shard: shard, opening: make(map[openingKey]*opening),
	}
}

// Receive takes items in order and answers, for each, nil once it is durable:
// now or because it was before. Items of one contact keep their order, others
// do not wait for each other.
func (i *Inbox) Receive(ctx context.Context, items []engine.Inbound) []error {
	errs := make([]error, len(items))
	var group sync.WaitGroup
	for _, chain := range chains(items) {
		run := func() {
			for _, n := range chain {
				errs[n] = i.receive(ctx, &items[n])
			}
		}
		if len(items) == 1 {
			run()
		} else {
			group.Go(run)
		}
	}
	group.Wait()
	return errs
}

// chains groups the positions of items that must stay in order: all messages
// of one contact, all statuses of one message.
func chains(items []engine.Inbound) [][]int {
	var order [][]int
	place := make(map[string]int, len(items))
	for n := range items {
		key := chainKey(&items[n])
		at, ok := place[key]
		if !ok {
			at = len(order)
			place[key] = at
			order = append(order, nil)
		}
		order[at] = append(order[at], n)
	}
	return order
}

func chainKey(item *engine.Inbound) string {
	if item.Status != nil {
		return "s" + string(item.Channel) + "\x00" + item.Status.External
	}
	ids := item.Message.Contact.Identities()
	if len(ids) == 0 {
		return ""
	}
	return "m" + string(item.Channel) + "\x00" + ids[len(ids)-1].Value
}

func (i *Inbox) receive(ctx context.Context, item *engine.Inbound) error {
	switch {
	case item.Message != nil:
		return i.message(ctx, item)
	case item.Status != nil:
		return i.status(ctx, item)
	}
	return engine.Errorf(engine.CodeInvalid, "item is neither message nor status")
}

// message brings a customer's message to its conversation. An identity of its
// contact may turn out to be claimed: a conversation that was just begun gives
// way to the owner, a known one goes on without what is not its own. So the
// message is never lost over them.
func (i *Inbox) message(ctx context.Context, item *engine.Inbound) error {
	message := *item.Message
	message.Channel = item.Channel
	if len(message.Contact.Identities()) == 0 {
		return &engine.Error{Code: engine.CodeInvalid, Field: "contact", Problem: "has no identity"}
	}
	place, err := i.resolve(item.Channel, message.Contact)
	if err != nil {
		return err
	}
	defer i.leave(place.opening)
	for range claimTries {
		err = i.admit(ctx, place.id, engine.Command{
			Workspace: item.Workspace, By: engine.Party{Kind: engine.Customer}, Body: message,
		})
		conflict, ok := errors.AsType[*engine.Error](err)
		if !ok || conflict.Code != engine.CodeConflict {
			return i.park(place.id, item, err)
		}
		switch {
		case conflict.Duplicate:
			return nil
		case conflict.Owner.IsZero(): // the actor loads anew
		case place.opening != nil && place.id == place.opening.id:
			place.id = conflict.Owner
		default:
			message.Contact = engine.Contact{Name: message.Contact.Name}
		}
	}
	return &engine.Error{Code: engine.CodeUnavailable, Err: err}
}

// claimTries: as it came, at the owner, and there without identities.
const claimTries = 3

// place is where a message goes.
type place struct {
	id      engine.ConversationID
	opening *opening // nil for a conversation that is durable
}

// resolve finds the conversation of contact, or begins one. The caller leaves
// the opening when its message is durable or refused.
func (i *Inbox) resolve(channel engine.ChannelID, contact engine.Contact) (place, error) {
	identities := contact.Identities()
	if id, ok, err := i.known(channel, identities); ok || err != nil {
		return place{id: id}, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, identity := range identities {
		if o, ok := i.opening[openingKey{channel, identity}]; ok {
			return i.join(channel, identities, o), nil
		}
	}
	// It may have become durable, and left the map, between the two looks.
	if id, ok, err := i.known(channel, identities); ok || err != nil {
		return place{id: id}, err
	}
	return i.join(channel, identities, &opening{id: NewConversationID(i.shard)}), nil
}

func (i *Inbox) known(channel engine.ChannelID, identities []engine.Identity) (engine.ConversationID, bool, error) {
	for _, identity := range identities {
		id, ok, err := i.directory.ByIdentity(channel, identity)
		if err != nil {
			return engine.ConversationID{}, false, fmt.Errorf("look up identity: %w", err)
		}
		if ok {
			return id, true, nil
		}
	}
	return engine.ConversationID{}, false, nil
}

// join is called with mu held.
func (i *Inbox) join(channel engine.ChannelID, identities []engine.Identity, o *opening) place {
	o.messages++
	for _, identity := range identities {
		key := openingKey{channel, identity}
		if _, taken := i.opening[key]; !taken {
			i.opening[key] = o
			o.keys = append(o.keys, key)
		}
	}
	return place{id: o.id, opening: o}
}

func (i *Inbox) leave(o *opening) {
	if o == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	o.messages--
	if o.messages > 0 {
		return
	}
	for _, key := range o.keys {
		delete(i.opening, key)
	}
}

// status brings a report to the conversation of its send.
func (i *Inbox) status(ctx context.Context, item *engine.Inbound) error {
	s := item.Status
	id := s.Op
	if id.Conversation.IsZero() {
		var err error
		if id, err = i.sent(ctx, item.Channel, s.External); err != nil {
			return err
		}
	}
	err := i.admit(ctx, id.Conversation, engine.Command{
		Workspace: item.Workspace, By: engine.Party{Kind: engine.Customer},
		Body: engine.RecordStatus{Send: id.Version, State: s.State, External: s.External, Error: s.Error},
	})
	known := *item
	known.Status = &engine.Status{External: s.External, Op: id, State: s.State, Error: s.Error, At: s.At}
	return i.park(id.Conversation, &known, err)
}

// park makes durable what a quarantined conversation could not take, so that
// the platform need not deliver it, and all that came with it, for ever.
func (i *Inbox) park(id engine.ConversationID, item *engine.Inbound, err error) error {
	if i.parking == nil || engine.CodeOf(err) != engine.CodeQuarantined {
		return err
	}
	if err := i.parking.Park(engine.Parked{Conversation: id, At: engine.InstantOf(time.Now()), Item: *item}); err != nil {
		return fmt.Errorf("park item: %w", err)
	}
	i.router.metrics.parked.Inc()
	return nil
}

// sent finds the send that a platform's ID names, waiting a little for one
// that was accepted just now.
func (i *Inbox) sent(ctx context.Context, channel engine.ChannelID, external string) (engine.MessageID, error) {
	deadline := time.Now().Add(StatusWait)
	for {
		id, ok, err := i.directory.BySend(channel, external)
		switch {
		case err != nil:
			return engine.MessageID{}, fmt.Errorf("look up send: %w", err)
		case ok:
			return id, nil
		case time.Now().After(deadline):
			return engine.MessageID{}, &engine.Error{Code: engine.CodeNotFound}
		}
		if err := pause(ctx, StatusPause); err != nil {
			return engine.MessageID{}, err
		}
	}
}

// admit waits for room rather than be refused: what a platform delivers must
// not be lost, and whoever floods one conversation waits for it alone.
func (i *Inbox) admit(ctx context.Context, id engine.ConversationID, cmd engine.Command) error {
	for {
		_, err := i.router.Do(ctx, id, cmd)
		if engine.CodeOf(err) != engine.CodeOverloaded {
			return err
		}
		if err := pause(ctx, AdmissionPause); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return &engine.Error{Code: engine.CodeUnavailable, Err: ctx.Err()}
	case <-timer.C:
		return nil
	}
}

package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/intervenehq/intervene/engine"
)

const (
	// AdmissionPause is how long an item waits before it asks again for room
	// in a crowded mailbox.
	AdmissionPause = 5 * time.Millisecond
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
	ids := contactOf(item).Identities()
	if len(ids) == 0 {
		return ""
	}
	return "m" + string(item.Channel) + "\x00" + ids[len(ids)-1].Value
}

// contactOf is whose item it is, which is how its conversation is found.
func contactOf(item *engine.Inbound) engine.Contact {
	switch {
	case item.Message != nil:
		return item.Message.Contact
	case item.Amend != nil:
		return item.Amend.Contact
	case item.Echo != nil:
		return item.Echo.Contact
	case item.Change != nil:
		return item.Change.Contact
	case item.Consent != nil:
		return item.Consent.Contact
	}
	return engine.Contact{}
}

// commandOf is what item asks of the conversation of its contact, which is
// known there as contact. A change is left out when it is not to be claimed.
func commandOf(item *engine.Inbound, contact engine.Contact, changed bool) engine.Command {
	cmd := engine.Command{Workspace: item.Workspace, By: engine.Party{Kind: engine.Customer}}
	switch {
	case item.Message != nil:
		body := *item.Message
		body.Channel, body.Contact = item.Channel, contact
		cmd.Body = body
	case item.Amend != nil:
		body := *item.Amend
		body.Channel, body.Contact = item.Channel, contact
		cmd.Body = body
		if body.Outside {
			cmd.By.Kind = engine.Outside
		}
	case item.Echo != nil:
		body := *item.Echo
		body.Channel, body.Contact = item.Channel, contact
		cmd.Body, cmd.By.Kind = body, engine.Outside
	case item.Change != nil:
		body := *item.Change
		body.Channel, body.Contact = item.Channel, contact
		if !changed {
			body.Changed = engine.Contact{Name: body.Changed.Name}
		}
		cmd.Body = body
	case item.Consent != nil:
		body := *item.Consent
		body.Channel, body.Contact = item.Channel, contact
		cmd.Body = body
	}
	return cmd
}

func (i *Inbox) receive(ctx context.Context, item *engine.Inbound) error {
	if item.Status != nil {
		return i.status(ctx, item)
	}
	contact := contactOf(item)
	if len(contact.Identities()) == 0 {
		return &engine.Error{Code: engine.CodeInvalid, Field: "contact", Problem: "has no identity"}
	}
	id, _, err := i.deliver(ctx, item.Channel, contact, i.admit, func(known engine.Contact, changed bool) engine.Command { return commandOf(item, known, changed) })
	if isDuplicate(err) {
		return nil
	}
	return i.park(id, item, err)
}

// Begin gives cmd, which starts a conversation, to the one that its contact has
// on its channel, or to a new one.
func (i *Inbox) Begin(ctx context.Context, cmd engine.Command) (engine.ConversationID, engine.Receipt, error) {
	body, ok := cmd.Body.(engine.StartConversation)
	if !ok || len(body.Contact.Identities()) == 0 {
		return engine.ConversationID{}, engine.Receipt{}, &engine.Error{Code: engine.CodeInvalid, Field: "to", Problem: "must name a contact"}
	}
	return i.deliver(ctx, body.Channel, body.Contact, i.router.Do, func(known engine.Contact, _ bool) engine.Command {
		body.Contact = known
		started := cmd
		started.Body = body
		return started
	})
}

// giver hands a command to a conversation.
type giver func(context.Context, engine.ConversationID, engine.Command) (engine.Receipt, error)

// deliver brings a command to the conversation with contact. An identity of the
// contact may turn out to be claimed: a conversation that was just begun gives
// way to the owner; a known one goes on without what is not its own, and is
// flagged as linked to the owner. So nothing is lost over them, and nothing is
// merged. The command is made with the contact as that conversation may claim
// it, and with whether it may claim what the contact changed to.
func (i *Inbox) deliver(
	ctx context.Context, channel engine.ChannelID, contact engine.Contact, give giver,
	command func(known engine.Contact, changed bool) engine.Command,
) (engine.ConversationID, engine.Receipt, error) {
	place, err := i.resolve(channel, contact)
	if err != nil {
		return engine.ConversationID{}, engine.Receipt{}, err
	}
	defer func() { i.leave(place.opening) }()
	known := contact
	if !place.linked.IsZero() {
		known = engine.Contact{Name: contact.Name}
	}
	changed := true
	var receipt engine.Receipt
	for range claimTries {
		receipt, err = give(ctx, place.id, command(known, changed))
		refusal, ok := errors.AsType[*engine.Error](err)
		switch {
		case ok && refusal.Code == engine.CodeNotFound && place.opening == nil:
			// It was erased after it was found: the contact begins anew.
			if place, err = i.resolve(channel, contact); err != nil {
				return engine.ConversationID{}, engine.Receipt{}, err
			}
			continue
		case !ok || refusal.Code != engine.CodeConflict || refusal.Duplicate:
		case refusal.Owner.IsZero(): // the actor loads anew
			continue
		case place.opening != nil && place.id == place.opening.id:
			place.id = refusal.Owner
			continue
		default:
			changed = len(known.Identities()) > 0 // without any it is the change that is claimed
			known, place.linked = engine.Contact{Name: contact.Name}, refusal.Owner
			continue
		}
		break
	}
	if err == nil && !place.linked.IsZero() && place.linked != place.id {
		i.link(ctx, place)
	}
	if engine.CodeOf(err) == engine.CodeConflict && !isDuplicate(err) {
		err = &engine.Error{Code: engine.CodeUnavailable, Err: err}
	}
	return place.id, receipt, err
}

func isDuplicate(err error) bool {
	conflict, ok := errors.AsType[*engine.Error](err)
	return ok && conflict.Duplicate
}

// link flags what the next item of the same contact would flag again: a
// failure loses nothing.
func (i *Inbox) link(ctx context.Context, p place) {
	answer := i.router.result(ctx, p.id, engineCommand(engine.LinkContact{Other: p.linked}))
	if answer.err != nil {
		i.router.log.WarnContext(ctx, "linked contact cannot be flagged", slog.String("conversation", p.id.String()), slog.Any("error", answer.err))
	}
}

// claimTries: as it came, at the owner, there without identities, and without
// what they changed to.
const claimTries = 4

// status brings a report to the conversation of its send. One that names a
// message which nobody knows yet is kept: the platform's answer to the send, which
// it has overtaken, brings it in.
func (i *Inbox) status(ctx context.Context, item *engine.Inbound) error {
	s := *item.Status
	if s.Op.Conversation.IsZero() {
		id, known, err := i.directory.BySend(item.Channel, s.External)
		if err == nil && !known && i.parking != nil {
			id, known, err = i.parking.ParkStatus(*item)
		}
		switch {
		case err != nil:
			return fmt.Errorf("look up send: %w", err)
		case !known && i.parking == nil:
			return &engine.Error{Code: engine.CodeNotFound}
		case !known:
			i.router.metrics.early.Inc()
			return nil
		}
		s.Op = id
	}
	_, err := i.admit(ctx, s.Op.Conversation, statusCommand(item.Workspace, &s))
	known := *item
	known.Status = &s
	return i.park(s.Op.Conversation, &known, err)
}

// statusCommand records a report whose send is known.
func statusCommand(workspace engine.WorkspaceID, s *engine.Status) engine.Command {
	return engine.Command{
		Workspace: workspace, By: engine.Party{Kind: engine.Customer},
		Body: engine.RecordStatus{Send: s.Op.Version, State: s.State, External: s.External, Error: s.Error, Detail: s.Detail},
	}
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

// admit waits for room rather than be refused: what a platform delivers must
// not be lost, and whoever floods one conversation waits for it alone.
func (i *Inbox) admit(ctx context.Context, id engine.ConversationID, cmd engine.Command) (engine.Receipt, error) {
	for {
		receipt, err := i.router.Do(ctx, id, cmd)
		if engine.CodeOf(err) != engine.CodeOverloaded {
			return receipt, err
		}
		if err := pause(ctx, AdmissionPause); err != nil {
			return engine.Receipt{}, err
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

package standin

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Types of an identity change: Meta's page "System messages webhook reference".
const (
	ChangedNumber       = "user_changed_number"
	ChangedUserID       = "user_changed_user_id"
	ChangedNumberLegacy = "customer_changed_number" // as it was told before 2025
	ChangedIdentity     = "customer_identity_changed"
)

// IdentityChange is what a customer is known by from now on.
type IdentityChange struct {
	// Type is ChangedNumber when there is a WAID, else ChangedUserID, unless set.
	Type         string   `json:"type,omitempty"`
	WAID         Identity `json:"wa_id,omitempty"`
	UserID       Identity `json:"user_id,omitempty"`
	ParentUserID Identity `json:"parent_user_id,omitempty"`
	// NoPrevious leaves out the IDs from before, as Meta did until 2026-08.
	NoPrevious bool `json:"no_previous,omitempty"`
}

// ChangeIdentity tells, in a system message, that the customer has another
// number or another user ID. It opens no window and comes without a contacts
// array. The customer's next message is written by who they are then.
func (g *Graph) ChangeIdentity(
	ctx context.Context, customer Customer, change IdentityChange, at time.Time,
) (WAMID, error) {
	if err := change.check(); err != nil {
		return "", err
	}
	system := change.object(customer)
	return g.writeSystem(ctx, customer, system, at)
}

func (c *IdentityChange) check() error {
	if c.Type == "" {
		c.Type = ChangedUserID
		if c.WAID != "" {
			c.Type = ChangedNumber
		}
	}
	if c.WAID == "" && c.UserID == "" && c.Type != ChangedIdentity {
		return fmt.Errorf("%w: an identity change needs a new identity", ErrInvalid)
	}
	return nil
}

func (c *IdentityChange) object(customer Customer) map[string]any {
	from, to := customer.WAID, c.WAID
	if to == "" {
		from, to = customer.UserID, c.UserID
	}
	system := map[string]any{
		"type": c.Type,
		"body": "User " + customer.Name + " changed from " + from.String() + " to " + to.String(),
	}
	names := map[string]Identity{"wa_id": c.WAID, "user_id": c.UserID, "parent_user_id": c.ParentUserID}
	switch c.Type {
	case ChangedNumberLegacy:
		names = map[string]Identity{"new_wa_id": c.WAID, "customer": customer.WAID}
	case ChangedIdentity:
		system["body"] = "User " + customer.Name + "'s security code changed"
		system["identity"] = "hash-of-the-new-key"
		names = map[string]Identity{"customer": customer.WAID}
	default:
		if !c.NoPrevious {
			names["previous_user_id"] = customer.UserID
			names["previous_parent_user_id"] = customer.ParentUserID
		}
	}
	for name, identity := range names {
		if identity != "" {
			system[name] = identity
		}
	}
	return system
}

// writeSystem queues a message that nobody wrote.
func (g *Graph) writeSystem(
	ctx context.Context, customer Customer, system map[string]any, at time.Time,
) (WAMID, error) {
	return g.writeItem(ctx, customer, false, at, func(wamid WAMID, at time.Time) ([]byte, WAMID, error) {
		return complete(map[string]any{"type": "system", "system": system}, customer, wamid, at)
	}, func(it *item) { it.contact = nil })
}

// Echo tells that somebody of the business wrote to the customer on its phone:
// Meta's page "smb_message_echoes webhook reference".
func (g *Graph) Echo(ctx context.Context, customer Customer, m Message, at time.Time) (WAMID, error) {
	n, at, err := g.admitChange(ctx, customer, at)
	if err != nil {
		return "", err
	}
	if err := m.check(); err != nil {
		return "", err
	}
	ordinal, err := g.contacts.echoed(n, customer)
	if err != nil {
		return "", err
	}
	fields, err := g.echoFields(n, customer, m)
	if err != nil {
		return "", err
	}
	wamid := g.seed.newWAMID("echo", n.ID, customer.identities()[0], ordinal)
	fill(fields, "id", wamid)
	fill(fields, "timestamp", strconv.FormatInt(at.Unix(), 10))
	fill(fields, "from", n.DisplayPhoneNumber)
	for name, identity := range map[string]Identity{
		"to": customer.WAID, "to_user_id": customer.UserID, "to_parent_user_id": customer.ParentUserID,
	} {
		if identity != "" {
			fill(fields, name, identity)
		}
	}
	if given, ok := fields["id"].(string); ok {
		wamid = WAMID(given)
	}
	value := n.changeValue()
	value["message_echoes"] = []any{fields}
	return wamid, g.offerChange(n, "echo/"+wamid.String(), Offer{
		Field: "smb_message_echoes", WAMID: wamid, Contact: customer.identities()[0],
	}, value)
}

func (g *Graph) echoFields(n *number, customer Customer, m Message) (map[string]any, error) {
	if m.Object == nil {
		return g.messageFields(n, m, customer.WAID.String())
	}
	var fields map[string]any
	if err := json.Unmarshal(m.Object, &fields); err != nil || fields == nil {
		return nil, fmt.Errorf("%w: message object is not a JSON object", ErrInvalid)
	}
	return fields, nil
}

// SetMarketing tells that the customer wants no marketing messages any more,
// or wants them again: Meta's page "user_preferences webhook reference". From
// then on a marketing template to them fails with 131050.
func (g *Graph) SetMarketing(ctx context.Context, customer Customer, wanted bool, at time.Time) error {
	n, at, err := g.admitChange(ctx, customer, at)
	if err != nil {
		return err
	}
	if err := g.contacts.optOut(n, customer, !wanted); err != nil {
		return err
	}
	preference := map[string]any{
		"category": "marketing_messages", "value": "stop", "timestamp": at.Unix(),
		"detail": "User requested to stop marketing messages",
	}
	if wanted {
		preference["value"], preference["detail"] = "resume", "User requested to resume marketing messages"
	}
	for name, identity := range map[string]Identity{
		"wa_id": customer.WAID, "user_id": customer.UserID, "parent_user_id": customer.ParentUserID,
	} {
		if identity != "" {
			preference[name] = identity
		}
	}
	value := n.changeValue()
	value["contacts"] = []json.RawMessage{appendContact(nil, customer)}
	value["user_preferences"] = []any{preference}
	name := strconv.FormatUint(g.counters.changesMade.Add(1), 10)
	return g.offerChange(n, name, Offer{Field: "user_preferences", Contact: customer.identities()[0]}, value)
}

// admitChange checks who a change is about, and waits for room.
func (g *Graph) admitChange(ctx context.Context, customer Customer, at time.Time) (*number, time.Time, error) {
	n, ok := g.numbers[customer.PhoneNumberID]
	if !ok {
		return nil, at, ErrUnknownNumber
	}
	if err := customer.check(); err != nil {
		return nil, at, err
	}
	if err := n.app.waitRoom(ctx); err != nil {
		return nil, at, fmt.Errorf("queue a change: %w", err)
	}
	if at.IsZero() {
		at = time.Now()
	}
	return n, at, nil
}

// changeValue is what stands in every change of a number.
func (n *number) changeValue() map[string]any {
	return map[string]any{
		"messaging_product": messagingProduct,
		"metadata": map[string]any{
			"display_phone_number": n.DisplayPhoneNumber, "phone_number_id": n.ID,
		},
	}
}

func (g *Graph) offerChange(n *number, name string, offer Offer, value map[string]any) error {
	encoded, err := encode(value)
	if err != nil {
		return err
	}
	if len(encoded) > maxObjectBytes {
		return fmt.Errorf("%w: change is too large", ErrInvalid)
	}
	g.offer(g.newChangeItem(n, name, offer, encoded), time.Now())
	return nil
}

package standin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Customer is who writes to a number. At least one of WAID and UserID is set;
// without a WAID the webhook carries none, as for customers with a username.
type Customer struct {
	PhoneNumberID PhoneNumberID
	WAID          Identity
	UserID        Identity
	Name          string
}

// Reply answers an interactive message: a button pressed or a row chosen.
type Reply struct {
	To          WAMID // the message with the buttons
	ID          string
	Title       string
	Description string // of a row
}

// identities lists the customer's, the one that names its draws first.
func (c Customer) identities() []Identity {
	switch {
	case c.WAID == "":
		return []Identity{c.UserID}
	case c.UserID == "":
		return []Identity{c.WAID}
	}
	return []Identity{c.WAID, c.UserID}
}

func (c Customer) check() error {
	if c.WAID == "" && c.UserID == "" {
		return fmt.Errorf("%w: a customer needs an identity", ErrInvalid)
	}
	if c.WAID != "" && !digitsPattern.MatchString(c.WAID.String()) {
		return fmt.Errorf("%w: a wa_id is 5 to 15 digits", ErrInvalid)
	}
	if c.UserID != "" && !c.UserID.IsUserID() {
		return fmt.Errorf("%w: not a user ID", ErrInvalid)
	}
	if tooLong(c.Name, nameLimit) {
		return fmt.Errorf("%w: a name has at most %d characters", ErrInvalid, nameLimit)
	}
	return nil
}

// nameLimit keeps a contact from filling a POST by itself.
const nameLimit = 512

// WriteText lets the customer write a text, dated at (zero: now). It returns
// once the webhook item is queued, and waits for room while the queue is full.
func (g *Graph) WriteText(ctx context.Context, customer Customer, body string, at time.Time) (WAMID, error) {
	return g.write(ctx, customer, at, map[string]any{
		"type": typeText,
		"text": map[string]string{"body": body},
	})
}

// PressButton lets the customer press a reply button.
func (g *Graph) PressButton(ctx context.Context, customer Customer, reply Reply, at time.Time) (WAMID, error) {
	return g.writeReply(ctx, customer, "button_reply", reply, at)
}

// ChooseRow lets the customer choose a row of a list.
func (g *Graph) ChooseRow(ctx context.Context, customer Customer, reply Reply, at time.Time) (WAMID, error) {
	return g.writeReply(ctx, customer, "list_reply", reply, at)
}

func (g *Graph) writeReply(
	ctx context.Context, customer Customer, kind string, reply Reply, at time.Time,
) (WAMID, error) {
	chosen := map[string]string{"id": reply.ID, "title": reply.Title}
	if reply.Description != "" {
		chosen["description"] = reply.Description
	}
	message := map[string]any{
		"type":          typeInteractive,
		typeInteractive: map[string]any{"type": kind, kind: chosen},
	}
	if reply.To != "" {
		message["context"] = map[string]any{
			"from": g.displayNumber(customer.PhoneNumberID),
			"id":   reply.To,
		}
	}
	return g.write(ctx, customer, at, message)
}

// WriteObject lets the customer send any message object. What it lacks of id,
// from and timestamp is filled in. JSON that is not an object goes out as it
// is, for receivers that must survive rotten items, and has a WAMID only here.
func (g *Graph) WriteObject(
	ctx context.Context, customer Customer, object json.RawMessage, at time.Time,
) (WAMID, error) {
	if !json.Valid(object) {
		return "", fmt.Errorf("%w: message object is not JSON", ErrInvalid)
	}
	var message map[string]json.RawMessage
	if err := json.Unmarshal(object, &message); err != nil || message == nil {
		return g.writeEncoded(ctx, customer, at, func(WAMID, time.Time) ([]byte, WAMID, error) {
			return object, "", nil
		})
	}
	fields := make(map[string]any, len(message)+3)
	for name, value := range message {
		fields[name] = value
	}
	return g.write(ctx, customer, at, fields)
}

// write completes the message and queues it.
func (g *Graph) write(ctx context.Context, customer Customer, at time.Time, message map[string]any) (WAMID, error) {
	return g.writeEncoded(ctx, customer, at, func(wamid WAMID, at time.Time) ([]byte, WAMID, error) {
		fill(message, "id", wamid)
		fill(message, "timestamp", strconv.FormatInt(at.Unix(), 10))
		if customer.WAID != "" {
			fill(message, "from", customer.WAID)
		}
		if customer.UserID != "" {
			fill(message, "from_user_id", customer.UserID)
		}
		var encoded bytes.Buffer
		encoder := json.NewEncoder(&encoded)
		encoder.SetEscapeHTML(false) // Meta does not
		if err := encoder.Encode(message); err != nil {
			return nil, "", fmt.Errorf("encode the message: %w", err)
		}
		return encoded.Bytes(), givenID(message["id"]), nil
	})
}

// encodeFunc makes the message object, given the WAMID and time that are its
// own unless it has others. It answers the WAMID that it carries, if any.
type encodeFunc func(wamid WAMID, at time.Time) (object []byte, id WAMID, err error)

func (g *Graph) writeEncoded(
	ctx context.Context, customer Customer, at time.Time, encode encodeFunc,
) (WAMID, error) {
	n, ok := g.numbers[customer.PhoneNumberID]
	if !ok {
		return "", ErrUnknownNumber
	}
	if err := customer.check(); err != nil {
		return "", err
	}
	if err := n.app.waitRoom(ctx); err != nil {
		return "", fmt.Errorf("queue a customer's message: %w", err)
	}
	now := time.Now()
	if at.IsZero() {
		at = now
	}
	ordinal, err := g.contacts.wrote(n, customer, at, now)
	if err != nil {
		return "", err
	}
	wamid := g.seed.newWAMID("in", n.ID, customer.identities()[0], ordinal)
	object, id, err := encode(wamid, at)
	if err != nil {
		return "", err
	}
	if len(object) > maxObjectBytes {
		return "", fmt.Errorf("%w: message object is too large", ErrInvalid)
	}
	if id != "" {
		wamid = id
	}
	g.offer(g.newMessageItem(n, customer, wamid, object), now)
	return wamid, nil
}

// EmitChange offers any other webhook change, such as an account update, under
// a number's app and business.
func (g *Graph) EmitChange(ctx context.Context, id PhoneNumberID, field string, value json.RawMessage) error {
	n, ok := g.numbers[id]
	if !ok {
		return ErrUnknownNumber
	}
	if field == "" || !json.Valid(value) || len(value) > maxObjectBytes {
		return fmt.Errorf("%w: a change is a field and a JSON value", ErrInvalid)
	}
	if err := n.app.waitRoom(ctx); err != nil {
		return fmt.Errorf("queue a change: %w", err)
	}
	ordinal := g.counters.changesMade.Add(1)
	g.offer(g.newChangeItem(n, field, strconv.FormatUint(ordinal, 10), value), time.Now())
	return nil
}

func (g *Graph) displayNumber(id PhoneNumberID) string {
	if n, ok := g.numbers[id]; ok {
		return n.DisplayPhoneNumber
	}
	return ""
}

func fill(message map[string]any, name string, value any) {
	if _, ok := message[name]; !ok {
		message[name] = value
	}
}

// givenID is the id that a message carries; rotten messages carry all sorts.
func givenID(id any) WAMID {
	switch id := id.(type) {
	case WAMID:
		return id
	case json.RawMessage:
		var s string
		if err := json.Unmarshal(id, &s); err == nil {
			return WAMID(s)
		}
	}
	return ""
}

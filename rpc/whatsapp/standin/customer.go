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
	ParentUserID  Identity // beside a UserID, for linked businesses
	Name          string
	Username      string
}

// Reply answers an interactive message: a button pressed or a row chosen.
type Reply struct {
	To          WAMID  `json:"to,omitempty"` // the message with the buttons
	ID          string `json:"id"`
	Title       string `json:"title"`
	Description string `json:"description,omitempty"` // of a row
}

// identities lists the customer's, the one that names its draws first.
func (c Customer) identities() []Identity {
	var all []Identity
	for _, identity := range []Identity{c.WAID, c.UserID, c.ParentUserID} {
		if identity != "" {
			all = append(all, identity)
		}
	}
	return all
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
	if c.ParentUserID != "" && (c.UserID == "" || !c.ParentUserID.IsParentID()) {
		return fmt.Errorf("%w: not a parent user ID beside a user ID", ErrInvalid)
	}
	if tooLong(c.Name, nameLimit) || tooLong(c.Username, nameLimit) {
		return fmt.Errorf("%w: a name has at most %d characters", ErrInvalid, nameLimit)
	}
	return nil
}

// nameLimit keeps a contact from filling a POST by itself.
const nameLimit = 512

// WriteText lets the customer write a text, dated at (zero: now). It returns
// once the webhook item is queued, and waits for room while the queue is full.
func (g *Graph) WriteText(ctx context.Context, customer Customer, body string, at time.Time) (WAMID, error) {
	return g.Write(ctx, customer, Message{Text: body}, at)
}

// PressButton lets the customer press a reply button.
func (g *Graph) PressButton(ctx context.Context, customer Customer, reply Reply, at time.Time) (WAMID, error) {
	return g.Write(ctx, customer, Message{Button: &reply}, at)
}

// ChooseRow lets the customer choose a row of a list.
func (g *Graph) ChooseRow(ctx context.Context, customer Customer, reply Reply, at time.Time) (WAMID, error) {
	return g.Write(ctx, customer, Message{Row: &reply}, at)
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
		return g.writeEncoded(ctx, customer, true, at, func(WAMID, time.Time) ([]byte, WAMID, error) {
			return object, "", nil
		})
	}
	fields := make(map[string]any, len(message)+3)
	for name, value := range message {
		fields[name] = value
	}
	return g.writeEncoded(ctx, customer, true, at, func(wamid WAMID, at time.Time) ([]byte, WAMID, error) {
		return complete(fields, customer, wamid, at)
	})
}

// complete fills in what a message lacks, and encodes it.
func complete(message map[string]any, customer Customer, wamid WAMID, at time.Time) ([]byte, WAMID, error) {
	fill(message, "id", wamid)
	fill(message, "timestamp", strconv.FormatInt(at.Unix(), 10))
	for name, identity := range map[string]Identity{
		"from": customer.WAID, "from_user_id": customer.UserID, "from_parent_user_id": customer.ParentUserID,
	} {
		if identity != "" {
			fill(message, name, identity)
		}
	}
	encoded, err := encode(message)
	return encoded, givenID(message["id"]), err
}

func encode(value any) ([]byte, error) {
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false) // Meta does not
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("encode JSON: %w", err)
	}
	return encoded.Bytes(), nil
}

// encodeFunc makes the message object, given the WAMID and time that are its
// own unless it has others. It answers the WAMID that it carries, if any.
type encodeFunc func(wamid WAMID, at time.Time) (object []byte, id WAMID, err error)

func (g *Graph) writeEncoded(
	ctx context.Context, customer Customer, opens bool, at time.Time, encode encodeFunc,
) (WAMID, error) {
	return g.writeItem(ctx, customer, opens, at, encode, func(*item) {})
}

// writeItem lets the caller change the item before it is queued.
func (g *Graph) writeItem(
	ctx context.Context, customer Customer, opens bool, at time.Time, encode encodeFunc, finish func(*item),
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
	ordinal, err := g.contacts.wrote(n, customer, opens, at, now)
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
	it := g.newMessageItem(n, customer, wamid, object)
	finish(it)
	g.offer(it, now)
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
	g.offer(g.newChangeItem(n, strconv.FormatUint(ordinal, 10), Offer{Field: field}, value), time.Now())
	return nil
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

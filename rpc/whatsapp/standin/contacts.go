package standin

import (
	"fmt"
	"sync"
	"time"
)

// contacts tracks what the stand-in must know of each number and contact: how
// often they wrote, which names every draw and WAMID, and when.
type contacts struct {
	limit int

	mu    sync.Mutex // also guards each number's rate
	pairs map[pair]*contactState
}

type pair struct {
	number  PhoneNumberID
	contact Identity
}

type contactState struct {
	attempts  int // well-formed sends, refused ones included
	sends     int // accepted sends
	writes    int // messages by the customer
	lastWrote time.Time
	rate      *rateLimit
}

func newContacts(limit int) *contacts {
	return &contacts{limit: limit, pairs: make(map[pair]*contactState)}
}

// state is called with mu held. It answers nil when the limit is reached:
// forgetting a contact would mint its WAMIDs a second time.
func (c *contacts) state(number PhoneNumberID, contact Identity) *contactState {
	key := pair{number, contact}
	state, ok := c.pairs[key]
	if !ok && len(c.pairs) < c.limit {
		state = &contactState{}
		c.pairs[key] = state
	}
	return state
}

// attempt numbers a well-formed send towards its contact.
func (c *contacts) attempt(number PhoneNumberID, contact Identity) (int, *graphError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := c.state(number, contact)
	if state == nil {
		return 0, codeError(codeRateLimit, "The stand-in's contact limit is reached")
	}
	state.attempts++
	return state.attempts, nil
}

type admission struct {
	sends         int // the ordinal of this send
	outsideWindow bool
}

// admitSend applies window and rates, and counts the send as accepted. A send
// that is refused spends nothing. The contact is known from its attempt.
func (c *contacts) admitSend(n *number, s send, now time.Time, config Config) (admission, *graphError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := c.pairs[pair{n.ID, s.contact}]
	outside := config.Window != WindowIgnored && s.kind != typeTemplate &&
		now.Sub(state.lastWrote) >= customerServiceTime
	if outside && config.Window == WindowRefused {
		return admission{}, codeError(codeOutsideWindow,
			"Message failed to send because more than 24 hours have passed since the customer last replied to this number.")
	}
	if state.rate == nil && config.PairInterval > 0 {
		state.rate = &rateLimit{interval: config.PairInterval, burst: config.PairBurst}
	}
	if !state.rate.has(now) {
		return admission{}, codeError(codePairRateLimit,
			"Message failed to send because there were too many messages sent from this phone number to the same phone number in a short period of time.")
	}
	if !n.rate.has(now) {
		return admission{}, codeError(codeRateLimit,
			"Message failed to send because there were too many messages sent from this phone number in a short period of time")
	}
	state.rate.spend(now)
	n.rate.spend(now)
	state.sends++
	return admission{sends: state.sends, outsideWindow: outside}, nil
}

// wrote counts a customer's message, which opens the window under every
// identity that the customer is known by.
func (c *contacts) wrote(n *number, customer Customer, at, now time.Time) (int, error) {
	if at.After(now) {
		at = now
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	ordinal := 0
	for _, identity := range customer.identities() {
		state := c.state(n.ID, identity)
		if state == nil {
			return 0, fmt.Errorf("track the contact: %w", ErrFull)
		}
		state.writes++
		if at.After(state.lastWrote) {
			state.lastWrote = at
		}
		if ordinal == 0 {
			ordinal = state.writes
		}
	}
	n.rate.spend(now)
	return ordinal, nil
}

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
	echoes    int // messages to the contact from the phone
	lastWrote time.Time
	optedOut  bool       // of marketing messages
	aliases   []Identity // of whoever wrote last, all of them
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
	sends    int // the ordinal of this send
	failCode int // accepted, but it will fail with this
	aliases  []Identity
}

// admitSend applies window, opt-out and rates, and counts the send as accepted. A send
// that is refused spends nothing. The contact is known from its attempt.
func (c *contacts) admitSend(n *number, s send, now time.Time, config Config) (admission, *graphError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := c.pairs[pair{n.ID, s.contact}]
	failCode := state.failCode(s, now, config)
	if failCode != 0 && (failCode == codeOptedOut && config.RefuseOptedOut ||
		failCode == codeOutsideWindow && config.Window == WindowRefused) {
		return admission{}, codeError(failCode, detailsOf(failCode))
	}
	if state.rate == nil && config.PairInterval > 0 {
		state.rate = &rateLimit{interval: config.PairInterval, burst: config.PairBurst}
	}
	if !state.rate.has(now) {
		return admission{}, codeError(codePairRateLimit, detailsOf(codePairRateLimit))
	}
	if !n.rate.has(now) {
		return admission{}, codeError(codeRateLimit, detailsOf(codeRateLimit))
	}
	state.rate.spend(now)
	n.rate.spend(now)
	state.sends++
	return admission{sends: state.sends, failCode: failCode, aliases: state.aliases}, nil
}

// failCode is why WhatsApp would not deliver the send to this contact, or 0.
func (c *contactState) failCode(s send, now time.Time, config Config) int {
	switch {
	case s.template != nil:
		if c.optedOut && s.template.category == CategoryMarketing {
			return codeOptedOut
		}
	case config.Window != WindowIgnored && now.Sub(c.lastWrote) >= customerServiceTime:
		return codeOutsideWindow
	}
	return 0
}

// wrote counts a customer's message. One that opens the window does so under
// every identity that the customer is known by.
func (c *contacts) wrote(n *number, customer Customer, opens bool, at, now time.Time) (int, error) {
	if at.After(now) {
		at = now
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	ordinal := 0
	err := c.each(n.ID, customer, func(state *contactState) {
		state.writes++
		state.aliases = customer.identities()
		if opens && at.After(state.lastWrote) {
			state.lastWrote = at
		}
		if ordinal == 0 {
			ordinal = state.writes
		}
	})
	if err != nil {
		return 0, err
	}
	n.rate.spend(now)
	return ordinal, nil
}

// echoed counts a message that the business wrote on its phone. It opens no
// window.
func (c *contacts) echoed(n *number, customer Customer) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ordinal := 0
	err := c.each(n.ID, customer, func(state *contactState) {
		state.echoes++
		if ordinal == 0 {
			ordinal = state.echoes
		}
	})
	return ordinal, err
}

func (c *contacts) optOut(n *number, customer Customer, out bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.each(n.ID, customer, func(state *contactState) { state.optedOut = out })
}

// each visits the customer under every identity, the naming one first. Called
// with mu held.
func (c *contacts) each(number PhoneNumberID, customer Customer, visit func(*contactState)) error {
	for _, identity := range customer.identities() {
		state := c.state(number, identity)
		if state == nil {
			return fmt.Errorf("track the contact: %w", ErrFull)
		}
		visit(state)
	}
	return nil
}

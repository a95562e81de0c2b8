package demo

import (
	"time"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// unknownWait is how long the engine may keep what stands behind a send whose
// outcome it does not know, in the hope of a status.
const unknownWait = time.Minute

func isBot(p *intervenev1.Party) bool { return p.GetKind() == intervenev1.PartyKind_PARTY_KIND_BOT }

// isEmbeddedBot tells the bot that owes answers from one that calls the API.
func isEmbeddedBot(p *intervenev1.Party) bool { return isBot(p) && p.GetId() == "" }

func isCustomer(p *intervenev1.Party) bool {
	return p.GetKind() == intervenev1.PartyKind_PARTY_KIND_CUSTOMER
}

func isOpen(d intervenev1.Delivery) bool {
	return d == intervenev1.Delivery_DELIVERY_QUEUED || d == intervenev1.Delivery_DELIVERY_ATTEMPTED
}

// wasAccepted reports whether the platform named the message.
func wasAccepted(d intervenev1.Delivery) bool {
	switch d {
	case intervenev1.Delivery_DELIVERY_ACCEPTED, intervenev1.Delivery_DELIVERY_SENT, intervenev1.Delivery_DELIVERY_DELIVERED,
		intervenev1.Delivery_DELIVERY_READ, intervenev1.Delivery_DELIVERY_PLAYED, intervenev1.Delivery_DELIVERY_FAILED:
		return true
	}
	return false
}

func (o *observation) id() string { return o.card.GetConversationId() }

// unsettled says what a conversation still waits for, or nothing.
func (o *observation) unsettled(now time.Time) string {
	switch {
	case o.unanswered(now):
		return "a customer has no answer"
	case o.unsent(now):
		return "a send goes nowhere"
	}
	return ""
}

// unsent reports whether a send stands there that nothing keeps back. What
// comes after one of unknown outcome waits for a status.
func (o *observation) unsent(now time.Time) bool {
	doubted := make(map[string]time.Time)
	for _, e := range o.events {
		if c := e.GetDeliveryChange(); c.GetDelivery() == intervenev1.Delivery_DELIVERY_UNKNOWN {
			doubted[c.GetMessageId()] = e.GetAt().AsTime()
		}
	}
	kept := false
	for _, m := range o.messages {
		if m.GetDelivery() == intervenev1.Delivery_DELIVERY_UNKNOWN && now.Sub(doubted[m.GetMessageId()]) < unknownWait {
			kept = true
		}
		if isOpen(m.GetDelivery()) && !kept {
			return true
		}
	}
	return false
}

// unanswered reports whether the newest message that the customer wrote while
// the bot had the word has no answer of the bot's after it.
func (o *observation) unanswered(now time.Time) bool {
	if !o.card.GetWindowExpiresAt().AsTime().After(now) {
		return false // nobody may answer freely; a person has to see it
	}
	held, owed := false, false
	for _, e := range o.events {
		if h := e.GetHandOver(); h != nil {
			held = h.GetColumn() == columnIntervened
			if held {
				owed = false
			}
		}
		if m := e.GetMessage(); m != nil && !held {
			switch {
			case isCustomer(m.GetAuthor()):
				owed = true
			case isEmbeddedBot(m.GetAuthor()):
				owed = false
			}
		}
	}
	return owed
}

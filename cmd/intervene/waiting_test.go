package main

import (
	"fmt"
	"time"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// doubt is how long a send of unknown outcome may keep those behind it: until
// its attempt counts as lost, and then in the hope of a status. The rest is for
// the courier to come by.
const doubt = engine.AttemptTimeout + engine.UnknownWait + 10*time.Second

// waiting says which conversations still have something to do, and how many of
// them only wait for the outcome of a send that the engine died over.
func (e *evidence) waiting(now time.Time) (unsettled []string, doubtful int) {
	j := &judgement{evidence: e}
	j.index()
	for id, s := range e.conversations {
		open, kept := j.open(s, now)
		switch {
		case unanswered(s):
			unsettled = append(unsettled, "conversation "+id+": a customer waits for the bot")
		case open != "" && kept:
			doubtful++
		case open != "":
			unsettled = append(unsettled, "conversation "+id+": "+open)
		}
	}
	return unsettled, doubtful
}

// open says which send of a conversation has no outcome, and whether one is in
// doubt, which keeps back all behind it.
func (j *judgement) open(s *seen, now time.Time) (open string, kept bool) {
	for _, e := range s.events {
		c := e.GetDeliveryChange()
		if c == nil || j.state[c.GetMessageId()] != c.GetDelivery() || j.delivered[c.GetMessageId()] > 0 {
			continue
		}
		attempted := c.GetDelivery() == intervenev1.Delivery_DELIVERY_ATTEMPTED
		unknown := c.GetDelivery() == intervenev1.Delivery_DELIVERY_UNKNOWN
		if (attempted || unknown) && now.Sub(e.GetAt().AsTime()) < doubt {
			kept = true
		}
	}
	for _, e := range s.events {
		id := e.GetMessage().GetMessageId()
		switch state, sent := j.state[id]; {
		case !sent || j.sent[id] == nil:
		case state == intervenev1.Delivery_DELIVERY_QUEUED, state == intervenev1.Delivery_DELIVERY_ATTEMPTED:
			return fmt.Sprintf("message %s is %v", id, state), kept
		case state == intervenev1.Delivery_DELIVERY_UNKNOWN && j.delivered[id] > 0:
			return fmt.Sprintf("message %s is %v, though its statuses tell", id, state), false
		}
	}
	return "", kept
}

// unanswered reports whether a customer wrote while the bot had the word, and
// has no answer of it.
func unanswered(s *seen) bool {
	var at state
	owed := false
	for _, e := range s.events {
		at.apply(e)
		switch {
		case at.column == columnIntervened:
			owed = false
		case e.GetMessage() == nil:
		case isCustomer(e.GetBy()):
			owed = true
		case isEmbeddedBot(e.GetBy()):
			owed = false
		}
	}
	return owed
}

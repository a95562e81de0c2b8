package demo

import (
	"time"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// accepted checks that each accepted SendMessage stands in its conversation
// exactly once, as what it was.
func (a *audit) accepted() {
	times := make(map[string]int)
	for _, m := range a.sentAs {
		times[m.GetConversationId()+"\x00"+m.GetContent().GetText().GetBody()]++
	}
	for _, s := range a.sends {
		m, ok := a.sentAs[s.message]
		switch {
		case !ok:
			a.violation("send", "accepted message %s is in no conversation", s.message)
			continue
		case m.GetConversationId() != s.conversation || m.GetAuthor().GetId() != s.by || m.GetContent().GetText().GetBody() != s.text:
			a.violation("send", "accepted message %s is not what was sent", s.message)
		}
		if n := times[s.conversation+"\x00"+s.text]; n != 1 {
			a.violation("send", "accepted message %s stands in its conversation %d times", s.message, n)
		}
	}
}

// delivered compares what conversations say of their sends with what WhatsApp
// took, and in which order.
func (a *audit) delivered() {
	newest := make(map[string]uint64) // version of the newest delivery, by conversation
	for _, d := range a.deliveries {
		m, ok := a.sentAs[d.CallbackData]
		if !ok {
			a.violation("send", "delivery %d is of no message", d.Seq)
			continue
		}
		o := a.byID[m.GetConversationId()]
		if o.card.GetContact().GetPhone() != d.To.String() {
			a.violation("send", "message %s went to the customer of another conversation", m.GetMessageId())
		}
		if bodyOf(m.GetContent()) != d.Body {
			a.violation("send", "message %s says something else than its conversation", m.GetMessageId())
		}
		if m.GetVersion() < newest[o.id()] {
			a.report.SendsOutOfOrder++
			a.violation("order", "message %s was sent after one that was written later", m.GetMessageId())
		}
		newest[o.id()] = max(newest[o.id()], m.GetVersion())
	}
	for id, m := range a.sentAs {
		a.outcome(id, m.GetDelivery())
	}
}

// bodyOf is what a message of the bot's or an agent's says above its options.
func bodyOf(c *intervenev1.Content) string {
	switch kind := c.GetKind().(type) {
	case *intervenev1.Content_Buttons:
		return kind.Buttons.GetBody()
	case *intervenev1.Content_List:
		return kind.List.GetBody()
	case *intervenev1.Content_Link:
		return kind.Link.GetBody()
	}
	return c.GetText().GetBody()
}

// outcome holds one message's delivery state against the delivery log.
func (a *audit) outcome(id string, state intervenev1.Delivery) {
	n := a.arrived[id]
	switch {
	case n > 1:
		a.violation("send", "message %s was sent %d times", id, n)
	case wasAccepted(state) && n == 0:
		a.violation("send", "message %s counts as sent and was not", id)
	case state == intervenev1.Delivery_DELIVERY_UNKNOWN && n == 1:
		a.violation("send", "message %s counts as unknown, though its statuses were acknowledged", id)
	case !wasAccepted(state) && n == 1:
		a.violation("send", "message %s counts as %v and was sent", id, state)
	case state == intervenev1.Delivery_DELIVERY_UNSPECIFIED:
		a.violation("send", "message %s has no delivery", id)
	}
}

// silence reads in each conversation's own events whether the bot was silent
// from each hand-over to a person on: it said nothing, and nothing of before
// was attempted. That only means something if every attempt is an event, so
// each delivery must have one.
func (a *audit) silence() {
	attempted := make(map[string]bool)
	for _, o := range a.conversations {
		a.hush(o, attempted)
	}
	for id := range a.arrived {
		if !attempted[id] && a.sentAs[id] != nil {
			a.violation("bot", "message %s was sent and its attempt is no event", id)
		}
	}
}

// hush checks one conversation and adds what was attempted in it.
func (a *audit) hush(o *observation, attempted map[string]bool) {
	var handedOver uint64 // version of the newest hand-over from the bot to a person
	held := false
	said := make(map[string]uint64) // versions of the bot's messages
	for _, e := range o.events {
		switch k := e.GetKind().(type) {
		case *intervenev1.ConversationEvent_HandOver:
			intervened := k.HandOver.GetColumn() == columnIntervened
			if intervened && !held {
				handedOver = e.GetVersion()
			}
			held = intervened
		case *intervenev1.ConversationEvent_Message:
			if !isBot(k.Message.GetAuthor()) {
				continue
			}
			said[k.Message.GetMessageId()] = e.GetVersion()
			if held {
				a.report.BotSendsWhileIntervened++
				a.violation("bot", "conversation %s: the bot spoke at version %d, though a person took over at %d", o.id(), e.GetVersion(), handedOver)
			}
		case *intervenev1.ConversationEvent_DeliveryChange:
			if k.DeliveryChange.GetDelivery() != intervenev1.Delivery_DELIVERY_ATTEMPTED {
				continue
			}
			attempted[k.DeliveryChange.GetMessageId()] = true
			if version, bot := said[k.DeliveryChange.GetMessageId()]; bot && version < handedOver {
				a.report.BotSendsWhileIntervened++
				a.violation("bot", "conversation %s: the bot's send of version %d was attempted after the hand-over of version %d", o.id(), version, handedOver)
			}
		}
	}
}

// interruptions looks at the same from outside, by the clock: of what the bot
// sent to a customer at most the one message that was on its way may arrive
// while an agent is known to hold the conversation.
func (a *audit) interruptions() {
	arrived := make(map[string][]time.Time) // of the bot's messages, by conversation
	for _, d := range a.deliveries {
		if m, ok := a.sentAs[d.CallbackData]; ok && isBot(m.GetAuthor()) {
			arrived[m.GetConversationId()] = append(arrived[m.GetConversationId()], d.AcceptedAt)
		}
	}
	for _, h := range a.holds {
		n := 0
		for _, at := range arrived[h.conversation] {
			if at.After(h.from) && (h.to.IsZero() || at.Before(h.to)) {
				n++
			}
		}
		if n > 1 {
			a.report.BotSendsWhileIntervened += n - 1
			a.violation("bot", "conversation %s: %d of the bot's messages arrived while an agent held it", h.conversation, n)
		}
	}
}

// turns checks that the bot answers once, be it with several messages, which are
// one event after the other then. Of what came between two of its answers it may
// have seen any part at the time of the second: that much is allowed again. What
// came before the first is answered for sure. That a person gave the conversation
// back may be answered, too.
func (a *audit) turns() {
	for _, o := range a.conversations {
		held := false
		carried, fresh := 0, 0 // unanswered: from before the bot's newest answer, and since
		var answered uint64    // the version of its newest message
		for _, e := range o.events {
			if h := e.GetHandOver(); h != nil {
				before := held
				if held = h.GetColumn() == columnIntervened; held {
					carried, fresh = 0, 0
				} else if before {
					fresh++
				}
			}
			m := e.GetMessage()
			if m == nil || held {
				continue
			}
			if isCustomer(m.GetAuthor()) {
				fresh++
			}
			if !isEmbeddedBot(m.GetAuthor()) {
				continue
			}
			sameAnswer := answered > 0 && e.GetVersion() == answered+1
			answered = e.GetVersion()
			switch {
			case sameAnswer:
			case carried > 0:
				carried, fresh = fresh, 0
			case fresh > 0:
				carried, fresh = fresh-1, 0
			default:
				a.violation("turn", "conversation %s: the bot answered at version %d what it had answered before", o.id(), e.GetVersion())
			}
		}
	}
}

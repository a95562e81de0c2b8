package sim

import (
	"reflect"
	"slices"
	"time"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// everything reads all conversations of a journal, in the order in which the
// ledger knows them.
func (s *sim) everything(w *world) map[engine.ConversationID][]engine.Event {
	all := make(map[engine.ConversationID][]engine.Event)
	for workspace := range s.plan.policies {
		for _, column := range []engine.Column{engine.Active, engine.Requesting, engine.Intervened, engine.History} {
			rows, err := w.journal.BoardPage(workspace, column, engine.BoardRow{}, 10_000)
			if err != nil {
				s.unreadable(w, err)
				return nil
			}
			for _, row := range rows {
				events, err := w.journal.Events(row.Conversation, 0, 10_000)
				if err != nil {
					s.unreadable(w, err)
					return nil
				}
				all[row.Conversation] = events
			}
		}
	}
	// What was erased stands on no board.
	for _, id := range s.ledger.known() {
		if all[id] != nil {
			continue
		}
		events, err := w.journal.Events(id, 0, 10_000)
		if err != nil {
			s.unreadable(w, err)
			return nil
		}
		if len(events) > 0 {
			all[id] = events
		}
	}
	return all
}

func (s *sim) unreadable(w *world, err error) {
	w.alive(func() {
		s.ledger.violate("acknowledged means durable: life %d cannot read its journal: %v", w.life, err)
	})
}

// recovered compares what a life finds with what was shown and acknowledged
// before it: nothing is lost, and nothing shown is undone.
func (s *sim) recovered(w *world) {
	all := s.everything(w)
	if all == nil {
		return
	}
	s.showAll(all, "recovery")
	l := s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range l.order {
		if story := l.stories[id]; newestOf(all[id]) < story.newest {
			l.violateLocked("acknowledged means durable: life %d finds %s at version %d; %s showed version %d",
				w.life, id, newestOf(all[id]), story.where, story.newest)
		}
	}
	s.acknowledged(all)
	s.erasures(all)
	for _, o := range l.opOrder {
		if o.receipt != nil {
			s.effect(o, all)
		}
	}
}

// showAll notes all events as shown: what one recovery found, the next finds too.
func (s *sim) showAll(all map[engine.ConversationID][]engine.Event, where string) {
	for id, events := range all {
		for i := range events {
			s.ledger.event(id, &events[i], where)
		}
		if isErased(events) {
			s.ledger.erase(id, &events[0])
		}
	}
}

// acknowledged: what was answered 200 is there, once. The ledger is held.
func (s *sim) acknowledged(all map[engine.ConversationID][]engine.Event) {
	l := s.ledger
	found := make(map[string]int)
	for _, events := range all {
		for i := range events {
			switch b := events[i].Body.(type) {
			case engine.MessageReceived:
				found[b.External]++
			case engine.EchoReceived:
				found[b.External]++
			case engine.Amended:
				found[b.External]++
			}
		}
	}
	for external, n := range found {
		if n > 1 {
			l.violateLocked("effects once: message %s makes %d events", external, n)
		}
	}
	for _, offer := range s.meta.Offers() {
		name := string(offer.WAMID)
		w := l.written[offer.WAMID]
		switch {
		case offer.Kind == standin.ItemStatus || name == "" || l.lost[itemOf(&offer)]:
		case w != nil && w.change != (engine.Contact{}): // may say nothing new
		case offer.Forged && (found[name] > 0 || !offer.AcknowledgedAt.IsZero()):
			l.violateLocked("nothing is invented: the forged message %s was taken in", name)
		case !offer.Forged && !offer.AcknowledgedAt.IsZero() && found[name] == 0 && !s.forgotten(w, &offer) && !s.aged(w):
			l.violateLocked("acknowledged means durable: message %s was acknowledged and is lost", name)
		}
	}
}

// aged reports whether what was written may be too old to be kept.
func (s *sim) aged(w *written) bool {
	return s.aging && w != nil && s.plan.policies[w.customer.number.workspace].Retention > 0
}

// effect: an accepted command has its effect once, where its receipt says, at
// an instant between asking and answer. The ledger is held.
func (s *sim) effect(o *op, all map[engine.ConversationID][]engine.Event) {
	events := all[o.conversation]
	if isErased(events) || s.aging && len(events) > 0 && o.receipt.Version < events[0].Version {
		return
	}
	var at []uint64
	for i := range events {
		if events[i].Command == o.id {
			at = append(at, events[i].Version)
		}
	}
	l := s.ledger
	if len(at) != 1 || at[0] != o.receipt.Version {
		l.violateLocked("effects once: the accepted %T %s of %s has events at %v, its receipt says %d", o.body, o.id, o.conversation, at, o.receipt.Version)
		return
	}
	if e := events[at[0]-events[0].Version]; e.At < o.began || e.At > o.ended {
		l.violateLocked("one order: %T %s took effect at %d, outside of %d to %d", o.body, o.id, e.At, o.began, o.ended)
	}
}

// auditRest compares at rest: nothing is owed, and streams show what is there.
func (s *sim) auditRest(w *world) {
	all := s.everything(w)
	if all == nil {
		return
	}
	chronicles := s.chronicles(all)
	s.ledger.mu.Lock()
	for _, c := range chronicles {
		c.rests()
	}
	s.offers()
	s.ledger.mu.Unlock()
	for _, b := range s.boards {
		b.compare(w)
	}
	for _, f := range s.stories {
		f.compare(w)
	}
	for _, f := range s.frontends {
		f.compare(w)
	}
	for _, r := range s.readers {
		r.compare(w)
	}
	s.lookAround()
}

// auditEnd is the whole audit, long after the last message.
func (s *sim) auditEnd(w *world) {
	all := s.everything(w)
	if all == nil {
		return
	}
	if n := w.router.Resident(); n > 0 {
		s.ledger.violate("idle costs nothing: %d conversations are in memory long after the last command", n)
	}
	s.auditRest(w)
	chronicles := s.chronicles(all)
	now := engine.InstantOf(time.Now())
	l := s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range chronicles {
		c.lapsed(now)
	}
	s.acknowledged(all)
	s.erasures(all)
	s.edge(w, chronicles)
	s.identities(w, chronicles)
	s.unasked()
	s.platform(chronicles)
	s.turns(chronicles)
	s.count(chronicles)
	s.told(chronicles)
	for _, o := range l.opOrder {
		s.outcome(o, chronicles[o.conversation], all)
	}
}

// chronicles reads all events against the design.
func (s *sim) chronicles(all map[engine.ConversationID][]engine.Event) map[engine.ConversationID]*chronicle {
	s.showAll(all, "audit")
	l := s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	chronicles := make(map[engine.ConversationID]*chronicle)
	for id, events := range all {
		if isErased(events) {
			continue
		}
		c := newChronicle(l, s.plan, id)
		for i := range events {
			c.read(&events[i])
			s.sameCard(c)
			c.sameWire(&events[i])
		}
		chronicles[id] = c
	}
	return chronicles
}

// sameCard: whoever was shown a card was shown what the events make.
func (s *sim) sameCard(c *chronicle) {
	shown, ok := s.ledger.stories[c.id].cards[c.version]
	if !ok {
		return
	}
	want := c.cards.Card()
	if len(want.Tags) == 0 {
		want.Tags = nil
	}
	if !reflect.DeepEqual(shown, want) {
		c.wrong("one order", "a card of it was shown that the events do not make:%s", cardDifference(&shown, &want))
	}
}

// offers: in the end everything that the platform offered was acknowledged.
func (s *sim) offers() {
	for _, offer := range s.meta.Offers() {
		if !offer.Forged && offer.AcknowledgedAt.IsZero() && offer.Offers > 0 {
			s.ledger.violateLocked("liveness: %s %s %s (%s) was offered %d times and never acknowledged",
				offer.Kind, offer.WAMID, offer.Status, s.ledger.written[offer.WAMID], offer.Offers)
		}
	}
}

// identities: an identity belongs to one conversation, and what its owner
// wrote stands there, or with another identity of theirs.
func (s *sim) identities(w *world, chronicles map[engine.ConversationID]*chronicle) {
	type place struct {
		channel  engine.ChannelID
		identity engine.Identity
	}
	owners := make(map[place]engine.ConversationID)
	for id, c := range chronicles {
		for _, identity := range c.ever {
			at := place{c.channel, identity}
			if owner, taken := owners[at]; taken {
				s.ledger.violateLocked("effects once: conversations %s and %s are of one identity", owner, id)
			}
			owners[at] = id
			if found, ok, err := w.journal.ByIdentity(c.channel, identity); err != nil || !ok || found != id {
				s.ledger.violateLocked("effects once: an identity of %s leads to %s (found %v, error %v)", id, found, ok, err)
			}
		}
	}
	for id, story := range s.ledger.stories {
		c := chronicles[id]
		for _, e := range story.events {
			b, ok := e.Body.(engine.MessageReceived)
			if !ok || c == nil {
				continue
			}
			w, ok := s.ledger.written[standin.WAMID(b.External)]
			if !ok {
				continue // told by the chronicle
			}
			// A POST that names both identities of somebody completes the contact
			// of all their messages in it: either may lead to the conversation.
			if !slices.ContainsFunc(w.customer.ever, func(i engine.Identity) bool { return owners[place{c.channel, i}] == id }) {
				s.ledger.violateLocked("effects once: message %s stands in %s, which is not its sender's", b.External, id)
			}
		}
	}
}

// told: whoever was refused was told where the conversation stood at some
// instant of the call.
func (s *sim) told(chronicles map[engine.ConversationID]*chronicle) {
	for i := range s.ledger.claims {
		told := &s.ledger.claims[i]
		c := chronicles[told.conversation]
		if c == nil && s.ledger.isGone(told.conversation) {
			continue
		}
		if c == nil {
			s.ledger.violateLocked("nothing is invented: %s was told of %s, which is not there", told.op.by.ID, told.conversation)
			continue
		}
		if !c.stoodAt(told) {
			s.ledger.violateLocked("one holder: %s was told that %s is in %s, held by %q in epoch %d: never between %d and %d",
				told.op.by.ID, told.conversation, told.column, told.holder, told.epoch, told.begin, told.end)
		}
	}
}

func (c *chronicle) stoodAt(told *claim) bool {
	for i, state := range c.states {
		until := told.end
		if i+1 < len(c.states) {
			until = c.states[i+1].at
		}
		if state.column == told.column && state.holder == told.holder && state.epoch == told.epoch &&
			state.at <= told.end && until >= told.begin {
			return true
		}
	}
	return false
}

// discarded reports whether the bot's words are among those that nobody was sent.
func discarded(events []engine.Event, text string) bool {
	return slices.ContainsFunc(events, func(e engine.Event) bool {
		b, ok := e.Body.(engine.BotDiscarded)
		return ok && b.Content.Text == text
	})
}

// outcome: what a command was answered is what it did.
func (s *sim) outcome(o *op, c *chronicle, all map[engine.ConversationID][]engine.Event) {
	l := s.ledger
	if o.foreign && o.receipt != nil {
		l.violateLocked("workspaces: %s of %s was obeyed in %s", o.by.ID, o.workspace, o.conversation)
	}
	if o.receipt == nil {
		n := 0
		for i := range all[o.conversation] {
			if all[o.conversation][i].Command == o.id {
				n++
			}
		}
		if n > 1 || n > 0 && o.refused != nil {
			l.violateLocked("effects once: %T %s of %s has %d events, and was refused: %v", o.body, o.id, o.conversation, n, o.refused)
		}
		silenced := o.refused != nil && (o.refused.Code == engine.CodeBotFenced || o.refused.Code == engine.CodeBotMuted)
		if silenced && !l.isGone(o.conversation) && slices.ContainsFunc(textsOf(o.body), func(text string) bool {
			return !discarded(all[o.conversation], text)
		}) {
			l.violateLocked("the bot is silent: what it said in %s was fenced and is not kept for who audits it", o.conversation)
		}
		return
	}
	s.effect(o, all)
	if c == nil || int(o.receipt.Version) > len(c.states) {
		return // told by effect
	}
	state := c.states[o.receipt.Version-1]
	var did bool
	switch b := o.body.(type) {
	case engine.SendMessage:
		queued, ok := all[o.conversation][o.receipt.Version-1].Body.(engine.MessageQueued)
		did = ok && reflect.DeepEqual(queued.Content, b.Content)
	case engine.StartConversation:
		queued, ok := all[o.conversation][o.receipt.Version-1].Body.(engine.MessageQueued)
		did = ok && reflect.DeepEqual(queued.Content, b.Content)
	case engine.ResendMessage:
		queued, ok := all[o.conversation][o.receipt.Version-1].Body.(engine.MessageQueued)
		did = ok && queued.ResendOf == b.Send
	case engine.AnswerTurn:
		did = true // what it says is held against the events by the chronicle
	case engine.AddNote:
		noted, ok := all[o.conversation][o.receipt.Version-1].Body.(engine.NoteAdded)
		did = ok && noted.Body == b.Body
	case engine.SetTags:
		want := slices.Clone(b.Tags)
		slices.Sort(want)
		did = slices.Equal(state.tags, want)
	case engine.Intervene, engine.TakeOver:
		did = state.holder == o.by.ID
	case engine.Transfer:
		did = state.holder == b.To
	case engine.Resolve:
		did = state.holder == "" && state.column != engine.Requesting
	case engine.MarkRead:
		did = o.receipt.Card.Unread == 0
	case engine.RequestAgent:
		did = state.column == engine.Requesting || state.column == engine.Intervened
	case engine.WithdrawRequest:
		did = state.column != engine.Requesting
	}
	if !did {
		l.violateLocked("effects once: %T %s by %s of %s was accepted and left it in %s, held by %q", o.body, o.id, o.by.ID, o.conversation, state.column, state.holder)
	}
}

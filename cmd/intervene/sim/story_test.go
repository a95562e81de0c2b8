package sim

import (
	"reflect"
	"slices"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// story is one conversation as the engine has shown it.
type story struct {
	id     engine.ConversationID
	events map[uint64]engine.Event
	cards  map[uint64]engine.Card
	// wired and told are cards and events as the edge showed them.
	wired  map[uint64]wiredCard
	told   map[uint64]*intervenev1.ConversationEvent
	newest uint64 // that was shown
	// delivery is the furthest state of each send that was shown.
	delivery map[uint64]engine.DeliveryState
	where    string // it was shown first
	// workspace is that of the board, the agent or the bot that saw it.
	workspace engine.WorkspaceID
	// erasing: somebody asked to erase it. erased is the event that did.
	erasing bool
	erased  *engine.Event
	// lost: it began after the backup that was restored.
	lost bool
}

// storyOf is called with mu held.
func (l *ledger) storyOf(id engine.ConversationID, where string) *story {
	s, ok := l.stories[id]
	if !ok {
		s = &story{
			id: id, where: where, events: make(map[uint64]engine.Event), cards: make(map[uint64]engine.Card),
			delivery: make(map[uint64]engine.DeliveryState), wired: make(map[uint64]wiredCard), told: make(map[uint64]*intervenev1.ConversationEvent),
		}
		l.stories[id] = s
		l.order = append(l.order, id)
	}
	return s
}

// reaches says that version of a conversation was shown.
func (l *ledger) reaches(id engine.ConversationID, version uint64, where string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.storyOf(id, where)
	if version > s.newest {
		s.newest, s.where = version, where
	}
}

// event says that e was shown: it is the same to whoever sees it, ever.
func (l *ledger) event(id engine.ConversationID, e *engine.Event, where string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.storyOf(id, where)
	if known, ok := s.events[e.Version]; ok {
		if !reflect.DeepEqual(known, *e) {
			l.violateLocked("one order: %s shows event %d of %s as %s at %d, it was %s at %d before",
				where, e.Version, id, e.Body.Kind(), e.At, known.Body.Kind(), known.At)
		}
		return
	}
	s.events[e.Version] = *e
	if e.Version > s.newest {
		s.newest, s.where = e.Version, where
	}
}

// card says that c was shown to somebody of a workspace.
func (l *ledger) card(c *engine.Card, workspace engine.WorkspaceID, where string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.Workspace != workspace {
		l.violateLocked("workspaces: %s of %s shows %s of %s", where, workspace, c.Conversation, c.Workspace)
	}
	shown := *c
	if len(shown.Tags) == 0 {
		shown.Tags = nil
	}
	s := l.storyOf(c.Conversation, where)
	s.workspace = c.Workspace
	if known, ok := s.cards[c.Version]; ok && !reflect.DeepEqual(known, shown) {
		l.violateLocked("one order: %s shows %s at version %d with another card than before: %s", where, c.Conversation, c.Version, cardDifference(&known, &shown))
	}
	s.cards[c.Version] = shown
	if c.Version > s.newest {
		s.newest, s.where = c.Version, where
	}
}

// cardDifference names the fields, never what they hold.
func cardDifference(a, b *engine.Card) string {
	x, y := reflect.ValueOf(*a), reflect.ValueOf(*b)
	text := ""
	for i := range x.NumField() {
		if !reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
			text += " " + x.Type().Field(i).Name
		}
	}
	return text
}

// message says that m was read.
func (l *ledger) message(m *engine.Message, where string) {
	l.event(m.ID.Conversation, &m.Event, where)
	if m.Delivery.State == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.storyOf(m.ID.Conversation, where)
	before := s.delivery[m.ID.Version]
	// A send that was surely not sent is queued again: only that goes back.
	again := m.Delivery.State <= engine.Attempted && before <= engine.Attempted ||
		m.Delivery.Repeated // once more, although it may have arrived
	if !again && standing(m.Delivery.State) < standing(before) {
		l.violateLocked("statuses: %s shows send %s as %s after %s", where, m.ID, m.Delivery.State, before)
	}
	s.delivery[m.ID.Version] = m.Delivery.State
}

func (l *ledger) isErasing(id engine.ConversationID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	story, ok := l.stories[id]
	return ok && (story.erasing || story.lost)
}

func (l *ledger) known() []engine.ConversationID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.order)
}

func (l *ledger) erase(id engine.ConversationID, e *engine.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stories[id].erased = e
}

// isGone reports whether a conversation was found erased, or was lost. The ledger is held.
func (l *ledger) isGone(id engine.ConversationID) bool {
	story, ok := l.stories[id]
	return ok && (story.erased != nil || story.lost)
}

package client

import (
	"cmp"
	"slices"
	"time"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// recencyStep is how coarsely the server orders Active by recency, so that a
// conversation does not move with every message.
const recencyStep = time.Minute

// BoardSnapshot is a board at one moment. It never changes, and nobody may
// change its cards.
type BoardSnapshot struct {
	// Whole: the server has told a whole board at least once.
	Whole bool
	// Interrupted is why the stream does not show the present now; nil: it does.
	Interrupted error
	// Columns are those that were asked for: Active, Requesting, Intervened.
	Columns []Column
	// Agents are those that are online, by their ids, as of the newest word of
	// them; nil unless they were asked for.
	Agents map[string]*intervenev1.AgentPresence

	byID map[string]*intervenev1.Card
	self string
}

// Column is one column of a board.
type Column struct {
	Column intervenev1.Column
	// Cards stand in the server's order: in Active the newest activity first, else
	// the longest waiting.
	Cards []*intervenev1.Card
	// Counter counts the whole column, as the server does; nil before it did.
	Counter *intervenev1.ColumnCounter
}

// Column is the column of this name, empty when it is not followed.
func (s *BoardSnapshot) Column(column intervenev1.Column) Column {
	for _, c := range s.Columns {
		if c.Column == column {
			return c
		}
	}
	return Column{Column: column}
}

// Card is the card of a conversation, or nil when the board does not show it.
func (s *BoardSnapshot) Card(conversationID string) *intervenev1.Card { return s.byID[conversationID] }

// Mine is what the caller holds, of all that the board shows, the longest held
// first.
func (s *BoardSnapshot) Mine() []*intervenev1.Card {
	var mine []*intervenev1.Card
	for _, card := range s.byID {
		if s.self != "" && card.GetHolderAgentId() == s.self {
			mine = append(mine, card)
		}
	}
	slices.SortFunc(mine, inOrder)
	return mine
}

// snapshot lays the answers over what the stream said.
func (f *boardFold) snapshot() *BoardSnapshot {
	s := &BoardSnapshot{Whole: f.base != nil, Agents: f.agents, byID: make(map[string]*intervenev1.Card), self: f.self}
	if f.base != nil {
		for id, card := range f.base.byID {
			s.byID[id] = card
		}
		f.lay(s.byID)
	}
	for _, column := range f.columns {
		c := Column{Column: column}
		if f.base != nil {
			c.Counter = f.base.counters[column]
		}
		for _, card := range s.byID {
			if card.GetColumn() == column {
				c.Cards = append(c.Cards, card)
			}
		}
		slices.SortFunc(c.Cards, inOrder)
		s.Columns = append(s.Columns, c)
	}
	return s
}

func (f *boardFold) lay(over map[string]*intervenev1.Card) {
	for id, a := range f.applied {
		switch {
		case over[id].GetVersion() >= a.card.GetVersion():
		case f.admits(a.card):
			over[id] = a.card
		default:
			delete(over, id)
		}
	}
}

// inOrder is the server's order of two cards of one column.
func inOrder(a, b *intervenev1.Card) int {
	order := cmp.Compare(placeOf(a), placeOf(b))
	if a.GetColumn() == intervenev1.Column_COLUMN_ACTIVE {
		order = -order
	}
	return cmp.Or(order, cmp.Compare(a.GetConversationId(), b.GetConversationId()))
}

// placeOf is what a column is ordered by.
func placeOf(card *intervenev1.Card) int64 {
	switch card.GetColumn() {
	case intervenev1.Column_COLUMN_REQUESTING:
		return card.GetRequestedAt().AsTime().UnixMilli()
	case intervenev1.Column_COLUMN_INTERVENED:
		return card.GetSince().AsTime().UnixMilli()
	}
	at := card.GetLastActivityAt().AsTime().UnixMilli()
	return at - at%recencyStep.Milliseconds()
}

package engine

import "iter"

// Column is where a conversation stands. The numbers are on disk and on the
// wire: never reordered, never reused.
type Column uint8

const (
	// History: on no column. The zero Column is no column at all.
	Active      Column = 1 // the bot handles it
	Requesting  Column = 2 // it waits for a person; the bot still answers
	Intervened  Column = 3 // an agent holds it; the bot is silent
	History     Column = 4 // its window lapsed; it stands on no board
	columnCount        = 5
)

// BoardColumns are the columns that a board shows.
var BoardColumns = [...]Column{Active, Requesting, Intervened}

var columnNames = [columnCount]string{"none", "active", "requesting", "intervened", "history"}

func (c Column) String() string { return nameOf(columnNames[:], int(c)) }

// OnBoard reports whether boards show c.
func (c Column) OnBoard() bool { return c == Active || c == Requesting || c == Intervened }

// Cause is why a conversation moved to where it stands. The numbers are on disk
// and on the wire: never reordered, never reused.
type Cause uint8

const (
	CauseCustomerMessage Cause = 1  // a customer wrote to a conversation in History
	CauseRequested       Cause = 2  // bot, customer or agent asked for a person
	CauseBotUnavailable  Cause = 3  // the bot failed or timed out
	CauseWindowClosed    Cause = 4  // a message came too late for the bot to answer
	CauseWithdrawn       Cause = 5  // the request was taken back
	CauseDismissed       Cause = 6  // an agent resolved a request without intervening
	CauseIntervened      Cause = 7  // an agent became the holder
	CauseTakenOver       Cause = 8  // a supervisor became the holder
	CauseTransferred     Cause = 9  // the holder or a supervisor named the next holder
	CauseResolved        Cause = 10 // the holder or a supervisor gave it back to the bot
	CauseAutoResolved    Cause = 11 // it lay idle in Intervened for the workspace's limit
	CauseWindowLapsed    Cause = 12 // 24 hours passed since the customer's newest message
	causeCount                 = 13
)

var causeNames = [causeCount]string{
	"none", "customer_message", "requested", "bot_unavailable", "window_closed", "withdrawn", "dismissed",
	"intervened", "taken_over", "transferred", "resolved", "auto_resolved", "window_lapsed",
}

func (c Cause) String() string { return nameOf(causeNames[:], int(c)) }

// PartyKind is what sort of party speaks or acts. The numbers are on disk and
// on the wire: never reordered, never reused.
type PartyKind uint8

const (
	Customer   PartyKind = 1
	Bot        PartyKind = 2
	Agent      PartyKind = 3
	Supervisor PartyKind = 4
	Engine     PartyKind = 5 // a timer, the courier, the engine itself
	Outside    PartyKind = 6 // somebody of the business who writes from elsewhere
	partyCount           = 7
)

var partyNames = [partyCount]string{"none", "customer", "bot", "agent", "supervisor", "engine", "outside"}

func (k PartyKind) String() string { return nameOf(partyNames[:], int(k)) }

// Party is who gave a command or made an event. ID is empty for the customer
// and the engine.
type Party struct {
	Kind PartyKind
	ID   AgentID
}

// IsHuman reports whether p may hold a conversation, which takes a name too.
func (p Party) IsHuman() bool { return (p.Kind == Agent || p.Kind == Supervisor) && p.ID != "" }

// numbered are the numbers from 1 to below count: an enum's, whose names are as many.
func numbered[E ~uint8](count E) iter.Seq[E] {
	return func(yield func(E) bool) {
		for e := E(1); e < count && yield(e); e++ {
			continue
		}
	}
}

// nameOf names an enum's value, also one that a newer version wrote.
func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return "unknown"
}

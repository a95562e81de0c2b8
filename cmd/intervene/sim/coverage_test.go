package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/intervenehq/intervene/engine"
)

// coverage is how often each thing happened that simulations are made for.
type coverage map[string]int

func (c coverage) saw(format string, args ...any) { c[fmt.Sprintf(format, args...)]++ }

// String has a line for every area, each with its scenarios.
func (c coverage) String() string {
	var text strings.Builder
	area := ""
	for _, name := range slices.Sorted(maps.Keys(c)) {
		head, rest, _ := strings.Cut(name, ": ")
		if head != area {
			fmt.Fprintf(&text, "\n%s:", head)
			area = head
		}
		fmt.Fprintf(&text, " %s %d,", rest, c[name])
	}
	return strings.ReplaceAll(text.String()+"\n", ",\n", "\n")
}

// promised are scenarios that every short run must reach: one that it never does
// tests nothing.
var promised = []string{
	"age: ended", "age: trimmed",
	"bot: answer lost", "bot: answered called", "bot: answered posted", "bot: submission accepted", "bot: submission bot fenced",
	"command: AddNote accepted", "command: AnswerTurn accepted", "command: AnswerTurn bot fenced", "command: Erase accepted",
	"command: Intervene accepted", "command: RequestAgent accepted", "command: ResendMessage accepted", "command: Resolve accepted",
	"command: SendMessage accepted", "command: SendMessage bot fenced", "command: SendMessage bot muted", "command: SendMessage not found",
	"command: SendMessage window closed", "command: SetTags accepted", "command: StartConversation accepted", "command: TakeOver accepted",
	"command: Transfer accepted", "command: WithdrawRequest accepted",
	"delivery: accepted", "delivery: attempted", "delivery: delivered", "delivery: discarded", "delivery: failed", "delivery: queued",
	"delivery: read", "delivery: rejected", "delivery: sent", "delivery: unknown",
	"disk: hanging sync", "disk: power cut before a change", "disk: power cut in a sync",
	"edge: Intervene", "edge: MarkRead", "edge: RequestAgent", "edge: Resolve", "edge: SendMessage", "edge: SetTags", "edge: Transfer",
	"event: amended", "event: bot_discarded", "event: consent_changed", "event: contact_changed", "event: echo_received", "event: erased",
	"event: turn_accepted", "event: window_lapsed",
	"media: expired", "media: sent", "media: stored",
	"moved: auto_resolved", "moved: bot_unavailable", "moved: customer_message", "moved: intervened", "moved: requested", "moved: resolved",
	"moved: window_lapsed",
	"restore: backup made", "restore: done", "restore: held", "restore: lost message",
	"presence: compared", "presence: left", "presence: online", "presence: renewed", "presence: viewer compared",
	"stream: compared when quiet", "stream: conversation reset", "stream: cut, too slow", "stream: events read",
	"stream: reset RESET_REASON_REBUILT", "stream: reset RESET_REASON_TOKEN_UNKNOWN", "stream: resumed", "stream: sent away", "stream: snapshot",
	"template: sent to who never wrote",
	"turn: failed", "turn: told of what is remembered", "turn: told of a resolve",
}

// promisedLong are those that are too rare for a short run.
var promisedLong = []string{
	"bot: another submission refused",
	"command: StartConversation opted out", "disk: I/O error", "media: failed", "moved: dismissed", "moved: taken_over", "moved: transferred",
	"moved: window_closed", "template: sent outside the window",
}

// check fails for what was never reached in so many simulations.
func (c coverage) check(t *testing.T, n uint64) {
	names := promised
	if n >= longSeeds {
		names = append(names[:len(names):len(names)], promisedLong...)
	}
	for _, name := range names {
		if c[name] == 0 {
			t.Errorf("%s: never happened, want it in every run", name)
		}
	}
}

// cover counts what happened. The ledger is held.
func (s *sim) cover(chronicles map[engine.ConversationID]*chronicle) {
	c := s.tally.seen
	for _, o := range s.ledger.opOrder {
		kind := strings.TrimPrefix(fmt.Sprintf("%T", o.body), "engine.")
		if o.edge && o.digest != (engine.Digest{}) {
			c.saw("edge: %s", kind)
		}
		switch {
		case o.receipt != nil:
			c.saw("command: %s accepted", kind)
		case o.refused != nil:
			c.saw("command: %s %s", kind, o.refused.Code)
		}
	}
	for _, story := range s.ledger.stories {
		for _, e := range story.events {
			c.event(&e)
		}
	}
	for _, t := range s.ledger.turns {
		if len(t.variables) > 0 {
			c.saw("turn: told of what is remembered")
		}
		if t.returned {
			c.saw("turn: told of a resolve")
		}
	}
	for _, chronicle := range chronicles {
		c.templates(chronicle)
	}
	for range s.ledger.lost {
		c.saw("restore: lost message")
	}
}

func (c coverage) event(e *engine.Event) {
	c.saw("event: %s", e.Body.Kind())
	switch b := e.Body.(type) {
	case engine.DeliveryChanged:
		c.saw("delivery: %s", b.State)
	case engine.Moved:
		c.saw("moved: %s", b.Cause)
	case engine.MediaChanged:
		c.saw("media: %s", b.State)
	case engine.MessageQueued:
		c.saw("delivery: queued")
		if b.Content.Media != nil {
			c.saw("media: sent")
		}
	case engine.TurnEnded:
		if b.Failed {
			c.saw("turn: failed")
		}
	}
}

func (c coverage) templates(chronicle *chronicle) {
	for _, send := range chronicle.sends {
		switch {
		case send.content.Template == nil:
		case chronicle.customerAt == 0:
			c.saw("template: sent to who never wrote")
		case send.closed:
			c.saw("template: sent outside the window")
		}
	}
}

package demo

import (
	"slices"
	"sync"
	"time"

	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// ledger is what the demo did and was answered, written down outside the
// engine. A nil ledger keeps nothing, for a demo that runs until it is stopped.
type ledger struct {
	mu      sync.Mutex
	offers  []offered
	sends   []accepted
	races   []race
	holds   []hold
	told    []string // what answers themselves contradicted
	commits durations
	acks    durations
	lags    durations
}

// offered is one message that a customer wrote.
type offered struct {
	ordinal int
	phone   standin.Identity
	wamid   standin.WAMID
	text    string
	late    bool // dated outside its own window
}

// accepted is one SendMessage that was answered without an error.
type accepted struct {
	conversation, message, by, text string
}

// race is one conversation and the agents who intervened at the same moment.
type race struct {
	conversation string
	runs         []run
}

// run is how one of them came in.
type run struct {
	agent   string
	refusal refusal // zero: won
	epoch   uint64  // of the winner's card
}

// hold is how long an agent is known to have held a conversation: from the
// answer to the intervene until the resolve was asked for. Zero: to the end.
type hold struct {
	conversation string
	from, to     time.Time
}

func newLedger() *ledger {
	return &ledger{commits: newDurations(), acks: newDurations(), lags: newDurations()}
}

func (l *ledger) write(entry func()) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	entry()
}

func (l *ledger) offer(o offered)     { l.write(func() { l.offers = append(l.offers, o) }) }
func (l *ledger) send(a accepted)     { l.write(func() { l.sends = append(l.sends, a) }) }
func (l *ledger) ran(r race)          { l.write(func() { l.races = append(l.races, r) }) }
func (l *ledger) problem(text string) { l.write(func() { l.told = append(l.told, text) }) }

func (l *ledger) commandTook(d time.Duration) { l.write(func() { l.commits.add(d) }) }
func (l *ledger) lagged(d time.Duration)      { l.write(func() { l.lags.add(d) }) }

// acknowledged is the stand-in's OnAck.
func (l *ledger) acknowledged(a standin.Ack) {
	if a.Forged || a.Status != 200 {
		return
	}
	l.write(func() { l.acks.add(a.Duration) })
}

func (l *ledger) held(conversation string, from time.Time) {
	l.write(func() { l.holds = append(l.holds, hold{conversation: conversation, from: from}) })
}

// released ends the newest hold of a conversation.
func (l *ledger) released(conversation string, to time.Time) {
	l.write(func() {
		for i, h := range slices.Backward(l.holds) {
			if h.conversation == conversation {
				l.holds[i].to = to
				return
			}
		}
	})
}

package actors

import (
	"time"

	"github.com/intervenehq/intervene/engine"
)

const day = 24 * time.Hour

// workspaceOverview is the overview of one workspace; Overviews.mu guards it.
type workspaceOverview struct{ hours, days periods }

func newWorkspaceOverview() *workspaceOverview {
	return &workspaceOverview{hours: newPeriods(OverviewHours, time.Hour), days: newPeriods(OverviewDays, day)}
}

// periods are the newest ones of one length, each of UTC, numbered since the Unix
// epoch.
type periods struct {
	length time.Duration
	newest int64
	ring   []*period // by number modulo its length
}

func newPeriods(n int, length time.Duration) periods {
	return periods{length: length, ring: make([]*period, n)}
}

func (p *periods) number(at engine.Instant) int64 { return int64(at) / p.length.Milliseconds() }

func (p *periods) slot(number int64) **period { return &p.ring[number%int64(len(p.ring))] }

// at is the period of an instant; nil if that is too long ago.
func (p *periods) at(at engine.Instant) *period {
	number := p.number(at)
	if number < 0 || number <= p.newest-int64(len(p.ring)) {
		return nil
	}
	if number > p.newest {
		p.newest = number
		for _, old := range p.ring {
			// Clocks differ a little: the one before stays open.
			if old != nil && old.number < number-1 {
				old.seal()
			}
		}
	}
	slot := p.slot(number)
	if *slot == nil || (*slot).number != number {
		*slot = &period{number: number}
	}
	return *slot
}

// last are all up to an instant's, the oldest first.
func (p *periods) last(now engine.Instant) []engine.OverviewPeriod {
	all := make([]engine.OverviewPeriod, len(p.ring))
	first := p.number(now) - int64(len(p.ring)) + 1
	for i := range all {
		number := first + int64(i)
		if number < 0 {
			continue
		}
		if counted := *p.slot(number); counted != nil && counted.number == number {
			all[i] = counted.overview()
		}
		all[i].Begin = engine.Instant(number * p.length.Milliseconds())
	}
	return all
}

// period is what was counted in one.
type period struct {
	number                       int64
	conversations, asked         distinct
	requests, interventions      uint64
	resolutions, autoResolutions uint64
	dismissals, withdrawals      uint64
	waiting, holding             spans
}

// fold counts one change. began is since when the conversation was held before it.
func (p *period) fold(c *engine.Change, began engine.Instant) {
	if wrote(c) {
		p.conversations.add(c.Conversation)
	}
	from, to := c.Before.Column, c.After.Column
	if from == to || to == 0 {
		return // where it was, or erased
	}
	switch {
	case to == engine.Requesting:
		p.requests++
		p.asked.add(c.Conversation)
		p.conversations.add(c.Conversation)
	case to == engine.Intervened:
		p.interventions++
		if from == engine.Requesting {
			p.waiting.add(c.At.Sub(c.Before.WaitingSince))
		}
	case from == engine.Requesting && c.Cause == engine.CauseDismissed:
		p.dismissals++
	case from == engine.Requesting:
		p.withdrawals++
	}
	if from == engine.Intervened {
		if c.Cause == engine.CauseAutoResolved {
			p.autoResolutions++
		} else {
			p.resolutions++
		}
		p.holding.add(c.At.Sub(began))
	}
}

// wrote reports whether the customer did: what is unread became more, or the bot
// owes an answer that it did not owe. Who writes while an answer is owed is not
// told from who does not.
func wrote(c *engine.Change) bool {
	if c.After.Unread > c.Before.Unread {
		return true
	}
	returned := c.Before.Column == engine.Intervened
	return c.After.Due[engine.DueTurn] != 0 && c.Before.Due[engine.DueTurn] == 0 && !returned
}

// seal lets go of what only a period needs that still counts.
func (p *period) seal() {
	p.conversations.seal()
	p.asked.seal()
}

func (p *period) overview() engine.OverviewPeriod {
	return engine.OverviewPeriod{
		Conversations: p.conversations.count(), Asked: p.asked.count(),
		Requests: p.requests, Interventions: p.interventions,
		Resolutions: p.resolutions, AutoResolutions: p.autoResolutions,
		Dismissals: p.dismissals, Withdrawals: p.withdrawals,
		Waiting: p.waiting.sum(), Holding: p.holding.sum(),
	}
}

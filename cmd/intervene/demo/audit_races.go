package demo

import intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"

// interventions checks that each race had one winner, that every loser was
// told of that one, and that the conversations tell of as many interventions as
// the agents had answers to.
func (a *audit) interventions() {
	a.report.InterveneRaces = len(a.races)
	for _, r := range a.races {
		a.race(r)
	}
	held := make(map[string]int)
	for _, h := range a.holds {
		held[h.conversation]++
	}
	for _, o := range a.conversations {
		n := 0
		for _, e := range o.events {
			if e.GetHandOver().GetCause() == intervenev1.Cause_CAUSE_INTERVENED {
				n++
			}
		}
		if n != held[o.id()] {
			a.violation("race", "conversation %s: its events tell of %d interventions, its agents of %d", o.id(), n, held[o.id()])
		}
	}
}

func (a *audit) race(r race) {
	var winner *run
	winners := 0
	for i := range r.runs {
		if r.runs[i].refusal != (refusal{}) {
			continue
		}
		if winners++; winners == 2 {
			a.report.InterveneDoubleWinners++
		}
		if winner != nil {
			a.violation("race", "conversation %s: %s and %s both won", r.conversation, winner.agent, r.runs[i].agent)
		}
		winner = &r.runs[i]
	}
	if winner == nil {
		a.violation("race", "conversation %s: nobody won", r.conversation)
		return
	}
	for _, loser := range r.runs {
		got := loser.refusal
		if got == (refusal{}) {
			continue
		}
		if got.reason != reasonHeldByOther || got.holder != winner.agent || got.epoch != winner.epoch {
			a.violation("race", "conversation %s: %s lost and was told %s, held by %q in epoch %d, want %s, %q, %d",
				r.conversation, loser.agent, told(got), got.holder, got.epoch, reasonHeldByOther, winner.agent, winner.epoch)
		}
	}
}

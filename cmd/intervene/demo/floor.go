package demo

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const (
	// floorTick is how often the floor looks at its board.
	floorTick = 20 * time.Millisecond
	// floorHands bounds the conversations that are worked on at once.
	floorHands = 64
	// maxLeft bounds what is left standing in Requesting, and maxKept what is
	// never resolved: both must fit a board's window beside the day's work.
	maxLeft = 40
	maxKept = 30

	leftShare      = 0.04
	dismissedShare = 0.04
	withdrawnShare = 0.03
)

// floor are the agents at work. They see who waits on the supervisor's board,
// and answer over connections of their own.
type floor struct {
	seed       uint64
	agents     []*caller
	supervisor *caller
	bot        *caller
	ledger     *ledger
	pace       pace
	// reserved is the phone of the one customer that nobody here serves.
	reserved string

	left, kept atomic.Int64 // abandoned, not given back

	mu     sync.Mutex
	busy   map[string]bool
	visits map[string]uint64
	done   map[string]uint64 // the version at which the floor let go
}

// pace is how long agents take, and how many race for one conversation.
type pace struct {
	glance                 time.Duration // before an agent notices a request
	shortest, longest      time.Duration // between two things that an agent does
	fewestRacers, mostRace int
}

var (
	hostilePace = pace{shortest: 20 * time.Millisecond, longest: 300 * time.Millisecond, fewestRacers: 2, mostRace: 5}
	calmPace    = pace{glance: 3 * time.Second, shortest: 1500 * time.Millisecond, longest: 5 * time.Second, fewestRacers: 1, mostRace: 2}
)

// work serves whoever waits until ctx ends. What was begun is seen to its end,
// unless shift ends, too.
func (f *floor) work(ctx, shift context.Context) {
	f.busy, f.visits, f.done = make(map[string]bool), make(map[string]uint64), make(map[string]uint64)
	var hands sync.WaitGroup
	defer hands.Wait()
	free := make(chan struct{}, floorHands)
	tick := time.NewTicker(floorTick)
	defer tick.Stop()
	for {
		for _, card := range f.supervisor.board.column(columnRequesting) {
			visit, ok := f.take(card)
			if !ok {
				continue
			}
			select {
			case free <- struct{}{}:
			case <-ctx.Done():
				return
			}
			hands.Go(func() {
				defer func() { <-free }()
				f.serve(shift, card, visit)
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// waiting is how many the floor serves, or has yet to serve.
func (f *floor) waiting() int {
	cards := f.supervisor.board.column(columnRequesting)
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, card := range cards {
		id := card.GetConversationId()
		if !f.busy[id] && card.GetVersion() > f.done[id] && card.GetContact().GetPhone() != f.reserved {
			n++
		}
	}
	for _, busy := range f.busy {
		if busy {
			n++
		}
	}
	return n
}

// take claims a card for the floor; visit counts how often it was served. A
// card that is not newer than what the floor did to it is one of before.
func (f *floor) take(card *intervenev1.Card) (visit uint64, ok bool) {
	id := card.GetConversationId()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy[id] || card.GetVersion() <= f.done[id] || card.GetContact().GetPhone() == f.reserved ||
		time.Since(card.GetRequestedAt().AsTime()) < f.pace.glance {
		return 0, false
	}
	f.busy[id] = true
	f.visits[id]++
	return f.visits[id], true
}

// serve does with one request what a floor does.
func (f *floor) serve(ctx context.Context, card *intervenev1.Card, visit uint64) {
	ordinal, _ := ordinalOf(card.GetContact().GetPhone())
	d := dice(f.seed, 'f', uint64(ordinal), visit)
	id := card.GetConversationId()
	version, over := uint64(0), true
	switch share := d.Float64(); {
	case share < leftShare && f.left.Add(1) <= maxLeft:
		f.abandon(id)
		return
	case share < leftShare+dismissedShare:
		version = f.accept(f.anyAgent(d).resolve(ctx, d, id))("Resolve of a request", "")
	case share < leftShare+dismissedShare+withdrawnShare:
		version = f.accept(f.bot.withdraw(ctx, d, id))("WithdrawRequest by a bot", "")
	default:
		version, over = f.intervene(ctx, d, card)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done[id] = max(version, card.GetVersion())
	f.busy[id] = false
	if !over {
		f.done[id] = math.MaxUint64
	}
}

// abandon leaves a request standing for good.
func (f *floor) abandon(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy[id], f.done[id] = false, math.MaxUint64
}

func (f *floor) anyAgent(d *rand.Rand) *caller { return f.agents[d.IntN(len(f.agents))] }

// accept holds an answer against what it must be: accepted for an empty reason,
// else refused for that one. It returns the version of what was accepted, else
// 0. A command without an outcome was told already.
func (f *floor) accept(a answer, err error) func(what, reason string) uint64 {
	return func(what, reason string) uint64 {
		if err == nil && (a.refusal.reason != reason || a.accepted() != (reason == "")) {
			f.ledger.problem(fmt.Sprintf("%s: got %s, want %s", what, told(a.refusal), orAccepted(reason)))
		}
		return a.card.GetVersion()
	}
}

func told(r refusal) string {
	if r == (refusal{}) {
		return "accepted"
	}
	return r.code.String() + " " + r.reason
}

func orAccepted(reason string) string {
	if reason == "" {
		return "accepted"
	}
	return reason
}

package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// What happens in a share of the interventions.
const (
	intrusionShare = 0.15 // somebody else tries to speak
	staleShare     = 0.05 // an agent acts on an epoch that has passed
	reuseShare     = 0.03 // a command_id is used for another message
	transferShare  = 0.10
	takeOverShare  = 0.08
	keptShare      = 0.03 // nobody resolves
	crossfireShare = 0.15 // the bot speaks through the API during the race
	maxAgentWords  = 3
)

// shift is one conversation in an agent's hands.
type shift struct {
	*floor
	id     string
	dice   *rand.Rand
	holder *caller
	epoch  uint64
	closed bool // the window: free messages are refused
}

// intervene lets several agents race for a conversation, and the winner work.
// It returns the version at which the floor let go, and whether it did.
func (f *floor) intervene(ctx context.Context, d *rand.Rand, card *intervenev1.Card) (version uint64, over bool) {
	id := card.GetConversationId()
	winner, won := f.race(ctx, d, id)
	if winner == nil {
		return 0, true // told already, or the audit will
	}
	f.ledger.held(id, won.at)
	s := &shift{
		floor: f, id: id, dice: d, holder: winner, epoch: won.card.GetEpoch(),
		closed: !won.card.GetWindowExpiresAt().AsTime().After(time.Now()),
	}
	s.work(ctx)
	if d.Float64() < keptShare && f.kept.Add(1) <= maxKept {
		return 0, false
	}
	return s.giveBack(ctx), true
}

// race starts a few agents at the same moment and writes down how they came in.
func (f *floor) race(ctx context.Context, d *rand.Rand, id string) (*caller, answer) {
	racers := f.pick(d, f.pace.fewestRacers+d.IntN(f.pace.mostRace-f.pace.fewestRacers+1))
	answers := make([]answer, len(racers))
	errs := make([]error, len(racers))
	start := make(chan struct{})
	var all sync.WaitGroup
	for n, racer := range racers {
		own := rand.New(rand.NewPCG(d.Uint64(), uint64(n)))
		all.Go(func() {
			<-start
			answers[n], errs[n] = racer.intervene(ctx, own, id)
		})
	}
	if d.Float64() < crossfireShare {
		own := rand.New(rand.NewPCG(d.Uint64(), 'b'))
		all.Go(func() {
			<-start
			f.crossfire(ctx, own, id)
		})
	}
	close(start)
	all.Wait()
	result := race{conversation: id}
	var winner *caller
	var won answer
	for n, racer := range racers {
		if errs[n] != nil {
			continue // told already
		}
		result.runs = append(result.runs, run{agent: racer.id, refusal: answers[n].refusal, epoch: answers[n].card.GetEpoch()})
		if answers[n].accepted() {
			winner, won = racer, answers[n]
		}
	}
	if len(result.runs) > 1 {
		f.ledger.ran(result)
	}
	return winner, won
}

// crossfire is a bot's message in the middle of a race: sent before the
// hand-over or fenced, never sent after.
func (f *floor) crossfire(ctx context.Context, d *rand.Rand, id string) {
	a, err := f.bot.send(ctx, d, id, fmt.Sprintf("One moment, I am looking. (crossfire %d)", d.Uint64()))
	if err == nil && !a.accepted() && a.refusal.reason != reasonBotFenced && a.refusal.reason != reasonWindowClosed {
		f.ledger.problem("SendMessage by a bot in a race: got " + told(a.refusal) + ", want accepted, BOT_FENCED or WINDOW_CLOSED")
	}
}

// pick draws n different agents.
func (f *floor) pick(d *rand.Rand, n int) []*caller {
	picked := make([]*caller, 0, n)
	for _, at := range d.Perm(len(f.agents))[:min(n, len(f.agents))] {
		picked = append(picked, f.agents[at])
	}
	return picked
}

// another draws an agent who is not the holder.
func (s *shift) another() *caller {
	for {
		if a := s.anyAgent(s.dice); a != s.holder {
			return a
		}
	}
}

// work is what happens between intervene and resolve.
func (s *shift) work(ctx context.Context) {
	d := s.dice
	s.accept(s.holder.markRead(ctx, d, s.id))("MarkRead by the holder", "")
	s.intrude(ctx)
	for range 1 + d.IntN(maxAgentWords) {
		s.speak(ctx)
		s.breathe(ctx)
	}
	s.change(ctx)
	if d.Float64() < reuseShare && !s.closed {
		s.reuse(ctx)
	}
	if d.IntN(10) == 0 {
		s.accept(s.holder.note(ctx, d, s.id))("AddNote by the holder", "")
		s.accept(s.holder.tag(ctx, d, s.id))("SetTags by the holder", "")
	}
}

func (s *shift) breathe(ctx context.Context) {
	rest(ctx, s.pace.shortest+time.Duration(s.dice.Float64()*float64(s.pace.longest-s.pace.shortest)))
}

func (s *shift) words() string {
	return fmt.Sprintf("Let me see what I can do for you. (note %d)", s.dice.Uint64())
}

func (s *shift) speak(ctx context.Context) {
	want := ""
	if s.closed {
		want = reasonWindowClosed
	}
	s.accept(s.holder.send(ctx, s.dice, s.id, s.words()))("SendMessage by the holder", want)
}

// intrude are the attempts that must be refused.
func (s *shift) intrude(ctx context.Context) {
	d := s.dice
	if d.Float64() < intrusionShare {
		s.accept(s.another().send(ctx, d, s.id, s.words()))("SendMessage by somebody else", reasonNotHolder)
	}
	if d.Float64() < intrusionShare {
		s.accept(s.bot.send(ctx, d, s.id, s.words()))("SendMessage by a bot", reasonBotFenced)
	}
	if d.Float64() < intrusionShare {
		s.accept(s.another().intervene(ctx, d, s.id))("Intervene on what is held", reasonHeldByOther)
	}
	if d.Float64() < staleShare {
		s.accept(s.holder.resolveIn(ctx, d, s.id, s.epoch+1))("Resolve in another epoch", reasonStaleEpoch)
	}
}

// change hands the conversation to somebody else, now and then.
func (s *shift) change(ctx context.Context) {
	d := s.dice
	before := s.holder
	switch share := d.Float64(); {
	case share < transferShare:
		next := s.another()
		a, err := s.holder.transfer(ctx, d, s.id, next.id)
		if s.accept(a, err)("Transfer by the holder", "") > 0 {
			s.holder, s.epoch = next, a.card.GetEpoch()
		}
	case share < transferShare+takeOverShare:
		a, err := s.supervisor.takeOver(ctx, d, s.id)
		if s.accept(a, err)("TakeOver by a supervisor", "") > 0 {
			s.holder, s.epoch = s.supervisor, a.card.GetEpoch()
		}
	default:
		return
	}
	if s.holder == before {
		return
	}
	s.accept(before.send(ctx, d, s.id, s.words()))("SendMessage by the holder before", reasonNotHolder)
	s.speak(ctx)
}

// reuse gives two messages the same command_id.
func (s *shift) reuse(ctx context.Context) {
	commandID := newCommandID(s.dice)
	if s.accept(s.holder.sendAs(ctx, s.dice, s.id, commandID, s.words()))("SendMessage by the holder", "") > 0 {
		s.accept(s.holder.sendAs(ctx, s.dice, s.id, commandID, s.words()))("SendMessage under a used command_id", reasonCommandReused)
	}
}

// giveBack resolves, after which nothing is the holder's to send.
func (s *shift) giveBack(ctx context.Context) uint64 {
	s.ledger.released(s.id, time.Now())
	by := s.holder
	if s.dice.IntN(10) == 0 {
		by = s.supervisor
	}
	version := s.accept(by.resolve(ctx, s.dice, s.id))("Resolve", "")
	if s.dice.Float64() < staleShare {
		s.accept(s.holder.send(ctx, s.dice, s.id, s.words()))("SendMessage after Resolve", reasonNotHolder)
	}
	return version
}

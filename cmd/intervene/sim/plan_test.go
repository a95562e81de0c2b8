package sim

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// seed decides a simulation.
type seed uint64

// rng draws for one name: what it draws does not depend on what others do.
func (s seed) rng(name string, numbers ...int) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprint(h, name, numbers)
	return rand.New(rand.NewPCG(uint64(s), h.Sum64()))
}

// plan is what a seed decides before a simulation begins.
type plan struct {
	seed     seed
	policies map[engine.WorkspaceID]engine.Policy
	numbers  []number
	// sessions are when customers write and agents work; between them the
	// engine is left alone, and mostly up.
	sessions []session
	lives    []life
	crowd    int // customers of each number
	agents   int // of each workspace
	// hurry is how fast everybody is.
	hurry  time.Duration
	faults []standin.Rule
	wire   wireFaults
	// pair limits one number towards one contact, if it does.
	pair time.Duration
	bot  botMoods
	// bots are how each workspace's is reached.
	bots map[engine.WorkspaceID]botKind
	// perSecond is the throughput of a number, if it is not the usual one.
	perSecond int
	// night is how long all is left alone after everything, so that all that has
	// a time comes due. The engine is up for all of it, or only while the first
	// windows close, or not at all.
	night  time.Duration
	nights nights
	losses losses
}

type number struct {
	channel   engine.ChannelID
	workspace engine.WorkspaceID
	id        standin.PhoneNumberID
	token     string
}

// session is a time in which everybody is at it, from the beginning of the simulation.
type session struct{ begin, end time.Duration }

// life is one run of the engine: how long at most, how it ends, and how long it
// is down after that.
type life struct {
	length time.Duration
	clean  bool
	doom   doom
	down   time.Duration
	pace   time.Duration
}

const (
	acme  engine.WorkspaceID = "acme"
	other engine.WorkspaceID = "other"
)

func newPlan(s seed) *plan {
	rng := s.rng("plan")
	p := &plan{
		seed: s,
		policies: map[engine.WorkspaceID]engine.Policy{
			acme:  {AutoResolveAfter: []time.Duration{time.Minute, 10 * time.Minute, 20 * time.Hour}[rng.IntN(3)]},
			other: {AutoResolveAfter: time.Duration(rng.IntN(2)) * 5 * time.Minute, TakeoverFromActive: rng.IntN(2) == 0},
		},
		numbers: []number{
			{"acme-main", acme, "1001", "token-one"},
			{"other-main", other, "2002", "token-two"},
		},
		crowd:  1 + rng.IntN(3),
		agents: 2 + rng.IntN(2),
		hurry:  time.Duration(500+rng.IntN(4000)) * time.Millisecond,
		night:  26*time.Hour + time.Duration(rng.Int64N(int64(10*time.Hour))),
		nights: []nights{nightDown, nightDown, nightDawn}[rng.IntN(3)],
	}
	if rng.IntN(upShare) == 0 {
		p.nights = nightUp
	}
	p.schedule(rng)
	p.mischief(rng)
	p.outside(rng)
	p.lose(s.rng("losses"))
	kinds := s.rng("bots")
	p.bots = map[engine.WorkspaceID]botKind{acme: botKind(kinds.IntN(int(botKinds))), other: botKind(kinds.IntN(int(botKinds)))}
	if *busy {
		p.haste(rng)
	}
	return p
}

// ageShare: one simulation of so many waits until all that was said is too old.
const ageShare = 6

// outside draws what concerns whoever writes from elsewhere, or first.
func (p *plan) outside(rng *rand.Rand) {
	for workspace, silences := range map[engine.WorkspaceID][]time.Duration{
		acme: {20 * time.Second, 5 * time.Minute}, other: {0, time.Minute},
	} {
		policy := p.policies[workspace]
		policy.WriteFirst = workspace == other || p.seed.rng("write first").IntN(2) == 0
		policy.OutsideSilence = silences[p.seed.rng("silence").IntN(2)]
		p.policies[workspace] = policy
	}
	if rng.IntN(5) == 0 {
		p.perSecond = 1
	}
	if p.seed.rng("retention").IntN(ageShare) == 0 {
		policy := p.policies[other]
		policy.Retention = retention
		p.policies[other] = policy
	}
}

// loseShare: one simulation of so many loses a disk, or two.
const loseShare = 3

// lose draws what becomes of disks.
func (p *plan) lose(rng *rand.Rand) {
	if rng.IntN(loseShare) > 0 {
		return
	}
	p.losses = losses{
		left: 1 + rng.IntN(2), send: rng.IntN(4) == 0, within: 20 * time.Second,
		release: time.Duration(rng.Int64N(int64(2 * time.Minute))),
	}
	if rng.IntN(3) == 0 {
		p.losses.interrupted = 1 + rng.IntN(250)
	}
}

// haste has more sent in less time.
func (p *plan) haste(rng *rand.Rand) {
	p.crowd, p.hurry = 8+rng.IntN(5), time.Duration(300+rng.IntN(700))*time.Millisecond
	p.bot.talks, p.bot.much = 0.9, 6
	p.nights, p.perSecond = nightDown, 0
}

// upShare: one night of so many has the engine up all the time, which takes as
// long as everything else of three simulations.
const upShare = 30

type nights uint8

const (
	nightDown nights = iota
	nightDawn
	nightUp
)

// schedule draws when people are there and when the engine is.
func (p *plan) schedule(rng *rand.Rand) {
	at := time.Duration(0)
	for range 2 + rng.IntN(2) {
		length := 10*time.Second + time.Duration(rng.Int64N(int64(60*time.Second)))
		p.sessions = append(p.sessions, session{at, at + length})
		at += length
		for at > p.livesEnd() {
			p.lives = append(p.lives, p.life(rng))
		}
		gap := 10*time.Second + time.Duration(rng.Int64N(int64(15*time.Minute)))
		if rng.IntN(5) == 0 {
			gap = time.Duration(rng.Int64N(int64(27 * time.Hour)))
		}
		if gap > time.Hour { // the engine misses most of it
			last := &p.lives[len(p.lives)-1]
			last.down = max(last.down, gap-time.Duration(rng.Int64N(int64(time.Hour))))
		}
		at += gap
	}
}

func (p *plan) livesEnd() time.Duration {
	end := time.Duration(0)
	for _, l := range p.lives {
		end += l.length + l.down
	}
	return end
}

func (p *plan) life(rng *rand.Rand) life {
	l := life{
		length: time.Second + time.Duration(rng.Int64N(int64(25*time.Second))),
		clean:  rng.IntN(6) == 0,
		down:   time.Duration(rng.Int64N(int64(4 * time.Second))),
		pace:   time.Duration(rng.Int64N(int64(3 * time.Millisecond))),
	}
	if rng.IntN(3) == 0 {
		l.pace += time.Duration(rng.Int64N(int64(80 * time.Millisecond)))
	}
	if rng.IntN(6) == 0 {
		l.length += 10 * time.Minute
	}
	switch rng.IntN(9) {
	case 0, 1, 2, 3:
		l.doom = doom{doomSync, 1 + rng.IntN(120)}
	case 4:
		l.doom = doom{doomChange, rng.IntN(1500)}
	case 5:
		l.doom = doom{doomChange, rng.IntN(60)} // while it comes up
	case 6:
		l.doom = doom{doomError, rng.IntN(1500)}
	case 7:
		l.doom = doom{doomHang, 1 + rng.IntN(120)}
	}
	return l
}

// mischief draws what the network, the platform and the bot do to us.
func (p *plan) mischief(rng *rand.Rand) {
	much := []float64{0, 0.3, 1, 1, 2}[rng.IntN(5)]
	share := func(part float64) float64 { return min(part*much+1e-9, 1) }
	p.faults = []standin.Rule{
		{Name: "duplicate", Fault: standin.FaultDuplicate, Probability: share(0.15), Copies: 2, Delay: 20 * time.Second},
		{Name: "duplicate late", Fault: standin.FaultDuplicate, Probability: share(0.05), Delay: 20 * time.Hour},
		{Name: "reorder", Fault: standin.FaultReorder, Probability: share(0.1), Delay: 20 * time.Second},
		{Name: "reorder statuses", Fault: standin.FaultReorder, Item: standin.ItemStatus, Probability: share(0.2), Delay: 10 * time.Second},
		{Name: "forge", Fault: standin.FaultBadSignature, Probability: share(0.03)},
		{Name: "reset before", Fault: standin.FaultResetBefore, Probability: share(0.04)},
		{Name: "reset after", Fault: standin.FaultResetAfter, Probability: share(0.06)},
		{Name: "stall", Fault: standin.FaultStall, Probability: share(0.03), Delay: 25 * time.Second},
		{Name: "too fast", Fault: standin.FaultError, Code: 130429, Probability: share(0.08)},
		{Name: "pair too fast", Fault: standin.FaultError, Code: 131056, Probability: share(0.04), RetryAfter: 3 * time.Second},
		{Name: "ambiguous", Fault: standin.FaultError, Code: 131000, Probability: share(0.03)},
		{Name: "undeliverable", Fault: standin.FaultError, Code: 131026, Probability: share(0.03)},
		{Name: "expired", Fault: standin.FaultError, Code: 190, Probability: share(0.01)},
		{Name: "gateway", Fault: standin.FaultServerError, HTTPStatus: 502, Probability: share(0.03)},
		{Name: "fails", Fault: standin.FaultFail, Probability: share(0.03)},
		{Name: "no place", Call: standin.CallMedia, Fault: standin.FaultServerError, Probability: share(0.1)},
		{Name: "slow place", Call: standin.CallMedia, Fault: standin.FaultStall, Probability: share(0.05), Delay: 20 * time.Second},
		{Name: "torn file", Call: standin.CallDownload, Fault: standin.FaultResetBefore, Probability: share(0.1)},
		{Name: "spoiled file", Call: standin.CallDownload, Fault: standin.FaultCorrupt, Probability: share(0.08)},
		{Name: "no room", Call: standin.CallUpload, Fault: standin.FaultServerError, Probability: share(0.1)},
		{Name: "slow upload", Call: standin.CallUpload, Fault: standin.FaultStall, Probability: share(0.05), Delay: 15 * time.Second},
		{Name: "silent", Fault: standin.FaultNoStatus, Probability: share(0.05)},
	}
	p.wire = wireFaults{refused: share(0.04), lost: share(0.04), ackLost: share(0.05), stripped: share(0.2), replyLost: share(0.06), overrun: share(0.005)}
	p.bot = botMoods{slow: share(0.25), fails: share(0.03), talks: 0.3, rambles: share(0.02), repeatable: 0.4, accepts: 0.2, notes: 0.3, away: share(0.05), much: 2}
	if rng.IntN(6) == 0 {
		p.bot.fails = 0.7 // so that its breaker opens
	}
	if rng.IntN(4) == 0 {
		p.pair = time.Duration(1+rng.IntN(4)) * time.Second
	}
}

// wireFaults are the shares of what breaks between us and the platform, and
// between agents and us.
type wireFaults struct {
	refused   float64 // a send's connection, before anything is written
	lost      float64 // a send's answer
	ackLost   float64 // a webhook's answer
	stripped  float64 // the op ids of a webhook's statuses
	replyLost float64 // a command's answer
	overrun   float64 // the changes that the board has not read
}

// botMoods are how often a bot does what.
type botMoods struct {
	slow, fails, away, talks, rambles, repeatable, accepts, notes float64
	// much is how many messages more it says when it talks.
	much int
}

func (p *plan) numberOf(channel engine.ChannelID) number {
	for _, n := range p.numbers {
		if n.channel == channel {
			return n
		}
	}
	return number{}
}

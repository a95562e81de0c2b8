package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

const (
	// crashCycles are the kills of one life of a journal. A soak has many lives, of
	// fewer kills and more commands: what the judge reads grows with a life's age.
	crashCycles = 50
	soakCycles  = 1000
	soakLife    = 40
	// soakHands write notes all the time beside the others of a soak.
	soakHands = 64
	// shortestRun and longestRun are how long the engine works before it is killed.
	shortestRun    = 50 * time.Millisecond
	longestRun     = 550 * time.Millisecond
	longestSoakRun = 1500 * time.Millisecond
	// verifyEvery is how many kills of a soak go by for each that has the whole
	// journal verified; the judge looks after each.
	verifyEvery = 5
	// endTime is what a life takes at its end that is not patient.
	endTime = 45 * time.Second
	// fullEvery is how often a cycle ends in quiet: until everything owed is
	// done, and everything is read from its beginning.
	fullEvery = 10
	// settleTimeout bounds the way there.
	settleTimeout = 60 * time.Second
	settlePause   = 50 * time.Millisecond
	// relapseShare of the restarts are killed too, while they recover.
	relapseShare = 0.20
	firstStarts  = 5
)

// seedOf is where a test's draws begin: INTERVENE_SEED to repeat a run, as far
// as two processes on a clock can be repeated.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("INTERVENE_SEED")
	if text == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("INTERVENE_SEED: got %q, want a number", text)
	}
	return seed
}

// cyclesOf is how often a test does its worst: INTERVENE_CYCLES, so that a long
// run can be made in pieces, or what it does by itself.
func cyclesOf(t *testing.T, usual int) int {
	t.Helper()
	text := os.Getenv("INTERVENE_CYCLES")
	if text == "" {
		return usual
	}
	cycles, err := strconv.Atoi(text)
	if err != nil || cycles < 1 {
		t.Fatalf("INTERVENE_CYCLES: got %q, want a number from 1", text)
	}
	return cycles
}

// hostileNetwork repeats, shuffles, holds back, forges and loses.
func hostileNetwork(seed uint64) standin.Config {
	return standin.Config{
		Seed: seed,
		Webhook: standin.WebhookConfig{
			Gather: 10 * time.Millisecond, MaxBatch: 20, Shuffle: true,
			RedeliveryFirst: 50 * time.Millisecond, RedeliveryLongest: 400 * time.Millisecond, MaxOffers: 100_000,
		},
		Statuses: []standin.StatusStep{
			{Status: standin.StatusSent, After: 5 * time.Millisecond, Jitter: 20 * time.Millisecond},
			{Status: standin.StatusDelivered, After: 30 * time.Millisecond, Jitter: 100 * time.Millisecond, SkipShare: 0.1},
			{Status: standin.StatusRead, After: 150 * time.Millisecond, Jitter: 200 * time.Millisecond, SkipShare: 0.5},
		},
		Faults: []standin.Rule{
			{Name: "duplicate", Fault: standin.FaultDuplicate, Probability: 0.10, Delay: 400 * time.Millisecond},
			{Name: "reorder", Fault: standin.FaultReorder, Probability: 0.20, Delay: 150 * time.Millisecond},
			{Name: "forge", Fault: standin.FaultBadSignature, Probability: 0.01},
			{Name: "slow", Fault: standin.FaultStall, Probability: 0.10, Delay: 150 * time.Millisecond},
			{Name: "reply lost", Fault: standin.FaultResetAfter, Probability: 0.02},
		},
	}
}

// TestCrash kills the engine at random under load, again and again, and holds
// what it acknowledged against what is there. A kill leaves the operating system
// alive, with all that was written to it: whether that was synced, a kill cannot
// tell. A soak ends early, and well, before -timeout does: pieces add up.
func TestCrash(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	if os.Getenv("INTERVENE_SOAK") == "" {
		crashLife(t, seed, crashCycles, 0)
		return
	}
	var all toll
	for left := cyclesOf(t, soakCycles); left > 0 && !t.Failed() && !late(t, endTime); left -= soakLife {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { all.add(crashLife(t, seed, min(left, soakLife), soakHands)) })
		seed++
	}
	t.Logf("in all: %s", all)
}

// crashLife is one journal from its creation through many crashes, with so many
// hands beside the usual load.
func crashLife(t *testing.T, seed uint64, cycles, hands int) toll {
	t.Logf("INTERVENE_SEED=%d", seed)
	c := &crasher{
		site: openSite(t, hostileNetwork(seed), cast()...), ledger: newLedger(), mirror: newMirror(), dice: rand.New(rand.NewPCG(seed, 'k')),
		longest: longestRun, verifyEvery: 1,
	}
	c.eyes = newCaller(t, c.site, supervisorName)
	c.beBorn(t)
	c.load = startLoad(t, c.site, c.ledger, seed)
	if hands > 0 {
		c.load.hurry(t, hands)
		c.longest, c.verifyEvery = longestSoakRun, verifyEvery
	}
	for cycle := 1; cycle <= cycles && !t.Failed() && !late(t, endTime); cycle++ {
		c.cycle(t, cycle%fullEvery == 0)
	}
	c.settle(t, hands > 0 && !late(t, endTime+doubt)) // a life that is cut short need not see the last send in doubt to its end
	c.site.stop(t)
	c.site.verify(t)
	return c.log(t)
}

// late reports that -timeout ends the test before something takes so long.
func late(t *testing.T, d time.Duration) bool {
	deadline, ok := t.Deadline()
	return ok && time.Until(deadline) < d
}

// toll is what lives of a journal went through that the judge found right: who
// finds anything wrong ends the test.
type toll struct {
	kills, relapses, commands, messages int
	starting, slowest                   time.Duration
}

func (o *toll) add(other toll) {
	o.kills, o.relapses = o.kills+other.kills, o.relapses+other.relapses
	o.commands, o.messages = o.commands+other.commands, o.messages+other.messages
	o.starting, o.slowest = o.starting+other.starting, max(o.slowest, other.slowest)
}

func (o toll) String() string {
	return fmt.Sprintf("%d kills, %d of them during recovery; %d commands and %d messages acknowledged and there, each once; start took %s on average, %s at most",
		o.kills, o.relapses, o.commands, o.messages, (o.starting / time.Duration(max(o.kills-o.relapses, 1))).Round(time.Millisecond), o.slowest.Round(time.Millisecond))
}

// crasher is one run of crashLife.
type crasher struct {
	site   *site
	ledger *ledger
	load   *load
	mirror *mirror
	eyes   *caller // reads what the API shows
	dice   *rand.Rand

	toll     // starting is from the launch until it serves, slowest the longest of these
	doubtful int
	// longest is how long the engine works between kills, of which one of verifyEvery
	// has the journal verified.
	longest     time.Duration
	verifyEvery int

	verifying, looking, settling time.Duration
}

// beBorn kills the engine during its very first start, before it had a journal
// or while it makes one.
func (c *crasher) beBorn(t *testing.T) {
	t.Helper()
	for range firstStarts {
		c.site.launch(t)
		rest(t.Context(), between(c.dice, 0, 250*time.Millisecond))
		c.kill(t)
	}
	c.start(t)
}

// cycle is: load, kill, verify, restart, and everything acknowledged is there.
func (c *crasher) cycle(t *testing.T, full bool) {
	t.Helper()
	c.load.resume()
	rest(t.Context(), between(c.dice, shortestRun, c.longest))
	c.kill(t)
	for c.dice.Float64() < relapseShare {
		c.site.launch(t)
		rest(t.Context(), between(c.dice, 0, 400*time.Millisecond))
		c.relapses++
		c.kill(t)
	}
	if full {
		// What comes of what was owed must come of the start alone.
		quiet := make(chan struct{})
		go func() {
			defer close(quiet)
			c.load.pause()
		}()
		c.start(t)
		<-quiet
		c.settle(t, false)
		return
	}
	c.start(t)
	rest(t.Context(), between(c.dice, 0, 100*time.Millisecond))
	c.load.pause()
	c.look(t)
}

func (c *crasher) kill(t *testing.T) {
	t.Helper()
	c.site.crash(t)
	c.kills++
	if _, err := os.Stat(c.site.dataDir + "/store"); errors.Is(err, os.ErrNotExist) {
		return // it died before there was a journal
	}
	if c.kills%c.verifyEvery != 0 {
		return
	}
	began := time.Now()
	c.site.verify(t)
	c.verifying += time.Since(began)
}

func (c *crasher) start(t *testing.T) {
	t.Helper()
	began := time.Now()
	c.site.start(t)
	took := time.Since(began)
	c.starting, c.slowest = c.starting+took, max(c.slowest, took)
}

// look takes the evidence and judges it.
func (c *crasher) look(t *testing.T) *evidence {
	t.Helper()
	began := time.Now()
	defer func() { c.looking += time.Since(began) }()
	e := &evidence{conversations: c.mirror.conversations}
	e.offers, e.deliveries = c.site.graph.Offers(), c.site.graph.Deliveries()
	e.written, e.commands, e.problems = c.ledger.copy()
	if err := c.mirror.update(t.Context(), c.eyes); err != nil {
		t.Fatalf("after kill %d: read what is there: %v\n%s", c.kills, err, c.site.process.log.tail())
	}
	e.deliveredNow = c.site.graph.Deliveries()
	if violations := judge(e); len(violations) > 0 {
		t.Fatalf("after kill %d: got violations, want none:\n%s\n%s", c.kills, told(violations), c.site.process.log.tail())
	}
	return e
}

// settle waits until all that was owed is done, but for what stands behind a
// send in doubt unless it is patient, and then reads everything from its
// beginning.
func (c *crasher) settle(t *testing.T, patient bool) {
	t.Helper()
	began := time.Now()
	defer func() { c.settling += time.Since(began) }()
	c.calm(t, patient)
	again := newMirror()
	if err := again.update(t.Context(), c.eyes); err != nil {
		t.Fatalf("after kill %d: read everything again: %v", c.kills, err)
	}
	cards, twice, err := again.list(t.Context(), c.eyes)
	if err != nil {
		t.Fatalf("after kill %d: list: %v", c.kills, err)
	}
	problems := append(c.mirror.compare(again), again.tally(cards)...)
	for _, id := range twice {
		problems = append(problems, "conversation "+id+" is listed twice")
	}
	if len(cards) != len(c.mirror.conversations) {
		t.Errorf("after kill %d: listed: got %d conversations, want %d", c.kills, len(cards), len(c.mirror.conversations))
	}
	if len(problems) > 0 {
		t.Fatalf("after kill %d: got violations, want none:\n%s", c.kills, told(problems))
	}
}

func (c *crasher) calm(t *testing.T, patient bool) {
	t.Helper()
	limit := settleTimeout
	if patient {
		limit += doubt
	}
	for deadline := time.Now().Add(limit); ; rest(t.Context(), settlePause) {
		// First: what is on its way while we look would else be in neither.
		pending := c.site.graph.Stats().Pending
		unsettled, doubtful := c.look(t).waiting(time.Now())
		if len(unsettled) == 0 && pending == 0 && (doubtful == 0 || !patient) {
			c.doubtful = max(c.doubtful, doubtful)
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after kill %d: still owed after %s, want everything done; %d webhook items and %d sends in doubt wait, and:\n%s\n%s",
				c.kills, limit, pending, doubtful, told(unsettled), c.site.process.log.tail())
		}
	}
}

// log tells what the run was worth.
func (c *crasher) log(t *testing.T) toll {
	t.Helper()
	events := 0
	for _, s := range c.mirror.conversations {
		events += len(s.events)
	}
	_, commands, _ := c.ledger.copy()
	for _, offer := range c.site.graph.Offers() {
		if offer.Kind == standin.ItemMessage && !offer.AcknowledgedAt.IsZero() {
			c.messages++
		}
	}
	c.commands = len(commands)
	stats := c.site.graph.Stats()
	t.Log(c.toll)
	t.Logf("verify took %s, looking %s, settling %s in all", c.verifying, c.looking, c.settling)
	t.Logf("%d conversations, %d events, %d tries of commands, %d sends, %d webhook items offered, %d acknowledged, %d posts without an answer; at most %d conversations waited for a send in doubt",
		len(c.mirror.conversations), events, c.load.tries.Load(), stats.Accepted, stats.Offered, stats.Acknowledged, stats.Unanswered, c.doubtful)
	if len(commands) == 0 || stats.Unanswered == 0 || c.load.tries.Load() == int64(len(commands)) {
		t.Errorf("got no command, or none that was cut off, want some: the kills hit nothing")
	}
	return c.toll
}

// TestCrashOverSend kills the engine between a send's acceptance and its
// answer, and no status ever tells of it. The send must count as unknown and
// stay the only one, and what stands behind it must go in the end.
func TestCrashOverSend(t *testing.T) {
	t.Parallel()
	s := openSite(t, standin.Config{
		Webhook: standin.WebhookConfig{RedeliveryFirst: 50 * time.Millisecond},
		Faults: []standin.Rule{
			{Fault: standin.FaultStall, Next: 1, Delay: time.Hour},
			{Fault: standin.FaultNoStatus, Next: 1},
		},
	}, cast()...)
	customer := standin.Customer{PhoneNumberID: siteNumber, WAID: "15550001", Name: "Customer"}
	s.start(t)
	write(t, s, customer, "Hello")
	arrived(t, s, 1)
	s.crash(t)
	s.verify(t)
	s.start(t)
	write(t, s, customer, "Hello?")
	arrived(t, s, 2)
	m := newMirror()
	if err := m.update(t.Context(), newCaller(t, s, supervisorName)); err != nil {
		t.Fatalf("read the conversation: got error %v, want none", err)
	}
	s.stop(t)
	s.verify(t)

	deliveries := s.graph.Deliveries()
	first, second := deliveries[0].CallbackData, deliveries[1].CallbackData
	if first == second {
		t.Fatalf("sends: got message %s twice, want two messages", first)
	}
	at := make(map[string]time.Time) // by message and state
	for _, c := range m.conversations {
		for _, e := range c.events {
			change := e.GetDeliveryChange()
			at[change.GetMessageId()+" "+change.GetDelivery().String()] = e.GetAt().AsTime()
		}
	}
	attempted, unknown, next := at[first+" DELIVERY_ATTEMPTED"], at[first+" DELIVERY_UNKNOWN"], at[second+" DELIVERY_ATTEMPTED"]
	if got := unknown.Sub(attempted); attempted.IsZero() || got < engine.AttemptTimeout {
		t.Errorf("first send: unknown %s after its attempt, want %s or more", got, engine.AttemptTimeout)
	}
	if got := next.Sub(unknown); unknown.IsZero() || got < engine.UnknownWait {
		t.Errorf("second send: attempted %s after the first was unknown, want %s or more", got, engine.UnknownWait)
	}
}

func write(t *testing.T, s *site, customer standin.Customer, text string) {
	t.Helper()
	if _, err := s.graph.WriteText(t.Context(), customer, text, time.Time{}); err != nil {
		t.Fatalf("write: got error %v, want none", err)
	}
}

// arrived waits until WhatsApp took n sends.
func arrived(t *testing.T, s *site, n int) {
	t.Helper()
	for deadline := time.Now().Add(doubt + settleTimeout); len(s.graph.Deliveries()) < n; {
		if time.Now().After(deadline) {
			t.Fatalf("sends: got %d, want %d\n%s", len(s.graph.Deliveries()), n, s.process.log.tail())
		}
		rest(t.Context(), settlePause)
	}
}

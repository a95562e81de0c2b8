package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

const (
	raceAgents = 16
	raceRounds = 1000
	// raceTables is how many rounds run at once, each on a conversation of its
	// own out of racePool.
	raceTables = 4
	racePool   = 40
	// roundsPerLife of the engine; every drainEvery-th of its ends is a drain.
	roundsPerLife = 80
	drainEvery    = 4
	// insistShare of the commands whose answer is lost are given again under
	// their command_id; of the others nobody ever knows.
	insistShare = 0.5
	raceTimeout = 5 * time.Minute
	// checkTimeout bounds the search for an order; it takes about a second.
	checkTimeout = 5 * time.Minute
)

// TestInterveneRace has agents intervene at the same moment, over and over and
// across restarts, and wants one order in which all that they were told is true.
func TestInterveneRace(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	t.Logf("INTERVENE_SEED=%d", seed)
	members := []member{{id: supervisorName, role: config.RoleSupervisor}, {id: botName, role: config.RoleBot}}
	for n := range raceAgents {
		members = append(members, member{id: fmt.Sprintf("agent-%02d", n), role: config.RoleAgent})
	}
	s := openSite(t, standin.Config{Seed: seed, Webhook: standin.WebhookConfig{RedeliveryFirst: 50 * time.Millisecond}}, members...)
	s.start(t)
	r := &race{began: time.Now(), life: make(chan struct{}, 1), bot: newCaller(t, s, botName), supervisor: newCaller(t, s, supervisorName)}
	for n := range raceAgents {
		r.agents = append(r.agents, newCaller(t, s, fmt.Sprintf("agent-%02d", n)))
	}
	ctx, cancel := context.WithTimeout(t.Context(), raceTimeout)
	defer cancel()
	conversations := r.open(ctx, t, s)
	restarts := r.run(ctx, t, s, seed, conversations)
	r.check(t)
	t.Logf("%d rounds, %d restarts, %d operations, %d of them lost", r.rounds.Load(), restarts, len(r.history), r.lost)
	if restarts < 10 || r.lost == 0 {
		t.Errorf("got %d restarts and %d lost operations, want 10 and some: the race was too easy", restarts, r.lost)
	}
}

// race is one run: its callers, and the history of what they did and were told.
type race struct {
	agents          []*caller
	bot, supervisor *caller
	began           time.Time
	rounds          atomic.Int64
	life            chan struct{} // tells that the engine has lived long enough

	mu       sync.Mutex
	history  []porcupine.Operation
	lost     int
	deaths   []int64 // of engines; each is before the next one's start
	problems []string
}

// open has customers write, and answers their conversations.
func (r *race) open(ctx context.Context, t *testing.T, s *site) []string {
	t.Helper()
	for n := range racePool {
		customer := standin.Customer{PhoneNumberID: siteNumber, WAID: standin.Identity(fmt.Sprintf("1555%07d", n)), Name: "Customer"}
		if _, err := s.graph.WriteText(ctx, customer, "Hello", time.Time{}); err != nil {
			t.Fatalf("write: got error %v, want none", err)
		}
	}
	for {
		page, err := r.supervisor.api.ListConversations(ctx, &intervenev1.ListConversationsRequest{Column: columnActive, PageSize: listPage})
		if err != nil {
			t.Fatalf("list: got error %v, want %d conversations", err, racePool)
		}
		if len(page.GetCards()) == racePool {
			ids := make([]string, 0, racePool)
			for _, card := range page.GetCards() {
				ids = append(ids, card.GetConversationId())
			}
			return ids
		}
		if !rest(ctx, settlePause) {
			t.Fatalf("list: got %d conversations, want %d", len(page.GetCards()), racePool)
		}
	}
}

// run plays all rounds while the engine comes and goes, and answers how often.
func (r *race) run(ctx context.Context, t *testing.T, s *site, seed uint64, conversations []string) (restarts int) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	free := make(chan string, len(conversations))
	for _, id := range conversations {
		free <- id
	}
	done := make(chan struct{})
	var tables sync.WaitGroup
	for n := range uint64(raceTables) {
		tables.Go(func() { r.table(ctx, dice(seed, 't', n), free) })
	}
	go func() {
		defer close(done)
		tables.Wait()
	}()
	defer func() { // also when the test ends in the middle
		cancel()
		<-done
	}()
	d := dice(seed, 'r')
	for {
		select {
		case <-done:
			return restarts
		case <-r.life:
		}
		rest(ctx, between(d, 0, 30*time.Millisecond))
		if restarts++; restarts%drainEvery == 0 {
			s.stop(t)
		} else {
			s.crash(t)
		}
		r.died()
		s.verify(t)
		s.start(t)
	}
}

// table plays rounds until there were enough.
func (r *race) table(ctx context.Context, d *rand.Rand, free chan string) {
	for ctx.Err() == nil {
		round := r.rounds.Add(1)
		if round > raceRounds {
			r.rounds.Add(-1)
			return
		}
		id := <-free
		r.round(ctx, d, id)
		free <- id
		if round%roundsPerLife == 0 {
			r.life <- struct{}{}
		}
	}
}

// round has one conversation asked for, raced for, and given back.
func (r *race) round(ctx context.Context, d *rand.Rand, id string) {
	holder := ""
	for holder == "" && ctx.Err() == nil {
		r.do(ctx, d, r.bot, doRequest, id, true)
		r.start(ctx, d, id)
		// The round has no winner if all that might have won died with the engine.
		holder = r.get(ctx, r.supervisor, id, true).holder
	}
	var group sync.WaitGroup
	share := d.Float64()
	if share < 0.5 {
		own := dice(d.Uint64())
		group.Go(func() { r.do(ctx, own, r.supervisor, doTakeOver, id, true) })
	}
	if share > 0.25 {
		own := dice(d.Uint64())
		group.Go(func() { r.do(ctx, own, r.agent(holder), doResolve, id, true) })
	}
	group.Go(func() { r.get(ctx, r.bystander(d), id, false) })
	group.Wait()
	if r.get(ctx, r.supervisor, id, true).column != columnActive {
		r.do(ctx, d, r.supervisor, doResolve, id, true)
	}
}

// start has all agents intervene at the same moment, while others look.
func (r *race) start(ctx context.Context, d *rand.Rand, id string) {
	gun := make(chan struct{})
	var group sync.WaitGroup
	var won atomic.Int64
	for _, agent := range r.agents {
		own := dice(d.Uint64())
		group.Go(func() {
			<-gun
			if o := r.do(ctx, own, agent, doIntervene, id, false); !o.lost && o.reason == "" {
				won.Add(1)
			}
		})
	}
	for range 2 {
		looker := r.bystander(d)
		group.Go(func() {
			<-gun
			r.get(ctx, looker, id, false)
			r.get(ctx, looker, id, false)
		})
	}
	close(gun)
	group.Wait()
	if n := won.Load(); n > 1 {
		r.problem("conversation %s: %d agents intervened, want one at most", id, n)
	}
}

func (r *race) bystander(d *rand.Rand) *caller { return r.agents[d.IntN(len(r.agents))] }

func (r *race) agent(id string) *caller {
	n := slices.IndexFunc(r.agents, func(c *caller) bool { return c.id == id })
	if n < 0 {
		return r.supervisor
	}
	return r.agents[n]
}

// do gives a command and writes down what came of it. One whose answer is lost
// is given again under its command_id if it must be known, or by lot.
func (r *race) do(ctx context.Context, d *rand.Rand, c *caller, kind commandKind, id string, must bool) outcome {
	try := commandOf(c, kind, id, drawCommandID(d))
	called := r.now()
	a, known := once(ctx, try)
	if !known && (must || d.Float64() < insistShare) {
		var err error
		if a, err = insist(ctx, try); err != nil {
			r.problem("%s by %s: %v", kind, c.id, err)
		}
		known = err == nil
	}
	o := outcome{lost: true}
	if known {
		o = outcomeOf(a)
	}
	r.record(porcupine.Operation{Input: r.attempt(c, kind, id), Call: called, Output: o, Return: r.now()})
	return o
}

func commandOf(c *caller, kind commandKind, id, commandID string) call {
	switch kind {
	case doRequest:
		return asked(c.api.RequestAgent, &intervenev1.RequestAgentRequest{ConversationId: id, CommandId: commandID})
	case doIntervene:
		return asked(c.api.Intervene, &intervenev1.InterveneRequest{ConversationId: id, CommandId: commandID})
	case doTakeOver:
		return asked(c.api.TakeOver, &intervenev1.TakeOverRequest{ConversationId: id, CommandId: commandID})
	case doResolve:
		return asked(c.api.Resolve, &intervenev1.ResolveRequest{ConversationId: id, CommandId: commandID})
	default:
		panic("the race has no " + kind)
	}
}

// get reads; a read without an answer is no part of the history.
func (r *race) get(ctx context.Context, c *caller, id string, must bool) register {
	try := asked(c.api.GetConversation, &intervenev1.GetConversationRequest{ConversationId: id})
	called := r.now()
	a, known := once(ctx, try)
	if !known && must {
		called = r.now()
		var err error
		if a, err = insist(ctx, try); err != nil {
			r.problem("read: %v", err)
		}
		known = err == nil
	}
	if !known {
		return register{}
	}
	o := outcomeOf(a)
	r.record(porcupine.Operation{Input: r.attempt(c, doGet, id), Call: called, Output: o, Return: r.now()})
	return o.shows
}

func outcomeOf(a answer) outcome {
	if a.accepted() {
		return outcome{shows: register{a.card.GetColumn(), a.card.GetHolderAgentId(), a.card.GetEpoch()}}
	}
	return outcome{
		reason: a.refusal.reason,
		shows:  register{intervenev1.Column(intervenev1.Column_value[a.refusal.column]), a.refusal.holder, a.refusal.epoch},
	}
}

func (r *race) attempt(c *caller, kind commandKind, id string) attempt {
	return attempt{kind: kind, conversation: id, by: c.id, supervisor: c == r.supervisor}
}

// now is in half nanoseconds, which leaves room between two instants.
func (r *race) now() int64 { return 2 * int64(time.Since(r.began)) }

func (r *race) record(op porcupine.Operation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if op.Output.(outcome).lost {
		r.lost++
	}
	r.history = append(r.history, op)
}

// died ends whatever was lost until now: the dead do nothing.
func (r *race) died() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deaths = append(r.deaths, r.now())
}

// settled is the history with each lost operation returned when the engine
// that it was lost on had died, or never.
func (r *race) settled() []porcupine.Operation {
	history := slices.Clone(r.history)
	for n, op := range history {
		if !op.Output.(outcome).lost {
			continue
		}
		history[n].Return = forever
		if i, _ := slices.BinarySearch(r.deaths, op.Return); i < len(r.deaths) {
			history[n].Return = r.deaths[i]
		}
	}
	return history
}

func (r *race) problem(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

// check wants the history linearizable, and tells the conversation that is not.
func (r *race) check(t *testing.T) {
	t.Helper()
	for _, problem := range r.problems {
		t.Error(problem)
	}
	began := time.Now()
	for _, history := range registers.Partition(r.settled()) {
		switch got := linearizable(history); got {
		case porcupine.Ok:
		case porcupine.Unknown:
			t.Errorf("the history of a conversation was not checked in %s", checkTimeout)
		default:
			t.Errorf("the history of a conversation is %s, want it linearizable:\n%s", got, transcript(history))
		}
	}
	t.Logf("the check took %s", time.Since(began))
}

// transcript is a history as a person reads it, in order of invocation.
func transcript(history []porcupine.Operation) string {
	slices.SortFunc(history, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var text strings.Builder
	for _, op := range history {
		returned := "never"
		if op.Return != forever {
			returned = time.Duration(op.Return / 2).String()
		}
		fmt.Fprintf(&text, "%14s to %14s %s\n", time.Duration(op.Call/2), returned, describe(op.Input.(attempt), op.Output.(outcome)))
	}
	return text.String()
}

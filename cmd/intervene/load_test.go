package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

const (
	columnActive     = intervenev1.Column_COLUMN_ACTIVE
	columnRequesting = intervenev1.Column_COLUMN_REQUESTING
	columnIntervened = intervenev1.Column_COLUMN_INTERVENED
	columnHistory    = intervenev1.Column_COLUMN_HISTORY
)

const (
	// customerHands write at the same time, for any of the customers.
	customerHands = 10
	// newShare of the messages are somebody's first; the others are of one of
	// the regulars, who came last.
	newShare = 0.10
	regulars = 60
	// choice is how many cards an agent looks at.
	choice = 20
)

var (
	agentNames     = []string{"asha", "ben", "chika", "dana", "emil", "fatou"}
	supervisorName = "sora"
	botName        = "relay"
)

func cast() []member {
	members := []member{{id: supervisorName, role: config.RoleSupervisor}, {id: botName, role: config.RoleBot}}
	for _, name := range agentNames {
		members = append(members, member{id: name, role: config.RoleAgent})
	}
	return members
}

// load are customers, agents, a supervisor and a bot of the API's who all work
// at the same time, whether the engine is there or not.
type load struct {
	seed   uint64
	site   *site
	ledger *ledger

	// gate is held by whoever does something, and closed for a pause.
	gate   sync.RWMutex
	paused bool // by the test, which alone opens and closes
	group  sync.WaitGroup
	stop   context.CancelFunc

	customers, tries atomic.Int64
}

// startLoad begins with the gate closed. It ends with the test at the latest.
func startLoad(t *testing.T, s *site, l *ledger, seed uint64) *load {
	t.Helper()
	o := &load{seed: seed, site: s, ledger: l}
	var ctx context.Context
	ctx, o.stop = context.WithCancel(t.Context())
	o.gate.Lock()
	o.paused = true
	t.Cleanup(func() {
		o.stop()
		if o.paused {
			o.resume()
		}
		o.group.Wait()
	})
	for n := range uint64(customerHands) {
		o.group.Go(func() { o.write(ctx, n) })
	}
	for n, name := range agentNames {
		who := o.clerk(t, name, uint64(n))
		o.group.Go(func() { o.agent(ctx, who) })
	}
	supervisor, bot := o.clerk(t, supervisorName, 's'), o.clerk(t, botName, 'b')
	o.group.Go(func() { o.supervisor(ctx, supervisor) })
	o.group.Go(func() { o.bot(ctx, bot, supervisor) })
	return o
}

func (o *load) clerk(t *testing.T, name string, n uint64) *clerk {
	t.Helper()
	return &clerk{
		caller: newCaller(t, o.site, name), ledger: o.ledger, dice: dice(o.seed, 'a', n),
		tries: func() { o.tries.Add(1) },
	}
}

func (o *load) resume() {
	o.paused = false
	o.gate.Unlock()
}

// pause returns when nothing is under way any more: every command has its
// outcome. The engine must be there, or come back meanwhile.
func (o *load) pause() {
	o.gate.Lock()
	o.paused = true
}

// turn waits for the gate and does one thing; false: the load ends.
func (o *load) turn(ctx context.Context, wait time.Duration, act func()) bool {
	if !rest(ctx, wait) {
		return false
	}
	o.gate.RLock()
	defer o.gate.RUnlock()
	if ctx.Err() != nil {
		return false
	}
	act()
	return true
}

var phrases = []string{
	"Hello", "I want to talk to an agent", "A human, please", "It blinks twice and then stops", "My parcel is broken",
	"Are you a person? I want a real person", "Hm", "Thanks", "What now?",
}

// write lets customers write. Each text is unlike any other.
func (o *load) write(ctx context.Context, hand uint64) {
	d := dice(o.seed, 'c', hand)
	for n := 0; ; n++ {
		act := func() {
			ordinal := o.customers.Load() - d.Int64N(regulars)
			if ordinal < 1 || d.Float64() < newShare {
				ordinal = o.customers.Add(1)
			}
			w := written{
				phone: fmt.Sprintf("1555%07d", ordinal),
				text:  fmt.Sprintf("%s (ref %d-%d)", phrases[d.IntN(len(phrases))], hand, n),
			}
			customer := standin.Customer{PhoneNumberID: siteNumber, WAID: standin.Identity(w.phone), Name: "Customer"}
			wamid, err := o.site.graph.WriteText(ctx, customer, w.text, time.Time{})
			if err != nil {
				if ctx.Err() == nil {
					o.ledger.problem("a customer could not write: %v", err)
				}
				return
			}
			o.ledger.wrote(wamid, w)
		}
		if !o.turn(ctx, between(d, 20*time.Millisecond, 250*time.Millisecond), act) {
			return
		}
	}
}

// someone draws one of the first conversations of a column; none while the
// engine is down.
func someone(ctx context.Context, c *clerk, column intervenev1.Column) string {
	page, err := c.api.ListConversations(ctx, &intervenev1.ListConversationsRequest{Column: column, PageSize: choice})
	if err != nil || len(page.GetCards()) == 0 {
		return ""
	}
	return page.GetCards()[c.dice.IntN(len(page.GetCards()))].GetConversationId()
}

// agent intervenes, works on what it holds, and resolves.
func (o *load) agent(ctx context.Context, c *clerk) {
	held := ""
	act := func() {
		if held == "" {
			if id := someone(ctx, c, columnRequesting); id != "" && c.intervene(ctx, id).accepted() {
				held = id
			}
			return
		}
		var a answer
		over := false
		switch share := c.dice.Float64(); {
		case share < 0.50:
			a = c.send(ctx, held)
		case share < 0.60:
			a = c.note(ctx, held)
		case share < 0.70:
			a = c.tag(ctx, held)
		case share < 0.78:
			a = c.markRead(ctx, held)
		case share < 0.82:
			a, over = c.transfer(ctx, held, agentNames[c.dice.IntN(len(agentNames))]), true
		default:
			a, over = c.resolve(ctx, held), true
		}
		if over || !a.accepted() {
			held = "" // somebody else's, or nobody's
		}
	}
	for o.turn(ctx, between(c.dice, 5*time.Millisecond, 40*time.Millisecond), act) {
	}
}

// hurry adds hands that do nothing but write notes, one after the other, so that
// a kill finds many commands under way.
func (o *load) hurry(t *testing.T, hands int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(func() { // before the load's own, which waits for all
		stop()
		if o.paused {
			o.resume()
		}
	})
	var callers []*caller // few connections: each is made anew after each kill
	for _, name := range agentNames {
		callers = append(callers, newCaller(t, o.site, name))
	}
	for n := range uint64(hands) {
		c := &clerk{
			caller: callers[n%uint64(len(callers))], ledger: o.ledger, dice: dice(o.seed, 'n', n),
			tries: func() { o.tries.Add(1) },
		}
		o.group.Go(func() { o.scribble(ctx, c) })
	}
}

// scribble writes notesOfOne notes into one conversation, and then into another.
func (o *load) scribble(ctx context.Context, c *clerk) {
	const notesOfOne = 50
	id, written := "", 0
	for o.turn(ctx, 0, func() {
		if id == "" || written == notesOfOne {
			id, written = someone(ctx, c, columns[c.dice.IntN(3)]), 0
			return
		}
		if c.note(ctx, id).accepted() {
			written++
		}
	}) {
	}
}

// supervisor takes conversations from their holders and gives them back.
func (o *load) supervisor(ctx context.Context, c *clerk) {
	act := func() {
		id := someone(ctx, c, columnIntervened)
		if id == "" || !c.takeOver(ctx, id).accepted() {
			return
		}
		c.send(ctx, id)
		c.resolve(ctx, id)
	}
	for o.turn(ctx, between(c.dice, 50*time.Millisecond, 150*time.Millisecond), act) {
	}
}

// bot speaks through the API beside the embedded one. Bots see no lists: the
// supervisor's eyes find it something to do.
func (o *load) bot(ctx context.Context, c, eyes *clerk) {
	eyes = &clerk{caller: eyes.caller, dice: c.dice}
	act := func() {
		switch share := c.dice.Float64(); {
		case share < 0.3:
			if id := someone(ctx, eyes, columnActive); id != "" {
				c.request(ctx, id)
			}
		case share < 0.6:
			if id := someone(ctx, eyes, columnActive); id != "" {
				c.send(ctx, id)
			}
		case share < 0.8:
			if id := someone(ctx, eyes, columnRequesting); id != "" {
				c.withdraw(ctx, id)
			}
		default:
			if id := someone(ctx, eyes, columnRequesting); id != "" {
				c.send(ctx, id)
			}
		}
	}
	for o.turn(ctx, between(c.dice, 20*time.Millisecond, 80*time.Millisecond), act) {
	}
}

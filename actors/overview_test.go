package actors_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
)

// chronicle is a log in memory.
type chronicle struct {
	mu      sync.Mutex
	changes []engine.Change
	floor   uint64
	tails   int
	more    chan struct{} // closed and replaced when there is more
}

func newChronicle() *chronicle { return &chronicle{more: make(chan struct{})} }

func (c *chronicle) add(change engine.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change.Offset = uint64(len(c.changes)) + 1
	c.changes = append(c.changes, change)
	close(c.more)
	c.more = make(chan struct{})
}

func (c *chronicle) cut(floor uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.floor = floor
}

func (c *chronicle) LogFloor() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.floor
}

func (c *chronicle) Durable() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return uint64(len(c.changes))
}

func (c *chronicle) Tail(ctx context.Context, after uint64, limit int) ([]engine.Change, error) {
	for {
		c.mu.Lock()
		changes, floor, more := c.changes, c.floor, c.more
		c.tails++
		c.mu.Unlock()
		if after < floor {
			return nil, &engine.Error{Code: engine.CodeNotFound}
		}
		if after < uint64(len(changes)) {
			return changes[after:min(int(after)+limit, len(changes))], nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// countedPeriod is what the naive model remembers of a period: everything.
type countedPeriod struct {
	wrote, asked                             map[engine.ConversationID]bool
	requests, interventions                  uint64
	resolved, autoResolved, dismissed, taken uint64
	waited, held                             []time.Duration
}

// tally counts events one by one, as they were decided. It knows no index, no log
// and no bound.
type tally struct {
	periods map[string]*countedPeriod
	column  map[engine.ConversationID]engine.Column
	asked   map[engine.ConversationID]engine.Instant
	held    map[engine.ConversationID]engine.Instant
}

func newTally() *tally {
	return &tally{
		periods: make(map[string]*countedPeriod), column: make(map[engine.ConversationID]engine.Column),
		asked: make(map[engine.ConversationID]engine.Instant), held: make(map[engine.ConversationID]engine.Instant),
	}
}

func periodName(ws engine.WorkspaceID, at engine.Instant, length time.Duration) string {
	return fmt.Sprint(ws, " ", at.Time().Truncate(length), " ", length)
}

// at calls count with each period of an instant.
func (y *tally) at(ws engine.WorkspaceID, at engine.Instant, count func(*countedPeriod)) {
	for _, length := range []time.Duration{time.Hour, 24 * time.Hour} {
		name := periodName(ws, at, length)
		if y.periods[name] == nil {
			y.periods[name] = &countedPeriod{wrote: make(map[engine.ConversationID]bool), asked: make(map[engine.ConversationID]bool)}
		}
		count(y.periods[name])
	}
}

func (y *tally) count(ws engine.WorkspaceID, id engine.ConversationID, e *engine.Event) {
	switch b := e.Body.(type) {
	case engine.MessageReceived:
		y.at(ws, e.At, func(p *countedPeriod) { p.wrote[id] = true })
	case engine.Moved:
		from := y.column[id]
		y.column[id] = b.To
		if from == b.To {
			return
		}
		if from == engine.Intervened {
			y.at(ws, e.At, func(p *countedPeriod) {
				p.held = append(p.held, e.At.Sub(y.held[id]))
				if b.Cause == engine.CauseAutoResolved {
					p.autoResolved++
				} else {
					p.resolved++
				}
			})
		}
		switch {
		case b.To == engine.Requesting:
			y.asked[id] = e.At
			y.at(ws, e.At, func(p *countedPeriod) { p.requests++; p.asked[id], p.wrote[id] = true, true })
		case b.To == engine.Intervened:
			y.held[id] = e.At
			y.at(ws, e.At, func(p *countedPeriod) {
				p.interventions++
				if from == engine.Requesting {
					p.waited = append(p.waited, e.At.Sub(y.asked[id]))
				}
			})
		case b.Cause == engine.CauseDismissed:
			y.at(ws, e.At, func(p *countedPeriod) { p.dismissed++ })
		case b.Cause == engine.CauseWithdrawn:
			y.at(ws, e.At, func(p *countedPeriod) { p.taken++ })
		}
	}
}

// compare holds an overview's periods against those that were counted.
func (y *tally) compare(t *testing.T, ws engine.WorkspaceID, length time.Duration, periods []engine.OverviewPeriod) {
	t.Helper()
	busy := 0
	for i := range periods {
		got := periods[i]
		name := periodName(ws, got.Begin, length)
		if i > 0 && got.Begin.Sub(periods[i-1].Begin) != length {
			t.Errorf("%s: got it after %v, want them to follow on one another", name, periods[i-1].Begin.Time())
		}
		counted := y.periods[name]
		if counted == nil {
			counted = new(countedPeriod)
		} else {
			busy++
		}
		wantDurations(t, name+": waiting", got.Waiting, counted.waited)
		wantDurations(t, name+": holding", got.Holding, counted.held)
		want := engine.OverviewPeriod{
			Begin: got.Begin, Waiting: got.Waiting, Holding: got.Holding,
			Conversations: uint64(len(counted.wrote)), Asked: uint64(len(counted.asked)),
			Requests: counted.requests, Interventions: counted.interventions,
			Resolutions: counted.resolved, AutoResolutions: counted.autoResolved,
			Dismissals: counted.dismissed, Withdrawals: counted.taken,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: got a difference (-want +got):\n%s", name, diff)
		}
	}
	if busy < len(periods)*3/4 {
		t.Errorf("%s: got %d of %d periods with anything in them, want most", length, busy, len(periods))
	}
}

// wantDurations allows quantiles the 5 % that they are promised with.
func wantDurations(t *testing.T, name string, got engine.Durations, all []time.Duration) {
	t.Helper()
	if got.Count != uint64(len(all)) {
		t.Errorf("%s: got %d, want %d", name, got.Count, len(all))
	}
	if len(all) == 0 || got.Count != uint64(len(all)) {
		return
	}
	slices.Sort(all)
	var total time.Duration
	for _, d := range all {
		total += d
	}
	if longest := all[len(all)-1]; got.Longest != longest || got.Mean != total/time.Duration(len(all)) {
		t.Errorf("%s: got longest %v, mean %v, want %v, %v", name, got.Longest, got.Mean, longest, total/time.Duration(len(all)))
	}
	for q, value := range map[float64]time.Duration{0.5: got.Median, 0.9: got.NinthDecile} {
		want := all[int(math.Ceil(q*float64(len(all))))-1]
		if off := (value - want).Abs(); off > max(want/20, time.Second/2) {
			t.Errorf("%s: got %v for the quantile %v, want %v within 5 %%", name, value, q, want)
		}
	}
}

// business is a month of two workspaces, decided by the real engine.
type business struct {
	draw          *rand.Rand
	now           engine.Instant
	conversations []*engine.Conversation
	policy        engine.Policy
	log           *chronicle
	tally         *tally
}

func newBusiness(seed uint64, now engine.Instant) *business {
	b := &business{
		draw: rand.New(rand.NewPCG(seed, 1)), now: now, log: newChronicle(), tally: newTally(),
		policy: engine.Policy{TakeoverFromActive: true, AutoResolveAfter: 3 * time.Hour},
	}
	for n := range 12 {
		var random [14]byte
		for i := range random {
			random[i] = byte(b.draw.IntN(256))
		}
		b.conversations = append(b.conversations, &engine.Conversation{ID: engine.NewConversationID(0, random), Workspace: []engine.WorkspaceID{acme, "zeta"}[n%2]})
	}
	return b
}

// do gives a command; what is refused leaves no trace.
func (b *business) do(c *engine.Conversation, by engine.Party, body engine.CommandBody) {
	before, workspace := c.Index(), c.Workspace
	append := engine.Append{Conversation: c.ID, Expected: c.Version, Before: before}
	if !c.Exists() {
		append.Before = engine.Index{}
		c.Workspace = ""
	}
	events, err := engine.Decide(c, engine.Command{Workspace: workspace, By: by, Epoch: c.Epoch, Body: body}, b.policy, b.now)
	for i := range events {
		c.Apply(&events[i])
		b.tally.count(workspace, c.ID, &events[i])
	}
	c.Workspace = workspace
	if err != nil || len(events) == 0 {
		return
	}
	append.After = c
	b.log.add(append.Change(c.Index()))
}

// step lets one thing happen to one conversation, some time after the last. The bot
// answers at once what it owes.
func (b *business) step() {
	b.now = b.now.Add(time.Duration(b.draw.Int64N(int64(8 * time.Minute))))
	c := b.conversations[b.draw.IntN(len(b.conversations))]
	robot, asha, sam := engine.Party{Kind: engine.Bot, ID: "robot"}, engine.Party{Kind: engine.Agent, ID: "asha"}, engine.Party{Kind: engine.Supervisor, ID: "sam"}
	timers := engine.Party{Kind: engine.Engine}
	for _, d := range b.conversations {
		if d.WindowTimer != 0 && d.WindowTimer <= b.now {
			b.do(d, timers, engine.FireTimer{Timer: engine.DueWindow})
		}
		if d.AutoResolveTimer != 0 && d.AutoResolveTimer <= b.now {
			b.do(d, timers, engine.FireTimer{Timer: engine.DueAutoResolve})
		}
		b.answer(d)
	}
	switch n := b.draw.IntN(16); {
	case n < 7:
		b.do(c, engine.Party{Kind: engine.Customer}, engine.Receive{
			Channel: channel, Contact: engine.Contact{WaID: "15550100"}, External: fmt.Sprint(c.ID, c.Version), SentAt: b.now,
			Content: engine.Content{Kind: engine.ContentText, Text: "hello"},
		})
	case n < 9:
		b.do(c, robot, engine.RequestAgent{})
	case n == 9:
		b.do(c, robot, engine.WithdrawRequest{})
	case n < 12:
		b.do(c, []engine.Party{asha, sam}[b.draw.IntN(2)], engine.Intervene{})
	case n == 12:
		b.do(c, sam, engine.TakeOver{})
	case n == 13:
		b.do(c, sam, engine.Transfer{To: "ben"})
	default:
		b.do(c, sam, engine.Resolve{})
	}
	b.answer(c)
}

func (b *business) answer(c *engine.Conversation) {
	if c.Turn.Owed() {
		b.do(c, engine.Party{Kind: engine.Bot, ID: "robot"}, engine.AnswerTurn{From: c.Turn.From, Through: c.Version})
	}
}

// TestOverviewIsWhatHappened: what is counted from the log as it grows, and what is
// counted after a start from the log as it is, is what a naive count of the events
// says.
func TestOverviewIsWhatHappened(t *testing.T) {
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			b := newBusiness(seed, engine.InstantOf(time.Now()))
			live := actors.StartOverviews(b.log, nil)
			for range 12_000 {
				b.step()
			}
			time.Sleep(time.Minute) // it gathers changes before it looks
			restarted := actors.StartOverviews(b.log, nil)
			time.Sleep(time.Minute)
			for _, ws := range []engine.WorkspaceID{acme, "zeta"} {
				got := live.Overview(ws, b.now)
				if got.CatchingUp || got.CompleteSince != 0 || len(got.Hours) != actors.OverviewHours || len(got.Days) != actors.OverviewDays {
					t.Errorf("got catching up %t, complete since %v, %d hours, %d days, want all of it",
						got.CatchingUp, got.CompleteSince.Time(), len(got.Hours), len(got.Days))
				}
				b.tally.compare(t, ws, time.Hour, got.Hours)
				b.tally.compare(t, ws, 24*time.Hour, got.Days)
				if diff := cmp.Diff(got, restarted.Overview(ws, b.now)); diff != "" {
					t.Errorf("after a start: got a difference (-live +restarted):\n%s", diff)
				}
			}
			if got := live.Overview("nobody", b.now); len(got.Hours) != actors.OverviewHours || got.Hours[0].Begin == 0 || got.Hours[0].Requests != 0 {
				t.Errorf("a workspace without anything: got %d hours, the first %+v, want empty ones", len(got.Hours), got.Hours[0])
			}
			live.Stop()
			restarted.Stop()
		})
	}
}

// TestOverviewSaysWhatItLacks: it says from when on it is complete, and whether it
// still reads.
func TestOverviewSaysWhatItLacks(t *testing.T) {
	moved := func(at engine.Instant) engine.Change {
		return engine.Change{
			Conversation: engine.ConversationID{2: 7}, At: at, Cause: engine.CauseRequested,
			Before: engine.Index{Workspace: acme, Column: engine.Active}, After: engine.Index{Workspace: acme, Column: engine.Requesting, WaitingSince: at},
		}
	}
	requests := func(o engine.Overview) (n uint64) {
		for _, hour := range o.Hours {
			n += hour.Requests
		}
		return n
	}
	synctest.Test(t, func(t *testing.T) {
		now := engine.InstantOf(time.Now())
		log := newChronicle()
		for n := range 10 {
			log.add(moved(now.Add(time.Duration(n) * time.Minute)))
		}
		log.cut(3)
		o := actors.StartOverviews(log, nil)
		defer o.Stop()
		if got := o.Overview(acme, now); !got.CatchingUp {
			t.Error("before it has read: got all of it, want it to catch up")
		}
		synctest.Wait()
		time.Sleep(time.Second)
		got := o.Overview(acme, now.Add(time.Hour))
		if got.CatchingUp || got.CompleteSince != now.Add(3*time.Minute) || requests(got) != 7 {
			t.Errorf("got catching up %t, complete since %v, %d requests, want 7 since the fourth", got.CatchingUp, got.CompleteSince.Time(), requests(got))
		}

		// The log is cut off ahead of it, and then says nothing of the time.
		for n := range 4 {
			log.mu.Lock()
			log.floor = 12
			log.mu.Unlock()
			change := moved(now.Add(time.Duration(20+n) * time.Minute))
			if n == 2 {
				change.At = 0 // offset 13: from before the log knew
			}
			log.add(change)
		}
		if got := o.Overview(acme, now); got.CompleteSince != now.Add(3*time.Minute) {
			t.Errorf("before it looks: got complete since %v, want no change", got.CompleteSince.Time())
		}
		time.Sleep(time.Second)
		if got := o.Overview(acme, now.Add(time.Hour)); got.CompleteSince != now.Add(23*time.Minute) || requests(got) != 8 {
			t.Errorf("after a gap: got complete since %v, %d requests, want one more, since it", got.CompleteSince.Time(), requests(got))
		}
	})
}

// TestOverviewRests: a long log is read in steps with pauses between them, so that
// those who work have the processor.
func TestOverviewRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newChronicle()
		now := engine.InstantOf(time.Now())
		for n := range 3 * actors.TailLimit {
			log.add(engine.Change{Conversation: engine.ConversationID{2: byte(n), 3: byte(n >> 8)}, At: now, After: engine.Index{Workspace: acme, Unread: 1}})
		}
		o := actors.StartOverviews(log, nil)
		time.Sleep(time.Minute)
		if got := o.Overview(acme, now); got.CatchingUp || got.Hours[actors.OverviewHours-1].Conversations == 0 {
			t.Errorf("got %+v, want all of it read", got.Hours[actors.OverviewHours-1])
		}
		o.Stop()
		if log.tails != 4 { // and one that waits
			t.Errorf("got %d reads, want 4", log.tails)
		}
	})
}

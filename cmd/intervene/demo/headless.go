package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

const (
	// arrivalRate is of customers per second, above what fullConversations asks.
	arrivalRate = 74
	// settleQuiet is how long nothing may have been sent before a run counts as
	// settled; settlePause is between two looks. settleLimit bounds a wait in
	// which nothing gets on, settleMost any wait: a slow machine needs longer,
	// and is no violation.
	settleQuiet = time.Second
	settlePause = 100 * time.Millisecond
	settleLimit = 25 * time.Second
	settleMost  = 3 * time.Minute
	// drainLimit bounds the end of a run.
	drainLimit = 30 * time.Second

	anyPort = "127.0.0.1:0"
)

// Headless are the options of a run that nobody watches.
type Headless struct {
	For  time.Duration
	Seed uint64 // 0 draws one
	Log  *slog.Logger
}

// Run plays a hostile day and audits it. An error means that the day could not
// be played; what went wrong in it stands in the report's violations.
func (h Headless) Run(ctx context.Context) (Report, error) {
	for h.Seed == 0 {
		h.Seed = rand.Uint64() >> 12 // a number that JSON readers keep exact
	}
	dir, remove, err := temporaryData()
	if err != nil {
		return Report{}, err
	}
	report, err := h.run(ctx, dir)
	return report, errors.Join(err, remove())
}

func (h Headless) run(ctx context.Context, dir string) (report Report, err error) {
	l := newLedger()
	s, err := openStage(ports{anyPort, anyPort, anyPort}, dir, hostileNetwork(h.Seed, l), h.Log)
	if err != nil {
		return Report{}, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainLimit)
		defer cancel()
		err = errors.Join(err, s.close(ctx))
	}()
	d := newDay(s, h.Seed, l)
	defer d.close()
	if err := d.play(ctx, h.For); err != nil {
		return Report{}, err
	}
	e, err := d.evidence(ctx)
	if err != nil {
		return Report{}, err
	}
	report = judge(e)
	report.Seed = h.Seed
	report.Ack, report.Command, report.StreamLag = l.acks.percentiles(), l.commits.percentiles(), l.lags.percentiles()
	report.requireLoad(h.For)
	return report, nil
}

// day is one hostile day on a stage.
type day struct {
	stage  *stage
	ledger *ledger
	crowd  *crowd
	floor  *floor
	people []*caller // with a board each
}

func newDay(s *stage, seed uint64, l *ledger) *day {
	d := &day{
		stage: s, ledger: l,
		crowd: &crowd{seed: seed, rate: arrivalRate, graph: s.graph, ledger: l, first: 1},
		floor: &floor{seed: seed, ledger: l, pace: hostilePace},
	}
	call := func(m member) *caller { return newCaller(m, s.apiURL, l, true) }
	for _, m := range s.cast.agents {
		d.floor.agents = append(d.floor.agents, call(m))
	}
	d.floor.supervisor, d.floor.bot = call(s.cast.supervisor), call(s.cast.bot)
	d.people = append(append(d.people, d.floor.agents...), d.floor.supervisor)
	for _, c := range d.people {
		c.watch()
	}
	return d
}

// close ends the streams and the connections.
func (d *day) close() {
	for _, c := range append(d.people, d.floor.bot) {
		c.close()
	}
}

// play lets customers come for the given time, and everybody finish.
func (d *day) play(ctx context.Context, length time.Duration) error {
	coming, home := context.WithTimeout(ctx, length)
	defer home()
	d.crowd.least = int(length.Seconds() * arrivalRate)
	working, closing := context.WithCancel(ctx)
	defer closing()
	var everybody sync.WaitGroup
	everybody.Go(func() { d.floor.work(working, ctx) })
	d.crowd.run(coming)
	// From here on the network is kind: what was refused may come through.
	d.stage.graph.ClearFaults()
	d.settle(ctx, func() bool { return d.floor.waiting() == 0 })
	closing()
	everybody.Wait()
	return ctx.Err()
}

// settle waits until nothing was sent for a while, nothing is pending at the
// stand-in, and there holds, or until nothing gets on.
func (d *day) settle(ctx context.Context, there func() bool) {
	ctx, cancel := context.WithTimeout(ctx, settleMost)
	defer cancel()
	quiet, moved := time.Now(), time.Now()
	var before standin.Stats
	for rest(ctx, settlePause) && time.Since(moved) < settleLimit {
		stats := d.stage.graph.Stats()
		if stats.Accepted != before.Accepted || stats.Acknowledged != before.Acknowledged {
			moved = time.Now()
		}
		if stats.Accepted != before.Accepted || stats.Pending > 0 || !there() {
			quiet = time.Now()
		}
		if before = stats; time.Since(quiet) >= settleQuiet {
			return
		}
	}
}

// evidence reads everything back. Conversations that still wait for something
// are read again until they do not, or until nothing gets on: the audit tells
// those.
func (d *day) evidence(ctx context.Context) (*evidence, error) {
	all, err := observeAll(ctx, d.people)
	if err != nil {
		return nil, err
	}
	open, moved := all, time.Now()
	for {
		before := len(open)
		open = slices.DeleteFunc(slices.Clone(open), func(o *observation) bool { return o.unsettled(time.Now()) == "" })
		if len(open) < before {
			moved = time.Now()
		}
		if len(open) == 0 || time.Since(moved) > settleLimit || !rest(ctx, settleQuiet/2) {
			break
		}
		if err := observe(ctx, d.people, open); err != nil {
			return nil, err
		}
	}
	deliveries, err := d.deliveries(ctx, all)
	if err != nil {
		return nil, err
	}
	return d.collect(ctx, all, deliveries)
}

// deliveries reads the log, and again every conversation to which something was
// sent after it was read, until log and conversations are of one time.
func (d *day) deliveries(ctx context.Context, all []*observation) ([]standin.Delivery, error) {
	byPhone := make(map[string]*observation, len(all))
	for _, o := range all {
		byPhone[o.card.GetContact().GetPhone()] = o
	}
	for {
		d.settle(ctx, func() bool { return true })
		log := d.stage.graph.Deliveries()
		var stale []*observation
		for _, sent := range log {
			if o, ok := byPhone[sent.To.String()]; ok && sent.AcceptedAt.After(o.at) && !slices.Contains(stale, o) {
				stale = append(stale, o)
			}
		}
		if len(stale) == 0 {
			return log, nil
		}
		if err := observe(ctx, d.people, stale); err != nil {
			return nil, err
		}
	}
}

// collect puts the evidence together.
func (d *day) collect(ctx context.Context, all []*observation, deliveries []standin.Delivery) (*evidence, error) {
	l := d.ledger
	e := &evidence{
		offers: l.offers, sends: l.sends, races: l.races, holds: l.holds, told: l.told,
		items: d.stage.graph.Offers(), deliveries: deliveries,
		conversations: all, boards: make(map[string]face), columns: make(map[intervenev1.Column][]*intervenev1.Card), at: time.Now(),
	}
	if dropped := d.stage.graph.Stats().LogDropped; dropped > 0 {
		return nil, fmt.Errorf("the stand-in's log dropped %d entries: the run is too long to audit", dropped)
	}
	for n := range intervenev1.Column_name {
		column := intervenev1.Column(n)
		if column == intervenev1.Column_COLUMN_UNSPECIFIED {
			continue
		}
		cards, counters, err := listColumn(ctx, d.floor.supervisor, column)
		if err != nil {
			return nil, err
		}
		e.columns[column], e.counters = cards, counters
	}
	for _, c := range d.people {
		e.boards[c.id] = c.board.face()
	}
	return e, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/intervenehq/intervene/bench/measure"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const (
	// scaleFlight is how many commands wait for their answers.
	scaleFlight = 256
	// lapsed is how old messages are whose conversations go straight to History once
	// they are resolved, as nobody may answer them any more.
	lapsed = 48 * time.Hour
	// storedHot conversations get the commands, however many are stored.
	storedHot = 1000
	// eventful conversations get longer and longer.
	eventful = 100
)

// scaleCommand is the load of growth.
type scaleCommand struct {
	options
	Hot         []int `default:"100,1000,10000" help:"Conversations that commands go to, each level tenfold."`
	Stored      []int `default:"1000,10000,100000" help:"Conversations that lie in History."`
	Events      []int `default:"10,100,1000,10000" help:"Events that each hot conversation has."`
	Subscribers []int `default:"10,100,1000" help:"Boards that are watched."`
	Rate        int   `default:"200" help:"Changes a second while boards are watched."`
}

// scalePoint is one level of one kind.
type scalePoint struct {
	Of        int
	Load      *measure.Load
	Cost      cost
	Delivered float64 `json:",omitempty"` // deliveries a second
	// DiskPerEvent is what the journal has on the disk, of all events, and Start how
	// long an engine takes from its start to ready after a clean stop.
	Appends      float64       `json:",omitempty"`
	DiskPerEvent float64       `json:",omitempty"`
	Start        time.Duration `json:",omitempty"`
}

type scaleFound struct{ Hot, Stored, Events, Subscribers []scalePoint }

// Run grows one thing after the other.
func (c *scaleCommand) Run(ctx context.Context) error {
	if c.Quick {
		c.Stored, c.Events = capped(c.Stored, 10_000), capped(c.Events, 1000)
	}
	r, err := c.begin(ctx, len(c.Hot)+len(c.Stored)+len(c.Events)+len(c.Subscribers))
	if err != nil {
		return err
	}
	found := new(scaleFound)
	for _, kind := range []struct {
		points *[]scalePoint
		grow   func(context.Context, *run) ([]scalePoint, error)
	}{{&found.Hot, c.hot}, {&found.Stored, c.stored}, {&found.Events, c.events}, {&found.Subscribers, c.subscribers}} {
		if *kind.points, err = kind.grow(ctx, r); err != nil {
			return errors.Join(err, r.end())
		}
	}
	return errors.Join(r.report("scale", found), r.end())
}

// capped are those that are not more than most.
func capped(levels []int, most int) []int {
	var few []int
	for _, n := range levels {
		if n <= most {
			few = append(few, n)
		}
	}
	return few
}

// lay adds conversations of customers who wrote too long ago for the bot: they
// stand on Requesting.
func lay(ctx context.Context, s *site, n int) ([]*intervenev1.Card, error) {
	w := s.workspaces[0]
	if err := s.write(w, w.customers, n, time.Now().Add(-lapsed)); err != nil {
		return nil, err
	}
	w.customers += n
	return await(ctx, newAPI(s.url()), w, intervenev1.Column_COLUMN_REQUESTING, len(w.conversations)+n)
}

// hot has commands go to more and more conversations.
func (c *scaleCommand) hot(ctx context.Context, r *run) (points []scalePoint, err error) {
	s, err := r.site(ctx, 1, 1, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return c.levels(ctx, r, s, "%d hot", c.Hot, func(n int) error { return raise(ctx, s, n) })
}

// levels prepares each level in turn, and measures it.
func (c *scaleCommand) levels(ctx context.Context, r *run, s *site, name string, of []int, prepare func(n int) error) (points []scalePoint, err error) {
	for _, n := range of {
		r.progress.Begin("scale, " + fmt.Sprintf(name, n))
		if err := prepare(n); err != nil {
			return nil, err
		}
		point, err := c.point(ctx, r, s, n)
		if err != nil {
			return nil, err
		}
		points = append(points, *point)
		r.progress.Step()
	}
	return points, nil
}

// raise has n conversations stand on Requesting.
func raise(ctx context.Context, s *site, n int) error {
	w := s.workspaces[0]
	cards, err := lay(ctx, s, n-len(w.conversations))
	if err != nil {
		return err
	}
	w.conversations = nil
	for _, card := range cards {
		w.conversations = append(w.conversations, card.GetConversationId())
	}
	return nil
}

// point measures tags of all conversations on the board, in turn.
func (c *scaleCommand) point(ctx context.Context, r *run, s *site, of int) (*scalePoint, error) {
	desks := newDesks(s, "tags")
	callers := min(scaleFlight, len(s.workspaces[0].conversations))
	desks.begin(callers)
	// Everybody once, so that all that is hot is in memory.
	if err := desks.atLeast(ctx, r, len(s.workspaces[0].conversations)); err != nil {
		return nil, err
	}
	before, err := usageOf(ctx, s)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	load := measure.Closed(ctx, callers, r.step(), desks.do)
	took, err := costSince(ctx, s, before, began, load.Done)
	if err == nil && load.Done == 0 {
		err = fmt.Errorf("no command was answered: %w", load.Err)
	}
	return &scalePoint{Of: of, Load: load, Cost: took}, err
}

// atLeast gives so many commands, or some more.
func (d *desks) atLeast(ctx context.Context, r *run, commands int) error {
	for done := int64(0); done < int64(commands); {
		load := measure.Closed(ctx, len(d.desks), r.step()/4, d.do)
		if err := errors.Join(load.Err, ctx.Err()); err != nil {
			return fmt.Errorf("give %d commands: %w", commands, err)
		}
		done += load.Done
	}
	return nil
}

// events has the same conversations become longer and longer.
func (c *scaleCommand) events(ctx context.Context, r *run) (points []scalePoint, err error) {
	s, err := r.site(ctx, 1, 1, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := raise(ctx, s, eventful); err != nil {
		return nil, err
	}
	return c.levels(ctx, r, s, "%d events each", c.Events, func(n int) error {
		u, err := usageOf(ctx, s)
		if err != nil {
			return err
		}
		desks := newDesks(s, "tags")
		desks.begin(eventful)
		return desks.atLeast(ctx, r, n*eventful-int(u.appends))
	})
}

// stored has more and more conversations lie in History beside the same hot ones.
func (c *scaleCommand) stored(ctx context.Context, r *run) (points []scalePoint, err error) {
	s, err := r.site(ctx, 1, 1, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := raise(ctx, s, storedHot); err != nil {
		return nil, err
	}
	appends, there := 0.0, 0
	for _, n := range c.Stored {
		r.progress.Begin(fmt.Sprintf("scale, %d stored", n))
		if err := shelve(ctx, s, n-there); err != nil {
			return nil, err
		}
		there = n
		point, err := c.point(ctx, r, s, n)
		if err != nil {
			return nil, err
		}
		if err := point.restart(ctx, s, &appends); err != nil {
			return nil, err
		}
		points = append(points, *point)
		r.progress.Step()
	}
	return points, nil
}

// shelveAtOnce bounds what stands on Requesting before it is resolved.
const shelveAtOnce = 5000

// shelve puts n more into History: nobody may answer them, so that resolving ends
// there.
func shelve(ctx context.Context, s *site, n int) error {
	w, api := s.workspaces[0], newAPI(s.url())
	hot := make(map[string]bool)
	for _, id := range w.conversations {
		hot[id] = true
	}
	for ; n > 0; n -= shelveAtOnce {
		cards, err := lay(ctx, s, min(n, shelveAtOnce))
		if err != nil {
			return err
		}
		err = eachOf(cards, func(card *intervenev1.Card) error {
			if hot[card.GetConversationId()] {
				return nil
			}
			_, err := api.Resolve(as(w.driver), &intervenev1.ResolveRequest{ConversationId: card.GetConversationId(), CommandId: uuid.NewString()})
			return err
		})
		if err != nil {
			return fmt.Errorf("resolve: %w", err)
		}
	}
	return nil
}

// restart stops the engine well, weighs what it left, and starts it again.
func (p *scalePoint) restart(ctx context.Context, s *site, appends *float64) error {
	u, err := usageOf(ctx, s)
	if err != nil {
		return err
	}
	*appends += u.appends
	p.Appends = *appends
	if err := s.stop(); err != nil {
		return err
	}
	size, err := sizeOf(filepath.Join(s.dir, "data"))
	if err != nil {
		return err
	}
	p.DiskPerEvent = float64(size) / max(1, p.Appends)
	began := time.Now()
	if err := s.start(ctx); err != nil {
		return err
	}
	p.Start = time.Since(began)
	return nil
}

// sizeOf is what a folder holds, in bytes.
func sizeOf(dir string) (int64, error) {
	var size int64
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		size += info.Size()
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("weigh the data: %w", err)
	}
	return size, nil
}

// subscribers has more and more boards watched while they change.
func (c *scaleCommand) subscribers(ctx context.Context, r *run) (points []scalePoint, err error) {
	const conversations = 150
	most := 1
	for _, n := range c.Subscribers {
		most = max(most, n)
	}
	s, err := r.site(ctx, 1, most, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := raise(ctx, s, conversations); err != nil {
		return nil, err
	}
	for _, n := range c.Subscribers {
		r.progress.Begin(fmt.Sprintf("scale, %d boards", n))
		point, err := c.watched(ctx, r, s, n)
		if err != nil {
			return nil, err
		}
		points = append(points, *point)
		r.progress.Step()
	}
	return points, nil
}

func (c *scaleCommand) watched(ctx context.Context, r *run, s *site, n int) (*scalePoint, error) {
	all, err := watchers(s, newDriver(s), n, 1, crowdWindow)
	if err != nil {
		return nil, err
	}
	crowd, err := openFleet(ctx, all)
	if err != nil {
		return nil, err
	}
	defer crowd.close()
	desks := newDesks(s, "tags")
	desks.begin(len(s.workspaces[0].conversations))
	loop := measure.OpenLoop{Rate: float64(c.Rate), For: warmUp, Workers: len(desks.desks), Poisson: true}
	loop.Run(ctx, desks.do)
	before, err := usageOf(ctx, s)
	if err != nil {
		return nil, err
	}
	received, began := crowd.received(), time.Now()
	loop.For = r.step()
	load := loop.Run(ctx, desks.do)
	took, err := costSince(ctx, s, before, began, load.Done)
	return &scalePoint{
		Of: n, Load: load, Cost: took, Delivered: float64(crowd.received().deliveries-received.deliveries) / time.Since(began).Seconds(),
	}, err
}

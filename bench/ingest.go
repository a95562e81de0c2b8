package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/intervenehq/intervene/bench/measure"
)

const (
	// ackLimit is how long 99 of 100 webhooks may take to be taken.
	ackLimit = 250 * time.Millisecond
	// kept is the share of what was offered that must have been taken in time.
	kept = 0.98
	// ingestWorkers are connections; Meta has as many as it likes.
	ingestWorkers = 128
)

// ingestCommand is the load of webhooks.
type ingestCommand struct {
	options
	Rate      float64 `help:"Messages a second; 0 raises the rate until acks come too late or not at all."`
	Messages  []int   `default:"1,10" help:"Messages in a POST."`
	Customers int     `default:"10000" help:"How many write, one after the other. An agent has all of them: the bot answers none."`
}

// ingestRates are gone through until one is missed.
var ingestRates = []float64{1000, 2000, 4000, 6000, 8000, 10_000, 12_500, 15_000, 17_500, 20_000, 25_000, 30_000}

// ingestStep is one rate.
type ingestStep struct {
	Messages int // in a POST
	Rate     float64
	Load     *measure.Load // of POSTs
	Cost     cost          // a message is a command
	Kept     bool
}

// ingestFound are the rates that were offered.
type ingestFound struct{ Steps []ingestStep }

// Run offers one rate after the other.
func (c *ingestCommand) Run(ctx context.Context) error {
	if c.Quick {
		c.Customers = min(c.Customers, 2000)
	}
	r, err := c.begin(ctx, len(c.Messages)*len(c.rates()))
	if err != nil {
		return err
	}
	found, err := c.measure(ctx, r)
	if err == nil {
		err = r.report("ingest", found)
	}
	return errors.Join(err, r.end())
}

func (c *ingestCommand) rates() []float64 {
	if c.Rate > 0 {
		return []float64{c.Rate}
	}
	return ingestRates
}

func (c *ingestCommand) measure(ctx context.Context, r *run) (*ingestFound, error) {
	found := new(ingestFound)
	for _, messages := range c.Messages {
		if messages <= 0 {
			return nil, errors.New("a POST has a message or more")
		}
		if err := c.rise(ctx, r, messages, found); err != nil {
			return nil, fmt.Errorf("%d messages in a POST: %w", messages, err)
		}
	}
	return found, nil
}

// rise offers rates to an engine of its own, until one is missed.
func (c *ingestCommand) rise(ctx context.Context, r *run, messages int, found *ingestFound) (err error) {
	s, err := r.site(ctx, 1, 1, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := populate(ctx, s, c.Customers); err != nil {
		return err
	}
	if err := silence(ctx, s); err != nil {
		return err
	}
	for _, rate := range c.rates() {
		r.progress.Begin(fmt.Sprintf("ingest %.0f/s by %d", rate, messages))
		step, err := c.offer(ctx, r, s, messages, rate)
		if err != nil {
			return err
		}
		found.Steps = append(found.Steps, *step)
		r.progress.Step()
		if !step.Kept {
			return nil
		}
	}
	return nil
}

// offer makes all webhooks of a step before its clock runs.
func (c *ingestCommand) offer(ctx context.Context, r *run, s *site, messages int, rate float64) (*ingestStep, error) {
	posts := int(rate / float64(messages) * r.step().Seconds())
	list := make([]webhook, posts)
	for i := range list {
		var all []said
		for m := range messages {
			n := (i*messages + m) % c.Customers
			all = append(all, said{
				customer: s.workspaces[0].customer(n), name: fmt.Sprintf("Customer %d", n), at: time.Now(),
				text: "a question of the usual length, about an order",
			})
		}
		var err error
		if list[i], err = s.webhook(s.workspaces[0], all); err != nil {
			return nil, err
		}
	}
	connections, err := openSenders(s, ingestWorkers)
	if err != nil {
		return nil, err
	}
	before, err := usageOf(ctx, s)
	if err != nil {
		return nil, errors.Join(err, connections.close())
	}
	began := time.Now()
	loop := measure.OpenLoop{Rate: rate / float64(messages), For: r.step(), Workers: ingestWorkers, Poisson: true}
	load := loop.Run(ctx, func(worker, n int) error { return connections[worker].deliver(list[n%posts]) })
	took, err := costSince(ctx, s, before, began, load.Done*int64(messages))
	if err = errors.Join(err, connections.close()); err != nil {
		return nil, err
	}
	offered := float64(load.Done + load.Failed + load.Unsent)
	return &ingestStep{
		Messages: messages, Rate: rate, Load: load, Cost: took,
		Kept: load.Failed == 0 && float64(load.Done) >= kept*offered && load.Latency.P99 <= float64(ackLimit.Milliseconds()),
	}, nil
}

func (f *ingestFound) tables() []measure.Table {
	t := measure.Table{
		Title:   "Webhooks: messages offered in an open loop, ack counted from when the POST should have begun",
		Columns: []string{"in a POST", "offered/s", "taken/s", "ack p50 ms", "p99 ms", "p99.9 ms", "failed", "engine CPUs", "µs CPU each", "appends per fsync", "disk B per append", "RSS MB", "kept"},
		Notes:   []string{fmt.Sprintf("Kept: nothing refused, and p99 within %d ms.", ackLimit.Milliseconds())},
	}
	for _, s := range f.Steps {
		word := "yes"
		if !s.Kept {
			word = "**no**"
		}
		t.Add(s.Messages, s.Rate, s.Load.Rate()*float64(s.Messages), s.Load.Latency.P50, s.Load.Latency.P99, s.Load.Latency.P999, s.Load.Failed+s.Load.Unsent,
			s.Cost.CPUs, s.Cost.CPUEach, s.Cost.AppendsPerFsync, s.Cost.BytesEach, s.Cost.ResidentMB, word)
	}
	return []measure.Table{t}
}

func (f *ingestFound) charts() []measure.Chart {
	chart := measure.Chart{Name: "ingest", Title: "Webhooks", X: "messages/s offered", Y: "ack p99, ms", LogY: true}
	for _, s := range f.Steps {
		name := fmt.Sprintf("%d in a POST", s.Messages)
		if n := len(chart.Lines); n == 0 || chart.Lines[n-1].Name != name {
			chart.Lines = append(chart.Lines, measure.Line{Name: name})
		}
		line := &chart.Lines[len(chart.Lines)-1]
		line.X, line.Y = append(line.X, s.Rate), append(line.Y, s.Load.Latency.P99)
	}
	return []measure.Chart{chart}
}

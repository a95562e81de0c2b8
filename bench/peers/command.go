package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/intervenehq/intervene/bench/measure"
)

// command is all comparisons.
type command struct {
	For      time.Duration `default:"5s" help:"How long each turn of each side takes."`
	Rounds   int           `default:"3" help:"How often all take turns; medians are told."`
	InFlight []int         `default:"1,16,256,4096" enum:"1,16,256,4096" help:"How many commands wait for their answers at once."`
	Quick    bool          `help:"One round of short turns."`
	Skip     []string      `enum:"postgres,nats,edges" help:"Leave these out."`
	Root     string        `type:"existingdir" default:"../.." help:"The engine's module."`
	Dir      string        `type:"existingdir" placeholder:"DIR" help:"Where all of them have their data; a temporary folder unless it is given. Choose the disk that matters."`
	Out      string        `short:"o" placeholder:"FILE" help:"Write all that was measured as JSON, too."`
	Results  string        `type:"existingfile" placeholder:"FILE" help:"Write the tables into this document."`
	Plots    string        `placeholder:"DIR" help:"Draw charts (SVG) into this folder."`
}

const quickFor = 2 * time.Second

const connectBase = "bare Connect handler that does nothing"

// score is one turn of one side.
type score struct{ Rate, P50, P99 float64 }

// found is all that was measured: the scores of each side, by level.
type found struct {
	Machine  measure.Machine
	Postgres string   // its version
	Sides    []string // in the order of tables
	Scores   map[int]map[string][]score
	Failed   map[string]int64
	Edges    []edge
}

// The sides.
const (
	sideEngine  = "Intervene, in process"
	sidePebble  = "raw Pebble"
	sideSingle  = "PostgreSQL"
	sideGrouped = "PostgreSQL, grouped"
	sideNATS    = "NATS JetStream"
)

// Run takes all sides in turns.
func (c *command) Run(ctx context.Context) (err error) {
	if c.Quick {
		c.For, c.Rounds = min(c.For, quickFor), 1
	}
	dir, err := os.MkdirTemp(c.Dir, "intervene-peers-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil { // the user postgres passes through
		return fmt.Errorf("make a folder: %w", err)
	}
	f := &found{Scores: make(map[int]map[string][]score), Failed: make(map[string]int64), Sides: []string{sideEngine, sidePebble}}
	if f.Machine, err = measure.Here(); err != nil {
		return err
	}
	if err := c.durable(ctx, dir, f); err != nil {
		return err
	}
	if !slices.Contains(c.Skip, "edges") {
		if err := c.edges(ctx, dir, f); err != nil {
			return err
		}
	}
	if err := f.Machine.Ended(); err != nil {
		return err
	}
	return c.report(f)
}

// durable compares what makes commands durable.
func (c *command) durable(ctx context.Context, dir string, f *found) (err error) {
	journal, err := compile(ctx, c.Root, "engine/journal", dir)
	if err != nil {
		return err
	}
	var p *postgres
	if !slices.Contains(c.Skip, "postgres") {
		if p, err = startPostgres(ctx, dir); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.close()) }()
		f.Postgres = p.version
		f.Sides = append(f.Sides, sideSingle, sideGrouped)
	}
	if !slices.Contains(c.Skip, "nats") {
		f.Sides = append(f.Sides, sideNATS)
	}
	bar := measure.NewProgress(c.Rounds * len(c.InFlight))
	defer bar.End()
	for range c.Rounds {
		for _, inFlight := range c.InFlight {
			bar.Begin(fmt.Sprintf("%d in flight", inFlight))
			if err := c.turn(ctx, f, journal, p, dir, inFlight); err != nil {
				return fmt.Errorf("%d in flight: %w", inFlight, err)
			}
			bar.Step()
		}
	}
	return nil
}

// turn is one turn of all sides at a level, each on data that begins empty.
func (c *command) turn(ctx context.Context, f *found, journal *suite, p *postgres, dir string, inFlight int) error {
	all, err := journal.run(ctx, fmt.Sprintf("Command/hot=(100|%d)$/inflight=%d$", hot, inFlight), dir, 2*c.For)
	if err != nil {
		return err
	}
	for _, v := range all { // there is one
		f.add(inFlight, sideEngine, score{v["commands/s"], v["p50-ms"], v["p99-ms"]})
		f.add(inFlight, sidePebble, score{v["pebble/s"], v["pebble-p50-ms"], v["pebble-p99-ms"]})
	}
	if p != nil {
		for _, side := range []string{sideSingle, sideGrouped} {
			if err := p.clear(ctx); err != nil {
				return err
			}
			var subject peer = p
			if side == sideGrouped {
				subject = newGrouped(ctx, p)
			}
			err := c.side(ctx, f, side, subject, inFlight)
			if side == sideGrouped {
				err = errors.Join(err, subject.close())
			}
			if err != nil {
				return err
			}
		}
	}
	if slices.Contains(f.Sides, sideNATS) {
		s, err := startStream(ctx, dir)
		if err != nil {
			return err
		}
		return errors.Join(c.side(ctx, f, sideNATS, s, inFlight), s.close())
	}
	return nil
}

// side measures one after a warm-up of a fifth.
func (c *command) side(ctx context.Context, f *found, name string, p peer, inFlight int) error {
	w := newWork(p)
	w.run(ctx, inFlight, c.For/5)
	load := w.run(ctx, inFlight, c.For)
	if load.Done == 0 {
		return fmt.Errorf("%s did nothing: %w", name, load.Err)
	}
	f.Failed[name] += load.Failed
	f.add(inFlight, name, score{load.Rate(), load.Latency.P50, load.Latency.P99})
	return nil
}

func (f *found) add(inFlight int, side string, s score) {
	if f.Scores[inFlight] == nil {
		f.Scores[inFlight] = make(map[string][]score)
	}
	f.Scores[inFlight][side] = append(f.Scores[inFlight][side], s)
}

// edge is the engine's edge beside a bare handler, at one number of callers.
type edge struct {
	Name, Base   string
	Rates, Bases []float64
	CPU, BaseCPU []float64 // µs, the callers' with it
}

// edges compares what speaks to the network.
func (c *command) edges(ctx context.Context, dir string, f *found) error {
	for _, kind := range []struct{ pkg, pattern, name, base, rate, baseRate, cpu, baseCPU string }{
		{"rpc", "Unary/callers=128$", "AddNote over Connect, 128 callers", connectBase, "notes/s", "no-op/s", "cpu-µs", "no-op-cpu-µs"},
		{"rpc", "Unary/callers=512$", "AddNote over Connect, 512 callers", connectBase, "notes/s", "no-op/s", "cpu-µs", "no-op-cpu-µs"},
		{"rpc/whatsapp", "Webhook$", "webhooks of a message", "raw net/http that verifies the HMAC", "webhooks/s", "bare/s", "cpu-µs", "bare-cpu-µs"},
	} {
		s, err := compile(ctx, c.Root, kind.pkg, dir)
		if err != nil {
			return err
		}
		e := edge{Name: kind.name, Base: kind.base}
		for range c.Rounds {
			all, err := s.run(ctx, kind.pattern, dir, 2*c.For)
			if err != nil {
				return err
			}
			for _, v := range all {
				e.Rates, e.Bases = append(e.Rates, v[kind.rate]), append(e.Bases, v[kind.baseRate])
				e.CPU, e.BaseCPU = append(e.CPU, v[kind.cpu]), append(e.BaseCPU, v[kind.baseCPU])
			}
		}
		f.Edges = append(f.Edges, e)
	}
	return nil
}

func (c *command) report(f *found) error {
	tables := f.tables()
	if err := measure.Print(os.Stdout, tables); err != nil {
		return err
	}
	fmt.Println(f.Machine.String())
	if c.Plots != "" {
		if err := measure.Draw(c.Plots, f.charts()); err != nil {
			return err
		}
	}
	if c.Results != "" {
		images, err := measure.Images(c.Results, c.Plots, f.charts())
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%d rounds, turns of %s. %s\n\n%s%s", c.Rounds, c.For, f.Machine.String(), measure.Markdown(tables), images)
		if err := measure.Insert(c.Results, "peers", text); err != nil {
			return err
		}
	}
	if c.Out == "" {
		return nil
	}
	text, err := json.MarshalIndent(f, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Clean(c.Out), append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

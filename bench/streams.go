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
)

// streamsCommand is the bench of board streams.
type streamsCommand struct {
	Intervene     string        `type:"existingfile" placeholder:"FILE" help:"The engine's binary; built of the module here unless it is given."`
	Scenario      []string      `default:"one,many,drain" enum:"one,many,drain" help:"one: a thousand subscribers of one workspace. many: 5,000 of 100. drain: a thousand through a restart."`
	Rate          int           `default:"1000" help:"Board changes a second, whatever comes of them."`
	Slice         time.Duration `default:"12s" help:"How long each part of a round is measured; longer than the engine waits for who does not read."`
	Rounds        int           `default:"2" help:"How often with, without stalled ones, and the raw server take turns."`
	PerConnection int           `default:"1" help:"Streams that share a connection; a browser shares it among its tabs."`
	Profile       string        `placeholder:"DIR" help:"Keep the engine's CPU profile of a slice more, and its memory's, there."`
	Output        string        `short:"o" placeholder:"FILE" help:"Write all that was measured as JSON, too."`
}

// crowds are the scenarios of subscribers: how many, of how many workspaces with
// how many conversations each.
var crowds = []crowd{
	{Name: "one", Subscribers: 1000, Workspaces: 1, Conversations: 150},
	{Name: "many", Subscribers: 5000, Workspaces: 100, Conversations: 20},
}

// results are what a run measured.
type results struct {
	LoadBefore, LoadAfter float64
	Crowds                []*crowdResult `json:",omitempty"`
	Drain                 *drainResult   `json:",omitempty"`
}

// Run measures one scenario after the other.
func (c *streamsCommand) Run(ctx context.Context) (err error) {
	if c.Rate <= 0 || c.Slice <= 0 || c.Rounds <= 0 || c.PerConnection <= 0 {
		return errors.New("rate, slice, rounds and per-connection are above 0")
	}
	dir, err := os.MkdirTemp("", "intervene-bench-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if c.Intervene == "" {
		if c.Intervene, err = build(ctx, dir); err != nil {
			return err
		}
	}
	var r results
	if r.LoadBefore, err = loadOf(); err != nil {
		return err
	}
	for _, crowd := range crowds {
		if !slices.Contains(c.Scenario, crowd.Name) {
			continue
		}
		result, err := c.measure(ctx, crowd, filepath.Join(dir, crowd.Name))
		if err != nil {
			return fmt.Errorf("scenario %s: %w", crowd.Name, err)
		}
		result.print(os.Stdout)
		r.Crowds = append(r.Crowds, result)
	}
	if slices.Contains(c.Scenario, "drain") {
		if r.Drain, err = c.drain(ctx, filepath.Join(dir, "drain")); err != nil {
			return fmt.Errorf("scenario drain: %w", err)
		}
		r.Drain.print(os.Stdout)
	}
	if r.LoadAfter, err = loadOf(); err != nil {
		return err
	}
	fmt.Printf("load average of the machine: %.1f before, %.1f after\n", r.LoadBefore, r.LoadAfter)
	return c.write(&r)
}

func (c *streamsCommand) write(r *results) error {
	if c.Output == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	if err := os.WriteFile(c.Output, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

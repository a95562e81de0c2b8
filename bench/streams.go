package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// streamsCommand is the bench of board streams.
type streamsCommand struct {
	options
	Scenario      []string      `default:"one,many,drain" enum:"one,many,drain" help:"one: a thousand subscribers of one workspace. many: 5,000 of 100. drain: a thousand through a restart."`
	Rate          int           `default:"1000" help:"Board changes a second, whatever comes of them."`
	Slice         time.Duration `default:"12s" help:"How long each part of a round is measured; longer than the engine waits for who does not read."`
	Rounds        int           `default:"2" help:"How often with, without stalled ones, and the raw server take turns."`
	PerConnection int           `default:"1" help:"Streams that share a connection; a browser shares it among its tabs."`
	Profile       string        `placeholder:"DIR" help:"Keep the engine's CPU profile of a slice more, and its memory's, there."`
}

// crowds are the scenarios of subscribers: how many, of how many workspaces with
// how many conversations each.
var crowds = []crowd{
	{Name: "one", Subscribers: 1000, Workspaces: 1, Conversations: 150},
	{Name: "many", Subscribers: 5000, Workspaces: 100, Conversations: 20},
}

// streamsFound are what a run measured.
type streamsFound struct {
	Crowds []*crowdResult `json:",omitempty"`
	Drain  *drainResult   `json:",omitempty"`
}

// Run measures one scenario after the other.
func (c *streamsCommand) Run(ctx context.Context) error {
	if c.Rate <= 0 || c.Slice <= 0 || c.Rounds <= 0 || c.PerConnection <= 0 {
		return errors.New("rate, slice, rounds and per-connection are above 0")
	}
	if c.Quick {
		c.Scenario, c.Rounds, c.Slice = []string{"one"}, 1, min(c.Slice, 2*quickFor)
	}
	r, err := c.begin(ctx, len(c.Scenario))
	if err != nil {
		return err
	}
	found, err := c.play(ctx, r)
	if err == nil {
		err = r.report("streams", found)
	}
	return errors.Join(err, r.end())
}

func (c *streamsCommand) play(ctx context.Context, r *run) (*streamsFound, error) {
	found := new(streamsFound)
	for _, crowd := range crowds {
		if !slices.Contains(c.Scenario, crowd.Name) {
			continue
		}
		r.progress.Begin("streams, " + crowd.Name)
		result, err := c.measure(ctx, crowd, filepath.Join(r.dir, crowd.Name))
		if err != nil {
			return nil, fmt.Errorf("scenario %s: %w", crowd.Name, err)
		}
		found.Crowds = append(found.Crowds, result)
		r.progress.Step()
	}
	if slices.Contains(c.Scenario, "drain") {
		r.progress.Begin("streams, drain")
		var err error
		if found.Drain, err = c.drain(ctx, filepath.Join(r.dir, "drain")); err != nil {
			return nil, fmt.Errorf("scenario drain: %w", err)
		}
		r.progress.Step()
	}
	return found, nil
}

package main

import (
	"context"
	"fmt"

	"github.com/alecthomas/kong"
)

// allCommand runs every load, one after the other, as each runs by itself.
type allCommand struct{ options }

// Run stops at the first load that cannot be measured.
func (c *allCommand) Run(ctx context.Context) error {
	r, err := c.begin(ctx, 0)
	if err != nil {
		return err
	}
	defer func() { _ = r.end() }() // a temporary folder; what was measured is written
	var ingest ingestCommand
	var commands commandsCommand
	var day dayCommand
	var streams streamsCommand
	var scale scaleCommand
	for _, load := range []struct {
		name    string
		command interface{ Run(context.Context) error }
		options *options
	}{
		{"ingest", &ingest, &ingest.options},
		{"commands", &commands, &commands.options},
		{"day", &day, &day.options},
		{"streams", &streams, &streams.options},
		{"scale", &scale, &scale.options},
	} {
		if err := kong.ApplyDefaults(load.command); err != nil {
			return fmt.Errorf("%s: %w", load.name, err)
		}
		*load.options = c.options
		if err := load.command.Run(ctx); err != nil {
			return fmt.Errorf("%s: %w", load.name, err)
		}
	}
	return nil
}

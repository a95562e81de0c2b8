package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/intervenehq/intervene/cmd/intervene/demo"
)

type demoCommand struct {
	Headless bool          `help:"Play a hostile day without an audience, audit it, and exit."`
	For      time.Duration `default:"30s" help:"How long customers come, with --headless."`
	Seed     uint64        `help:"What every draw of a headless day depends on; 0 draws one."`
	Report   string        `placeholder:"FILE" help:"Where the report of a headless day goes, as JSON."`
	Data     string        `placeholder:"DIR" help:"Keep the journal of a demo with an audience here; else it is removed at the end."`
}

// Run plays until it is stopped, or, headless, until the day is over.
func (d demoCommand) Run(ctx context.Context, c console) error {
	if d.Headless {
		return d.headless(ctx, c)
	}
	if d.Seed != 0 || d.Report != "" {
		return errors.New("--seed and --report are for --headless")
	}
	// What the engine tells would tear the picture on the screen apart; what
	// goes wrong is worth that.
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	return demo.Live{DataDir: d.Data, Out: c.out, Log: log}.Run(ctx)
}

func (d demoCommand) headless(ctx context.Context, c console) error {
	switch {
	case d.For <= 0:
		return errors.New("--for must be more than 0")
	case d.Data != "":
		return errors.New("--data is for a demo with an audience: a headless one begins with an empty journal")
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	report, err := demo.Headless{For: d.For, Seed: d.Seed, Log: log}.Run(ctx)
	if err != nil {
		return fmt.Errorf("play the demo: %w", err)
	}
	if err := report.Print(c.out); err != nil {
		return err
	}
	if d.Report != "" {
		if err := report.Write(d.Report); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(c.out, "%-22s %s\n", "report", d.Report); err != nil {
			return fmt.Errorf("print where the report is: %w", err)
		}
	}
	if len(report.Violations) > 0 {
		return errFound
	}
	return nil
}

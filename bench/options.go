package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/intervenehq/intervene/bench/measure"
)

// options are what all loads have.
type options struct {
	For     time.Duration `default:"10s" help:"How long each step is measured."`
	Quick   bool          `help:"Fewer, smaller and shorter steps: some minutes in all."`
	Binary  string        `type:"existingfile" placeholder:"FILE" help:"The engine's binary; built of the module here unless it is given."`
	Out     string        `short:"o" placeholder:"FILE" help:"Write all that was measured as JSON, too."`
	Plots   string        `placeholder:"DIR" help:"Draw charts (SVG) into this folder."`
	Results string        `type:"existingfile" placeholder:"FILE" help:"Write the tables into this document, between the comments that name the load."`
}

// quickFor is how long a step is measured where it should be quick.
const quickFor = 4 * time.Second

func (o *options) step() time.Duration {
	if o.Quick {
		return min(o.For, quickFor)
	}
	return o.For
}

// finding is what a load found.
type finding interface {
	tables() []measure.Table
	charts() []measure.Chart
}

// run is a load that is under way.
type run struct {
	*options
	dir      string // of this run alone, gone after it
	machine  measure.Machine
	progress *measure.Progress
	count    int // of sites
}

// begin prepares a run of so many steps; whoever begins one ends it.
func (o *options) begin(ctx context.Context, steps int) (r *run, err error) {
	r = &run{options: o}
	if r.machine, err = measure.Here(); err != nil {
		return nil, err
	}
	if r.dir, err = os.MkdirTemp("", "intervene-bench-"); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	if o.Binary == "" {
		if o.Binary, err = build(ctx, r.dir); err != nil {
			return nil, errors.Join(err, os.RemoveAll(r.dir))
		}
	}
	r.progress = measure.NewProgress(steps)
	return r, nil
}

func (r *run) end() error {
	r.progress.End()
	return os.RemoveAll(r.dir)
}

// site is one of this run's own, started.
func (r *run) site(ctx context.Context, workspaces, subscribers int, platform bool) (*site, error) {
	r.count++
	dir := filepath.Join(r.dir, fmt.Sprintf("site%d", r.count))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	s, err := newSite(r.Binary, dir, workspaces, subscribers)
	if err != nil {
		return nil, err
	}
	if platform {
		err = s.startPlatform(ctx)
	}
	if err == nil {
		err = s.start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// report shows what was found, and writes it where it was asked to.
func (r *run) report(name string, found finding) error {
	r.progress.End()
	if err := r.machine.Ended(); err != nil {
		return err
	}
	tables := found.tables()
	if err := measure.Print(os.Stdout, tables); err != nil {
		return err
	}
	fmt.Println(r.machine.String())
	if r.Plots != "" {
		if err := measure.Draw(r.Plots, found.charts()); err != nil {
			return err
		}
	}
	if r.Results != "" {
		mode := "Full run."
		if r.Quick {
			mode = "Quick run (`--quick`)."
		}
		images, err := measure.Images(r.Results, r.Plots, found.charts())
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%s %s\n\n%s%s", mode, r.machine.String(), measure.Markdown(tables), images)
		if err := measure.Insert(r.Results, name, text); err != nil {
			return err
		}
	}
	return r.write(name, found)
}

// write adds what a load found to the file of all of them.
func (r *run) write(name string, found finding) error {
	if r.Out == "" {
		return nil
	}
	all := make(map[string]json.RawMessage)
	if text, err := os.ReadFile(r.Out); err == nil {
		if err := json.Unmarshal(text, &all); err != nil {
			return fmt.Errorf("%s holds something else than results: %w", r.Out, err)
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("write results: %w", err)
	}
	one, err := json.Marshal(struct {
		Machine measure.Machine
		Quick   bool
		Found   finding
	}{r.machine, r.Quick, found})
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	all[name] = one
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	if err := os.WriteFile(r.Out, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

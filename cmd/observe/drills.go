package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// approach is how long a site runs before a fault: counters have been seen growing.
	approach = 15 * time.Second
	// maxFiring is how long an alert may take: RequestingOld asks for a quarter of an hour.
	maxFiring = 20 * time.Minute
	// maxResolving is how long it may stay once the fault is over.
	maxResolving = 10 * time.Minute
)

// rehearsal is what came of one drill.
type rehearsal struct {
	fired, resolved time.Duration
	err             error
}

// drills types the drill of each runbook beside a site of its own, and tells when its
// alert fired and when it went. They all run, whatever comes of the first.
func drills(ctx context.Context, f flags, out io.Writer) error {
	all, err := readRunbooks(f.Runbooks, f.Only)
	if err != nil {
		return err
	}
	var failed []string
	if _, err := fmt.Fprint(out, "| alert | fires after | gone after |\n| --- | --- | --- |\n"); err != nil {
		return err
	}
	for _, r := range all {
		row := fmt.Sprintf("| %s | %s | |", r.alert, filepath.Base(r.test))
		if r.test == "" {
			came := rehearse(ctx, f, r)
			row = fmt.Sprintf("| %s | %.0f s | %.0f s |", r.alert, came.fired.Seconds(), came.resolved.Seconds())
			if came.err != nil {
				failed = append(failed, r.alert)
				row = fmt.Sprintf("| %s | failed | |\n\n%v\n", r.alert, came.err)
			}
		}
		if _, err := fmt.Fprintln(out, row); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("got %d drills that fail: %s", len(failed), strings.Join(failed, ", "))
	}
	return nil
}

// rehearse leaves no process behind. What stood in the drill's folder is gone.
func rehearse(ctx context.Context, f flags, r runbook) (came rehearsal) {
	if err := os.RemoveAll(f.Drill); err != nil {
		return rehearsal{err: fmt.Errorf("empty the drill's folder: %w", err)}
	}
	if err := os.MkdirAll(f.Drill, 0o700); err != nil {
		return rehearsal{err: fmt.Errorf("make the drill's folder: %w", err)}
	}
	s, err := openSite(ctx, f, f.Drill, usualPorts)
	if err != nil {
		return rehearsal{err: err}
	}
	defer func() { came.err = errors.Join(came.err, s.close()) }()
	hands, err := openShell(filepath.Join(filepath.Dir(f.Drill), r.alert+".log"))
	if err != nil {
		return rehearsal{err: err}
	}
	defer func() { came.err = errors.Join(came.err, hands.close()) }()
	if came, err = r.typeInto(ctx, hands, &judge{server: s.prometheusURL}); err != nil {
		came.err = errors.Join(err, s.logs(), hands.wrote())
	}
	return came
}

// typeInto types the fault, waits for the alert, types the end, and sees the alert go.
func (r runbook) typeInto(ctx context.Context, hands *shell, j *judge) (came rehearsal, err error) {
	if err := within(ctx, timeout, j.up); err != nil {
		return came, err
	}
	if err := wait(ctx, approach); err != nil {
		return came, err
	}
	if firing, err := j.severities(ctx, r.alert); err != nil || len(firing) > 0 {
		return came, errors.Join(err, fmt.Errorf("got %s firing before the fault as %q, want it silent", r.alert, firing))
	}
	began := time.Now()
	if err := hands.types(r.fault); err != nil {
		return came, err
	}
	var severity string
	if err := within(ctx, maxFiring, func(ctx context.Context) (err error) {
		severity, err = j.fires(ctx, r.alert)
		return err
	}); err != nil {
		return came, errors.Join(err, hands.types(r.end+r.tidy)) // a disk is given back all the same
	}
	came.fired = time.Since(began)
	began = time.Now()
	if err := hands.types(r.end); err != nil {
		return came, err
	}
	err = within(ctx, maxResolving, func(ctx context.Context) error { return j.resolves(ctx, r.alert, severity) })
	came.resolved = time.Since(began)
	return came, errors.Join(err, hands.types(r.tidy))
}

func within(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return do(ctx)
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

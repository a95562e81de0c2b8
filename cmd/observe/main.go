// Command observe lets a real Prometheus watch a real engine with the rules and the
// dashboards of deploy/: every rule must evaluate, every panel must have data, no
// alert may page while all is well, and one must when the Graph API fails. make
// observe runs it; make drill keeps the same site up for who practises a runbook, and
// make drills types all of them as they stand.
//
// It judges nothing itself: what Prometheus says over its HTTP API is all that it
// knows. Nothing is skipped: a Prometheus that is missing fails it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// timeout ends a check that hangs; a slow machine does not meet it.
const timeout = 90 * time.Second

// flags are the command line.
type flags struct {
	Intervene  string   `required:"" type:"existingfile" help:"The engine's binary."`
	Prometheus string   `required:"" type:"existingfile" help:"Prometheus."`
	Deploy     string   `default:"deploy" type:"existingdir" help:"The folder of rules and dashboards."`
	Drill      string   `placeholder:"DIR" help:"Keep the site up for a drill, at the usual ports, with its files in DIR, until it is stopped."`
	Runbooks   string   `placeholder:"DIR" type:"existingdir" help:"Type the drills of these runbooks, each beside a site of its own in --drill, which is emptied."`
	Only       []string `placeholder:"ALERT" help:"The drills of these alone."`
}

func main() {
	var f flags
	kong.Parse(&f, kong.Description("Watch an engine with Prometheus, rules and dashboards."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case f.Runbooks != "" && f.Drill == "":
		err = errors.New("--runbooks needs --drill, the folder of the sites")
	case f.Runbooks != "":
		err = drills(ctx, f, os.Stdout)
	case f.Drill != "":
		err = drill(ctx, f, os.Stdout)
	default:
		err = check(ctx, f, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "observe:", err)
		os.Exit(1)
	}
}

// check leaves no process and no file behind, however it ends.
func check(ctx context.Context, f flags, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	dir, err := os.MkdirTemp("", "intervene-observe-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := openSite(ctx, f, dir, anyPorts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	queries, err := panelQueries(filepath.Join(f.Deploy, "grafana"))
	if err != nil {
		return err
	}
	j := judge{server: s.prometheusURL}
	for _, step := range []func(context.Context) error{
		j.up,
		j.rulesHealthy,
		func(ctx context.Context) error { return j.panelsFilled(ctx, queries) },
		j.nobodyPaged,
		func(ctx context.Context) error { return s.breakGraph() },
		func(ctx context.Context) error { _, err := j.fires(ctx, "GraphBreakerOpen"); return err },
	} {
		if err := step(ctx); err != nil {
			return errors.Join(err, s.logs())
		}
	}
	_, err = fmt.Fprintf(out, "observe: %d rules evaluate, %d queries of panels answer, nobody is paged until the Graph API fails\n", j.rules, len(queries))
	return err
}

// drill keeps the site up. What the operator does to its processes is meant.
func drill(ctx context.Context, f flags, out io.Writer) (err error) {
	if err := os.MkdirAll(f.Drill, 0o700); err != nil {
		return fmt.Errorf("make the drill's folder: %w", err)
	}
	s, err := openSite(ctx, f, f.Drill, usualPorts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if _, err := fmt.Fprintf(out, `The site of a drill is up. Its files are in %[1]s: intervene.yaml, data/, *.log, engine.pid.

  engine      http://%[2]s, admin http://%[3]s
  stand-in    %[4]s/_standin/faults
  bot         %[5]s/mode takes ok, half or fail
  Prometheus  %[6]s/alerts; every window and every "for" is %[7]d times shorter than in deploy/prometheus

End it with Ctrl-C.
`, f.Drill, s.ports.api, s.ports.admin, s.graphURL, s.botURL, s.prometheusURL, hurry); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

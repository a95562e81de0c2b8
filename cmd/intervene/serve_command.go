package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"syscall"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/cmd/intervene/serve"
)

type serveCommand struct {
	Config string `required:"" type:"existingfile" placeholder:"FILE" help:"The configuration; docs/CONFIG.md tells its keys."`
}

// Run serves until SIGTERM or an interrupt, then drains; a second one ends that at
// once. SIGHUP reloads the configuration.
func (s serveCommand) Run(ctx context.Context, c console) error {
	read := func() (*config.Config, error) { return config.Load(s.Config) }
	loaded, err := read()
	if err != nil {
		return err
	}
	limitMemory(c.log)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // before it would end a process that serves
	defer signal.Stop(hangup)
	engine, err := serve.Start(loaded, c.log, serve.WithSource(read), serve.WithLevel(c.level))
	if err != nil {
		return err
	}
	c.log.Info("ready", "listen", engine.Addr().String(), "admin_listen", engine.AdminAddr().String())
	serve.NotifyReady()
	for {
		select {
		case <-ctx.Done():
			return drain(ctx, engine, c)
		case err := <-engine.Failed():
			return err
		case <-hangup:
			_, _ = engine.Reload() // which has told what became of it
		}
	}
}

// memoryShare of a container's memory limit is the garbage collector's; the rest is
// for what it does not count.
const memoryShare = 0.9

// limitMemory makes the limit of the container that it runs in that of the process,
// unless GOMEMLIMIT says another.
func limitMemory(log *slog.Logger) {
	limit, err := memlimit.Set(memlimit.WithRatio(memoryShare))
	switch {
	case err != nil:
		log.Warn("the container's memory limit cannot be told: nothing is refused for lack of memory", slog.Any("error", err))
	case limit != math.MaxInt64:
		log.Info("memory is limited", slog.Int64("limit_bytes", limit))
	}
}

// errAtOnce ends a drain that somebody has no time for. It is as safe as a power cut.
var errAtOnce = errors.New("ended at once by a second signal: what was not finished goes on at the next start")

func drain(ctx context.Context, engine *serve.Engine, c console) error {
	again := make(chan os.Signal, 1)
	signal.Notify(again, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(again)
	c.log.Info("draining")
	serve.NotifyStopping()
	stopped := make(chan error, 1)
	go func() { stopped <- engine.Stop(context.WithoutCancel(ctx)) }() // ends with the process at the latest
	select {
	case err := <-stopped:
		if err != nil {
			return fmt.Errorf("drain: %w", err)
		}
		c.log.Info("stopped")
		return nil
	case <-again:
		return errAtOnce
	}
}

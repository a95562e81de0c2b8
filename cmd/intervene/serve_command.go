package main

import (
	"context"
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

// Run serves until SIGTERM or an interrupt, then drains. SIGHUP takes the
// tokens anew.
func (s serveCommand) Run(ctx context.Context, c console) error {
	loaded, err := config.Load(s.Config)
	if err != nil {
		return err
	}
	limitMemory(c.log)
	engine, err := serve.Start(loaded, c.log)
	if err != nil {
		return err
	}
	c.log.Info("ready", slog.String("listen", engine.Addr().String()), slog.String("admin_listen", engine.AdminAddr().String()))

	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			c.log.Info("draining")
			if err := engine.Stop(context.WithoutCancel(ctx)); err != nil {
				return fmt.Errorf("drain: %w", err)
			}
			c.log.Info("stopped")
			return nil
		case err := <-engine.Failed():
			return err
		case <-hangup:
			s.reload(engine, c.log)
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

// reload keeps what is there when the file is wrong: a typing error must not
// lock everybody out.
func (s serveCommand) reload(engine *serve.Engine, log *slog.Logger) {
	next, err := config.Load(s.Config)
	if err != nil {
		log.Error("reload refused, the tokens stay as they are", slog.Any("error", err))
		return
	}
	ignored, err := engine.Reload(next)
	if err != nil {
		log.Error("reload refused, the tokens stay as they are", slog.Any("error", err))
		return
	}
	log.Info("tokens reloaded", slog.Any("waits_for_restart", ignored))
}

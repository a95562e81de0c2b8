// Command bench loads a real `intervene serve` from outside, as its users do,
// and measures what comes of it beside a plain server that does the same work.
//
// It never imports what the engine is made of: it knows the public API, the
// client for frontends, and what the operating system and the admin listener say
// of a process. It measures on Linux alone.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

type commands struct {
	Ingest   ingestCommand   `cmd:"" help:"Signed webhooks, at a rate that rises until acks come too late."`
	Commands commandsCommand `cmd:"" help:"What agents do, over Connect: so many in flight, or at a rate."`
	Day      dayCommand      `cmd:"" help:"A mixed chat day: customers come, the bot answers, agents take over, boards are watched."`
	Streams  streamsCommand  `cmd:"" help:"Boards watched by thousands while they change, some by nobody who reads."`
	Scale    scaleCommand    `cmd:"" help:"Ten times the conversations, the history and the boards, and ten times that."`
	All      allCommand      `cmd:"" help:"All of them, with their defaults."`
	Raw      rawCommand      `cmd:"" hidden:"" help:"The plain server that others are compared with; a bench starts it by itself."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	parsed := kong.Parse(new(commands), kong.Name("bench"), kong.UsageOnError(),
		kong.Description("Load and comparisons, from outside, against a real process."))
	parsed.BindTo(ctx, (*context.Context)(nil))
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

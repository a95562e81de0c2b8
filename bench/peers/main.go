// Command peers compares the engine with what somebody would build instead: the
// same work, on the same machine, with the same durability, in turns of one run.
//
// The engine's side in process are the Go benchmarks of its own packages, which it
// runs: nothing here imports what the engine is made of. It runs on Linux alone.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	parsed := kong.Parse(new(command), kong.Name("peers"), kong.UsageOnError(),
		kong.Description("The engine beside raw Pebble, raw net/http, PostgreSQL and NATS JetStream."))
	parsed.BindTo(ctx, (*context.Context)(nil))
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

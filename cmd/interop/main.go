// Command interop lets tools that others wrote watch a board: grpcurl and buf
// curl, each in a process of its own, over every protocol and version of HTTP
// that it speaks, against `intervene serve` in another. make interop runs it.
//
// It never reads a frame by code of this repository's: what a tool prints as
// JSON is all that it knows. Nothing is skipped: a tool that is missing fails it.
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
const timeout = 50 * time.Second

// flags are the command line: what make has built or installed.
type flags struct {
	Intervene string `required:"" type:"existingfile" help:"The engine's binary."`
	Grpcurl   string `required:"" type:"existingfile" help:"grpcurl."`
	Buf       string `required:"" type:"existingfile" help:"buf, for buf curl."`
	Schema    string `default:"rpc/proto" type:"existingdir" help:"The protobuf sources, for who does not ask the engine for them."`
}

func main() {
	var f flags
	kong.Parse(&f, kong.Description("Watch a board with tools that others wrote."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, f, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

// run leaves no process and no file behind, however it ends.
func run(ctx context.Context, f flags, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	dir, err := os.MkdirTemp("", "intervene-interop-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	s, err := openSite(ctx, f.Intervene, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()

	schema, err := filepath.Abs(f.Schema)
	if err != nil {
		return fmt.Errorf("find the schema: %w", err)
	}
	tools := toolsOf(f, schema, s.address, s.token)
	if err := watchAll(ctx, s, tools); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "interop: %d tools saw hello, snapshot, a customer who asks for a person, and the end\n", len(tools))
	return err
}

// Command intervene runs the live-chat hand-off engine and what its operators
// need beside it. It holds no logic: the packages below it and the edges do.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/cmd/intervene/serve"
)

// commands is the command line.
type commands struct {
	Serve   serveCommand   `cmd:"" help:"Run the engine."`
	Config  configCommands `cmd:"" help:"Check a configuration, or print an example of one."`
	Reload  reloadCommand  `cmd:"" help:"Have the running engine read its configuration again."`
	Demo    demoCommand    `cmd:"" help:"Play a day: engine, customers, a hostile network and agents in one process."`
	Graph   graphCommand   `cmd:"" help:"Run the stand-in for Meta's Graph API on loopback."`
	Flow    flowCommands   `cmd:"" help:"Check a bot's flow file, talk to it, or draw it."`
	Token   tokenCommands  `cmd:"" help:"Make the tokens that callers prove themselves with."`
	Journal journalCommand `cmd:"" help:"Look into a journal whose engine is stopped."`
	Backup  backupCommand  `cmd:"" help:"Have the running engine make a backup."`
	Restore restoreCommand `cmd:"" help:"Make a data_dir of a backup."`
	Release releaseCommand `cmd:"" help:"List what the running engine holds since a restore, and let it go."`
	Version versionCommand `cmd:"" help:"Say what this binary was built from."`
}

// console is what commands read from and print to.
type console struct {
	in  io.Reader
	out io.Writer
	err io.Writer // what is told besides
	log *slog.Logger
	// level is the log's; info unless a command sets it.
	level *slog.LevelVar
}

// errFound ends a command that did its work and found something wrong, which
// it has told already.
var errFound = errors.New("found")

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process: 0 done, 1 failed, 2 the words are wrong.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	parser, err := kong.New(&commands{},
		kong.Name("intervene"),
		kong.Description("A live-chat hand-off engine: bot, customer and agents in one durable order."),
		kong.UsageOnError(),
		kong.Writers(stdout, stderr),
		kong.Vars{"version": serve.Version(), "default_admin": config.DefaultAdminListen},
	)
	if err != nil {
		fmt.Fprintln(stderr, "intervene:", err)
		return 2
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintln(stderr, "intervene:", err)
		return 2
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	level := new(slog.LevelVar)
	log := slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: level}))
	err = parsed.Run(console{in: os.Stdin, out: stdout, err: stderr, log: log, level: level})
	switch {
	case err == nil:
		return 0
	case !errors.Is(err, errFound):
		fmt.Fprintln(stderr, "intervene:", err)
	}
	return 1
}

type versionCommand struct{}

func (versionCommand) Run(c console) error {
	_, err := fmt.Fprintln(c.out, serve.Version())
	return err
}

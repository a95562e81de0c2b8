package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/intervenehq/intervene/rpc/bot/flow"
)

// flowCommands are for who writes flows: none needs an engine.
type flowCommands struct {
	Check flowCheckCommand `cmd:"" help:"Say what is wrong with a flow file, with its place; exits 1 if anything is."`
	Chat  flowChatCommand  `cmd:"" help:"Talk to a flow in the terminal."`
	Graph flowGraphCommand `cmd:"" help:"Print a flow as a picture, for Mermaid to draw."`
}

// flowFile is a flow's file.
type flowFile struct {
	File string `arg:"" placeholder:"FILE" help:"The flow file."`
}

func (f flowFile) read() (*flow.Flow, error) {
	text, err := os.ReadFile(f.File)
	if err != nil {
		return nil, fmt.Errorf("read flow: %w", err)
	}
	return flow.Parse(filepath.ToSlash(f.File), text)
}

type flowCheckCommand struct{ flowFile }

// Run tells what is wrong on standard output, for that is what was asked for.
func (f flowCheckCommand) Run(c console) error {
	parsed, err := f.read()
	if err != nil {
		if _, err := fmt.Fprintln(c.out, err); err != nil {
			return fmt.Errorf("print: %w", err)
		}
		return errFound
	}
	if _, err := fmt.Fprintf(c.out, "%s: flow %s, version %s: %s\n", f.File, parsed.ID(), parsed.Version(), parsed.Summary()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

type flowGraphCommand struct{ flowFile }

func (f flowGraphCommand) Run(c console) error {
	parsed, err := f.read()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(c.out, parsed.Mermaid()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

type flowChatCommand struct {
	flowFile
	At   string `placeholder:"TIME" help:"When the chat begins, as 2026-12-24T18:00:00Z; else now."`
	From string `default:"15550100" placeholder:"NUMBER" help:"The customer's number."`
	Name string `default:"Nora" help:"The customer's name."`
}

// Help is what --help adds to the flags.
func (flowChatCommand) Help() string {
	return `Each line is a message of the customer's; the number of an option presses it. Nothing is stored or sent, but calls are made.

  /press PAYLOAD    press a button or row by what it carries
  /picture          send a picture
  /wait DURATION    let time pass, as in 12h
  /agent            an agent intervenes
  /resolve          the agent gives the conversation back, or dismisses the request
  /variables        what the flow remembers
  /quit             end; so does the end of the input`
}

func (f flowChatCommand) Run(ctx context.Context, c console) error {
	parsed, err := f.read()
	if err != nil {
		return err
	}
	at := time.Now()
	if f.At != "" {
		if at, err = time.Parse(time.RFC3339, f.At); err != nil {
			return fmt.Errorf("--at: %w", err)
		}
	}
	chat := newFlowChat(parsed, at, c.out)
	chat.from.Name, chat.from.WaID = f.Name, f.From
	lines := bufio.NewScanner(c.in)
	for ctx.Err() == nil && !chat.over && lines.Scan() {
		if err := chat.line(ctx, lines.Text()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return chat.err
}

package main

import (
	"context"
	"fmt"

	"github.com/intervenehq/intervene/cmd/intervene/serve"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
)

type journalCommand struct {
	Verify journalVerifyCommand `cmd:"" help:"Derive everything from the events and tell what differs; exits 1 on any difference."`
	Repair journalRepairCommand `cmd:"" help:"Replay what was parked while conversations were quarantined; exits 1 if any is left."`
	Dump   journalDumpCommand   `cmd:"" help:"Print events as JSON lines. They hold what was said: treat the output so."`
}

// journalDir is where the journal is. The engine must be stopped, or the
// folder be a checkpoint: a journal in use is refused.
type journalDir struct {
	Data string `required:"" type:"existingdir" placeholder:"DIR" help:"The data_dir of the engine, which must be stopped, or a checkpoint."`
}

type journalVerifyCommand struct{ journalDir }

func (j journalVerifyCommand) Run(c console) error {
	report, err := journal.Verify(j.Data, nil)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c.out, "journal %x: %d conversations, %d events, %d appends, newest offset %d\n",
		report.Identity, report.Conversations, report.Events, report.Appends, report.Offset); err != nil {
		return err
	}
	for _, column := range report.Columns {
		if _, err := fmt.Fprintf(c.out, "workspace %s, %s: %d conversations, %d with unread messages\n",
			column.Workspace, column.Column, column.Conversations, column.Unread); err != nil {
			return err
		}
	}
	for _, finding := range report.Findings {
		if _, err := fmt.Fprintln(c.out, finding); err != nil {
			return err
		}
	}
	if report.Parked > 0 {
		if _, err := fmt.Fprintf(c.out, "%d parked items wait for `intervene journal repair`\n", report.Parked); err != nil {
			return err
		}
	}
	if !report.OK() {
		if _, err := fmt.Fprintf(c.out, "%d differences\n", report.Differences); err != nil {
			return err
		}
		return errFound
	}
	_, err = fmt.Fprintln(c.out, "everything is as the events say")
	return err
}

type journalRepairCommand struct{ journalDir }

func (j journalRepairCommand) Run(ctx context.Context, c console) error {
	repaired, err := serve.Repair(ctx, j.Data, c.log)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c.out, "%d parked items replayed\n", repaired.Replayed); err != nil {
		return err
	}
	for id, n := range repaired.Left {
		if _, err := fmt.Fprintf(c.out, "conversation %s cannot take its %d parked items yet\n", id, n); err != nil {
			return err
		}
	}
	if len(repaired.Left) > 0 {
		return errFound
	}
	return nil
}

type journalDumpCommand struct {
	journalDir
	Conversation string `placeholder:"ID" help:"Only this conversation; else all of them, one after the other."`
	List         bool   `help:"Print a line for each conversation instead of events."`
}

func (j journalDumpCommand) Run(c console) error {
	if j.List {
		return journal.DumpConversations(j.Data, nil, c.out)
	}
	var id engine.ConversationID
	if j.Conversation != "" {
		var err error
		if id, err = engine.ParseConversationID(j.Conversation); err != nil {
			return fmt.Errorf("--conversation: %w", err)
		}
	}
	return journal.Dump(j.Data, nil, id, c.out)
}

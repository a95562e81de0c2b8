package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/intervenehq/intervene/cmd/intervene/restore"
	"github.com/intervenehq/intervene/cmd/intervene/serve"
	"github.com/intervenehq/intervene/engine/journal"
)

type restoreCommand struct {
	From       string   `required:"" placeholder:"FILE" help:"The backup, compressed or not; - is the standard input."`
	Data       string   `placeholder:"DIR" help:"The data_dir to make: empty, or not there yet."`
	Erasures   []string `type:"existingfile" placeholder:"FILE" help:"The erasure ledger of the engine that was lost: what it erased after the backup is erased again. May be given more than once."`
	NoErasures bool     `help:"There is no erasure ledger: whoever was erased after the backup comes back."`
	Check      bool     `help:"Only read the backup to its end and say whether it is whole."`
}

// Validate wants a word about erasures: that nothing was said of them must not mean
// that people who were erased come back.
func (r restoreCommand) Validate() error {
	switch {
	case r.Check:
		return nil
	case r.Data == "":
		return errors.New("--data is missing")
	case r.NoErasures && len(r.Erasures) > 0:
		return errors.New("--erasures and --no-erasures contradict each other")
	case !r.NoErasures && len(r.Erasures) == 0:
		return errors.New("--erasures is missing: give the erasure ledger of the engine that was lost (the file \"erasures\" in its data_dir, " +
			"or where erasure_ledger of its configuration says). Only if there is none, --no-erasures restores without it, and everybody who was erased after the backup comes back")
	}
	return nil
}

func (r restoreCommand) Run(ctx context.Context, c console) (err error) {
	from, size := io.Reader(os.Stdin), int64(-1)
	if r.From != "-" {
		file, err := os.Open(r.From)
		if err != nil {
			return err
		}
		defer file.Close()
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
		from = file
	}
	show := newProgress(c.err, "restore", size)
	from = io.TeeReader(from, show)
	if r.Check {
		return r.check(ctx, c, from, show)
	}
	erasures, err := r.ledgers()
	if err != nil {
		return err
	}
	done, err := restore.Run(ctx, restore.Options{From: from, Dir: r.Data, Erasures: erasures, Journal: journal.Options{Logger: c.log}})
	if err = errors.Join(err, show.end(err)); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return r.tell(c, done)
}

func (r restoreCommand) check(ctx context.Context, c console, from io.Reader, show *progress) error {
	all, err := restore.Check(ctx, from)
	if err = errors.Join(err, show.end(err)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.out, "the backup is whole: %d files, %d bytes, made at %s of journal %s at offset %d\nSHA256 %s\n",
		all.Files, all.Bytes, all.Head.MadeAt.Format(time.RFC3339), all.Head.Journal, all.Head.Offset, hex.EncodeToString(all.SHA256[:]))
	return err
}

// ledgers reads all that were given.
func (r restoreCommand) ledgers() (all []journal.Erasure, err error) {
	for _, path := range r.Erasures {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		some, err := journal.ReadErasures(file)
		if err := errors.Join(err, file.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = journal.MergeErasures(all, some)
	}
	return all, nil
}

func (r restoreCommand) tell(c console, done restore.Done) error {
	_, err := fmt.Fprintf(c.out, "restored %d files, %d bytes, from a backup made at %s\njournal %x is now journal %x, at offset %d\n",
		done.Backup.Files, done.Backup.Bytes, done.Backup.Head.MadeAt.Format(time.RFC3339), done.Adopted.Before, done.Adopted.After, done.Adopted.Offset)
	if err == nil && r.NoErasures {
		_, err = fmt.Fprintln(c.out, "WARNING: no erasure ledger was given: whoever was erased after the backup was made is back")
	} else if err == nil {
		_, err = fmt.Fprintf(c.out, "erased again: %d conversations; %d of the ledger are not in the backup\n", done.Erased, done.Absent)
	}
	if err == nil && done.Adopted.Sends+done.Adopted.Turns > 0 {
		_, err = fmt.Fprintf(c.out, "held: the sends of %d conversations and the turns of %d, which may have been done after the backup was made.\n"+
			"Start the engine, then see `intervene release`\n", done.Adopted.Sends, done.Adopted.Turns)
	}
	return err
}

type releaseCommand struct {
	adminAddress
	Send bool `xor:"how" help:"Send and ask all of it now, also what was sent after the backup was made."`
	Drop bool `xor:"how" help:"Send nothing of it: the sends count as not confirmed, and people see what the bot did not answer."`
}

// Run lists what is held since a restore and, when told how, releases it.
func (r releaseCommand) Run(ctx context.Context, c console) error {
	var held serve.Held
	if err := r.fetch(ctx, http.MethodGet, serve.HeldPath, &held); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c.out, "held since the restore: the sends of %d conversations, the turns of %d\n", held.Sends, held.Turns); err != nil {
		return err
	}
	how := "send"
	switch {
	case held == serve.Held{}:
		return nil
	case r.Drop:
		how = "drop"
	case !r.Send:
		_, err := fmt.Fprintln(c.out, "release them with --send, or give them up with --drop")
		return err
	}
	var released serve.Released
	if err := r.fetch(ctx, http.MethodPost, serve.ReleasePath+"?how="+how, &released); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.out, "released: the sends of %d conversations, the turns of %d\n", released.Sends, released.Turns)
	return err
}

func (r releaseCommand) fetch(ctx context.Context, method, path string, into any) error {
	answer, err := r.ask(ctx, method, path)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAdminAnswer))
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return fmt.Errorf("ask the engine: %w", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("the engine's answer cannot be read: %w", err)
	}
	return nil
}

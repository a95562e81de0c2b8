package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/cmd/intervene/serve"
	"github.com/intervenehq/intervene/deploy"
)

type configCommands struct {
	Check   configCheck   `cmd:"" help:"Say whether a configuration is right, or everything that is wrong with it."`
	Example configExample `cmd:"" help:"Print a configuration with every key explained."`
}

type configCheck struct {
	File string `arg:"" help:"The configuration."`
}

// Run checks all that serve checks before it opens anything, secrets and files included.
func (f configCheck) Run(c console) error {
	loaded, err := config.Load(f.File)
	if err == nil {
		err = serve.Check(loaded)
	}
	if err != nil {
		if _, err := fmt.Fprintln(c.out, err); err != nil {
			return err
		}
		return errFound
	}
	_, err = fmt.Fprintln(c.out, "ok:", summary(loaded))
	return err
}

// summary counts what is there, so that what is missing is noticed.
func summary(c *config.Config) string {
	var channels, tokens int
	for i := range c.Workspaces {
		channels += len(c.Workspaces[i].Channels)
		tokens += len(c.Workspaces[i].Tokens)
	}
	scheme := "http"
	if c.TLS != nil {
		scheme = "https, certificate until " + c.TLS.Certificate.Leaf.NotAfter.UTC().Format("2006-01-02")
	}
	return fmt.Sprintf("%d workspaces, %d apps, %d channels, %d tokens; listen %s (%s), admin_listen %s, data_dir %s",
		len(c.Workspaces), len(c.Apps), channels, tokens, c.Listen, scheme, c.AdminListen, c.DataDir)
}

type reloadCommand struct {
	adminAddress
}

// Run prints what the engine took and what waits for a restart, or why it took nothing.
func (r reloadCommand) Run(ctx context.Context, c console) error {
	answer, err := r.ask(ctx, http.MethodPost, serve.ReloadPath)
	if err != nil {
		return err
	}
	_, err = io.Copy(c.out, io.LimitReader(answer.Body, maxAdminAnswer))
	return errors.Join(err, answer.Body.Close())
}

type configExample struct{}

func (configExample) Run(c console) error {
	_, err := c.out.Write(deploy.Example)
	return err
}

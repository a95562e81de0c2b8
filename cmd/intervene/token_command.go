package main

import (
	"fmt"

	"github.com/intervenehq/intervene/cmd/intervene/token"
)

type tokenCommands struct {
	New tokenNewCommand `cmd:"" help:"Make a token, and the hash of it that the configuration holds."`
}

type tokenNewCommand struct{}

func (tokenNewCommand) Run(c console) error {
	t, err := token.New()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.out, "token:  %s\nsha256: %s\n", t.Text, t.SHA256)
	return err
}

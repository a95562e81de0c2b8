package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	// complaint stands before a command that failed, in the shell's log.
	complaint = "failed as typed: "
	// handsTimeout is how long what was typed may take to end: an engine drains for 25 s.
	handsTimeout = 40 * time.Second
)

// shell is a bash that is typed into, as in a terminal of its own. It keeps its jobs
// and its variables from one block to the next.
type shell struct {
	process *exec.Cmd
	keys    io.WriteCloser
	log     string
}

// openShell starts one that writes to a log. Whoever opens it closes it.
func openShell(log string) (_ *shell, err error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("make a log: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }() // the shell has its own
	s := &shell{process: exec.Command("bash"), log: log}
	s.process.Stdout, s.process.Stderr = file, file
	// With what it starts it is a group, so that nothing is left.
	s.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if s.keys, err = s.process.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.process.Start(); err != nil {
		return nil, fmt.Errorf("start bash: %w", err)
	}
	return s, s.types("set -o pipefail; trap 'echo \"" + complaint + "$BASH_COMMAND\"' ERR\n")
}

// types does not wait for what it types.
func (s *shell) types(block string) error {
	if _, err := io.WriteString(s.keys, block); err != nil {
		return fmt.Errorf("type: %w", err)
	}
	return nil
}

// close lets it finish what was typed, ends what it left in the background, and tells
// what failed.
func (s *shell) close() error {
	err := s.keys.Close()
	group := -s.process.Process.Pid
	kill := time.AfterFunc(handsTimeout, func() { _ = syscall.Kill(group, syscall.SIGKILL) })
	defer kill.Stop()
	_ = s.process.Wait() // its code is that of the last command, which the trap has told
	again := time.NewTicker(glance)
	defer again.Stop()
	for end := time.Now().Add(2 * handsTimeout); syscall.Kill(group, syscall.SIGTERM) == nil && time.Now().Before(end); {
		<-again.C // each member may hear of it more than once
	}
	text, readErr := os.ReadFile(s.log)
	if err := errors.Join(err, readErr); err != nil {
		return fmt.Errorf("end the shell: %w", err)
	}
	if bytes.Contains(text, []byte(complaint)) {
		return s.wrote()
	}
	return nil
}

// wrote is the end of its log, as an error.
func (s *shell) wrote() error {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return fmt.Errorf("read the shell's log: %w", err)
	}
	return fmt.Errorf("the shell wrote:\n%s", text[max(0, len(text)-maxTold):])
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// endTimeout is how long a child that was told to end may take.
	endTimeout = 10 * time.Second
	// glance is between two looks at what is awaited.
	glance = 200 * time.Millisecond
	// maxTold bounds what is told of a child's log, maxAnswer what is read of an answer.
	maxTold   = 4 << 10
	maxAnswer = 16 << 20
)

// child starts a process that writes to NAME.log and is told to end when ctx ends.
func (s *site) child(ctx context.Context, name string, command ...string) (pid int, err error) {
	log, err := os.Create(filepath.Join(s.dir, name+".log"))
	if err != nil {
		return 0, fmt.Errorf("make a log: %w", err)
	}
	process := exec.CommandContext(ctx, command[0], command[1:]...)
	process.Stdout, process.Stderr = log, log
	process.Cancel = func() error { return process.Process.Signal(syscall.SIGTERM) }
	process.WaitDelay = endTimeout
	// An interrupt of the terminal is this process's to pass on, in its order.
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := process.Start(); err != nil {
		return 0, errors.Join(fmt.Errorf("start %s: %w", name, err), log.Close())
	}
	s.running.Go(func() {
		_ = process.Wait() // in a drill it may be killed; in a check what it served is missed
		_ = log.Close()
	})
	return process.Process.Pid, nil
}

// logs are the ends of what the children wrote, as an error.
func (s *site) logs() error {
	var all error
	for _, name := range []string{"engine", "prometheus"} {
		text, err := os.ReadFile(filepath.Join(s.dir, name+".log"))
		if err == nil {
			all = errors.Join(all, fmt.Errorf("%s wrote:\n%s", name, text[max(0, len(text)-maxTold):]))
		}
	}
	return all
}

// until tries until there is no error.
func until(ctx context.Context, what string, try func(context.Context) error) error {
	again := time.NewTicker(glance)
	defer again.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w", what, err)
		case <-again.C:
		}
	}
}

// get answers the body of a 200.
func get(ctx context.Context, url string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s: %.500s", url, answer.Status, body)
	}
	return body, nil
}

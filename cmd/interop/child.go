package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// maxKept bounds what is kept of what a child writes.
	maxKept = 8 << 10
	// exitTimeout bounds how long a child that was told to end, or whose stream
	// ended, may take.
	exitTimeout = 20 * time.Second
	// pipeDelay bounds the wait for pipes that a killed child's own child holds.
	pipeDelay = time.Second
)

// child is one process, in a group of its own: buf is a script that starts the
// program that does the work.
type child struct {
	name string
	cmd  *exec.Cmd
	said tail
	out  *io.PipeWriter // ends with the process; nil: nobody reads it
	done chan struct{}  // closed once it was waited for
	err  error          // how it ended; read after done
}

// newChild is a process that is yet to be started, and killed at the end of ctx.
func newChild(ctx context.Context, name string, command ...string) *child {
	c := &child{name: name, cmd: exec.CommandContext(ctx, command[0], command[1:]...), done: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = &c.said, &c.said
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.cmd.Cancel = func() error { return syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) }
	c.cmd.WaitDelay = pipeDelay
	return c
}

// reader reads what the process writes to one of its outputs. It must be read to
// its end, and asked for before the start.
func (c *child) reader(output *io.Writer) io.Reader {
	read, write := io.Pipe()
	*output, c.out = io.MultiWriter(write, &c.said), write
	return read
}

// start starts the process, which somebody waits for from then on.
func (c *child) start() error {
	if err := c.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", c.name, err)
	}
	go func() {
		c.err = c.cmd.Wait()
		if c.out != nil {
			c.out.CloseWithError(nil)
		}
		close(c.done)
	}()
	return nil
}

// exit waits until the process has ended, and wants it to have ended well.
func (c *child) exit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, exitTimeout)
	defer cancel()
	select {
	case <-c.done:
	case <-ctx.Done():
		return fmt.Errorf("%s does not end: %w\n%s", c.name, ctx.Err(), c.said.String())
	}
	if c.err != nil {
		return fmt.Errorf("%s ended with %w, want exit 0\n%s", c.name, c.err, c.said.String())
	}
	return nil
}

// terminate asks the process to end.
func (c *child) terminate() error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("terminate %s: %w\n%s", c.name, err, c.said.String())
	}
	return nil
}

// tail keeps the newest of what was written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-maxKept):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}

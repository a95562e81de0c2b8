package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// exitTimeout bounds how long a child that was told to end may take.
	exitTimeout = 30 * time.Second
	// clockTicks are what /proc counts CPU in, a second: USER_HZ, the same on every
	// Linux that Go runs on.
	clockTicks = 100
)

// process is a child. It ends with the context that it was started under.
type process struct {
	cmd   *exec.Cmd
	lines <-chan string // of the output asked for; closed when it ends
	done  chan struct{} // closed once it was waited for
	err   error         // how it ended; read after done
}

// startProcess starts a command, whose standard error, or else output, is read
// by lines; the other goes where this process's goes.
func startProcess(ctx context.Context, standardError bool, name string, arguments ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, name, arguments...), done: make(chan struct{})}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt is this process's to pass on
	read, write := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = io.Writer(write), io.Writer(os.Stderr)
	if standardError {
		p.cmd.Stdout, p.cmd.Stderr = os.Stderr, write
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	lines := make(chan string, 1)
	p.lines = lines
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(read); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	go func() {
		p.err = p.cmd.Wait()
		write.CloseWithError(io.EOF)
		close(p.done)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// terminate asks the process to end, waits for that, and kills it if it takes
// too long.
func (p *process) terminate() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("terminate: %w", err)
	}
	select {
	case <-p.done:
		return p.err
	case <-time.After(exitTimeout):
	}
	err := p.cmd.Process.Kill()
	<-p.done
	return errors.Join(fmt.Errorf("process %d did not end in %s and was killed", p.pid(), exitTimeout), err)
}

// cpuOf is the CPU that a process has taken, to a hundredth of a second.
func cpuOf(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read a process's CPU: %w", err)
	}
	return parseCPU(string(text))
}

// parseCPU reads what /proc/PID/stat says: the command's name, in parentheses,
// may hold anything.
func parseCPU(stat string) (time.Duration, error) {
	const user, system = 11, 12 // fields after the name
	_, rest, _ := strings.Cut(stat[strings.LastIndexByte(stat, ')')+1:], " ")
	fields := strings.Fields(rest)
	if len(fields) <= system {
		return 0, fmt.Errorf("a process's stat has %d fields after its name, want more", len(fields))
	}
	var ticks int64
	for _, field := range []int{user, system} {
		n, err := strconv.ParseInt(fields[field], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("a process's CPU: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / clockTicks, nil
}

// residentOf is how much memory a process has, in bytes.
func residentOf(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read a process's memory: %w", err)
	}
	return parseResident(string(text))
}

func parseResident(status string) (int64, error) {
	for line := range strings.Lines(status) {
		value, ours := strings.CutPrefix(line, "VmRSS:")
		if !ours {
			continue
		}
		kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("a process's memory: %w", err)
		}
		return kilobytes << 10, nil
	}
	return 0, errors.New("a process's status has no VmRSS")
}

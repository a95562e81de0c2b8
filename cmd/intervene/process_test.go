package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const (
	// startTimeout and stopTimeout bound a child's start and its drain. They end
	// a test that hangs; a slow machine meets neither.
	startTimeout = time.Minute
	stopTimeout  = time.Minute
	// verifyTimeout bounds `journal verify`.
	verifyTimeout = 2 * time.Minute
	// tailLines is how much of a child's log is told when a test fails.
	tailLines = 60
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "intervene-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	builtBinary = sync.OnceValues(func() (string, error) { return build(dir) })
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
		os.Exit(code)
	}))
}

var builtBinary func() (string, error)

// intervene is the path of intervene as it is shipped: static, and without the
// race detector even if the test has it, because what dies is timed by it.
func intervene(t *testing.T) string {
	t.Helper()
	path, err := builtBinary()
	if err != nil {
		t.Fatalf("build the binary: got error %v, want none", err)
	}
	return path
}

func build(dir string) (string, error) {
	path := filepath.Join(dir, "intervene")
	compile := exec.Command("go", "build", "-trimpath", "-o", path, ".")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := compile.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, output)
	}
	return path, nil
}

// process is one child that runs the engine.
type process struct {
	cmd  *exec.Cmd
	log  *childLog
	done chan struct{} // closed when it has ended and was waited for
	err  error         // how it ended; read after done
}

// startProcess runs `intervene serve`. The child ends with the test at the
// latest, also when the test itself is killed.
func startProcess(t *testing.T, binary, config string, env ...string) *process {
	t.Helper()
	p := &process{
		cmd: exec.Command(binary, "serve", "--config", config),
		log: newChildLog(), done: make(chan struct{}),
	}
	p.cmd.SysProcAttr = dieWithParent()
	p.cmd.Stderr = p.log
	p.cmd.Env = append(os.Environ(), env...)
	started := make(chan error)
	go func() {
		// The child is bound to the thread that started it, which must live
		// until it is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("start intervene: got error %v, want none", err)
	}
	t.Cleanup(func() { p.kill(t) })
	return p
}

// crash ends the child as a power cut would. It must have been alive: an
// engine that gives up by itself is not what a test is about.
func (p *process) crash(t *testing.T) {
	t.Helper()
	select {
	case <-p.done:
		t.Fatalf("intervene ended by itself with %v, want it running\n%s", p.err, p.log.tail())
	default:
		p.kill(t)
	}
}

// kill ends the child if it has not ended yet.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("kill intervene: got error %v, want none", err)
	}
	<-p.done
}

// terminate drains the child and wants it to end well.
func (p *process) terminate(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("terminate intervene: got error %v, want none\n%s", err, p.log.tail())
	}
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		p.kill(t)
		t.Fatalf("drain: got nothing in %s, want an end\n%s", stopTimeout, p.log.tail())
	}
	if p.err != nil {
		t.Fatalf("drain: got %v, want exit 0\n%s", p.err, p.log.tail())
	}
}

// ready waits until the child serves, and answers where.
func (p *process) ready(t *testing.T) string {
	t.Helper()
	select {
	case address := <-p.log.address:
		return address
	case <-p.done:
		t.Fatalf("start: intervene ended with %v, want it ready\n%s", p.err, p.log.tail())
	case <-time.After(startTimeout):
		t.Fatalf("start: got nothing in %s, want it ready\n%s", startTimeout, p.log.tail())
	}
	return ""
}

// childLog reads what a child logs: the address that it serves at, and the
// newest lines for whoever asks why it failed.
type childLog struct {
	address chan string

	mu      sync.Mutex
	admin   string // where the admin listener is, once the engine is ready
	rest    []byte // of a line that has not ended
	lines   []string
	errors  []string // the first lines of level ERROR
	stopped bool     // what follows is a stack, of which the head matters
}

func newChildLog() *childLog { return &childLog{address: make(chan string, 1)} }

func (l *childLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, b...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte{'\n'})
		if !ok {
			return len(b), nil
		}
		l.line(string(line))
		l.rest = bytes.Clone(rest)
	}
}

func (l *childLog) line(text string) {
	var entry struct {
		Level, Msg, Listen string
		Admin              string `json:"admin_listen"`
	}
	if json.Unmarshal([]byte(text), &entry) == nil {
		switch {
		case entry.Msg == "ready":
			l.admin = entry.Admin
			l.address <- entry.Listen
		case entry.Level == "ERROR" && len(l.errors) < tailLines:
			l.errors = append(l.errors, text)
		}
	}
	l.stopped = l.stopped || strings.HasPrefix(text, "panic:") || strings.HasPrefix(text, "fatal error:")
	if len(l.lines) == tailLines {
		if l.stopped {
			return
		}
		l.lines = slices.Delete(l.lines, 0, 1)
	}
	l.lines = append(l.lines, text)
}

// adminAddress is where the engine's admin listener is, which it logs.
func (l *childLog) adminAddress(t *testing.T) string {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.admin == "" {
		t.Fatalf("got no word of the admin listener, want it in the log")
	}
	return l.admin
}

func (l *childLog) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return "log of the child:\n" + strings.Join(l.lines, "\n")
}

// complaints are what the child logged as an error.
func (l *childLog) complaints() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.errors)
}

// verifyJournal runs `intervene journal verify` on the data of a dead engine.
func verifyJournal(t *testing.T, binary, dataDir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), verifyTimeout)
	defer cancel()
	var output bytes.Buffer
	verify := exec.CommandContext(ctx, binary, "journal", "verify", "--data", dataDir)
	verify.Stdout, verify.Stderr = &output, &output
	if err := verify.Run(); err != nil {
		kept := filepath.Join(t.ArtifactDir(), "data")
		if err := os.CopyFS(kept, os.DirFS(dataDir)); err != nil {
			t.Errorf("keep the journal: got error %v, want none", err)
		}
		t.Fatalf("journal verify: got %v, want exit 0 (with -artifacts the journal is kept in %s)\n%s", err, kept, head(&output))
	}
}

// head is as much of an output as a person reads.
func head(r io.Reader) string {
	var text strings.Builder
	lines := bufio.NewScanner(r)
	for n := 0; n < tailLines && lines.Scan(); n++ {
		text.WriteString(lines.Text() + "\n")
	}
	return text.String()
}

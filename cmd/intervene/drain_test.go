package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

const (
	// drainLimit is config.DefaultDrainLimit, with room for a slow machine's exit.
	drainLimit  = 25*time.Second + 5*time.Second
	drainBoards = 8
)

// TestDrain has a real process stop under load: it ends well and in time, every stream is
// told to go, and nothing that was acknowledged is lost.
func TestDrain(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	t.Logf("INTERVENE_SEED=%d", seed)
	s := openSite(t, standin.Config{Seed: seed}, cast()...)
	s.start(t)
	eyes := newCaller(t, s, supervisorName)
	l := newLedger()
	o := startLoad(t, s, l, seed)
	o.resume()
	rest(t.Context(), time.Second)

	told := make(chan bool, drainBoards)
	var open sync.WaitGroup
	open.Add(drainBoards)
	for range drainBoards {
		go func() { told <- watchUntilTold(t, eyes, open.Done) }()
	}
	open.Wait()
	began := time.Now()
	s.stop(t) // wants exit 0
	took := time.Since(began)
	if took > drainLimit {
		t.Errorf("drain: got %s, want at most %s", took, drainLimit)
	}
	for range drainBoards {
		if !<-told {
			t.Error("stream: got its end without GoAway, want GoAway")
		}
	}
	s.verify(t)
	s.start(t)
	o.pause()
	c := &crasher{site: s, ledger: l, load: o, mirror: newMirror(), eyes: eyes, dice: dice(seed, 'd', 0)}
	c.look(t)
	s.stop(t)
	t.Logf("drained in %s with %d tries of agents, %d streams told to go", took.Round(time.Millisecond), o.tries.Load(), drainBoards)
}

// watchUntilTold reports whether a board's stream was told to go before it ended.
func watchUntilTold(t *testing.T, c *caller, open func()) bool {
	opened := sync.OnceFunc(open)
	defer opened()
	stream, err := c.api.WatchBoard(t.Context(), &intervenev1.WatchBoardRequest{})
	if err != nil {
		t.Errorf("WatchBoard: got error %v, want none", err)
		return false
	}
	defer stream.Close() // it has ended
	for stream.Receive() {
		opened()
		if stream.Msg().GetGoAway() != nil {
			return true
		}
	}
	return false
}

// TestSecondSignal: who has no time for a drain says so again.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	s := openSite(t, standin.Config{}, cast()...)
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatalf("read the configuration: %v", err)
	}
	if err := os.WriteFile(s.config, append([]byte("drain: {delay: 10m}\n"), text...), 0o600); err != nil {
		t.Fatalf("write the configuration: %v", err)
	}
	s.start(t)
	s.signal(t, syscall.SIGTERM)
	s.awaits(t, "draining")
	s.signal(t, syscall.SIGTERM)
	select {
	case <-s.process.done:
	case <-time.After(stopTimeout):
		t.Fatalf("got nothing in %s, want an end\n%s", stopTimeout, s.process.log.tail())
	}
	if exit, ok := s.process.err.(*exec.ExitError); !ok || exit.ExitCode() != 1 || !strings.Contains(s.process.log.tail(), errAtOnce.Error()) {
		t.Errorf("got %v, want exit 1 and why\n%s", s.process.err, s.process.log.tail())
	}
	s.verify(t)
}

// TestSupervisor: systemd is told when the engine serves, reads its configuration, lives
// and stops.
func TestSupervisor(t *testing.T) {
	dir := t.TempDir()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	defer socket.Close() // nobody waits for it any more
	t.Setenv("NOTIFY_SOCKET", socket.LocalAddr().String())
	t.Setenv("WATCHDOG_USEC", "2000000")
	s := openSite(t, standin.Config{}, cast()...)
	s.start(t)
	wants := func(want string) {
		t.Helper()
		if err := socket.SetReadDeadline(time.Now().Add(startTimeout)); err != nil {
			t.Fatalf("limit the wait: %v", err)
		}
		message := make([]byte, 1024)
		for {
			n, err := socket.Read(message)
			if err != nil {
				t.Fatalf("got error %v, want %s", err, want)
			}
			if strings.HasPrefix(string(message[:n]), want) {
				return
			}
		}
	}
	wants("READY=1")
	wants("WATCHDOG=1")
	s.signal(t, syscall.SIGHUP)
	wants("RELOADING=1\nMONOTONIC_USEC=")
	wants("READY=1")
	wants("WATCHDOG=1")
	s.stop(t)
	wants("STOPPING=1")
}

func (s *site) signal(t *testing.T, what os.Signal) {
	t.Helper()
	if err := s.process.cmd.Process.Signal(what); err != nil {
		t.Fatalf("signal: got error %v, want none\n%s", err, s.process.log.tail())
	}
}

// awaits waits until the engine has logged what.
func (s *site) awaits(t *testing.T, what string) {
	t.Helper()
	for began := time.Now(); !strings.Contains(s.process.log.tail(), what); {
		if time.Since(began) > startTimeout || !rest(t.Context(), settlePause) {
			t.Fatalf("got no %q, want it logged\n%s", what, s.process.log.tail())
		}
	}
}

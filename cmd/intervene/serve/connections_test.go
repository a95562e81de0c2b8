package serve

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestConnectionLimits(t *testing.T) {
	for _, tt := range []struct {
		files         uint64
		public, admin int
	}{
		{1 << 20, MaxConnections, MaxAdminConnections},
		{4096, 1920, 128},
		{1024, 480, 32},
		{64, 30, 2},
		{0, 1, 1},
	} {
		if public, admin := connectionLimits(tt.files); public != tt.public || admin != tt.admin {
			t.Errorf("%d files: got %d and %d, want %d and %d", tt.files, public, admin, tt.public, tt.admin)
		}
	}
}

// TestConnectionsAreBounded: what comes above the limit is closed at once, and what
// is closed makes room, once.
func TestConnectionsAreBounded(t *testing.T) {
	system, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	m := newConnectionMetrics(prometheus.NewRegistry())
	l := m.bound(system, "public", 2)
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatalf("dial: %v", err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	dial()
	first := <-accepted
	dial()
	second := <-accepted
	if _, err := io.ReadAll(dial()); err != nil && !isReset(err) {
		t.Errorf("above the limit: got error %v, want it closed", err)
	}
	if got := testutil.ToFloat64(m.refused); got != 1 {
		t.Errorf("refused: got %v, want 1", got)
	}
	for range 2 { // net/http closes some connections twice
		_ = first.Close()
	}
	dial()
	third := <-accepted
	if got := testutil.ToFloat64(m.open); got != 2 {
		t.Errorf("open: got %v, want 2", got)
	}
	if err := errors.Join(second.Close(), third.Close(), l.Close()); err != nil {
		t.Errorf("close: %v", err)
	}
	if _, more := <-accepted; more {
		t.Error("got one more connection, want none")
	}
	if got := testutil.ToFloat64(m.open); got != 0 {
		t.Errorf("open: got %v, want 0", got)
	}
}

func isReset(err error) bool {
	failed, ok := errors.AsType[*net.OpError](err)
	return ok && failed.Op == "read"
}

// TestFaultsAreLoggedSparingly: a stranger who sends broken connections counts, and
// does not fill the disk.
func TestFaultsAreLoggedSparingly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text strings.Builder
		m := newConnectionMetrics(prometheus.NewRegistry())
		to := m.faultLog(slog.New(slog.NewTextHandler(&text, nil)), "public")
		for range 1000 {
			to.Print("broken")
		}
		time.Sleep(faultPause)
		to.Print("broken")
		if got, want := strings.Count(text.String(), "broken"), faultBurst+1; got != want {
			t.Errorf("logged: got %d lines, want %d", got, want)
		}
		if got := testutil.ToFloat64(m.faults); got != 1001 {
			t.Errorf("counted: got %v, want 1001", got)
		}
	})
}

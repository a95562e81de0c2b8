package serve

import (
	"io"
	"log"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

const (
	// MaxConnections bounds what is open on the public listener, fewer where the
	// process may have fewer files: each holds one, and some 20 KiB. It is above the
	// streams that may be open, if each had a connection of its own.
	MaxConnections = 16_384
	// MaxAdminConnections bounds the admin listener: probes, a scraper or two,
	// operators' commands.
	MaxAdminConnections = 256
	// filesShare of the process's files, as a divisor, are for connections. The rest
	// is the journal's, which must open files in any flood, and calls' to others.
	filesShare = 2
)

// connectionLimits are how many connections each listener may hold when the process
// may have so many files.
func connectionLimits(files uint64) (public, admin int) {
	share := files / filesShare
	admin = int(min(MaxAdminConnections, max(share/16, 1)))
	return int(min(MaxConnections, max(share-min(share, uint64(admin)), 1))), admin
}

// filesOf is how many files the process may have open.
func filesOf() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1024 // what systems give at least
	}
	return limit.Cur
}

// bounded is a listener that closes what comes above its limit. To leave it in the
// system's queue instead would let callers wait for an answer that never comes.
type bounded struct {
	net.Listener
	limit   int64
	held    atomic.Int64
	open    prometheus.Gauge
	refused prometheus.Counter
}

func (m *connectionMetrics) bound(l net.Listener, name string, limit int) net.Listener {
	m.limit.WithLabelValues(name).Set(float64(limit))
	return &bounded{Listener: l, limit: int64(limit), open: m.open.WithLabelValues(name), refused: m.refused.WithLabelValues(name)}
}

func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if b.held.Add(1) <= b.limit {
			b.open.Inc()
			return &held{Conn: c, release: sync.OnceFunc(b.release)}, nil
		}
		b.held.Add(-1)
		b.refused.Inc()
		_ = c.Close() // whoever it was is not served, whatever that says
	}
}

func (b *bounded) release() {
	b.held.Add(-1)
	b.open.Dec()
}

// held is a connection that counts until it is closed.
type held struct {
	net.Conn
	release func()
}

func (h *held) Close() error {
	defer h.release()
	return h.Conn.Close()
}

// faultPause and faultBurst bound what a stranger's broken connections write into
// the log; all of it is counted.
const (
	faultPause = 10 * time.Second
	faultBurst = 10
)

// faultLog is where net/http complains.
func (m *connectionMetrics) faultLog(to *slog.Logger, name string) *log.Logger {
	return log.New(&faults{
		to: slog.NewLogLogger(to.Handler(), slog.LevelWarn).Writer(), pace: rate.NewLimiter(rate.Every(faultPause), faultBurst), count: m.faults.WithLabelValues(name),
	}, "", 0)
}

type faults struct {
	to    io.Writer
	pace  *rate.Limiter
	count prometheus.Counter
}

func (f *faults) Write(line []byte) (int, error) {
	f.count.Inc()
	if !f.pace.Allow() {
		return len(line), nil
	}
	return f.to.Write(line)
}

package client_test

import (
	"context"
	"errors"
	"net"
	"sync"
)

// wire connects clients and servers in memory, so that virtual time holds for
// the whole way between them, and can be cut.
type wire struct {
	mu       sync.Mutex
	listener *pipeListener // the newest
	ends     []net.Conn    // of the clients
	down     bool
	gates    []*gate
}

func newWire() *wire { return new(wire) }

var errDown = errors.New("wire is down")

func (w *wire) listen() *pipeListener {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listener = &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	return w.listener
}

func (w *wire) dial(ctx context.Context, _, _ string) (net.Conn, error) { return w.connect(ctx, nil) }

// connect makes a connection, behind a gate unless that is nil.
func (w *wire) connect(ctx context.Context, g *gate) (net.Conn, error) {
	w.mu.Lock()
	l, down := w.listener, w.down
	w.mu.Unlock()
	if down {
		return nil, errDown
	}
	client, server := net.Pipe()
	if g != nil {
		client = &gated{Conn: client, gate: g, closed: make(chan struct{})}
	}
	select {
	case l.conns <- server:
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down || w.listener != l { // meanwhile
		return nil, errors.Join(errDown, client.Close())
	}
	w.ends = append(w.ends, client)
	return client, nil
}

// cut breaks every connection; while down none is made.
func (w *wire) cut(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
	for _, end := range w.ends {
		_ = end.Close() // a pipe's has no error
	}
	w.ends = nil
}

// heal lets everything through again.
func (w *wire) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = false
	for _, g := range w.gates {
		g.set(true)
	}
}

// gate is before what some connections of a wire bring. While it is shut their
// client reads nothing, and a pipe holds nothing.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed while it is open
}

// gate adds one, open.
func (w *wire) gate() *gate {
	w.mu.Lock()
	defer w.mu.Unlock()
	g := &gate{open: make(chan struct{})}
	close(g.open)
	w.gates = append(w.gates, g)
	return g
}

func (g *gate) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
		if !open {
			g.open = make(chan struct{})
		}
	default:
		if open {
			close(g.open)
		}
	}
}

func (g *gate) opened() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// gated is the client's end of a connection behind a gate.
type gated struct {
	net.Conn
	gate   *gate
	once   sync.Once
	closed chan struct{}
}

func (c *gated) Read(p []byte) (int, error) {
	select {
	case <-c.gate.opened():
	case <-c.closed:
	}
	return c.Conn.Read(p)
}

func (c *gated) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

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
}

func newWire() *wire { return new(wire) }

var errDown = errors.New("wire is down")

func (w *wire) listen() *pipeListener {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listener = &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	return w.listener
}

func (w *wire) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	w.mu.Lock()
	l, down := w.listener, w.down
	w.mu.Unlock()
	if down {
		return nil, errDown
	}
	client, server := net.Pipe()
	select {
	case l.conns <- server:
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
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

func (w *wire) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = false
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

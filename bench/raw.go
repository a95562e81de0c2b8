package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// rawCommand is the least that a server of streams does: it writes frames that
// are there already, and flushes each. It has no deadlines and asks for no token.
type rawCommand struct{}

// rawOrder is what a raw server is to send.
type rawOrder struct {
	// Interval is between two frames of one stream; 0: nothing is sent.
	Interval time.Duration
	// Sizes are those of the frames, one after the other, again and again.
	Sizes []int
	// Groups of streams take turns within an interval.
	Groups int
}

// rawServer sends the same to all streams of a group.
type rawServer struct {
	mu     sync.Mutex
	groups map[int]*rawGroup
	stop   context.CancelFunc // of the order before
}

type rawGroup struct {
	frame atomic.Pointer[[]byte]
	mu    sync.Mutex
	bells map[chan struct{}]struct{}
}

// Run serves until it is terminated. Its first line says where.
func (rawCommand) Run(ctx context.Context) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	raw := &rawServer{groups: make(map[int]*rawGroup), stop: func() {}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /stream/{group}/{first}", raw.stream)
	mux.HandleFunc("POST /order", func(w http.ResponseWriter, r *http.Request) {
		var order rawOrder
		if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		raw.follow(ctx, order)
	})
	mux.HandleFunc("GET /memory", func(w http.ResponseWriter, _ *http.Request) {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Fprintf(w, `{"Heap": %d, "Stacks": %d}`, m.HeapInuse, m.StackInuse)
	})
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: mux, Protocols: &protocols, ReadHeaderTimeout: requestTimeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Println(listener.Addr())
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
		return server.Close()
	}
}

func (s *rawServer) group(n int) *rawGroup {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[n]
	if g == nil {
		g = &rawGroup{bells: make(map[chan struct{}]struct{})}
		s.groups[n] = g
	}
	return g
}

// stream begins with a frame of the size asked for: a snapshot.
func (s *rawServer) stream(w http.ResponseWriter, r *http.Request) {
	n, errGroup := strconv.Atoi(r.PathValue("group"))
	first, errFirst := strconv.Atoi(r.PathValue("first"))
	if err := errors.Join(errGroup, errFirst); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	group := s.group(n)
	bell := make(chan struct{}, 1)
	group.mu.Lock()
	group.bells[bell] = struct{}{}
	group.mu.Unlock()
	defer func() {
		group.mu.Lock()
		defer group.mu.Unlock()
		delete(group.bells, bell)
	}()
	controller := http.NewResponseController(w)
	frame := framed(first)
	for {
		if _, err := w.Write(frame); err != nil {
			return
		}
		if err := controller.Flush(); err != nil {
			return
		}
		select {
		case <-bell:
			frame = *group.frame.Load()
		case <-r.Context().Done():
			return
		}
	}
}

// framed is a frame of so many bytes after its prefix.
func framed(size int) []byte {
	frame := make([]byte, prefixBytes+size)
	binary.BigEndian.PutUint32(frame[1:], uint32(size))
	return frame
}

// follow forgets the order before.
func (s *rawServer) follow(ctx context.Context, order rawOrder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
	ctx, s.stop = context.WithCancel(ctx)
	if order.Interval <= 0 || len(order.Sizes) == 0 {
		return
	}
	frames := make([][]byte, len(order.Sizes))
	for i, size := range order.Sizes {
		frames[i] = framed(max(0, size-prefixBytes))
	}
	for n := range order.Groups {
		go func() {
			if rest(ctx, order.Interval*time.Duration(n)/time.Duration(order.Groups)) == nil {
				s.group(n).send(ctx, order.Interval, frames)
			}
		}()
	}
}

func (g *rawGroup) send(ctx context.Context, interval time.Duration, frames [][]byte) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for i := 0; ; i++ {
		g.frame.Store(&frames[i%len(frames)])
		g.mu.Lock()
		for bell := range g.bells {
			select {
			case bell <- struct{}{}:
			default:
			}
		}
		g.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// raw is a raw server as a process.
type raw struct {
	process *process
	url     string
}

func startRaw(ctx context.Context) (*raw, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	p, err := startProcess(ctx, false, self, "raw")
	if err != nil {
		return nil, err
	}
	select {
	case address := <-p.lines:
		return &raw{p, "http://" + address}, nil
	case <-time.After(startTimeout):
		return nil, errors.Join(errors.New("the raw server does not start"), p.terminate())
	}
}

func (r *raw) order(ctx context.Context, order rawOrder) error {
	body, err := json.Marshal(order)
	if err != nil {
		return fmt.Errorf("order: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/order", strings.NewReader(string(body)))
	if err != nil {
		return fmt.Errorf("order: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("order: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		err = fmt.Errorf("order: %s", response.Status)
	}
	return errors.Join(err, response.Body.Close())
}

// used is what the server says of itself, garbage collected.
func (r *raw) used(ctx context.Context) (used, error) {
	var u used
	err := fetch(ctx, r.url+"/memory", func(body io.Reader) error { return json.NewDecoder(body).Decode(&u) })
	return u, err
}

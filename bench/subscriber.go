package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

const (
	// prefixBytes precede each frame of the Connect protocol: flags and length.
	prefixBytes = 5
	endOfStream = 0b10
	// readBuffer is per stream.
	readBuffer = 8 << 10
	// maxSizes bounds the sizes of deliveries that are remembered.
	maxSizes = 4096
	// stalledWindow is how much a subscriber that does not read lets come: what
	// HTTP/2 begins with.
	stalledWindow = 64 << 10
	// stalledLife is how long one stays before it comes anew: longer than an engine
	// has patience.
	stalledLife = 15 * time.Second
)

// subscriber reads one stream of Connect frames, and hardly looks at them: it
// shares the machine with what is measured.
type subscriber struct {
	transport *http.Transport
	url       string
	token     string
	body      []byte

	deliveries, bytes atomic.Int64
	// probe is nil for most; lags is where it notes, nil: nowhere.
	probe *probe
	lags  *atomic.Pointer[lags]
	// sizes are those of the deliveries, once they are asked for.
	sizes *sizes
}

// sizes of the deliveries of one subscriber.
type sizes struct {
	wanted atomic.Bool
	mu     sync.Mutex
	bytes  []int
}

func (s *sizes) add(n int) {
	if s == nil || !s.wanted.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bytes) < maxSizes {
		s.bytes = append(s.bytes, n)
	}
}

// take forgets what it returns.
func (s *sizes) take() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.bytes
	s.bytes = nil
	return taken
}

// watchRequest is a frame that asks for a board.
func watchRequest(window uint32) ([]byte, error) {
	message, err := proto.Marshal(&intervenev1.WatchBoardRequest{Window: window})
	if err != nil {
		return nil, fmt.Errorf("encode a request: %w", err)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...), nil
}

const watchPath = intervenev1connect.LiveChatServiceWatchBoardProcedure

// open returns once the first frame has come.
func (s *subscriber) open(ctx context.Context) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(s.body))
	if err != nil {
		return nil, fmt.Errorf("open a stream: %w", err)
	}
	request.Header.Set("Content-Type", "application/connect+proto")
	request.Header.Set("Connect-Protocol-Version", "1")
	request.Header.Set("Authorization", "Bearer "+s.token)
	response, err := s.transport.RoundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("open a stream: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("open a stream: %s", response.Status), response.Body.Close())
	}
	return response, nil
}

// read reads the stream until ctx ends. Before that, it has no end.
func (s *subscriber) read(ctx context.Context, response *http.Response) error {
	defer response.Body.Close()
	in := bufio.NewReaderSize(response.Body, readBuffer)
	var prefix [prefixBytes]byte
	var message []byte
	for {
		_, err := io.ReadFull(in, prefix[:])
		size := int(binary.BigEndian.Uint32(prefix[1:]))
		if err == nil && s.probe == nil && prefix[0]&endOfStream == 0 {
			_, err = in.Discard(size)
		} else if err == nil {
			message = append(message[:0], make([]byte, size)...)
			_, err = io.ReadFull(in, message)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("read a stream: %w", err)
		case prefix[0]&endOfStream != 0:
			return fmt.Errorf("the stream ended: %s", message)
		}
		s.sizes.add(prefixBytes + size)
		s.bytes.Add(int64(prefixBytes + size))
		if s.probe != nil {
			var frame intervenev1.WatchBoardResponse
			if err := proto.Unmarshal(message, &frame); err != nil {
				return fmt.Errorf("decode a frame: %w", err)
			}
			s.probe.take(&frame, s.lags.Load())
		}
		s.deliveries.Add(1)
	}
}

// stall opens streams that it does not read, one after the other, until ctx ends.
// A deaf one does not even read its connection; others only keep theirs alive.
func (s *subscriber) stall(ctx context.Context, deaf bool) error {
	for ctx.Err() == nil {
		if err := s.stallOnce(ctx, deaf); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func (s *subscriber) stallOnce(ctx context.Context, deaf bool) error {
	ctx, cancel := context.WithTimeout(ctx, stalledLife)
	defer cancel()
	ears := newEars()
	transport := plainHTTP2()
	transport.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: stalledWindow, MaxReceiveBufferPerConnection: stalledWindow}
	transport.DialContext = ears.dial
	defer transport.CloseIdleConnections()
	defer ears.close()
	stalled := &subscriber{transport: transport, url: s.url, token: s.token, body: s.body}
	response, err := stalled.open(ctx)
	if err != nil {
		return err
	}
	if deaf {
		ears.cover()
	}
	<-ctx.Done()
	return response.Body.Close()
}

// ears are of one connection, which can stop to be read.
type ears struct {
	covered, closed chan struct{}

	mu   sync.Mutex
	conn net.Conn
}

func newEars() *ears { return &ears{covered: make(chan struct{}), closed: make(chan struct{})} }

func (e *ears) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.conn = conn
	return deafConn{conn, e}, nil
}

func (e *ears) cover() { close(e.covered) }

func (e *ears) close() {
	close(e.closed)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conn != nil {
		_ = e.conn.Close() // the transport may have closed it already
	}
}

type deafConn struct {
	net.Conn
	ears *ears
}

func (c deafConn) Read(b []byte) (int, error) {
	select {
	case <-c.ears.covered:
		<-c.ears.closed
		return 0, net.ErrClosed
	default:
		return c.Conn.Read(b)
	}
}

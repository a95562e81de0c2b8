package rpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// requestTimeout is how long a caller may take to send a request, and how
	// long a whole unary call may last. It is above commandTimeout: reading on
	// while a command runs is how HTTP/1.1 notices that the caller went away.
	requestTimeout = 30 * time.Second
	// sendTimeout is how long one frame of a stream may wait for a slow caller.
	sendTimeout = 10 * time.Second
)

// call is what the edge knows of one HTTP request. Its goroutine owns it, but for
// what mu guards.
type call struct {
	controller *http.ResponseController
	// session is the sealed session that came with it; empty: none may count.
	session string
	// place is what it holds of the limiter of calls; nil: nothing, there was no room
	// or it has become a stream.
	place *callLimiter
	// answered: a procedure was reached and counted.
	answered bool

	// stall goes off when a frame of a stream has waited for too long.
	stall   *time.Timer
	mu      sync.Mutex
	sending bool
}

type callKey struct{}

func callOf(ctx context.Context) (*call, bool) {
	c, ok := ctx.Value(callKey{}).(*call)
	return c, ok
}

// withCall bounds each request in time and counts those that never came as far
// as a procedure: those that connect itself could not decode.
func (s *Server) withCall(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{controller: http.NewResponseController(w), session: sessionOf(r)}
		if err := c.limit(requestTimeout, r.ProtoMajor); err != nil {
			// Without deadlines a stalled caller could hold a goroutine for ever.
			if errors.Is(err, errors.ErrUnsupported) {
				s.log.ErrorContext(r.Context(), "a wrapper of the response hides its deadlines", "error", err)
			}
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		if s.calls.acquire() {
			c.place = s.calls
			defer c.leave()
		}
		if _, ours := s.access[r.URL.Path]; ours && !s.many[r.URL.Path] {
			// Connect refuses what is too large, and reads it to its end all the same.
			r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
		}
		// Answers are one caller's business.
		w.Header().Set("Cache-Control", "no-store")
		pass(next, w, r.WithContext(context.WithValue(r.Context(), callKey{}, c)))
		if _, ours := s.access[r.URL.Path]; ours && !c.answered {
			s.metrics.requests.WithLabelValues(r.URL.Path, codeMalformed).Inc()
		}
	})
}

// pass hands a request on, prepared for what it is: a stream, or one answer.
func pass(next http.Handler, w http.ResponseWriter, r *http.Request) {
	if watches[r.URL.Path] {
		j := &joined{ResponseWriter: w}
		defer j.end()
		next.ServeHTTP(j, r)
		return
	}
	growStack(r.ProtoMajor)
	next.ServeHTTP(w, r)
}

// leave gives the place among the calls back.
func (c *call) leave() {
	if c.place != nil {
		c.place.release()
		c.place = nil
	}
}

// limit bounds reading and writing. Over HTTP/2 the end of the time to write
// resets the stream, which ends its reading, too: one deadline is enough there,
// and each costs a round through the connection's one goroutine.
func (c *call) limit(timeout time.Duration, protocol int) error {
	deadline := time.Now().Add(timeout)
	if err := c.controller.SetWriteDeadline(deadline); err != nil {
		return fmt.Errorf("limit the answer's time: %w", err)
	}
	if protocol >= 2 {
		return nil
	}
	if err := c.controller.SetReadDeadline(deadline); err != nil {
		return fmt.Errorf("limit the request's time: %w", err)
	}
	return nil
}

// becomeStream lifts the limits off a request that was read and whose answer
// has no end. Whoever makes a stream ends it.
func (c *call) becomeStream() error {
	c.leave() // streams have limits of their own
	if err := c.controller.SetReadDeadline(time.Time{}); err != nil {
		return gone(err)
	}
	if err := c.controller.SetWriteDeadline(time.Time{}); err != nil {
		return gone(err)
	}
	c.stall = time.AfterFunc(sendTimeout, c.stalled)
	c.stall.Stop()
	return nil
}

// beforeSend gives what is sent next its time. A deadline for each frame would
// say the same, but over HTTP/2 each costs a round through the connection's one
// goroutine, and one that passes resets a stream that has nothing to write, too.
func (c *call) beforeSend() {
	c.setSending(true)
	c.stall.Reset(sendTimeout)
}

func (c *call) afterSend() {
	c.stall.Stop()
	c.setSending(false)
}

func (c *call) setSending(sending bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sending = sending
}

// stalled makes the write that is under way fail. The lock keeps the call's
// goroutine from returning, after which there is nothing to set a deadline on.
func (c *call) stalled() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sending {
		_ = c.controller.SetWriteDeadline(time.Now().Add(-time.Second)) // else the connection is gone already
	}
}

// endStream gives the end of a stream its time: it is sent after the procedure
// has returned.
func (c *call) endStream() error {
	c.stall.Stop()
	if err := c.controller.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return gone(err)
	}
	return nil
}

// gone is what it means when a frame cannot be written, or a deadline not be set
// although one was before: the connection is closed, which is nobody's fault here.
func gone(err error) error { return fmt.Errorf("caller is gone: %w: %v", context.Canceled, err) }

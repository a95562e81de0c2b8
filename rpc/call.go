package rpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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

// call is what the edge knows of one HTTP request. Its goroutine owns it.
type call struct {
	controller *http.ResponseController
	// answered: a procedure was reached and counted.
	answered bool
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
		c := &call{controller: http.NewResponseController(w)}
		if err := c.limit(requestTimeout, r.ProtoMajor); err != nil {
			// Without deadlines a stalled caller could hold a goroutine for ever.
			if errors.Is(err, errors.ErrUnsupported) {
				s.log.ErrorContext(r.Context(), "a wrapper of the response hides its deadlines", "error", err)
			}
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		// Answers are one caller's business.
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callKey{}, c)))
		if _, ours := s.access[r.URL.Path]; ours && !c.answered {
			s.metrics.requests.WithLabelValues(r.URL.Path, codeMalformed).Inc()
		}
	})
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
// has no end. Where a deadline passes, HTTP/2 resets a stream that has nothing to
// write, too: only a frame on its way may have one.
func (c *call) becomeStream() error {
	if err := c.controller.SetReadDeadline(time.Time{}); err != nil {
		return gone(err)
	}
	return c.afterSend()
}

// beforeSend gives what is sent next its time.
func (c *call) beforeSend() error {
	if err := c.controller.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return gone(err)
	}
	return nil
}

func (c *call) afterSend() error {
	if err := c.controller.SetWriteDeadline(time.Time{}); err != nil {
		return gone(err)
	}
	return nil
}

// gone is what it means when a frame cannot be written, or a deadline not be set
// although one was before: the connection is closed, which is nobody's fault here.
func gone(err error) error { return fmt.Errorf("caller is gone: %w: %v", context.Canceled, err) }

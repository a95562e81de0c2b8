package rpc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const (
	// heartbeatInterval is the longest that a stream says nothing.
	heartbeatInterval = 15 * time.Second
	// maxStreamAge ends every stream, so that load spreads anew and nothing
	// lives on that was decided long ago. Up to streamAgeJitter earlier, so that
	// streams that began together do not end together.
	maxStreamAge    = time.Hour
	streamAgeJitter = 10 * time.Minute
	// drainSpread and ageSpread are over how long those who are sent away come back.
	drainSpread = 2 * time.Second
	ageSpread   = 500 * time.Millisecond
)

// What ended a stream: values of a metric's label.
const (
	endedByCaller  = "caller"
	endedByDrain   = "drain"
	endedByAge     = "age"
	endedByRevoke  = "revoked"
	endedByExpiry  = "expired"
	endedByStall   = "stalled"
	endedByBackend = "backend"
	endedByFailure = "failure"
)

// stream is one open watch, whose frames are F. The goroutine of its call owns
// it and alone sends.
type stream[F any] struct {
	server    *Server
	out       *connect.ServerStream[F]
	call      *call
	procedure string
	who       caller
	// table is the generation of tokens that last let the caller in.
	table *tokenTable
	// bell rings when there may be something to send.
	bell bell
	sent uint64 // frames
}

// frames is how a kind of stream says what every kind has to say.
type frames[F any] struct {
	heartbeat *F
	goAway    func(*intervenev1.GoAway) *F
}

// openStream counts a stream in. Whoever opens one closes it.
func openStream[F any](ctx context.Context, s *Server, out *connect.ServerStream[F]) (*stream[F], error) {
	c, ok := callOf(ctx)
	if !ok {
		return nil, errors.New("open stream: the call did not come through Server.Handler")
	}
	st := &stream[F]{server: s, out: out, call: c, procedure: out.Conn().Spec().Procedure, who: callerOf(ctx), table: never, bell: newBell()}
	if !s.streams.acquire(st.who.Principal) {
		return nil, tooManyStreams()
	}
	if err := c.becomeStream(); err != nil {
		s.streams.release(st.who.Principal)
		return nil, err
	}
	s.metrics.streamsOpen.WithLabelValues(st.procedure).Inc()
	return st, nil
}

func (st *stream[F]) close() {
	st.server.streams.release(st.who.Principal)
	st.server.metrics.streamsOpen.WithLabelValues(st.procedure).Dec()
}

// send is the only way to the caller.
func (st *stream[F]) send(frame *F) error {
	if err := st.readmit(); err != nil {
		return err
	}
	start := time.Now()
	st.call.beforeSend()
	err := st.out.Send(frame)
	st.call.afterSend()
	// A frame that ran into its deadline may look sent: it lies in a buffer of a
	// connection that is dead.
	if time.Since(start) >= sendTimeout {
		return errStalled
	}
	switch code := connect.CodeOf(err); {
	case err == nil:
		st.sent++
		st.server.metrics.frames.WithLabelValues(st.procedure).Inc()
		return nil
	case code == connect.CodeInternal, code == connect.CodeResourceExhausted:
		return fmt.Errorf("send frame: %w", err) // it cannot be encoded, or is too large
	}
	return gone(err)
}

// errStalled ends the stream of a caller that does not read.
var errStalled = fmt.Errorf("send frame: caller does not read: %w", context.DeadlineExceeded)

// readmit asks again, once the tokens were replaced, whether this caller may
// listen on.
func (st *stream[F]) readmit() error {
	table := st.server.options.Tokens.table()
	if table == st.table {
		return nil
	}
	who, err := table.admit(st.who.token, st.server.access[st.procedure])
	if err != nil || who.Principal != st.who.Principal {
		return unauthenticated()
	}
	st.table = table
	return nil
}

// serve calls pull whenever the bell rings, and keeps the stream alive in
// between, until somebody ends it.
func (st *stream[F]) serve(ctx context.Context, pull func() error, f frames[F]) error {
	reason, err := st.loop(ctx, pull, f)
	if err != nil {
		reason = endOf(ctx, reason, err)
	}
	st.server.metrics.streamsEnded.WithLabelValues(st.procedure, reason).Inc()
	return errors.Join(err, st.call.endStream())
}

// loop returns what ended the stream.
func (st *stream[F]) loop(ctx context.Context, pull func() error, f frames[F]) (string, error) {
	quiet := time.NewTimer(heartbeatInterval)
	defer quiet.Stop()
	age := time.NewTimer(maxStreamAge - rand.N(streamAgeJitter))
	defer age.Stop()
	over, stop := st.who.over()
	defer stop()
	st.bell.ring()
	for {
		if err := st.readmit(); err != nil {
			return endedByRevoke, err
		}
		sent, err := st.sent, error(nil)
		select {
		case <-st.bell:
			err = pull()
		case <-quiet.C:
			err = st.send(f.heartbeat)
		case <-st.table.replaced:
			continue
		case <-st.server.draining:
			return endedByDrain, st.goAway(f.goAway, drainSpread)
		case <-age.C:
			return endedByAge, st.goAway(f.goAway, ageSpread)
		case <-over:
			return endedByExpiry, unauthenticated()
		case <-ctx.Done():
			return endedByCaller, ctx.Err()
		}
		if err != nil {
			return endedByFailure, err
		}
		if st.sent != sent {
			quiet.Reset(heartbeatInterval)
		}
	}
}

// goAway asks the caller to come back, at a time of its own.
func (st *stream[F]) goAway(frame func(*intervenev1.GoAway) *F, spread time.Duration) error {
	st.server.metrics.goAways.WithLabelValues(st.procedure).Inc()
	return st.send(frame(&intervenev1.GoAway{RetryAfter: durationpb.New(rand.N(spread))}))
}

// watchEndedError is that of a backend's watch that nobody stopped.
type watchEndedError struct{ err error }

func (e *watchEndedError) Error() string { return "watch: " + e.err.Error() }

func (e *watchEndedError) Unwrap() error { return e.err }

// backendEnded is err of a watch that nobody stopped: one that returns without
// any is closing.
func backendEnded(err error) error {
	if err == nil {
		err = unavailable.error(nil)
	}
	return &watchEndedError{err}
}

// endOf makes a reason more exact by what went wrong.
func endOf(ctx context.Context, reason string, err error) string {
	switch {
	case reason == endedByExpiry:
		return reason
	case connect.CodeOf(err) == connect.CodeUnauthenticated:
		return endedByRevoke
	case errors.Is(err, errStalled):
		return endedByStall
	case ctx.Err() != nil, errors.Is(err, context.Canceled):
		return endedByCaller
	}
	if _, ok := errors.AsType[*watchEndedError](err); ok {
		return endedByBackend
	}
	return reason
}

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
}

// frames is how a kind of stream says what every kind has to say.
type frames[F, U any] struct {
	begin     func() error // before the watch; nil: there is nothing to say
	update    func(U) error
	heartbeat *F
	goAway    func(*intervenev1.GoAway) *F
}

// openStream counts a stream in. Whoever opens one closes it.
func openStream[F any](ctx context.Context, s *Server, out *connect.ServerStream[F]) (*stream[F], error) {
	c, ok := callOf(ctx)
	if !ok {
		return nil, errors.New("open stream: the call did not come through Server.Handler")
	}
	st := &stream[F]{server: s, out: out, call: c, procedure: out.Conn().Spec().Procedure, who: callerOf(ctx), table: never}
	if err := c.becomeStream(); err != nil {
		return nil, err
	}
	if !s.streams.acquire(st.who.Principal) {
		return nil, tooManyStreams()
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
	if err := st.call.beforeSend(); err != nil {
		return err
	}
	start := time.Now()
	err := st.out.Send(frame)
	// A frame that ran into its deadline may look sent: it lies in a buffer of a
	// connection that is dead.
	if time.Since(start) >= sendTimeout {
		return errStalled
	}
	switch code := connect.CodeOf(err); {
	case err == nil:
		return st.call.afterSend()
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
	if err != nil || who != st.who {
		return unauthenticated()
	}
	st.table = table
	return nil
}

// follow sends what watch tells of until somebody ends it.
func follow[F, U any](ctx context.Context, st *stream[F], watch func(context.Context, func(U) error) error, f frames[F, U]) error {
	reason, err := begin(ctx, st, watch, f)
	if err != nil {
		reason = endOf(ctx, reason, err)
	}
	st.server.metrics.streamsEnded.WithLabelValues(st.procedure, reason).Inc()
	// The end of the stream is sent after this returns, and needs its time.
	return errors.Join(err, st.call.beforeSend())
}

// begin greets the caller, and serves it while watch runs.
func begin[F, U any](ctx context.Context, st *stream[F], watch func(context.Context, func(U) error) error, f frames[F, U]) (string, error) {
	if f.begin != nil {
		if err := f.begin(); err != nil {
			return endedByFailure, err
		}
	}
	watching, stop := context.WithCancel(ctx)
	updates := startFeed(watching, watch)
	defer func() {
		stop()
		<-updates.ended
	}()
	return serve(ctx, st, updates, f)
}

// serve is the loop of a stream's goroutine. It returns what ended it.
func serve[F, U any](ctx context.Context, st *stream[F], updates *feed[U], f frames[F, U]) (string, error) {
	quiet := time.NewTimer(heartbeatInterval)
	defer quiet.Stop()
	age := time.NewTimer(maxStreamAge - rand.N(streamAgeJitter))
	defer age.Stop()
	for {
		if err := st.readmit(); err != nil {
			return endedByRevoke, err
		}
		var err error
		select {
		case u := <-updates.updates:
			if err = f.update(u); err == nil {
				updates.sent <- struct{}{}
			}
		case <-quiet.C:
			err = st.send(f.heartbeat)
		case <-st.table.replaced:
			continue
		case <-st.server.draining:
			return endedByDrain, st.goAway(f.goAway, drainSpread)
		case <-age.C:
			return endedByAge, st.goAway(f.goAway, ageSpread)
		case <-updates.ended:
			return endedByBackend, backendEnded(updates.err)
		case <-ctx.Done():
			return endedByCaller, ctx.Err()
		}
		if err != nil {
			return endedByFailure, err
		}
		quiet.Reset(heartbeatInterval)
	}
}

// goAway asks the caller to come back, at a time of its own.
func (st *stream[F]) goAway(frame func(*intervenev1.GoAway) *F, spread time.Duration) error {
	st.server.metrics.goAways.WithLabelValues(st.procedure).Inc()
	return st.send(frame(&intervenev1.GoAway{RetryAfter: durationpb.New(rand.N(spread))}))
}

// backendEnded is err of a watch that nobody stopped: one that returns without
// any is closing.
func backendEnded(err error) error {
	if err == nil {
		return unavailable.error(nil)
	}
	return fmt.Errorf("watch: %w", err)
}

// endOf makes a reason more exact by what went wrong.
func endOf(ctx context.Context, reason string, err error) string {
	switch {
	case connect.CodeOf(err) == connect.CodeUnauthenticated:
		return endedByRevoke
	case errors.Is(err, errStalled):
		return endedByStall
	case ctx.Err() != nil, errors.Is(err, context.Canceled):
		return endedByCaller
	}
	return reason
}

package rpc

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"connectrpc.com/connect"
)

// answering is the outermost interceptor: it makes of whatever comes out of a
// procedure what the caller is told, logs what is nobody else's fault, once,
// and counts.
type answering struct{ *Server }

var _ connect.Interceptor = answering{}

func (a answering) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (response connect.AnyResponse, err error) {
		procedure := request.Spec().Procedure
		start := time.Now()
		defer func() {
			err = a.answer(ctx, procedure, recovered(recover(), err))
			a.metrics.duration.WithLabelValues(procedure).Observe(time.Since(start).Seconds())
		}()
		return next(ctx, request)
	}
}

func (a answering) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) (err error) {
		defer func() { err = a.answer(ctx, conn.Spec().Procedure, recovered(recover(), err)) }()
		return next(ctx, conn)
	}
}

// WrapStreamingClient leaves clients alone: the edge has none.
func (a answering) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func (a answering) answer(ctx context.Context, procedure string, err error) error {
	if err == nil {
		a.metrics.answered(ctx, procedure, nil)
		return nil
	}
	answered, known := answerTo(err)
	if !known || answered.Code() == connect.CodeDataLoss {
		a.log.ErrorContext(ctx, "procedure failed", "procedure", procedure, "error", err)
	}
	a.metrics.answered(ctx, procedure, answered)
	return answered
}

// panicError is a panic that was kept from ending the process: one bad
// conversation, or one bad line here, stays one.
type panicError struct {
	value any
	stack []byte
}

// Error names a panic without its text, which may hold what somebody wrote.
func (e *panicError) Error() string {
	if cause, ok := e.value.(runtime.Error); ok {
		return fmt.Sprintf("panic: %v\n%s", cause, e.stack)
	}
	return fmt.Sprintf("panic: %T\n%s", e.value, e.stack)
}

// recovered is err, unless value is that of a panic.
func recovered(value any, err error) error {
	switch value {
	case nil:
		return err
	case http.ErrAbortHandler: // meant for net/http
		panic(value)
	}
	return &panicError{value, debug.Stack()}
}

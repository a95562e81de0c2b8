package traces

import (
	"context"
	"net/http"
	"strings"

	"connectrpc.com/connect"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const (
	statusKey = attribute.Key("http.response.status_code")
	codeKey   = attribute.Key("rpc.response.status_code")
	// ours begins the procedures that are recorded: health checks and reflection
	// come often, from anybody, and lead to nothing.
	ours = "/intervene."
)

// traceContext is W3C's, without what anybody may write into a tracestate.
var traceContext propagation.TraceContext

// Webhook records the POSTs that next serves. Who sends them is known only once
// next has looked at the signature: no traceparent of theirs counts.
func (t *Traces) Webhook(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || !t.drawn() {
			next.ServeHTTP(w, r)
			return
		}
		ctx, span := t.tracer.Start(r.Context(), "webhook", trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		answer := &answer{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(answer, r.WithContext(ctx))
		setStatus(span, answer.status, http.StatusInternalServerError)
	})
}

// setStatus tells the HTTP status, which is an error from failed on.
func setStatus(span trace.Span, status, failed int) {
	span.SetAttributes(statusKey.Int(status))
	if status == 0 || status >= failed {
		span.SetStatus(codes.Error, "")
	}
}

// answer notes the status.
type answer struct {
	http.ResponseWriter
	status int
}

// WriteHeader is the ResponseWriter's own.
func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap lets an http.ResponseController reach the deadlines.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Request records a request to the Graph API. Meta is not told of the trace.
func (t *Traces) Request(ctx context.Context, operation string) func(status int) {
	if !recording(ctx) {
		return nil
	}
	_, span := t.tracer.Start(ctx, "graph "+operation, trace.WithSpanKind(trace.SpanKindClient))
	return func(status int) {
		setStatus(span, status, http.StatusBadRequest)
		span.End()
	}
}

// Interceptor records unary calls. A caller has shown a token by then: when they
// record their call, this is a part of it, whatever share is recorded here.
func (t *Traces) Interceptor() connect.Interceptor {
	return connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
			procedure := request.Spec().Procedure
			caller := trace.SpanContextFromContext(traceContext.Extract(context.Background(), propagation.HeaderCarrier(request.Header())))
			if wanted := caller.IsSampled() || !caller.IsValid() && t.drawn(); !wanted || !strings.HasPrefix(procedure, ours) {
				return next(ctx, request)
			}
			ctx = trace.ContextWithRemoteSpanContext(ctx, caller.WithTraceState(trace.TraceState{}))
			ctx, span := t.tracer.Start(ctx, procedure[1:], trace.WithSpanKind(trace.SpanKindServer))
			defer span.End()
			response, err := next(ctx, request)
			setCode(span, err)
			return response, err
		}
	})
}

func setCode(span trace.Span, err error) {
	if err == nil {
		span.SetAttributes(codeKey.String("ok"))
		return
	}
	code := connect.CodeOf(err)
	span.SetAttributes(codeKey.String(code.String()))
	switch code {
	case connect.CodeInternal, connect.CodeUnknown, connect.CodeDataLoss, connect.CodeUnavailable, connect.CodeDeadlineExceeded, connect.CodeResourceExhausted:
		span.SetStatus(codes.Error, "")
	}
}

// Carry makes client's requests part of the span that they are made in.
func (t *Traces) Carry(client *http.Client) *http.Client {
	carrying := *client
	carrying.Transport = carrier{client.Transport}
	return &carrying
}

type carrier struct{ next http.RoundTripper }

// RoundTrip adds a traceparent.
func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	if recording(r.Context()) {
		r = r.Clone(r.Context())
		traceContext.Inject(r.Context(), propagation.HeaderCarrier(r.Header))
	}
	return c.next.RoundTrip(r)
}

// CloseIdleConnections is asked of a client.
func (c carrier) CloseIdleConnections() {
	(&http.Client{Transport: c.next}).CloseIdleConnections()
}

package traces

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
)

var _ actors.Tracer = (*Traces)(nil)

// prefix keeps attributes of ours apart from those that OpenTelemetry defines.
const prefix = "intervene."

// outcomeKey is the attribute of how something ended: ok, or the error's code.
const outcomeKey = attribute.Key(prefix + "outcome")

// Within begins a span within the one that ctx is in.
func (t *Traces) Within(ctx context.Context, name string) (context.Context, actors.Span) {
	if !recording(ctx) {
		return ctx, nil
	}
	return t.start(ctx, name)
}

// After begins a trace of what origin led to.
func (t *Traces) After(ctx context.Context, name string, origin engine.Trace) (context.Context, actors.Span) {
	from := contextOf(origin)
	if !from.IsValid() {
		return ctx, nil
	}
	return t.start(ctx, name, trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(trace.Link{SpanContext: from}))
}

// Begin begins a trace of what nothing recorded led to.
func (t *Traces) Begin(ctx context.Context, name string) (context.Context, actors.Span) {
	if !t.drawn() {
		return ctx, nil
	}
	return t.start(ctx, name, trace.WithNewRoot())
}

func (t *Traces) start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, actors.Span) {
	ctx, begun := t.tracer.Start(ctx, name, options...)
	return ctx, span{begun}
}

// recording reports whether ctx is in a span. Only what is recorded is ever begun.
func recording(ctx context.Context) bool { return trace.SpanFromContext(ctx).IsRecording() }

// span is one that is being recorded.
type span struct{ otel trace.Span }

// Trace is what later work is linked to.
func (s span) Trace() engine.Trace {
	c := s.otel.SpanContext()
	traceID, spanID := c.TraceID(), c.SpanID()
	origin := make([]byte, 0, engine.TraceBytes)
	origin = append(append(origin, traceID[:]...), spanID[:]...)
	return engine.Trace(append(origin, byte(c.TraceFlags())))
}

// contextOf reads what Trace wrote; the zero context if it is nothing of that.
func contextOf(origin engine.Trace) trace.SpanContext {
	if len(origin) != engine.TraceBytes {
		return trace.SpanContext{}
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID([]byte(origin[:16])), SpanID: trace.SpanID([]byte(origin[16:24])),
		TraceFlags: trace.TraceFlags(origin[24]), Remote: true,
	})
}

// Set adds attributes.
func (s span) Set(attributes ...slog.Attr) {
	set := make([]attribute.KeyValue, len(attributes))
	for i, a := range attributes {
		key := attribute.Key(prefix + a.Key)
		switch a.Value.Kind() {
		case slog.KindInt64:
			set[i] = key.Int64(a.Value.Int64())
		case slog.KindDuration:
			set[i] = key.Float64(a.Value.Duration().Seconds())
		default:
			set[i] = key.String(a.Value.String())
		}
	}
	s.otel.SetAttributes(set...)
}

// End ends it with the code of err, whose text may be anything.
func (s span) End(err error) {
	code := engine.CodeOf(err)
	switch {
	case err == nil:
		s.otel.SetAttributes(outcomeKey.String("ok"))
	case code == 0:
		s.otel.SetAttributes(outcomeKey.String("error"))
		s.otel.SetStatus(codes.Error, "")
	default:
		s.otel.SetAttributes(outcomeKey.String(code.String()))
		if isFailure(code) {
			s.otel.SetStatus(codes.Error, "")
		}
	}
	s.otel.End()
}

// isFailure tells what went wrong from what was refused.
func isFailure(code engine.Code) bool {
	switch code {
	case engine.CodeOverloaded, engine.CodeFenced, engine.CodeUnknownOutcome, engine.CodeFull,
		engine.CodeUnavailable, engine.CodeCorrupt, engine.CodeQuarantined:
		return true
	}
	return false
}

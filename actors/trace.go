package actors

import (
	"context"
	"log/slog"

	"github.com/intervenehq/intervene/engine"
)

// The names of spans.
const (
	spanCommand  = "command"
	spanCommit   = "commit"
	spanSend     = "send"
	spanTurn     = "turn"
	spanDownload = "download"
	spanTimer    = "timer"
)

// Attributes of spans, and of log lines where they have the same name.
const (
	attrConversation = "conversation"
	attrWorkspace    = "workspace"
	attrCommand      = "command"
	attrWait         = "wait"
	attrAttempt      = "attempt"
	attrState        = "state"
	attrTimer        = "timer"
)

// give asks for a command. It is recorded when whoever gives it is within a span:
// everything that it leads to later is then linked to this one.
func (r *Router) give(ctx context.Context, id engine.ConversationID, q *request) response {
	if r.tracer == nil {
		return r.ask(ctx, id, q)
	}
	ctx, span := r.tracer.Within(ctx, spanCommand)
	if span == nil {
		return r.ask(ctx, id, q)
	}
	q.span, q.command.Trace = span, span.Trace()
	workspace, kind := q.command.Workspace, commandNames[kindOf(q.command.Body)]
	answer := r.ask(ctx, id, q)
	if workspace == "" { // the engine's own commands name none
		workspace = answer.receipt.Card.Workspace
	}
	span.Set(slog.String(attrConversation, id.String()), slog.String(attrWorkspace, string(workspace)), slog.String(attrCommand, kind))
	span.End(answer.err)
	return answer
}

// commit appends what a command made of a conversation.
func (r *Router) commit(q *request, a engine.Append) (engine.Change, error) {
	if q.span == nil {
		return r.store.Append(a)
	}
	_, span := r.tracer.Within(q.ctx, spanCommit)
	change, err := r.store.Append(a)
	end(span, err)
	return change, err
}

// after begins a trace of what origin led to, if somebody records it.
func (r *Router) after(ctx context.Context, name string, origin engine.Trace) (context.Context, Span) {
	if r.tracer == nil || origin == "" {
		return ctx, nil
	}
	return r.tracer.After(ctx, name, origin)
}

// begin begins a trace of what the clock led to, if somebody records it.
func (r *Router) begin(ctx context.Context, name string) (context.Context, Span) {
	if r.tracer == nil {
		return ctx, nil
	}
	return r.tracer.Begin(ctx, name)
}

// end ends a span that may be none.
func end(s Span, err error) {
	if s != nil {
		s.End(err)
	}
}

package whatsapp

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// outcome decides how an attempt ended. What may have been sent is never
// Queued: Meta has no key by which it would know a second request as the same.
func (g *Graph) outcome(ctx context.Context, o engine.Outbound, answer graphAnswer) (engine.AttemptResult, time.Duration) {
	switch {
	case answer.status == 0 && answer.unsent:
		return g.queued(0, paceRetry, o.Attempt, 0)
	case answer.status == 0:
		return engine.AttemptResult{State: engine.Unknown}, 0
	case isSuccess(answer.status) && answer.external != "":
		return engine.AttemptResult{State: engine.Accepted, External: answer.external}, 0
	case answer.hasCode:
		return g.act(ctx, o, answer, actionOf(answer.code, answer.status))
	case isSuccess(answer.status):
		// Taken, but by no name that a status could be matched with; the op id
		// that the status echoes settles it.
		return engine.AttemptResult{State: engine.Unknown}, 0
	default:
		return g.act(ctx, o, answer, actionOfStatus(answer.status))
	}
}

func isSuccess(status int) bool {
	return status >= http.StatusOK && status < http.StatusMultipleChoices
}

// act does what the error asks for, as far as one attempt can.
func (g *Graph) act(ctx context.Context, o engine.Outbound, answer graphAnswer, todo action) (engine.AttemptResult, time.Duration) {
	switch todo {
	case actionRetryNumber:
		return g.queued(answer.code, paceRetry, o.Attempt, answer.retryAfter)
	case actionRetryQuota:
		return g.queued(answer.code, paceQuota, o.Attempt, answer.retryAfter)
	case actionRetryPair:
		return g.queued(answer.code, pacePair, o.Attempt, answer.retryAfter)
	case actionPause:
		// An expired token must cost nobody a message. The send waits long; that
		// the channel's other sends learn of it, and an operator ends the pause,
		// is for whoever paces channels.
		g.metrics.graphPauses.WithLabelValues(string(o.Channel)).Inc()
		g.logFailure(ctx, o.Channel, "the Graph API refuses the channel", slog.Group("answer",
			slog.Int("status", answer.status), slog.Int("code", int(answer.code))))
		return g.queued(answer.code, pacePause, o.Attempt, answer.retryAfter)
	case actionAmbiguous:
		if answer.unsent { // the answer came before the request went out
			return g.queued(answer.code, paceRetry, o.Attempt, answer.retryAfter)
		}
		return engine.AttemptResult{State: engine.Unknown, Error: answer.code}, 0
	default: // permanent, needs a template, next day, template wrong
		return engine.AttemptResult{State: engine.Rejected, Error: answer.code}, 0
	}
}

func (g *Graph) queued(code int32, pace pacing, attempt uint32, asked time.Duration) (engine.AttemptResult, time.Duration) {
	return engine.AttemptResult{State: engine.Queued, Error: code}, pace.wait(attempt, asked, g.draw)
}

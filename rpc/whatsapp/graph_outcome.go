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
		g.pace.failed(o.Channel)
		return g.retry(o, answer, paceRetry)
	case answer.status == 0:
		g.pace.failed(o.Channel)
		return engine.AttemptResult{State: engine.Unknown}, 0
	case isSuccess(answer.status) && answer.external != "":
		g.pace.served(o.Channel)
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
	case actionRetryNumber, actionRetryQuota:
		// It is the number that is too fast, not this send: none of it counts.
		pace := paceRetry
		if todo == actionRetryQuota {
			pace = paceQuota
		}
		wait := pace.wait(o.Attempt, answer.retryAfter, g.draw)
		g.pace.served(o.Channel)
		g.pace.tooFast(&o, wait, false)
		return held(answer.code), wait
	case actionRetryPair:
		g.pace.served(o.Channel)
		result, wait := g.retry(o, answer, pacePair)
		g.pace.tooFast(&o, wait, true)
		return result, wait
	case actionPause:
		// An expired token must cost nobody a message: the breaker holds the
		// number's other sends back until an operator has acted.
		g.metrics.graphPauses.WithLabelValues(string(o.Channel)).Inc()
		g.logFailure(ctx, o.Channel, "the Graph API refuses the channel", slog.Group("answer",
			slog.Int("status", answer.status), slog.Int("code", int(answer.code))))
		return held(answer.code), g.pace.paused(o.Channel, answer.retryAfter)
	case actionAmbiguous:
		g.pace.failed(o.Channel)
		if answer.unsent { // the answer came before the request went out
			return g.retry(o, answer, paceRetry)
		}
		return engine.AttemptResult{State: engine.Unknown, Error: answer.code, Detail: answer.detail}, 0
	default: // permanent, needs a template, next day, template wrong
		g.pace.served(o.Channel)
		if answer.code == errorUploadFailed {
			g.uploads.forget(&o)
		}
		return engine.AttemptResult{State: engine.Rejected, Error: answer.code, Detail: answer.detail}, 0
	}
}

// held puts a send off for a reason that is its number's.
func held(code int32) engine.AttemptResult {
	return engine.AttemptResult{State: engine.Queued, Error: code, Held: true}
}

// retry puts a send off for a reason of its own. When too many of the number's
// sends are retries it waits as for a quota.
func (g *Graph) retry(o engine.Outbound, answer graphAnswer, pace pacing) (engine.AttemptResult, time.Duration) {
	if !g.pace.mayRetry(o.Channel) && pace.longest < paceQuota.longest {
		pace = paceQuota
	}
	return engine.AttemptResult{State: engine.Queued, Error: answer.code, Detail: answer.detail}, pace.wait(o.Attempt, answer.retryAfter, g.draw)
}

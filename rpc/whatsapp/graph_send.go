package whatsapp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// Send makes one attempt and says how it ended: Accepted with the message's
// name, Rejected, Unknown, or Queued for what was surely not sent, to be tried
// again after retryAfter. RetryAt is left to the caller, who has the clock.
//
// It returns within GraphTimeout. When ctx ends sooner the attempt ends as it
// would at a time-out: Queued if nothing was written, else Unknown.
func (g *Graph) Send(ctx context.Context, o engine.Outbound) (result engine.AttemptResult, retryAfter time.Duration) {
	start := time.Now()
	code := codeLabelNone
	defer func() {
		g.metrics.graphRequest(operationSend, result.State, code, time.Since(start))
	}()

	channel, ok := g.served.Load().channel(o.Channel)
	if !ok {
		g.metrics.graphPauses.WithLabelValues(unknownChannelLabel).Inc()
		g.logFailure(ctx, o.Channel, "send to a channel that is not configured", slog.Int("attempt", int(o.Attempt)))
		return held(0), g.pace.paused(o.Channel, 0)
	}
	files, problem := g.files(ctx, channel, o)
	if problem != nil {
		code = codeLabelOf(problem.answer)
		return g.unprepared(ctx, o, problem)
	}
	body, err := encodeSend(o, files)
	if err != nil {
		g.logFailure(ctx, o.Channel, "send cannot be encoded", slog.Any("error", err))
		return engine.AttemptResult{State: engine.Rejected}, 0
	}
	answer := g.post(ctx, operationSend, channel, channel.messagesURL, contentJSON, body)
	if answer.failure != nil {
		g.logFailure(ctx, o.Channel, "no answer from the Graph API", slog.Any("error", answer.failure))
	}
	code = codeLabelOf(answer)
	return g.outcome(ctx, o, answer)
}

// unknownChannelLabel keeps names that are not configured out of the metrics.
const unknownChannelLabel = "unknown"

const contentJSON = "application/json"

// graphAnswer is what came back of one request.
type graphAnswer struct {
	unsent     bool  // nothing of the request's body was written
	failure    error // no answer, or none that could be read
	status     int
	retryAfter time.Duration
	external   string
	code       int32
	hasCode    bool
	detail     string // what Meta says of the error
	body       []byte // the whole answer
}

// post makes one request that is never repeated by itself.
func (g *Graph) post(
	ctx context.Context, operation graphOperation, channel graphChannel, address, contentType string, content []byte,
) (answer graphAnswer) {
	if g.tracer != nil {
		if answered := g.tracer.Request(ctx, string(operation)); answered != nil {
			defer func() { answered(answer.status) }()
		}
	}
	ctx, cancel := context.WithTimeout(ctx, GraphTimeout)
	defer cancel()
	body := newOnceBody(content)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, body)
	if err != nil {
		return graphAnswer{unsent: body.seal(), failure: fmt.Errorf("make the request: %w", withoutURL(err))}
	}
	request.ContentLength = int64(len(content))
	request.Header.Set("Authorization", channel.authorization)
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Accept", contentJSON)

	response, err := g.client.Do(request)
	if err != nil {
		return graphAnswer{unsent: body.seal(), failure: withoutURL(err)}
	}
	answer = readAnswer(response)
	answer.unsent = body.seal()
	return answer
}

// withoutURL is err without the URL that net/http puts before it.
func withoutURL(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	return err
}

func readAnswer(response *http.Response) graphAnswer {
	answer := graphAnswer{status: response.StatusCode, retryAfter: retryAfter(response.Header, time.Now())}
	text, err := io.ReadAll(io.LimitReader(response.Body, graphMaxAnswerBytes+1))
	closeErr := response.Body.Close()
	if err := errors.Join(err, closeErr); err != nil {
		answer.failure = fmt.Errorf("read the answer: %w", err)
		return answer
	}
	if len(text) > graphMaxAnswerBytes {
		answer.failure = errors.New("answer is too large")
		return answer
	}
	answer.body = text
	var parsed struct {
		Messages json.RawMessage `json:"messages"`
		Error    json.RawMessage `json:"error"`
	}
	if !object(bytes.TrimSpace(text), &parsed) {
		return answer
	}
	answer.external = firstMessageID(parsed.Messages)
	answer.code, answer.detail, answer.hasCode = graphError(parsed.Error)
	return answer
}

// graphError reads Meta's error object.
func graphError(raw json.RawMessage) (code int32, detail string, ok bool) {
	var failed struct {
		Code    *int32          `json:"code"`
		Message lenientString   `json:"message"`
		Data    json.RawMessage `json:"error_data"`
	}
	if !object(raw, &failed) || failed.Code == nil {
		return 0, "", false
	}
	var data struct {
		Details lenientString `json:"details"`
	}
	detail = string(failed.Message)
	if object(failed.Data, &data) && data.Details != "" {
		detail = string(data.Details)
	}
	return *failed.Code, clip(detail, MaxDetailBytes), true
}

func firstMessageID(raw json.RawMessage) string {
	messages, ok := list(raw)
	if !ok || len(messages) == 0 {
		return ""
	}
	var first struct {
		ID string `json:"id"`
	}
	if !object(messages[0], &first) || len(first.ID) > MaxExternalBytes {
		return ""
	}
	return first.ID
}

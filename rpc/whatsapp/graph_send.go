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

// textMessage is the body of a send, as Meta names it.
type textMessage struct {
	Product       string `json:"messaging_product"`
	RecipientType string `json:"recipient_type"`
	To            string `json:"to,omitempty"`
	Recipient     string `json:"recipient,omitempty"`
	Type          string `json:"type"`
	Text          struct {
		Body       string `json:"body"`
		PreviewURL bool   `json:"preview_url"`
	} `json:"text"`
	// OpaqueCallbackData comes back in every status of the message.
	OpaqueCallbackData string `json:"biz_opaque_callback_data"`
}

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

	channel, ok := g.channels[o.Channel]
	if !ok {
		g.metrics.graphPauses.WithLabelValues(unknownChannelLabel).Inc()
		g.logFailure(ctx, o.Channel, "send to a channel that is not configured", slog.Int("attempt", int(o.Attempt)))
		return g.queued(0, pacePause, o.Attempt, 0)
	}
	body, err := encodeSend(o)
	if err != nil {
		g.logFailure(ctx, o.Channel, "send cannot be encoded", slog.Any("error", err))
		return engine.AttemptResult{State: engine.Rejected}, 0
	}
	answer := g.post(ctx, channel, body)
	if answer.failure != nil {
		g.logFailure(ctx, o.Channel, "no answer from the Graph API", slog.Any("error", answer.failure))
	}
	if answer.hasCode {
		code = codeLabel(answer.code)
	}
	return g.outcome(ctx, o, answer)
}

// unknownChannelLabel keeps names that are not configured out of the metrics.
const unknownChannelLabel = "unknown"

func encodeSend(o engine.Outbound) ([]byte, error) {
	if o.Content.Kind != engine.ContentText {
		return nil, fmt.Errorf("content of kind %s cannot be sent", o.Content.Kind)
	}
	m := textMessage{Product: "whatsapp", RecipientType: "individual", Type: "text", OpaqueCallbackData: o.ID.String()}
	m.Text.Body = o.Content.Text
	switch {
	case o.To.WaID != "":
		m.To = "+" + o.To.WaID
	case o.To.UserID != "":
		m.Recipient = o.To.UserID
	default:
		return nil, errors.New("contact has no identity")
	}
	body, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode the send: %w", err)
	}
	return body, nil
}

// graphAnswer is what came back of one request.
type graphAnswer struct {
	unsent     bool  // nothing of the request's body was written
	failure    error // no answer, or none that could be read
	status     int
	retryAfter time.Duration
	external   string
	code       int32
	hasCode    bool
}

func (g *Graph) post(ctx context.Context, channel graphChannel, content []byte) graphAnswer {
	ctx, cancel := context.WithTimeout(ctx, GraphTimeout)
	defer cancel()
	body := newOnceBody(content)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, channel.messagesURL, body)
	if err != nil {
		return graphAnswer{unsent: body.seal(), failure: fmt.Errorf("make the request: %w", withoutURL(err))}
	}
	request.ContentLength = int64(len(content))
	request.Header.Set("Authorization", channel.authorization)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")

	response, err := g.client.Do(request)
	if err != nil {
		return graphAnswer{unsent: body.seal(), failure: withoutURL(err)}
	}
	answer := readAnswer(response)
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
	var parsed struct {
		Messages json.RawMessage `json:"messages"`
		Error    json.RawMessage `json:"error"`
	}
	if !object(bytes.TrimSpace(text), &parsed) {
		return answer
	}
	answer.external = firstMessageID(parsed.Messages)
	var failed struct {
		Code *int32 `json:"code"`
	}
	if object(parsed.Error, &failed) && failed.Code != nil {
		answer.code, answer.hasCode = *failed.Code, true
	}
	return answer
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

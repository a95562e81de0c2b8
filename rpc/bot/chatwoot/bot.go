package chatwoot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// maxDiscarded bounds what is read of an answer to a webhook, which says nothing.
const maxDiscarded = 64 << 10

// Options are what one workspace's bot is told with. All but AnswerWithin are
// required.
type Options struct {
	// HTTP carries the events; redirects are not followed, whatever it says of them.
	HTTP *http.Client
	// URL is the bot's webhook.
	URL       string
	Workspace engine.WorkspaceID
	// Account is the number that the workspace has for its bot.
	Account int64
	// AnswerWithin is how long an answer is waited for; 0: engine.DefaultTurnWait.
	AnswerWithin time.Duration
}

// Bot is one workspace's bot. It may be used from many goroutines.
type Bot struct {
	options Options
	client  http.Client
	numbers *numbers
}

// NewBot makes the bot of a workspace. Its calls are taken once Serve was told of it.
func (g *Gateway) NewBot(o Options) *Bot {
	b := &Bot{options: o, client: *o.HTTP, numbers: g.numbers}
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b
}

// Turn tells the bot what happened, event by event.
func (b *Bot) Turn(ctx context.Context, r engine.TurnRequest) (engine.TurnAnswer, error) {
	t, err := b.numbers.of(r.Workspace, r.ID.Conversation)
	if err != nil {
		return engine.TurnAnswer{}, err
	}
	t.mu.Lock()
	t.epoch, t.from, t.through = r.Epoch, r.ID.Version, r.Through
	t.mu.Unlock()
	for i, e := range b.events(&r) {
		if err := b.post(ctx, e); err != nil {
			if i > 0 && engine.CodeOf(err) == engine.CodeUnavailable {
				return engine.TurnAnswer{}, errors.New("bot went away within a turn") // which it has begun with
			}
			return engine.TurnAnswer{}, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.from != r.ID.Version:
		return engine.TurnAnswer{Given: true}, nil // it was quicker than its webhook
	case len(r.Messages) == 0 || r.Column == engine.Requesting:
		t.from = 0
		return engine.TurnAnswer{}, nil // nobody waits for the bot alone
	}
	return engine.TurnAnswer{Accepted: true, Within: b.options.AnswerWithin}, nil
}

// post sends one event. Only what surely did not arrive is engine.CodeUnavailable.
func (b *Bot) post(ctx context.Context, e event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return errors.New("event cannot be said in JSON")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.options.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("bot has an URL that cannot be used")
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := b.client.Do(request)
	if err != nil {
		return failure(ctx, err)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, maxDiscarded)) // the connection is used again
	if closeErr := response.Body.Close(); err == nil {
		err = closeErr
	}
	switch {
	case response.StatusCode < 200 || response.StatusCode > 299:
		return fmt.Errorf("bot answered with HTTP status %d", response.StatusCode)
	case err != nil:
		return failure(ctx, err)
	}
	return nil
}

// failure is err without the URL, which is the operator's business.
func failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("bot did not answer: %w", ctx.Err())
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		return engine.Errorf(engine.CodeUnavailable, "bot cannot be reached: %w", e)
	}
	return errors.New("bot broke the connection off")
}

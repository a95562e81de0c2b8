package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/intervenehq/intervene/engine"
)

// WebhookPattern is where a [Webhook] is mounted on an [http.ServeMux].
const WebhookPattern = "/webhooks/whatsapp/{app}"

const (
	// WebhookTimeout bounds the wait for the Inbox. Meta gives up sooner or
	// later and delivers again.
	WebhookTimeout = 20 * time.Second
	// BodyTimeout bounds the reading of one body.
	BodyTimeout = 10 * time.Second
	// MaxChallengeBytes bounds what a handshake makes us echo.
	MaxChallengeBytes = 256

	retryAfterSeconds = "2"
)

// Webhook is the handler that Meta delivers to. It keeps nothing between two
// requests. All methods are safe for concurrent use.
type Webhook struct {
	apps       atomic.Pointer[map[AppID]*webhookApp] // replaced by Reconfigure; a request reads it once
	inbox      Inbox
	logger     *slog.Logger
	metrics    *Metrics
	bytes      budget
	deliveries budget
	contacts   shares
	arrived    func(engine.ChannelID, int)
	shed       func() bool
}

// webhookApp is one app with the channels whose items count under its secrets.
type webhookApp struct {
	App
	channels map[PhoneNumberID]Channel
}

// NewWebhook makes the handler of all of config's apps.
func NewWebhook(config Config, inbox Inbox, logger *slog.Logger, metrics *Metrics) (*Webhook, error) {
	h := &Webhook{
		inbox:      inbox,
		logger:     logger,
		metrics:    metrics,
		bytes:      budget{limit: MaxInflightBytes, gauge: metrics.inflightBytes},
		deliveries: budget{limit: MaxInflightDeliveries, gauge: metrics.inflightDeliveries},
		contacts:   shares{used: make(map[sharer]int)},
		arrived:    config.Arrived,
		shed:       config.Shed,
	}
	serve, err := h.Reconfigure(config)
	if err != nil {
		return nil, err
	}
	serve()
	return h, nil
}

// Reconfigure makes the apps and channels of config ready, and answers what puts them
// into force, for requests that begin after it; config's other fields are not looked
// at. Items of a number that is gone are those of an unknown one: logged, counted, and
// answered 200, so that Meta does not keep delivering them.
func (h *Webhook) Reconfigure(config Config) (serve func(), err error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("configure the webhook: %w", err)
	}
	config = config.withDefaults()
	apps := make(map[AppID]*webhookApp, len(config.Apps))
	for _, app := range config.Apps {
		apps[app.ID] = &webhookApp{App: app, channels: make(map[PhoneNumberID]Channel)}
	}
	for _, channel := range config.Channels {
		apps[channel.App].channels[channel.PhoneNumberID] = channel
	}
	return func() { h.apps.Store(&apps) }, nil
}

// ServeHTTP answers a handshake or a delivery for the app that the path names.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	answer := h.serve(w, r)
	h.metrics.ack(answer, time.Since(start))
}

func (h *Webhook) serve(w http.ResponseWriter, r *http.Request) ack {
	app, ok := (*h.apps.Load())[AppID(r.PathValue("app"))]
	switch {
	case !ok:
		return refuse(w, ackNotFound)
	case r.Method == http.MethodGet:
		return app.handshake(w, r)
	case r.Method == http.MethodPost:
		return h.deliver(w, r, app)
	default:
		w.Header().Set("Allow", "GET, POST")
		return refuse(w, ackMethodNotAllowed)
	}
}

// handshake proves to Meta that this is the webhook that was registered. The
// challenge is the caller's own text: it goes back as plain text only.
func (a *webhookApp) handshake(w http.ResponseWriter, r *http.Request) ack {
	query := r.URL.Query()
	if query.Get("hub.mode") != "subscribe" || !sameToken(a.VerifyToken, query.Get("hub.verify_token")) {
		return refuse(w, ackForbidden)
	}
	challenge := query.Get("hub.challenge")
	if challenge == "" || len(challenge) > MaxChallengeBytes {
		return refuse(w, ackBadRequest)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if _, err := io.WriteString(w, challenge); err != nil { // #nosec G705 -- plain text, nosniff, and behind the verify token
		return ackHungUp
	}
	return ackHandshake
}

// deliver reads, verifies, parses and hands over, in that order. Nothing of a
// body is looked at before its signature fits.
func (h *Webhook) deliver(w http.ResponseWriter, r *http.Request, app *webhookApp) ack {
	if h.shed != nil && h.shed() {
		w.Header().Set("Connection", "close") // its body is not read
		return refuse(w, ackUnavailable)
	}
	body, held, err := h.read(w, r)
	defer h.bytes.give(held)
	switch {
	case errors.Is(err, errTooLarge):
		w.Header().Set("Connection", "close") // the rest of it is not read
		return refuse(w, ackTooLarge)
	case errors.Is(err, errFull):
		w.Header().Set("Connection", "close")
		return refuse(w, ackUnavailable)
	case err != nil:
		return refuse(w, ackHungUp)
	case !signedBy(app.AppSecrets, r.Header.Get(signatureHeader), body):
		return refuse(w, ackUnauthorized)
	}
	if !h.deliveries.take(1) {
		return refuse(w, ackUnavailable)
	}
	defer h.deliveries.give(1)

	d, err := parse(body, app.channels)
	if err != nil {
		return refuse(w, ackBadRequest)
	}
	h.metrics.delivered(d, time.Now())
	h.logOddities(r.Context(), app.ID, d)
	h.count(d.items)
	if !h.receive(r.Context(), app.ID, d.items) {
		return refuse(w, ackUnavailable)
	}
	w.WriteHeader(http.StatusOK)
	return ackOK
}

// count tells of the customers' messages, which use their numbers' throughput.
func (h *Webhook) count(items []engine.Inbound) {
	if h.arrived == nil {
		return
	}
	messages := make(map[engine.ChannelID]int)
	for i := range items {
		if items[i].Message != nil {
			messages[items[i].Channel]++
		}
	}
	for channel, n := range messages {
		h.arrived(channel, n)
	}
}

// read reads the body within BodyTimeout. The deadline needs no lifting: past it
// the server ends the request's context, on which nothing here rests, and it
// sets another before the next request.
func (h *Webhook) read(w http.ResponseWriter, r *http.Request) (body []byte, held int64, err error) {
	// A writer that knows no deadlines has an owner who bounds the reading.
	deadline := time.Now().Add(BodyTimeout)
	if err := http.NewResponseController(w).SetReadDeadline(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, 0, fmt.Errorf("set the body's deadline: %w", err)
	}
	return readBody(r.Body, &h.bytes)
}

// receive reports whether all of items are settled, so that Meta need not
// deliver them again.
//
// It does not stop when the client hangs up. Stopping would do no harm, for
// what is durable is recognised when it comes again; but clients hang up when
// we are slow, and to drop work half-done, only to be sent it again, makes that
// worse. WebhookTimeout and MaxInflightDeliveries bound what goes on unheard.
func (h *Webhook) receive(ctx context.Context, app AppID, items []engine.Inbound) bool {
	admitted, taken := h.contacts.take(items)
	defer h.contacts.give(taken)
	all := len(admitted) == len(items)
	if !all {
		h.metrics.undurable.WithLabelValues(engine.CodeOverloaded.String()).Add(float64(len(items) - len(admitted)))
	}
	if len(admitted) == 0 {
		return all
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), WebhookTimeout)
	defer cancel()
	errs := h.inbox.Receive(ctx, admitted)
	if len(errs) != len(admitted) {
		panic(fmt.Sprintf("inbox answered %d errors for %d items", len(errs), len(admitted)))
	}
	return h.settle(ctx, app, errs) && all
}

// settle counts what the Inbox answered, and reports whether nothing is to come
// again.
func (h *Webhook) settle(ctx context.Context, app AppID, errs []error) bool {
	all := true
	var refusals, failures map[engine.Code]int
	for _, err := range errs {
		switch {
		case refused(err):
			refusals = counted(refusals, engine.CodeOf(err))
		case !settled(err):
			failures = counted(failures, engine.CodeOf(err))
			all = false
		}
	}
	for code, n := range refusals {
		h.metrics.refused.WithLabelValues(code.String()).Add(float64(n))
		h.logger.LogAttrs(ctx, slog.LevelWarn, "webhook items refused for good",
			slog.String("app", string(app)), slog.String("code", code.String()), slog.Int("items", n))
	}
	for code, n := range failures {
		h.metrics.undurable.WithLabelValues(code.String()).Add(float64(n))
	}
	return all
}

// counted is counts with one more of code: mostly there is nothing to count.
func counted(counts map[engine.Code]int, code engine.Code) map[engine.Code]int {
	if counts == nil {
		counts = make(map[engine.Code]int)
	}
	counts[code]++
	return counts
}

// logOddities keeps a record, without content, of what was not taken in, of what
// Meta reported and of the other fields.
func (h *Webhook) logOddities(ctx context.Context, app AppID, d delivery) {
	for what, n := range d.oddities {
		h.logger.LogAttrs(ctx, slog.LevelWarn, "webhook item not taken in",
			slog.String("app", string(app)), slog.String("kind", string(what.kind)), slog.String("reason", string(what.reason)), slog.Int("items", n))
	}
	for code, n := range d.codes {
		h.logger.LogAttrs(ctx, slog.LevelWarn, "webhook reports an error",
			slog.String("app", string(app)), slog.Int("code", int(code)), slog.Int("errors", n))
	}
	for field, n := range d.fields {
		h.logger.LogAttrs(ctx, slog.LevelInfo, "webhook field recorded",
			slog.String("app", string(app)), slog.String("field", field), slog.Int("changes", n))
	}
}

// refuse answers with no more than the status's own text.
func refuse(w http.ResponseWriter, answer ack) ack {
	status := answer.status()
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfterSeconds)
	}
	http.Error(w, http.StatusText(status), status)
	return answer
}

// Package standin is a stand-in for the part of Meta's Graph API that
// WhatsApp numbers are served from. It takes sends, refuses what Meta refuses,
// walks accepted sends through their statuses, keeps media, lists templates,
// lets customers write whatever they can write, and offers all of it to a
// webhook as signed, batched, repeated and reordered POSTs. Faults are injected
// by rule and drawn from a seed. What it accepted and what it offered stands in
// a delivery log, so that a test can compare it with what the receiver claims.
//
// It never talks to Meta, never imports the engine it is pointed at (a bug
// shared with its subject would hide from both), never opens a listener, and
// never writes message text or a phone number to a log.
package standin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of the Graph's Go API. The HTTP endpoints answer in Graph's own shape.
var (
	ErrClosed        = errors.New("stand-in is closed")
	ErrUnknownNumber = errors.New("no such phone number ID")
	ErrUnknownApp    = errors.New("no such app")
	ErrFull          = errors.New("stand-in is full")
	ErrInvalid       = errors.New("invalid input")
)

// Graph is one running stand-in. All methods are safe for concurrent use.
type Graph struct {
	config  Config
	seed    seed
	logger  *slog.Logger
	numbers map[PhoneNumberID]*number // fixed by New
	apps    map[AppID]*dispatcher     // fixed by New

	contacts  *contacts
	templates templates
	media     *mediaStore
	faults    *faults
	log       *deliveryLog
	counters  counters
	base      atomic.Pointer[string] // where Handler is served, once known

	// ctx ends every stall, webhook POST and wait. Close cancels it.
	ctx       context.Context
	cancel    context.CancelFunc
	owned     *http.Transport // nil when the caller brought its own
	running   sync.WaitGroup  // one pump per app; each pump waits for its POSTs
	closeOnce sync.Once
}

// number is one configured WhatsApp number with what the stand-in tracks of it.
type number struct {
	Number
	self Identity // that it sends from, if its display number is one
	app  *dispatcher
	rate *rateLimit // nil when the number's rate is not limited
}

// New checks the config and starts one webhook dispatcher for each app. The
// caller owns the Graph and must Close it.
func New(config Config) (*Graph, error) {
	config = config.withDefaults()
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("configure the stand-in: %w", err)
	}
	g := &Graph{
		config:  config,
		seed:    newSeed(config.Seed),
		logger:  config.Logger,
		numbers: make(map[PhoneNumberID]*number, len(config.Numbers)),
		apps:    make(map[AppID]*dispatcher, len(config.Apps)),
	}
	g.config.Seed = uint64(g.seed)
	g.contacts = newContacts(config.ContactLimit)
	g.faults = newFaults(g.seed)
	g.log = newDeliveryLog(config.LogLimit)
	g.media = newMediaStore(g.seed, config.MediaLimit)
	g.templates.checked = config.Templates != nil
	g.base.Store(&config.BaseURL)
	g.ctx, g.cancel = context.WithCancel(context.Background())

	client := g.webhookClient()
	for _, app := range config.Apps {
		g.apps[app.ID] = newDispatcher(g, app, client)
	}
	for _, n := range config.Numbers {
		self, _ := ParseIdentity(n.DisplayPhoneNumber) // none, then nobody is it
		g.numbers[n.ID] = &number{
			Number: n,
			self:   self,
			app:    g.apps[n.App],
			rate:   newNumberRate(config.NumberRate),
		}
	}
	if err := g.addConfigured(); err != nil {
		g.cancel()
		return nil, fmt.Errorf("configure the stand-in: %w", err)
	}
	for _, d := range g.apps {
		g.running.Go(func() { d.run(g.ctx) })
	}
	return g, nil
}

func (g *Graph) addConfigured() error {
	for _, template := range g.config.Templates {
		if err := g.SetTemplate(template); err != nil {
			return err
		}
	}
	for _, rule := range g.config.Faults {
		if _, err := g.AddFault(rule); err != nil {
			return err
		}
	}
	return nil
}

// Seed is the seed in use: the configured one, or the one that New drew.
func (g *Graph) Seed() uint64 { return uint64(g.seed) }

// SetWebhookURL points an app's webhook elsewhere, as when the receiver came
// back on another port. What is still pending goes to the new address.
func (g *Graph) SetWebhookURL(app AppID, address string) error {
	d, ok := g.apps[app]
	if !ok {
		return ErrUnknownApp
	}
	if err := checkURL(address); err != nil {
		return fmt.Errorf("%w: webhook URL: %w", ErrInvalid, err)
	}
	d.url.Store(&address)
	return nil
}

// SetBaseURL says where Handler is served, as once a test's server has its port.
func (g *Graph) SetBaseURL(address string) error {
	if err := checkURL(address); err != nil {
		return fmt.Errorf("%w: base URL: %w", ErrInvalid, err)
	}
	g.base.Store(&address)
	return nil
}

// Settle waits until no webhook item is pending: each was answered 200 or
// given up. Writers that go on writing keep it waiting.
func (g *Graph) Settle(ctx context.Context) error {
	for _, d := range g.apps {
		if err := d.waitIdle(ctx); err != nil {
			return fmt.Errorf("settle the stand-in: %w", err)
		}
	}
	return nil
}

// Close stops the dispatchers, ends stalled answers and waits for every
// goroutine of the stand-in. What was still pending is not offered any more;
// the delivery log stays readable.
func (g *Graph) Close() {
	g.closeOnce.Do(func() {
		g.cancel()
		g.running.Wait()
		if g.owned != nil {
			g.owned.CloseIdleConnections()
		}
	})
}

// webhookClient is shared by all apps: keep-alive connections are what lets one
// core offer thousands of items per second.
func (g *Graph) webhookClient() *http.Client {
	transport := g.config.Transport
	if transport == nil {
		g.owned = &http.Transport{
			MaxIdleConns:        g.config.Webhook.Parallelism * len(g.config.Apps),
			MaxIdleConnsPerHost: g.config.Webhook.Parallelism * len(g.config.Apps),
			IdleConnTimeout:     webhookIdleTimeout,
			DisableCompression:  true,
		}
		transport = g.owned
	}
	return &http.Client{
		Transport: transport,
		// A redirect is an answer other than 200, and is treated as one.
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// hold waits for d and reports whether it passed undisturbed.
func (g *Graph) hold(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	case <-g.ctx.Done():
		return false
	}
}

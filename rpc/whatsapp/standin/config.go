package standin

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

// Defaults and bounds of a Config. Zero in the Config means the default.
const (
	DefaultMaxBatch          = 25
	DefaultParallelism       = 8
	DefaultQueueLimit        = 200_000
	DefaultMaxOffers         = 25
	DefaultWebhookTimeout    = 10 * time.Second
	DefaultRedeliveryFirst   = time.Second
	DefaultRedeliveryLongest = time.Hour
	DefaultRedeliveryFactor  = 2
	DefaultContactLimit      = 1_000_000
	DefaultLogLimit          = 1_000_000
	DefaultMediaLimit        = 256 << 20

	maxBatchLimit       = 1_000 // updates in one POST of Meta's
	maxParallelism      = 1_024
	maxStatusSteps      = 8
	webhookIdleTimeout  = 90 * time.Second
	maxWebhookBytes     = 3 << 20 // body of one POST of Meta's
	maxSendBytes        = 1 << 20
	maxObjectBytes      = 256 << 10
	maxAnswerBytes      = 64 << 10 // read of a webhook answer, to keep the connection
	maxMediaFiles       = 1_000_000
	customerServiceTime = 24 * time.Hour
)

// Config says what the stand-in serves and how hostile it is. The zero value
// of each field but Apps and Numbers is a sound default.
type Config struct {
	// Seed decides every draw. Zero draws a seed; see Graph.Seed.
	Seed    uint64
	Apps    []App
	Numbers []Number

	// Statuses is the walk of an accepted send. Nil means DefaultStatuses; an
	// empty, non-nil walk sends no status.
	Statuses []StatusStep
	// Billing adds conversation and pricing to the sent and delivered statuses.
	Billing bool
	// Window says what happens to a free-form send outside the 24 hours.
	Window WindowPolicy
	// Templates are what a send of type template is checked against, and what
	// is listed. Nil: none is listed, and any may be sent.
	Templates []Template
	// RefuseOptedOut answers a marketing template to a contact who has opted
	// out with error 131050; else it is accepted, and fails with that.
	RefuseOptedOut bool
	// WAIDs is what WhatsApp knows a number by, where that is not the number
	// that is sent to: as in Brazil, with or without the ninth digit.
	WAIDs map[Identity]Identity
	// CheckMedia refuses a send with a media ID that was not uploaded here.
	CheckMedia bool
	// NumberRate is messages per second of one number, in and out together.
	// Zero: not limited. Meta's is 80, or 1,000 once upgraded.
	NumberRate int
	// PairInterval and PairBurst limit one number towards one contact. Zero:
	// not limited. Meta's are 6 s and 45.
	PairInterval time.Duration
	PairBurst    int

	Webhook WebhookConfig
	Faults  []Rule

	// BaseURL is where Handler is served, for the URLs of media in webhooks.
	// Empty: webhooks have none until SetBaseURL, and answers name the host
	// that they were asked at.
	BaseURL string

	// OnMessage hears of each message that reaches its customer, before the
	// sender has its answer: a customer may well reply first. OnAck hears of
	// each answered webhook POST. Both run on the stand-in's own goroutines
	// and must return soon.
	OnMessage func(Delivery)
	OnAck     func(Ack)

	// Transport carries the webhooks. Nil: the stand-in's own, kept alive.
	Transport http.RoundTripper
	// Logger hears of webhook items given up. Nil: nothing is logged.
	Logger *slog.Logger

	ContactLimit int   // contacts tracked, all numbers together
	LogLimit     int   // sends, and webhook items, kept in the delivery log
	MediaLimit   int64 // bytes of media kept in memory
}

// App is one app of Meta's: where its webhook is and what signs it.
type App struct {
	ID     AppID
	Secret string
	// WebhookURL may be empty until SetWebhookURL; offers fail until then.
	WebhookURL string
}

// Number is one WhatsApp number.
type Number struct {
	ID                 PhoneNumberID
	DisplayPhoneNumber string
	Business           BusinessID
	AccessToken        string
	App                AppID
}

// WebhookConfig shapes the POSTs and their redelivery.
type WebhookConfig struct {
	MaxBatch    int // items in one POST
	Parallelism int // POSTs in flight for one app
	QueueLimit  int // items pending for one app; see Graph.WriteText
	// Gather holds items until the next multiple of itself, so that they share
	// a POST. Zero: an item waits only while all POSTs are in flight.
	Gather time.Duration
	// Shuffle puts the items of one POST into an order drawn from the seed.
	Shuffle bool
	Timeout time.Duration // of one POST

	// An item not answered 200 is offered again after RedeliveryFirst, then
	// after RedeliveryFactor times as long, at most RedeliveryLongest, and
	// given up after MaxOffers in all.
	RedeliveryFirst   time.Duration
	RedeliveryFactor  float64
	RedeliveryLongest time.Duration
	MaxOffers         int
}

// WindowPolicy says what meets a free-form send outside the 24-hour window.
type WindowPolicy int

const (
	WindowIgnored WindowPolicy = iota // accepted
	WindowFails                       // accepted, then a failed status with 131047
	WindowRefused                     // answered with error 131047
)

func (c Config) withDefaults() Config {
	if c.Statuses == nil {
		c.Statuses = DefaultStatuses()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&c.ContactLimit, DefaultContactLimit)
	setDefault(&c.LogLimit, DefaultLogLimit)
	setDefault(&c.MediaLimit, DefaultMediaLimit)
	w := &c.Webhook
	setDefault(&w.MaxBatch, DefaultMaxBatch)
	setDefault(&w.Parallelism, DefaultParallelism)
	setDefault(&w.QueueLimit, DefaultQueueLimit)
	setDefault(&w.MaxOffers, DefaultMaxOffers)
	setDefault(&w.Timeout, DefaultWebhookTimeout)
	setDefault(&w.RedeliveryFirst, DefaultRedeliveryFirst)
	setDefault(&w.RedeliveryFactor, DefaultRedeliveryFactor)
	setDefault(&w.RedeliveryLongest, max(DefaultRedeliveryLongest, w.RedeliveryFirst))
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports everything that is wrong with the config, once the defaults
// stand in for what is zero.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...))
	}
	c.validateIdentities(bad)
	c.validateStatuses(bad)
	c.Webhook.validate(bad)
	if c.Window < WindowIgnored || c.Window > WindowRefused {
		bad("window policy %d does not exist", c.Window)
	}
	if c.NumberRate < 0 || c.PairInterval < 0 || c.PairBurst < 0 {
		bad("rates must not be negative")
	}
	if (c.PairInterval == 0) != (c.PairBurst == 0) {
		bad("pair interval and pair burst go together")
	}
	if c.ContactLimit < 1 || c.LogLimit < 1 || c.MediaLimit < 1 {
		bad("contact limit, log limit and media limit must be positive")
	}
	for dialled, known := range c.WAIDs {
		if !digitsPattern.MatchString(dialled.String()) || !digitsPattern.MatchString(known.String()) {
			bad("a wa_id is 5 to 15 digits")
		}
	}
	if err := checkURL(c.BaseURL); err != nil {
		bad("base URL: %w", err)
	}
	return errors.Join(errs...)
}

func (c Config) validateIdentities(bad func(string, ...any)) {
	if len(c.Apps) == 0 || len(c.Numbers) == 0 {
		bad("at least one app and one number are needed")
	}
	apps := make(map[AppID]bool, len(c.Apps))
	for _, app := range c.Apps {
		if app.ID == "" || app.Secret == "" {
			bad("an app needs an ID and a secret")
		}
		if apps[app.ID] {
			bad("app %q is there twice", app.ID)
		}
		apps[app.ID] = true
		if err := checkURL(app.WebhookURL); err != nil {
			bad("webhook URL of app %q: %w", app.ID, err)
		}
	}
	numbers := make(map[PhoneNumberID]bool, len(c.Numbers))
	for _, n := range c.Numbers {
		if n.ID == "" || n.AccessToken == "" {
			bad("a number needs an ID and an access token")
		}
		if numbers[n.ID] {
			bad("number %q is there twice", n.ID)
		}
		numbers[n.ID] = true
		if !apps[n.App] {
			bad("number %q names the unknown app %q", n.ID, n.App)
		}
	}
}

func (c Config) validateStatuses(bad func(string, ...any)) {
	if len(c.Statuses) > maxStatusSteps {
		bad("a walk has at most %d statuses", maxStatusSteps)
	}
	for _, step := range c.Statuses {
		if !step.Status.known() {
			bad("status %q does not exist", step.Status)
		}
		if step.After < 0 || step.Jitter < 0 {
			bad("a status comes after its send")
		}
		if !isShare(step.SkipShare) {
			bad("skip share of status %q is not in [0, 1]", step.Status)
		}
	}
}

func (w WebhookConfig) validate(bad func(string, ...any)) {
	if w.MaxBatch < 1 || w.MaxBatch > maxBatchLimit {
		bad("max batch must be 1 to %d", maxBatchLimit)
	}
	if w.Parallelism < 1 || w.Parallelism > maxParallelism {
		bad("parallelism must be 1 to %d", maxParallelism)
	}
	if w.QueueLimit < 1 || w.MaxOffers < 1 {
		bad("queue limit and max offers must be positive")
	}
	if w.Timeout < 0 || w.Gather < 0 {
		bad("webhook timeout and gather must not be negative")
	}
	if w.RedeliveryFirst < 0 || w.RedeliveryLongest < w.RedeliveryFirst || w.RedeliveryFactor < 1 {
		bad("redelivery must fall in frequency")
	}
}

func checkURL(address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return errors.New("not an http or https URL")
	}
	return nil
}

// isShare is written so that NaN is none.
func isShare(p float64) bool { return p >= 0 && p <= 1 }

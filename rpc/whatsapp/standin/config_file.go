package standin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// configFile is a Config as JSON, with durations such as "1.5s". What is left
// out is as the zero value of Config.
type configFile struct {
	Seed      uint64        `json:"seed"`
	Apps      []appFile     `json:"apps"`
	Numbers   []numberFile  `json:"numbers"`
	Templates []Template    `json:"templates"`
	Faults    []controlRule `json:"faults"`

	Statuses       []statusFile `json:"statuses"`
	Billing        bool         `json:"billing"`
	Window         windowName   `json:"window"`
	RefuseOptedOut bool         `json:"refuse_opted_out"`
	CheckMedia     bool         `json:"check_media"`

	WAIDs map[Identity]Identity `json:"wa_ids"`

	NumberRate   int         `json:"number_rate"`
	PairInterval duration    `json:"pair_interval"`
	PairBurst    int         `json:"pair_burst"`
	Webhook      webhookFile `json:"webhook"`
}

type appFile struct {
	ID         AppID  `json:"id"`
	Secret     string `json:"secret"`
	WebhookURL string `json:"webhook_url"`
}

type numberFile struct {
	ID                 PhoneNumberID `json:"id"`
	DisplayPhoneNumber string        `json:"display_phone_number"`
	Business           BusinessID    `json:"business"`
	AccessToken        string        `json:"access_token"`
	App                AppID         `json:"app"` // may be left out where there is but one
}

type statusFile struct {
	Status    Status   `json:"status"`
	After     duration `json:"after"`
	Jitter    duration `json:"jitter"`
	SkipShare float64  `json:"skip_share"`
}

type webhookFile struct {
	MaxBatch          int      `json:"max_batch"`
	Parallelism       int      `json:"parallelism"`
	QueueLimit        int      `json:"queue_limit"`
	Gather            duration `json:"gather"`
	Shuffle           bool     `json:"shuffle"`
	Timeout           duration `json:"timeout"`
	RedeliveryFirst   duration `json:"redelivery_first"`
	RedeliveryFactor  float64  `json:"redelivery_factor"`
	RedeliveryLongest duration `json:"redelivery_longest"`
	MaxOffers         int      `json:"max_offers"`
}

type windowName WindowPolicy

func (w *windowName) UnmarshalText(text []byte) error {
	policies := map[string]WindowPolicy{"ignored": WindowIgnored, "fails": WindowFails, "refused": WindowRefused}
	policy, ok := policies[string(text)]
	if !ok {
		return fmt.Errorf("%w: window is ignored, fails or refused", ErrInvalid)
	}
	*w = windowName(policy)
	return nil
}

// ParseConfig reads a Config from JSON; see docs/GRAPH.md. It does not check
// that the parts fit: Validate does, and New.
func ParseConfig(text []byte) (Config, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var file configFile
	if err := decoder.Decode(&file); err != nil {
		return Config{}, fmt.Errorf("%w: read the config: %w", ErrInvalid, err)
	}
	config := Config{
		Seed: file.Seed, Templates: file.Templates, Billing: file.Billing,
		Window: WindowPolicy(file.Window), RefuseOptedOut: file.RefuseOptedOut, CheckMedia: file.CheckMedia,
		WAIDs:      file.WAIDs,
		NumberRate: file.NumberRate, PairInterval: time.Duration(file.PairInterval), PairBurst: file.PairBurst,
		Webhook: file.Webhook.config(),
	}
	for _, app := range file.Apps {
		config.Apps = append(config.Apps, App(app))
	}
	for _, n := range file.Numbers {
		if n.App == "" && len(config.Apps) == 1 {
			n.App = config.Apps[0].ID
		}
		config.Numbers = append(config.Numbers, Number(n))
	}
	for _, rule := range file.Faults {
		config.Faults = append(config.Faults, rule.rule())
	}
	if file.Statuses != nil {
		config.Statuses = []StatusStep{}
	}
	for _, step := range file.Statuses {
		config.Statuses = append(config.Statuses, StatusStep{
			Status: step.Status, After: time.Duration(step.After), Jitter: time.Duration(step.Jitter),
			SkipShare: step.SkipShare,
		})
	}
	return config, nil
}

func (w webhookFile) config() WebhookConfig {
	return WebhookConfig{
		MaxBatch: w.MaxBatch, Parallelism: w.Parallelism, QueueLimit: w.QueueLimit,
		Gather: time.Duration(w.Gather), Shuffle: w.Shuffle, Timeout: time.Duration(w.Timeout),
		RedeliveryFirst: time.Duration(w.RedeliveryFirst), RedeliveryFactor: w.RedeliveryFactor,
		RedeliveryLongest: time.Duration(w.RedeliveryLongest), MaxOffers: w.MaxOffers,
	}
}

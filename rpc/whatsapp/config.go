package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"

	"github.com/intervenehq/intervene/engine"
)

const (
	// DefaultGraphBaseURL and DefaultGraphVersion serve an App that names none.
	DefaultGraphBaseURL = "https://graph.facebook.com"
	DefaultGraphVersion = "v25.0"
	// MaxMessagesPerSecond bounds what may be configured as a number's throughput.
	MaxMessagesPerSecond = 10_000
	// MaxAppSecrets bounds what a webhook's signature is tried with: the present secret
	// and, while it rotates, the others.
	MaxAppSecrets = 4
)

type (
	// AppID names one app of Meta's in the configuration and in the webhook's URL.
	AppID string
	// PhoneNumberID is Meta's ID of a WhatsApp number; it is not the number.
	PhoneNumberID string
	// WABAID is Meta's ID of a WhatsApp Business Account.
	WABAID string
)

// Secret is a string that shows itself to nobody who prints, logs or marshals it.
type Secret string

const hiddenSecret = "(secret)"

func (Secret) String() string   { return hiddenSecret }
func (Secret) GoString() string { return hiddenSecret }

// MarshalText keeps a secret out of JSON and structured logs.
func (Secret) MarshalText() ([]byte, error) { return []byte(hiddenSecret), nil }

// Config is everything that the edge knows of the apps and channels it serves.
type Config struct {
	Apps     []App
	Channels []Channel
	// Transport carries what is sent. Nil: the Graph's own.
	Transport http.RoundTripper
	// Files opens what was uploaded here. Nil: there is nothing.
	Files Files
	// Arrived is told of the messages that customers sent to a channel. Nil: nobody.
	Arrived func(channel engine.ChannelID, messages int) `json:"-"`
	// Shed says that nothing more can be taken now, for lack of memory: what Meta
	// delivers it delivers again. Nil: never.
	Shed func() bool `json:"-"`
	// Tracer records requests to the Graph API. Nil: nobody does.
	Tracer Tracer `json:"-"`
}

// Tracer records what is asked of the Graph API, for whoever looks at traces. It is
// called concurrently, and never blocks.
type Tracer interface {
	// Request begins a request of an operation. What it answers ends it, with the
	// HTTP status, 0: none came; nil: it is not recorded.
	Request(ctx context.Context, operation string) (answered func(status int))
}

// App is one app of Meta's: who may call its webhook, and where its Graph API is.
type App struct {
	ID          AppID
	VerifyToken Secret
	// AppSecrets are one or more; a body signed with any is Meta's.
	AppSecrets []Secret
	// GraphBaseURL may be plain http and loopback; GraphVersion is the path's
	// first element. Empty means the default.
	GraphBaseURL string
	GraphVersion string
	// MediaHosts are where files that came may be fetched from, with the access
	// token: a host, or "*." before the end of one. Empty means the default. The host
	// of GraphBaseURL is always one.
	MediaHosts []string
}

// Channel is one WhatsApp number of one workspace.
type Channel struct {
	ID            engine.ChannelID
	Workspace     engine.WorkspaceID
	App           AppID
	PhoneNumberID PhoneNumberID
	AccessToken   Secret
	// StopKeywords and StartKeywords are what customers write, alone and in any
	// case, to hear no more of marketing, and to hear of it again. Both nil: STOP
	// and START. Empty lists: no keywords.
	StopKeywords, StartKeywords []string
	// WABAID is the WhatsApp Business Account of the number; empty: its templates
	// cannot be listed.
	WABAID WABAID
	// MessagesPerSecond is the number's throughput, in and out together; 0 means
	// the default.
	MessagesPerSecond int
}

func (c Config) withDefaults() Config {
	apps := make([]App, len(c.Apps))
	for i, app := range c.Apps {
		if app.GraphBaseURL == "" {
			app.GraphBaseURL = DefaultGraphBaseURL
		}
		if app.GraphVersion == "" {
			app.GraphVersion = DefaultGraphVersion
		}
		if len(app.MediaHosts) == 0 {
			app.MediaHosts = DefaultMediaHosts
		}
		apps[i] = app
	}
	c.Apps = apps
	channels := make([]Channel, len(c.Channels))
	for i, channel := range c.Channels {
		channels[i] = channel.withKeywords()
	}
	c.Channels = channels
	return c
}

// Validate reports everything that is wrong with c, defaults applied.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	apps := make(map[AppID]bool, len(c.Apps))
	for _, app := range c.Apps {
		if apps[app.ID] {
			errs = append(errs, fmt.Errorf("app %q is there twice", app.ID))
		}
		apps[app.ID] = true
		if err := app.validate(); err != nil {
			errs = append(errs, fmt.Errorf("app %q: %w", app.ID, err))
		}
	}
	channels := make(map[engine.ChannelID]bool, len(c.Channels))
	numbers := make(map[PhoneNumberID]bool, len(c.Channels))
	for _, channel := range c.Channels {
		if channels[channel.ID] {
			errs = append(errs, fmt.Errorf("channel %q is there twice", channel.ID))
		}
		if numbers[channel.PhoneNumberID] {
			errs = append(errs, fmt.Errorf("channel %q: its phone_number_id is another channel's", channel.ID))
		}
		channels[channel.ID], numbers[channel.PhoneNumberID] = true, true
		if err := channel.validate(apps); err != nil {
			errs = append(errs, fmt.Errorf("channel %q: %w", channel.ID, err))
		}
	}
	return errors.Join(errs...)
}

// pathSafe is what may stand in a URL's path as it is.
var pathSafe = regexp.MustCompile(`^[0-9A-Za-z_-][0-9A-Za-z_.-]{0,127}$`)

// mediaHost is a host's name, or the end of one after "*.".
var mediaHost = regexp.MustCompile(`^(\*\.)?[0-9a-z]([0-9a-z.-]*[0-9a-z])?$`)

// DefaultMediaHosts are where Meta keeps files: media URLs point to lookaside.fbsbx.com
// (developers.facebook.com/docs/whatsapp/cloud-api/reference/media).
var DefaultMediaHosts = []string{"lookaside.fbsbx.com", "*.fbcdn.net", "*.whatsapp.net"}

// headerSafe is what a token may be made of, to stand in a header.
var headerSafe = regexp.MustCompile(`^[!-~]+$`)

func (a App) validate() error {
	var errs []error
	if !pathSafe.MatchString(string(a.ID)) {
		errs = append(errs, errors.New("id must be 1 to 128 letters, digits, dots, dashes and underscores"))
	}
	if a.VerifyToken == "" {
		errs = append(errs, errors.New("verify_token must not be empty"))
	}
	if n := len(a.AppSecrets); n < 1 || n > MaxAppSecrets {
		errs = append(errs, fmt.Errorf("app_secrets has %d, want 1 to %d", n, MaxAppSecrets))
	}
	for _, secret := range a.AppSecrets {
		if secret == "" {
			errs = append(errs, errors.New("app_secrets must not be empty strings"))
		}
	}
	if err := checkBaseURL(a.GraphBaseURL); err != nil {
		errs = append(errs, fmt.Errorf("graph_base_url: %w", err))
	}
	if !pathSafe.MatchString(a.GraphVersion) {
		errs = append(errs, errors.New("graph_version must be one element of a path"))
	}
	for _, host := range a.MediaHosts {
		if !mediaHost.MatchString(host) {
			errs = append(errs, errors.New(`media_hosts must be host names, "*." before them for those that end so`))
		}
	}
	return errors.Join(errs...)
}

func checkBaseURL(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("is not a URL") // the parser's own text repeats the input
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return errors.New("must be an http or https URL with a host")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("must have no user, query or fragment")
	}
	return nil
}

func (c Channel) validate(apps map[AppID]bool) error {
	var errs []error
	if c.ID == "" || c.Workspace == "" {
		errs = append(errs, errors.New("id and workspace must not be empty"))
	}
	if !apps[c.App] {
		errs = append(errs, fmt.Errorf("app %q is not configured", c.App))
	}
	if !pathSafe.MatchString(string(c.PhoneNumberID)) {
		errs = append(errs, errors.New("phone_number_id must be 1 to 128 letters, digits, dots, dashes and underscores"))
	}
	if !headerSafe.MatchString(string(c.AccessToken)) {
		errs = append(errs, errors.New("access_token must be visible ASCII, and not empty"))
	}
	if err := c.validateKeywords(); err != nil {
		errs = append(errs, err)
	}
	if c.WABAID != "" && !pathSafe.MatchString(string(c.WABAID)) {
		errs = append(errs, errors.New("waba_id must be 1 to 128 letters, digits, dots, dashes and underscores"))
	}
	if c.MessagesPerSecond < 0 || c.MessagesPerSecond > MaxMessagesPerSecond {
		errs = append(errs, fmt.Errorf("messages_per_second must be at most %d", MaxMessagesPerSecond))
	}
	return errors.Join(errs...)
}

package whatsapp

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/intervenehq/intervene/engine"
)

const (
	// GraphTimeout bounds one request, from dialling to the answer's last byte.
	// It must stay below engine.AttemptTimeout: the outcome has to be told
	// before it counts as unknown.
	GraphTimeout = 20 * time.Second

	graphDialTimeout      = 5 * time.Second
	graphTLSTimeout       = 5 * time.Second
	graphHeaderTimeout    = 15 * time.Second
	graphIdleTimeout      = 30 * time.Second // shorter than a server's, lest it closes under a request
	graphKeepAlive        = 15 * time.Second
	graphMaxConns         = 512 // per host; who finds none free waits, surely unsent
	graphMaxIdleConns     = 128
	graphMaxAnswerBytes   = 1 << 20
	graphMaxAnswerHeaders = 64 << 10

	// graphLogInterval paces the log of failures: an outage fails every send.
	graphLogInterval = 10 * time.Second
)

// Graph is the client of the Graph API. It keeps connections, and nothing of
// what it sends. All methods are safe for concurrent use.
type Graph struct {
	served    atomic.Pointer[graphChannels] // replaced by Reconfigure
	client    *http.Client
	transport *http.Transport
	logger    *slog.Logger
	metrics   *Metrics
	pace      *pace
	uploads   *uploads
	tracer    Tracer       // nil: nobody records requests
	media     *http.Client // for files that came, from wherever Meta keeps them
	failures  rate.Sometimes
	draw      func(time.Duration) time.Duration // replaced by tests
}

// graphChannels are the channels that the Graph API is called for. An attempt reads
// them once.
type graphChannels struct {
	byID map[engine.ChannelID]graphChannel
	// trusted are the Graph API's own places, which may be dialled wherever they are.
	trusted map[string]bool
}

type graphChannel struct {
	id            engine.ChannelID
	messagesURL   string
	mediaURL      string   // where files are uploaded
	templatesURL  string   // empty: no waba_id is configured
	baseURL       *url.URL // with the version
	mediaHosts    []string
	authorization string
}

// NewGraph makes the client of all of config's channels. It connects to nothing
// before the first send.
func NewGraph(config Config, logger *slog.Logger, metrics *Metrics) (*Graph, error) {
	transport := newGraphTransport()
	uploads, err := newUploads(config.Files)
	if err != nil {
		return nil, fmt.Errorf("configure the Graph client: %w", err)
	}
	pace, err := newPace(metrics)
	if err != nil {
		return nil, fmt.Errorf("configure the Graph client: %w", err)
	}
	g := &Graph{
		transport: transport,
		client: &http.Client{
			Transport: transport,
			// A redirected POST would carry the token elsewhere, or come as a GET.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		logger:   logger,
		metrics:  metrics,
		pace:     pace,
		uploads:  uploads,
		tracer:   config.Tracer,
		failures: rate.Sometimes{First: 1, Interval: graphLogInterval},
		draw:     rand.N[time.Duration],
	}
	if config.Transport != nil {
		g.client.Transport = config.Transport
	}
	g.media = g.newMediaClient(config.Transport)
	serve, err := g.Reconfigure(config)
	if err != nil {
		return nil, err
	}
	serve()
	return g, nil
}

// Reconfigure makes the apps and channels of config ready, and answers what puts them
// into force, for requests that begin after it; config's other fields are not looked
// at. A channel keeps its pace, and what Meta said of it unless it is called in another
// way than before. A send to a channel that is gone is held, and asks again.
func (g *Graph) Reconfigure(config Config) (serve func(), err error) {
	next, err := newGraphChannels(config)
	if err != nil {
		return nil, fmt.Errorf("configure the Graph client: %w", err)
	}
	return func() {
		last := g.served.Swap(next)
		g.pace.serve(config.Channels, func(id engine.ChannelID) bool {
			before, known := last.channel(id)
			after := next.byID[id]
			return known && before.authorization == after.authorization && before.messagesURL == after.messagesURL
		})
	}, nil
}

func newGraphChannels(config Config) (*graphChannels, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	served := &graphChannels{byID: make(map[engine.ChannelID]graphChannel, len(config.Channels)), trusted: make(map[string]bool)}
	apps := make(map[AppID]App, len(config.Apps))
	for _, app := range config.withDefaults().Apps {
		apps[app.ID] = app
	}
	for _, channel := range config.Channels {
		known, err := newGraphChannel(apps[channel.App], channel)
		if err != nil {
			return nil, fmt.Errorf("channel %q: %w", channel.ID, err)
		}
		served.byID[channel.ID] = known
		served.trusted[hostPort(known.baseURL)] = true
	}
	return served, nil
}

// channel finds one; there is none where nothing is served yet.
func (s *graphChannels) channel(id engine.ChannelID) (graphChannel, bool) {
	if s == nil {
		return graphChannel{}, false
	}
	known, ok := s.byID[id]
	return known, ok
}

func newGraphChannel(app App, channel Channel) (graphChannel, error) {
	base, err := url.Parse(app.GraphBaseURL)
	if err != nil {
		return graphChannel{}, err
	}
	base = base.JoinPath(app.GraphVersion)                 // #nosec G125 -- pathSafe, checked with the configuration
	number := base.JoinPath(string(channel.PhoneNumberID)) // #nosec G125 -- pathSafe, checked with the configuration
	known := graphChannel{
		id: channel.ID, baseURL: base, mediaHosts: app.MediaHosts,
		messagesURL: number.JoinPath("messages").String(), mediaURL: number.JoinPath("media").String(),
		authorization: "Bearer " + string(channel.AccessToken),
	}
	if channel.WABAID != "" {
		known.templatesURL = base.JoinPath(string(channel.WABAID), "message_templates").String() // #nosec G125 -- pathSafe, checked with the configuration
	}
	return known, nil
}

// Reserve answers 0 when a send to the contact may go now, and takes its place
// in the pace of number and contact. Else it answers when to ask again, and has
// taken nothing.
func (g *Graph) Reserve(channel engine.ChannelID, to engine.Contact) time.Duration {
	return g.pace.reserve(channel, to)
}

// Arrived counts messages of customers, which use a number's throughput too.
func (g *Graph) Arrived(channel engine.ChannelID, messages int) {
	g.pace.arrived(channel, messages)
}

// Close ends the uploads that are under way and lets go of idle connections.
// Sends in flight go on.
func (g *Graph) Close() {
	g.uploads.stop()
	g.transport.CloseIdleConnections()
	g.media.CloseIdleConnections()
}

// newGraphTransport speaks HTTP/1.1 alone: there a connection that breaks
// leaves one send unknown; over HTTP/2 it would be all that are in flight.
func newGraphTransport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	dialer := &net.Dialer{Timeout: graphDialTimeout, KeepAlive: graphKeepAlive}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    graphTLSTimeout,
		ResponseHeaderTimeout:  graphHeaderTimeout,
		IdleConnTimeout:        graphIdleTimeout,
		MaxIdleConns:           graphMaxIdleConns,
		MaxIdleConnsPerHost:    graphMaxIdleConns,
		MaxConnsPerHost:        graphMaxConns,
		MaxResponseHeaderBytes: graphMaxAnswerHeaders,
		DisableCompression:     true, // what is read is bounded as it comes
		Protocols:              protocols,
	}
}

// logFailure tells of a send that failed for another reason than its message.
func (g *Graph) logFailure(ctx context.Context, channel engine.ChannelID, text string, attribute slog.Attr) {
	g.failures.Do(func() {
		g.logger.LogAttrs(ctx, slog.LevelWarn, text, slog.String("channel", string(channel)), attribute)
	})
}

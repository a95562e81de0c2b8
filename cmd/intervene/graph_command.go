package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/intervenehq/intervene/cmd/intervene/demo"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// What is served without --config: one number, held to Meta's own rates.
const (
	graphApp           = "main"
	graphDisplayNumber = "15550199"
	graphBusiness      = "102290129340398"
	graphNumberRate    = 80
	graphPairInterval  = 6 * time.Second
	graphPairBurst     = 45
)

const (
	// graphHeaderTimeout and graphStopTimeout bound a request's headers, and the
	// answers on their way when the stand-in stops.
	graphHeaderTimeout = 10 * time.Second
	graphStopTimeout   = 5 * time.Second
)

type graphCommand struct {
	Listen         string `default:"127.0.0.1:9100" help:"Where to serve the Graph API and the control endpoints; an address of loopback."`
	Config         string `type:"existingfile" placeholder:"FILE" help:"Apps, numbers, templates, rules and rates as JSON; else one number with Meta's own rates."`
	WebhookURL     string `name:"webhook-url" default:"http://127.0.0.1:8080/webhooks/whatsapp/main" help:"Where webhooks are delivered to, unless the file says."`
	AppSecretEnv   string `default:"WA_APP_SECRET" placeholder:"NAME" help:"The environment variable that holds the app secret, which signs webhooks, unless the file says."`
	AccessTokenEnv string `default:"WA_ACCESS_TOKEN" placeholder:"NAME" help:"The environment variable that holds the access token, which sends must carry, unless the file says."`
	PhoneNumberID  string `name:"phone-number-id" default:"106540352242922" help:"Meta's ID of the one number that is served without a file."`
	Seed           uint64 `help:"What every draw depends on; 0 draws one."`
}

// Help is what --help adds to the flags.
func (graphCommand) Help() string {
	return `Serves what an engine, or a test in any language, needs of Meta's Graph API: sends of every kind with Meta's limits and
error bodies, media, templates, statuses, and signed webhooks that are offered again until they are answered 200.

Beside it, under /_standin/, are the control endpoints:

  POST   customers/{wa_id or user ID}/messages   a customer writes: text, media, reaction, order...
  POST   customers/{...}/echoes                  somebody wrote to them on the business's phone
  POST   customers/{...}/identity                they have another number or user ID
  POST   customers/{...}/marketing               they stop or resume marketing messages
  POST   changes                                 any other webhook field
  GET    deliveries?to=&op=&after=               what customers got, in order
  GET    offers, receipts, media, health
  GET    templates; POST templates; DELETE templates/{name}
  GET    faults; POST faults; DELETE faults; DELETE faults/{name}

A rule injects one fault: error, server_error, reset_before, reset_after, stall, fail, no_status (of a send), duplicate,
reorder, bad_signature (of a webhook), or error, server_error, reset_before, stall, corrupt of a call (receipt, upload, media,
download, templates); with one of always, next, every and probability. docs/GRAPH.md says all of it.`
}

// Run serves until it is stopped.
func (g graphCommand) Run(ctx context.Context, c console) error {
	listener, err := listenOnLoopback(g.Listen)
	if err != nil {
		return err
	}
	address := "http://" + listener.Addr().String()
	graph, err := g.graph(c, address)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer graph.Close()
	server := &http.Server{Handler: demo.GraphHandler(graph), ReadHeaderTimeout: graphHeaderTimeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	if err := g.greet(c, address); err != nil {
		return errors.Join(err, server.Close())
	}
	select {
	case err := <-served:
		return fmt.Errorf("serve the stand-in: %w", err)
	case <-ctx.Done():
	}
	graph.Close() // ends stalled answers, which Shutdown would wait for
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), graphStopTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("stop the stand-in: %w", err)
	}
	return nil
}

// listenOnLoopback refuses any other address: the control endpoints ask for no
// token and show what customers wrote.
func listenOnLoopback(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	ip, err := netip.ParseAddr(host)
	if host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("--listen: %s is not an address of loopback, and the stand-in is for nobody else", address)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	return listener, nil
}

func (g graphCommand) graph(c console, address string) (*standin.Graph, error) {
	config, err := g.config()
	if err != nil {
		return nil, err
	}
	config.Seed = cmp.Or(g.Seed, config.Seed)
	config.Logger, config.BaseURL = c.log, address
	if err := g.fillSecrets(&config); err != nil {
		return nil, err
	}
	return standin.New(config)
}

// config is the file's, or that of one number at which Meta's rules hold.
func (g graphCommand) config() (standin.Config, error) {
	if g.Config == "" {
		return standin.Config{
			Apps: []standin.App{{ID: graphApp}},
			Numbers: []standin.Number{{
				ID: standin.PhoneNumberID(g.PhoneNumberID), DisplayPhoneNumber: graphDisplayNumber,
				Business: graphBusiness, App: graphApp,
			}},
			Window: standin.WindowFails, CheckMedia: true, Billing: true,
			NumberRate: graphNumberRate, PairInterval: graphPairInterval, PairBurst: graphPairBurst,
		}, nil
	}
	text, err := os.ReadFile(g.Config)
	if err != nil {
		return standin.Config{}, fmt.Errorf("--config: %w", err)
	}
	config, err := standin.ParseConfig(text)
	if err != nil {
		return standin.Config{}, fmt.Errorf("--config: %w", err)
	}
	return config, nil
}

// fillSecrets: what the file leaves out is in the environment.
func (g graphCommand) fillSecrets(config *standin.Config) error {
	secret, token := os.Getenv(g.AppSecretEnv), os.Getenv(g.AccessTokenEnv)
	lacking := false
	for i := range config.Apps {
		app := &config.Apps[i]
		app.Secret = cmp.Or(app.Secret, secret)
		app.WebhookURL = cmp.Or(app.WebhookURL, g.WebhookURL)
		lacking = lacking || app.Secret == ""
	}
	for i := range config.Numbers {
		number := &config.Numbers[i]
		number.AccessToken = cmp.Or(number.AccessToken, token)
		lacking = lacking || number.AccessToken == ""
	}
	if lacking {
		return fmt.Errorf("set %s and %s to what the engine's configuration has", g.AppSecretEnv, g.AccessTokenEnv)
	}
	return nil
}

func (g graphCommand) greet(c console, url string) error {
	_, err := fmt.Fprintf(c.out, `The stand-in for the Graph API serves %[1]s
  engine:    graph_base_url: %[1]s
  webhooks:  %[2]s, unless --config says

# Be a customer.
curl -s %[1]s/_standin/customers/15550100/messages -d '{"name": "Nora", "text": "Hello"}'
curl -s %[1]s/_standin/customers/15550100/messages -d '{"reaction": {"to": "wamid...", "emoji": "👍"}}'

# What did customers get?
curl -s '%[1]s/_standin/deliveries?to=15550100'

# What was delivered to the webhook, and how was it answered?
curl -s %[1]s/_standin/offers

# Refuse the next send as too fast, or lose the answer to it.
curl -s %[1]s/_standin/faults -d '{"fault": "error", "code": 130429, "next": 1}'
curl -s %[1]s/_standin/faults -d '{"fault": "reset_after", "next": 1}'

# Be kind again.
curl -s -X DELETE %[1]s/_standin/faults
`, url, g.WebhookURL)
	if err != nil {
		return fmt.Errorf("print what to try: %w", err)
	}
	return nil
}

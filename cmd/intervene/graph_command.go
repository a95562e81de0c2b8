package main

import (
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

const (
	graphApp           = "main"
	graphDisplayNumber = "15550199"
	graphBusiness      = "102290129340398"
	// graphHeaderTimeout and graphStopTimeout bound a request's headers, and the
	// answers on their way when the stand-in stops.
	graphHeaderTimeout = 10 * time.Second
	graphStopTimeout   = 5 * time.Second
)

type graphCommand struct {
	Listen         string `default:"127.0.0.1:9100" help:"Where to serve the Graph API and the control endpoints; an address of loopback."`
	WebhookURL     string `name:"webhook-url" default:"http://127.0.0.1:8080/webhooks/whatsapp/main" help:"Where webhooks are delivered to."`
	AppSecretEnv   string `default:"WA_APP_SECRET" placeholder:"NAME" help:"The environment variable that holds the app secret, which signs webhooks."`
	AccessTokenEnv string `default:"WA_ACCESS_TOKEN" placeholder:"NAME" help:"The environment variable that holds the access token, which sends must carry."`
	PhoneNumberID  string `name:"phone-number-id" default:"106540352242922" help:"Meta's ID of the one number that is served."`
	Seed           uint64 `help:"What every draw depends on; 0 draws one."`
}

// Run serves until it is stopped.
func (g graphCommand) Run(ctx context.Context, c console) error {
	listener, err := listenOnLoopback(g.Listen)
	if err != nil {
		return err
	}
	graph, err := g.graph(c)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer graph.Close()
	server := &http.Server{Handler: demo.GraphHandler(graph), ReadHeaderTimeout: graphHeaderTimeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	if err := g.greet(c, "http://"+listener.Addr().String()); err != nil {
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

func (g graphCommand) graph(c console) (*standin.Graph, error) {
	secret, token := os.Getenv(g.AppSecretEnv), os.Getenv(g.AccessTokenEnv)
	if secret == "" || token == "" {
		return nil, fmt.Errorf("set %s and %s to what the engine's configuration has", g.AppSecretEnv, g.AccessTokenEnv)
	}
	return standin.New(standin.Config{
		Seed:   g.Seed,
		Logger: c.log,
		Apps:   []standin.App{{ID: graphApp, Secret: secret, WebhookURL: g.WebhookURL}},
		Numbers: []standin.Number{{
			ID: standin.PhoneNumberID(g.PhoneNumberID), DisplayPhoneNumber: graphDisplayNumber,
			Business: graphBusiness, AccessToken: token, App: graphApp,
		}},
	})
}

func (g graphCommand) greet(c console, url string) error {
	_, err := fmt.Fprintf(c.out, `The stand-in for the Graph API serves %[1]s
  engine:    graph_base_url: %[1]s
  webhooks:  %[2]s

# Be a customer.
curl -s %[1]s/_standin/customers/15550100/messages -d '{"name": "Nora", "text": "Hello"}'

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

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/intervenehq/intervene/cmd/intervene/token"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

const (
	app    = "main"
	number = "106540352242922"
	// headerTimeout bounds a request's headers at the stand-in.
	headerTimeout = 10 * time.Second
)

// site is one engine as a process, and the stand-in for Meta in this one.
type site struct {
	graph  *standin.Graph
	engine *child
	// address is where the engine serves, token whom it lets in, and graphURL
	// where it sends.
	address, token, graphURL string

	api    *http.Server
	served chan error
	kill   context.CancelFunc
}

// openSite returns when the engine serves. Whoever opens a site closes it.
func openSite(ctx context.Context, binary, dir string) (*site, error) {
	secret, err := token.New()
	if err != nil {
		return nil, err
	}
	agent, err := token.New()
	if err != nil {
		return nil, err
	}
	s := &site{token: agent.Text, served: make(chan error, 1)}
	ctx, s.kill = context.WithCancel(ctx)
	err = s.openGraph(secret.Text)
	if err == nil {
		err = s.openEngine(ctx, binary, dir, secret.Text, agent.SHA256)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *site) openGraph(secret string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the stand-in: %w", err)
	}
	graph, err := standin.New(standin.Config{
		Apps:    []standin.App{{ID: app, Secret: secret}},
		Numbers: []standin.Number{{ID: number, DisplayPhoneNumber: "15550199", Business: "102290129340398", AccessToken: secret, App: app}},
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	s.graph, s.api = graph, &http.Server{Handler: graph.Handler(), ReadHeaderTimeout: headerTimeout}
	go func() { s.served <- s.api.Serve(listener) }()
	s.graphURL = "http://" + listener.Addr().String()
	return nil
}

func (s *site) openEngine(ctx context.Context, binary, dir, secret, agent string) error {
	config := filepath.Join(dir, "intervene.yaml")
	text := fmt.Sprintf(`listen: 127.0.0.1:0
admin_listen: 127.0.0.1:0
data_dir: ./data
whatsapp_apps:
  - id: %s
    verify_token: {value: %q}
    app_secrets: [{value: %q}]
    graph_base_url: %s
workspaces:
  - id: acme
    channels:
      - id: acme-main
        whatsapp: {app: %s, phone_number_id: %q, access_token: {value: %q}}
    tokens:
      - {id: asha, role: ROLE_AGENT, sha256: %q}
`, app, secret, secret, s.graphURL, app, number, secret, agent)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	s.engine = newChild(ctx, "intervene", binary, "serve", "--config", config)
	log := s.engine.reader(&s.engine.cmd.Stderr)
	if err := s.engine.start(); err != nil {
		s.engine = nil
		return err
	}
	ready := make(chan string, 1)
	go readLog(log, ready)
	select {
	case s.address = <-ready:
	case <-s.engine.done:
		return fmt.Errorf("the engine ended with %v, want it ready\n%s", s.engine.err, s.engine.said.String())
	case <-ctx.Done():
		return fmt.Errorf("wait for the engine: %w\n%s", ctx.Err(), s.engine.said.String())
	}
	return s.graph.SetWebhookURL(app, "http://"+s.address+"/webhooks/whatsapp/"+app)
}

// readLog reads all that an engine logs, and tells where it serves.
func readLog(log io.Reader, ready chan<- string) {
	for lines := bufio.NewScanner(log); lines.Scan(); {
		var entry struct{ Msg, Listen string }
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "ready" {
			ready <- entry.Listen
		}
	}
}

// ask has a new customer ask for a person, in a webhook that Meta's app signed.
func (s *site) ask(ctx context.Context) error {
	customer := standin.Customer{PhoneNumberID: number, WAID: "15550100", Name: customerName}
	if _, err := s.graph.WriteText(ctx, customer, "A real person, please", time.Time{}); err != nil {
		return fmt.Errorf("write as a customer: %w", err)
	}
	return nil
}

// drain stops the engine as a deploy does: it sends every stream away.
func (s *site) drain(ctx context.Context) error {
	if err := s.engine.terminate(); err != nil {
		return err
	}
	return s.engine.exit(ctx)
}

// close kills what is still there.
func (s *site) close() error {
	s.kill()
	if s.engine != nil {
		<-s.engine.done
	}
	if s.graph == nil {
		return nil
	}
	s.graph.Close()
	if err := errors.Join(s.api.Close(), <-s.served); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("stop the stand-in: %w", err)
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/intervenehq/intervene/cmd/intervene/token"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

const (
	app    = "main"
	number = "106540352242922"
	// headerTimeout bounds a request's headers at the stand-in and the bot.
	headerTimeout = 10 * time.Second
)

// ports are where everything listens, each host:port.
type ports struct{ api, admin, graph, bot, prometheus string }

var (
	anyPorts   = ports{}
	usualPorts = ports{"127.0.0.1:8080", "127.0.0.1:9090", "127.0.0.1:9100", "127.0.0.1:9200", "127.0.0.1:9091"}
)

// fill finds a free port for each that is not given. Somebody else may take one
// before it is used: then the check fails, and says which.
func (p *ports) fill() error {
	for _, address := range []*string{&p.api, &p.admin, &p.graph, &p.bot, &p.prometheus} {
		if *address != "" {
			continue
		}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("find a port: %w", err)
		}
		*address = listener.Addr().String()
		if err := listener.Close(); err != nil {
			return fmt.Errorf("find a port: %w", err)
		}
	}
	return nil
}

// site is an engine and a Prometheus as processes, and in this one the stand-in for
// Meta, a bot, and those who keep the engine busy.
type site struct {
	dir   string
	ports ports
	graph *standin.Graph

	graphURL, botURL, prometheusURL string

	stop    context.CancelFunc
	running sync.WaitGroup // of children and traffic
	servers []*http.Server
}

// openSite returns once all is started; Prometheus may not have looked yet. Whoever
// opens a site closes it.
func openSite(ctx context.Context, f flags, dir string, p ports) (_ *site, err error) {
	if err := p.fill(); err != nil {
		return nil, err
	}
	s := &site{
		dir: dir, ports: p,
		graphURL: "http://" + p.graph, botURL: "http://" + p.bot, prometheusURL: "http://" + p.prometheus,
	}
	ctx, s.stop = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.logs(), s.close())
		}
	}()
	secret, agent := "a-secret-of-a-drill", token.Token{}
	if agent, err = token.New(); err != nil {
		return s, err
	}
	if err = s.openGraph(secret); err != nil {
		return s, err
	}
	if err = s.serve(p.bot, newBot()); err != nil {
		return s, err
	}
	if err = s.openEngine(ctx, f.Intervene, secret, agent.SHA256); err != nil {
		return s, err
	}
	if err = s.openPrometheus(ctx, f); err != nil {
		return s, err
	}
	s.running.Go(func() { s.customers(ctx) })
	s.running.Go(func() { s.floor(ctx, agent.Text) })
	s.running.Go(func() { s.watch(ctx, agent.Text) })
	return s, nil
}

func (s *site) openGraph(secret string) (err error) {
	s.graph, err = standin.New(standin.Config{
		Apps:     []standin.App{{ID: app, Secret: secret, WebhookURL: "http://" + s.ports.api + "/webhooks/whatsapp/" + app}},
		Numbers:  []standin.Number{{ID: number, DisplayPhoneNumber: "15550199", Business: "102290129340398", AccessToken: secret, App: app}},
		Statuses: []standin.StatusStep{{Status: standin.StatusSent}, {Status: standin.StatusDelivered}},
		LogLimit: 20_000,
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/_standin/", s.graph.ControlHandler())
	mux.Handle("/", s.graph.Handler())
	return s.serve(s.ports.graph, mux)
}

func (s *site) serve(address string, handler http.Handler) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout}
	s.servers = append(s.servers, server)
	s.running.Go(func() { _ = server.Serve(listener) }) // it ends with close
	return nil
}

func (s *site) openEngine(ctx context.Context, binary, secret, agent string) error {
	text := fmt.Sprintf(`listen: %s
admin_listen: %s
data_dir: ./data
backup: {folder: ., every: 1h, keep: 2}
whatsapp_apps:
  - id: %s
    verify_token: {value: %[4]q}
    app_secrets: [{value: %[4]q}]
    graph_base_url: %[5]s
workspaces:
  - id: acme
    bot: {rasa: {url: %[6]q}}
    channels:
      - id: acme-main
        whatsapp: {app: %[3]s, phone_number_id: %[7]q, access_token: {value: %[4]q}}
    tokens:
      - {id: asha, role: ROLE_AGENT, sha256: %[8]q}
`, s.ports.api, s.ports.admin, app, secret, s.graphURL, s.botURL, number, agent)
	config := filepath.Join(s.dir, "intervene.yaml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	pid, err := s.child(ctx, "engine", binary, "serve", "--config", config)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "engine.pid"), []byte(strconv.Itoa(pid)+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the engine's process id: %w", err)
	}
	return until(ctx, "the engine to be ready", func(ctx context.Context) error {
		_, err := get(ctx, "http://"+s.ports.admin+"/readyz")
		return err
	})
}

// breakGraph makes the Graph API fail as in an outage.
func (s *site) breakGraph() error {
	_, err := s.graph.AddFault(standin.Rule{Name: "outage", Fault: standin.FaultServerError, Always: true})
	return err
}

// close ends all of it, and waits.
func (s *site) close() (err error) {
	s.stop()
	if s.graph != nil {
		s.graph.Close()
	}
	for _, server := range s.servers {
		err = errors.Join(err, server.Close())
	}
	s.running.Wait()
	return err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/cmd/intervene/token"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

const (
	siteApp    = "main"
	siteNumber = "106540352242922"
	// defaultPace is what a number may send and receive a second, unless it pays for more.
	defaultPace = 80
	// graphHeaders bounds how long the stand-in waits for a request.
	graphHeaders = 10 * time.Second
)

// member is somebody of the site's one workspace who calls the API.
type member struct {
	id    string
	role  config.Role
	token string
}

// site is an engine as a child process, which comes and goes, and the stand-in
// for the Graph API in this one, which stays.
type site struct {
	binary, dataDir, config string
	appSecret               string
	// pace is the number's messages per second.
	pace    int
	text    func() string // of the configuration
	graph   *standin.Graph
	members map[string]member

	// env is the engine's besides this process's own, and confine what is done to
	// its process before it serves. excused are parts of errors that it may log.
	env     []string
	confine func(pid int)
	excused []string

	process *process
	// address is where the engine serves; nil while it does not.
	address atomic.Pointer[string]
}

// openSite starts the stand-in and writes the configuration. The engine is
// started with start. Everything ends with the test.
func openSite(t *testing.T, network standin.Config, members ...member) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{
		binary: intervene(t), dataDir: filepath.Join(dir, "data"), config: filepath.Join(dir, "intervene.yaml"),
		members: make(map[string]member), pace: defaultPace,
	}
	for _, m := range members {
		m.token = secret(t)
		s.members[m.id] = m
	}
	appSecret, accessToken := secret(t), secret(t)
	s.appSecret = appSecret
	network.Apps = []standin.App{{ID: siteApp, Secret: appSecret}}
	network.Numbers = []standin.Number{{
		ID: siteNumber, DisplayPhoneNumber: "15550199", Business: "102290129340398", AccessToken: accessToken, App: siteApp,
	}}
	graphURL := s.openGraph(t, network)
	s.text = func() string { return s.yaml(graphURL, appSecret, accessToken) }
	s.configure(t)
	return s
}

// configure writes the configuration that the engine starts with next.
func (s *site) configure(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(s.config, []byte(s.text()), 0o600); err != nil {
		t.Fatalf("write the configuration: got error %v, want none", err)
	}
}

// secret is unlike any other site's: a call that strays is refused.
func secret(t *testing.T) string {
	t.Helper()
	drawn, err := token.New()
	if err != nil {
		t.Fatalf("draw a secret: got error %v, want none", err)
	}
	return drawn.Text
}

func (s *site) openGraph(t *testing.T, network standin.Config) string {
	t.Helper()
	graph, err := standin.New(network)
	if err != nil {
		t.Fatalf("start the stand-in: got error %v, want none", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen for the stand-in: got error %v, want none", err)
	}
	s.graph = graph
	server := &http.Server{Handler: graph.Handler(), ReadHeaderTimeout: graphHeaders}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		graph.Close()
		if err := errors.Join(server.Close(), <-served); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("stop the stand-in: got %v, want it closed", err)
		}
	})
	return "http://" + listener.Addr().String()
}

// yaml has the system choose the ports: one that was free a moment ago may be
// some connection's by the time of a restart.
func (s *site) yaml(graphURL, appSecret, accessToken string) string {
	var tokens strings.Builder
	for _, m := range s.members {
		fmt.Fprintf(&tokens, "      - {id: %s, name: %s, role: %s, sha256: %q}\n", m.id, m.id, m.role, token.Hash(m.token))
	}
	return fmt.Sprintf(`listen: 127.0.0.1:0
admin_listen: 127.0.0.1:0
data_dir: %q
whatsapp_apps:
  - id: %s
    verify_token: {value: %q}
    app_secrets: [{value: %q}]
    graph_base_url: %s
workspaces:
  - id: acme
    channels:
      - id: acme-main
        whatsapp: {app: %s, phone_number_id: %q, access_token: {value: %q}, messages_per_second: %d}
    tokens:
%s`, s.dataDir, siteApp, appSecret, appSecret, graphURL, siteApp, siteNumber, accessToken, s.pace, tokens.String())
}

// start brings the engine up and everybody back to it.
func (s *site) start(t *testing.T) {
	t.Helper()
	s.launch(t)
	address := s.process.ready(t)
	if err := s.graph.SetWebhookURL(siteApp, "http://"+address+"/webhooks/whatsapp/"+siteApp); err != nil {
		t.Fatalf("point the stand-in at the engine: got error %v, want none", err)
	}
	s.address.Store(&address)
}

// launch starts the engine and does not wait for it.
func (s *site) launch(t *testing.T) {
	t.Helper()
	s.process = startProcess(t, s.binary, s.config, s.env...)
	if s.confine != nil {
		s.confine(s.process.cmd.Process.Pid)
	}
}

// crash kills the engine in the middle of whatever it does.
func (s *site) crash(t *testing.T) {
	t.Helper()
	s.process.crash(t)
	s.gone(t)
}

// stop drains the engine.
func (s *site) stop(t *testing.T) {
	t.Helper()
	s.process.terminate(t)
	s.gone(t)
}

// gone has nobody dial a port that may be another's by now.
func (s *site) gone(t *testing.T) {
	t.Helper()
	s.address.Store(nil)
	if err := s.graph.SetWebhookURL(siteApp, ""); err != nil {
		t.Fatalf("take the engine from the stand-in: got error %v, want none", err)
	}
	for _, complaint := range s.process.log.complaints() {
		if slices.ContainsFunc(s.excused, func(part string) bool { return strings.Contains(complaint, part) }) {
			continue
		}
		t.Errorf("the engine logged an error: %s", complaint)
	}
}

// verify checks the journal of the engine, which is dead.
func (s *site) verify(t *testing.T) {
	t.Helper()
	verifyJournal(t, s.binary, s.dataDir)
}

// errDown is what callers get while there is no engine.
var errDown = errors.New("the engine is down")

// RoundTrip sends a request to wherever the engine serves now.
func (s *site) RoundTrip(r *http.Request, through http.RoundTripper) (*http.Response, error) {
	address := s.address.Load()
	if address == nil {
		return nil, errDown
	}
	r = r.Clone(r.Context())
	r.URL.Host, r.Host = *address, *address
	return through.RoundTrip(r)
}

// rest reports whether d passed before ctx ended.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

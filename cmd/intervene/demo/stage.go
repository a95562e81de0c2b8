package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/cmd/intervene/serve"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/bot/flow/examples"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

const (
	appID         = "main"
	workspaceID   = "acme"
	channelID     = "acme-main"
	phoneNumberID = "106540352242922"
	displayNumber = "15550199"
	businessID    = "102290129340398"
	// Secrets of a stand-in on loopback: whoever can reach it may know them.
	appSecret   = "demo-app-secret"
	accessToken = "demo-access-token"
	verifyToken = "demo-verify-token" // #nosec G101 -- the demo's own, of a stand-in on this machine
)

// headerTimeout bounds how long the stand-in's server waits for a request.
const headerTimeout = 10 * time.Second

// ports are where a stage listens, each host:port; port 0 is any free one.
type ports struct{ api, admin, graph string }

// stage is an engine and a stand-in for the Graph API, pointed at each other
// over loopback. close ends both.
type stage struct {
	cast   cast
	engine *serve.Engine
	graph  *standin.Graph
	server *http.Server
	served chan error

	apiURL, adminURL, graphURL string
}

// openStage starts the stand-in first: the engine may have sends to offer from
// before.
func openStage(p ports, dataDir string, network standin.Config, log *slog.Logger) (*stage, error) {
	cast, err := newCast()
	if err != nil {
		return nil, err
	}
	network.Apps = []standin.App{{ID: appID, Secret: appSecret}}
	network.Numbers = []standin.Number{{
		ID: phoneNumberID, DisplayPhoneNumber: displayNumber, Business: businessID, AccessToken: accessToken, App: appID,
	}}
	s := &stage{cast: cast, served: make(chan error, 1)}
	if err := s.openGraph(p.graph, network); err != nil {
		return nil, err
	}
	s.engine, err = serve.Start(s.config(p, dataDir), log)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the engine: %w", err), s.closeGraph())
	}
	s.apiURL = "http://" + s.engine.Addr().String()
	s.adminURL = "http://" + s.engine.AdminAddr().String()
	if err := s.graph.SetWebhookURL(appID, s.apiURL+"/webhooks/whatsapp/"+appID); err != nil {
		return nil, errors.Join(fmt.Errorf("point the stand-in at the engine: %w", err), s.close(context.Background()))
	}
	return s, nil
}

func (s *stage) openGraph(address string, network standin.Config) error {
	graph, err := standin.New(network)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		graph.Close()
		return fmt.Errorf("listen for the stand-in: %w", err)
	}
	s.graph, s.graphURL = graph, "http://"+listener.Addr().String()
	s.server = &http.Server{Handler: GraphHandler(graph), ReadHeaderTimeout: headerTimeout}
	go func() { s.served <- s.server.Serve(listener) }()
	return nil
}

// GraphHandler serves a stand-in's Graph API and its control endpoints beside
// each other.
func GraphHandler(graph *standin.Graph) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/_standin/", graph.ControlHandler())
	mux.Handle("/", graph.Handler())
	return mux
}

func (s *stage) config(p ports, dataDir string) *config.Config {
	return &config.Config{
		Listen: p.api, AdminListen: p.admin, DataDir: dataDir,
		Apps: []config.App{{
			ID: appID, VerifyToken: config.NewSecret(verifyToken), AppSecrets: []config.Secret{config.NewSecret(appSecret)},
			GraphBaseURL: s.graphURL, GraphVersion: config.DefaultGraphVersion,
		}},
		Workspaces: []config.Workspace{{
			ID: workspaceID,
			Channels: []config.Channel{{
				ID: channelID, App: appID, PhoneNumberID: phoneNumberID, AccessToken: config.NewSecret(accessToken),
			}},
			Bot:    config.Bot{Flow: &config.BotFile{Path: "shop.yaml", Text: examples.Shop}},
			Policy: engine.Policy{AutoResolveAfter: config.DefaultAutoResolveAfter},
			Tokens: s.cast.tokens(),
		}},
	}
}

// close drains the engine while the stand-in still answers it.
func (s *stage) close(ctx context.Context) error {
	err := s.engine.Stop(ctx)
	if err != nil {
		err = fmt.Errorf("stop the engine: %w", err)
	}
	return errors.Join(err, s.closeGraph())
}

func (s *stage) closeGraph() error {
	s.graph.Close()
	err := s.server.Close()
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("stop the stand-in: %w", err)
	}
	return nil
}

// temporaryData makes a folder for one run's journal, and what removes it.
func temporaryData() (dir string, remove func() error, err error) {
	root, err := os.MkdirTemp("", "intervene-demo-")
	if err != nil {
		return "", nil, fmt.Errorf("make a data directory: %w", err)
	}
	return filepath.Join(root, "data"), func() error { return os.RemoveAll(root) }, nil
}

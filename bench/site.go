package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	app = "main"
	// streamsPerAgent stays below what the engine lets one agent open, as it may
	// not have missed yet who left without a word.
	streamsPerAgent = 40
	// startTimeout bounds the start of an engine.
	startTimeout = time.Minute
)

// workspace is one business of a site.
type workspace struct {
	index      int
	id, number string
	driver     string   // the token of who changes the board
	agents     []string // the tokens of who watches it
	// conversations are all that stand on the board, customers how many ever wrote.
	conversations []string
	customers     int
}

// site is an engine as a process, with workspaces, and an answer to what it
// sends. Its ports and its data stay through restarts.
type site struct {
	binary, dir, config   string
	secret                string
	address, adminAddress string
	workspaces            []*workspace

	graph *http.Server // or
	// platform is a stand-in that also tells the statuses of what was sent.
	platform        *process
	platformAddress string
	engine          *process
}

// build makes the binary of the module that the working directory is in.
func build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "intervene")
	compile := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, "github.com/intervenehq/intervene/cmd/intervene")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := compile.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the engine: %w\n%s", err, output)
	}
	return path, nil
}

// newSite is a site without an engine. Whoever makes one closes it.
func newSite(binary, dir string, workspaces, subscribers int) (*site, error) {
	s := &site{binary: binary, dir: dir, config: filepath.Join(dir, "intervene.yaml"), secret: rand.Text()}
	agents := subscribers/workspaces/streamsPerAgent + 1
	for n := range workspaces {
		w := &workspace{index: n, id: fmt.Sprintf("w%d", n), number: fmt.Sprintf("1000%d", n), driver: "ivt_" + rand.Text()}
		for range agents {
			w.agents = append(w.agents, "ivt_"+rand.Text())
		}
		s.workspaces = append(s.workspaces, w)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the Graph API: %w", err)
	}
	s.graph = &http.Server{Handler: http.HandlerFunc(acceptSend), ReadHeaderTimeout: startTimeout}
	go s.graph.Serve(listener) // until close
	for _, address := range []*string{&s.address, &s.adminAddress} {
		if *address, err = freeAddress(); err != nil {
			return nil, errors.Join(err, s.graph.Close())
		}
	}
	return s, s.configure(listener.Addr().String())
}

// configure says where the Graph API is.
func (s *site) configure(graph string) error {
	if err := os.WriteFile(s.config, []byte(s.yaml(graph)), 0o600); err != nil {
		return errors.Join(fmt.Errorf("write the configuration: %w", err), s.graph.Close())
	}
	return nil
}

// acceptSend is as much of the Graph API as a board needs.
func acceptSend(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(w, `{"messaging_product": "whatsapp", "messages": [{"id": "wamid.%s"}]}`, rand.Text())
}

// freeAddress is one that nobody listens on at the moment: an engine that comes
// back to its clients needs a port that stays.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}

func (s *site) yaml(graph string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `listen: %s
admin_listen: %s
data_dir: ./data
whatsapp_apps:
  - {id: %s, verify_token: {value: %q}, app_secrets: [{value: %q}], graph_base_url: "http://%s"}
workspaces:
`, s.address, s.adminAddress, app, s.secret, s.secret, graph)
	for _, w := range s.workspaces {
		fmt.Fprintf(&b, `  - id: %s
    channels:
      - {id: %s-main, whatsapp: {app: %s, phone_number_id: %q, access_token: {value: %q}, messages_per_second: 10000}}
    tokens:
      - {id: driver, role: ROLE_SUPERVISOR, sha256: %q}
`, w.id, w.id, app, w.number, s.secret, hashOf(w.driver))
		for n, token := range w.agents {
			fmt.Fprintf(&b, "      - {id: agent%d, role: ROLE_AGENT, sha256: %q}\n", n, hashOf(token))
		}
	}
	return b.String()
}

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// start starts the engine and returns when it serves.
func (s *site) start(ctx context.Context) error {
	engine, err := startProcess(ctx, true, s.binary, "serve", "--config", s.config)
	if err != nil {
		return err
	}
	s.engine = engine
	timeout := time.After(startTimeout)
	for {
		select {
		case line, ok := <-engine.lines:
			if !ok {
				return errors.New("start: the engine ended")
			}
			if tellEngine(line) {
				go func() {
					for line := range engine.lines {
						tellEngine(line)
					}
				}()
				return nil
			}
		case <-timeout:
			return errors.Join(fmt.Errorf("start: the engine is not ready after %s", startTimeout), s.stop())
		}
	}
}

// tellEngine passes on what the engine complains of, and reports whether a line
// of its log says that it is ready.
func tellEngine(line string) bool {
	var entry struct{ Level, Msg string }
	if json.Unmarshal([]byte(line), &entry) != nil || entry.Level == "ERROR" {
		fmt.Fprintln(os.Stderr, "engine:", line)
	}
	return entry.Msg == "ready"
}

// stop drains the engine.
func (s *site) stop() error {
	if s.engine == nil {
		return nil
	}
	err := s.engine.terminate()
	s.engine = nil
	return err
}

func (s *site) close() error {
	err := errors.Join(s.stop(), s.graph.Close())
	if s.platform != nil {
		err = errors.Join(err, s.platform.terminate())
	}
	return err
}

func (s *site) url() string { return "http://" + s.address }

func (s *site) admin() string { return "http://" + s.adminAddress }

// perWebhook is how many messages populate a site at once.
const perWebhook = 250

// write has n new customers from the first on write to w, at a time.
func (s *site) write(w *workspace, first, n int, at time.Time) error {
	connection, err := openSenders(s, 1)
	if err != nil {
		return err
	}
	for from := first; from < first+n; from += perWebhook {
		var messages []said
		for i := from; i < min(first+n, from+perWebhook); i++ {
			messages = append(messages, said{
				customer: w.customer(i), name: fmt.Sprintf("Customer %d", i), at: at,
				text: "Hello, where is the parcel that I ordered on Monday?",
			})
		}
		made, err := s.webhook(w, messages)
		if err == nil {
			err = connection[0].deliver(made)
		}
		if err != nil {
			return errors.Join(err, connection.close())
		}
	}
	return connection.close()
}

// customer is the nth of a workspace.
func (w *workspace) customer(n int) string { return fmt.Sprintf("1555%03d%07d", w.index, n) }

package main

import (
	"context"
	"crypto/hmac"
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
	// conversations are all that stand on the board.
	conversations []string
}

// site is an engine as a process, with workspaces, and an answer to what it
// sends. Its ports and its data stay through restarts.
type site struct {
	binary, dir, config   string
	secret                string
	address, adminAddress string
	workspaces            []*workspace

	graph  *http.Server
	engine *process
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
	if err := os.WriteFile(s.config, []byte(s.yaml(listener.Addr().String())), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("write the configuration: %w", err), s.graph.Close())
	}
	return s, nil
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
      - {id: %s-main, whatsapp: {app: %s, phone_number_id: %q, access_token: {value: %q}, messages_per_second: 1000}}
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

func (s *site) close() error { return errors.Join(s.stop(), s.graph.Close()) }

func (s *site) url() string { return "http://" + s.address }

func (s *site) admin() string { return "http://" + s.adminAddress }

// write has n new customers write to w, in one webhook.
func (s *site) write(ctx context.Context, w *workspace, n int) error {
	type object = map[string]any
	var contacts, messages []object
	for i := range n {
		id := fmt.Sprintf("1555%03d%05d", w.index, i)
		contacts = append(contacts, object{"wa_id": id, "profile": object{"name": fmt.Sprintf("Customer %d", i)}})
		messages = append(messages, object{
			"from": id, "id": "wamid." + rand.Text(), "timestamp": fmt.Sprint(time.Now().Unix()),
			"type": "text", "text": object{"body": "Hello, where is the parcel that I ordered on Monday?"},
		})
	}
	value := object{
		"messaging_product": "whatsapp", "contacts": contacts, "messages": messages,
		"metadata": object{"display_phone_number": "1555" + w.number, "phone_number_id": w.number},
	}
	body, err := json.Marshal(object{"object": "whatsapp_business_account", "entry": []object{{
		"id": "1", "changes": []object{{"field": "messages", "value": value}},
	}}})
	if err != nil {
		return fmt.Errorf("make a webhook: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url()+"/webhooks/whatsapp/"+app, strings.NewReader(string(body)))
	if err != nil {
		return fmt.Errorf("make a webhook: %w", err)
	}
	mac := hmac.New(sha256.New, []byte(s.secret))
	mac.Write(body)
	request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("deliver a webhook: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		err = fmt.Errorf("deliver a webhook: %s", response.Status)
	}
	return errors.Join(err, response.Body.Close())
}

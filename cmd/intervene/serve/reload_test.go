package serve_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/cmd/intervene/serve"
	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// reloads are those of the test under traffic.
const reloads = 20

// edited is a copy of the configuration in force, changed. What is not changed is shared.
func (w *world) edited(change func(*config.Config)) *config.Config {
	next := *w.config
	next.Apps, next.Workspaces = slices.Clone(next.Apps), slices.Clone(next.Workspaces)
	for i := range next.Workspaces {
		ws := &next.Workspaces[i]
		ws.Channels, ws.Tokens = slices.Clone(ws.Channels), slices.Clone(ws.Tokens)
	}
	change(&next)
	return &next
}

// reload has the engine read next, over the admin listener.
func (w *world) reload(next *config.Config, misread error) (status int, answer reloadAnswer) {
	w.t.Helper()
	w.mu.Lock()
	w.next, w.misread = next, misread
	w.mu.Unlock()
	status, body, err := w.admin(http.MethodPost, serve.ReloadPath)
	if err = errors.Join(err, json.Unmarshal(body, &answer)); err != nil {
		w.t.Fatalf("reload: got error %v and %q, want JSON", err, body)
	}
	return status, answer
}

type reloadAnswer struct {
	Changed  []string `json:"changed"`
	Waiting  []string `json:"waits_for_restart"`
	Problems []string `json:"problems"`
}

// reloaded has the engine take a change.
func (w *world) reloaded(change func(*config.Config)) reloadAnswer {
	w.t.Helper()
	next := w.edited(change)
	status, answer := w.reload(next, nil)
	if status != http.StatusOK {
		w.t.Fatalf("reload: got %d %q, want 200", status, answer.Problems)
	}
	w.config = next
	return answer
}

// metric is one line of the metrics.
func (w *world) metric(name string) (value string) {
	w.t.Helper()
	_, body, err := w.admin(http.MethodGet, "/metrics")
	if err != nil {
		w.t.Fatalf("metrics: %v", err)
	}
	for line := range strings.SplitSeq(string(body), "\n") {
		if found, ok := strings.CutPrefix(line, name+" "); ok {
			return found
		}
	}
	return "none"
}

func tokenFor(id engine.AgentID, role config.Role) config.Token {
	return config.Token{ID: id, Name: string(id), Role: role, SHA256: sha256.Sum256([]byte(tokenOf(string(id))))}
}

func greeting(text string) config.Bot {
	const flow = "id: greeting\nnodes:\n  - id: hello\n    say: [{text: %q}]\n    next: done\n  - id: done\n    end: {}\nfallback: {text: Pardon, next: hello}\n"
	return config.Bot{Flow: &config.BotFile{Path: "bot.yaml", Text: fmt.Appendf(nil, flow, text)}}
}

// TestReloadUnderTraffic: streams and calls that are open live through reloads that
// change everything there is to change, and what comes meanwhile is served.
func TestReloadUnderTraffic(t *testing.T) {
	w := newWorld(t)
	conversation, _ := w.chat("16505550120")

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	board, err := w.as("asha").WatchBoard(ctx, &intervenev1.WatchBoardRequest{})
	if err != nil {
		t.Fatalf("WatchBoard: %v", err)
	}
	var frames atomic.Int64
	ended := make(chan error, 1)
	go func() {
		for board.Receive() {
			frames.Add(1)
		}
		ended <- board.Err()
	}()
	body, file := io.Pipe()
	upload := make(chan string, 1)
	go func() { upload <- w.uploads(ctx, conversation, body) }()
	if _, err := io.WriteString(file, "the first half"); err != nil {
		t.Fatalf("upload: %v", err)
	}

	work, rest := context.WithCancel(ctx)
	var traffic sync.WaitGroup
	var served atomic.Int64
	for n := range 4 {
		traffic.Go(func() { w.traffic(work, n, conversation, &served) })
	}
	for n := range reloads {
		began := served.Load()
		w.reloaded(func(c *config.Config) { changeAll(c, n) })
		w.until("traffic", func() bool { return served.Load() > began+4 || t.Failed() })
	}
	rest()
	traffic.Wait()

	if _, err := io.WriteString(file, ", and the other"); err != nil {
		t.Errorf("upload: %v", err)
	}
	file.Close()
	if got := <-upload; got != "200 OK" {
		t.Errorf("upload that was open: got %s, want 200 OK", got)
	}
	before := frames.Load()
	w.writes("16505550121", standin.Message{Text: "Hello"})
	w.until("the stream that was open", func() bool { return frames.Load() > before })
	if got := w.metric(`intervene_config_reloads_total{outcome="done"}`); got != "20" {
		t.Errorf("reloads: got %s, want 20", got)
	}
	cancel()
	if err := <-ended; connect.CodeOf(err) != connect.CodeCanceled {
		t.Errorf("stream: got %v, want it open until it is left", err)
	}
	if err := board.Close(); err != nil && connect.CodeOf(err) != connect.CodeCanceled {
		t.Errorf("close the stream: %v", err)
	}
	t.Logf("%d requests served during %d reloads", served.Load(), reloads)
}

// changeAll changes everything, but for what the traffic needs.
func changeAll(c *config.Config, n int) {
	c.LogLevel = []slog.Level{slog.LevelDebug, slog.LevelInfo}[n%2]
	c.ReadReceipts = n%2 == 0
	c.AllowedOrigins = []string{fmt.Sprintf("https://desk%d.example.com", n)}
	c.Apps[0].AppSecrets = []config.Secret{config.NewSecret(appSecret), config.NewSecret(fmt.Sprint("next", n))}
	acme := &c.Workspaces[0]
	acme.Policy.OutsideSilence = time.Duration(n+1) * time.Minute
	acme.Bot = greeting(fmt.Sprint("hello ", n))
	acme.Channels[0].MessagesPerSecond = busyRate + n
	second := acme.Channels[0]
	second.ID, second.PhoneNumberID = "acme-second", "106540352249999"
	acme.Channels = append(acme.Channels[:1], second)[:1+n%2]
	acme.Tokens = append(acme.Tokens[:3:3], tokenFor(engine.AgentID(fmt.Sprint("temp-", n)), config.RoleAgent))
}

// traffic is customers who write and an agent who notes, until ctx ends.
func (w *world) traffic(ctx context.Context, n int, conversation string, served *atomic.Int64) {
	for i := 0; ctx.Err() == nil; i++ {
		text := fmt.Sprintf(`"messages":[{"from":"165055502%02d","id":"wamid.reload-%d-%d","timestamp":"%d","type":"text","text":{"body":"hi"}}]`,
			n, n, i, time.Now().Unix())
		if got := w.deliver(webhook(change("messages", text))); got != http.StatusOK {
			w.t.Errorf("webhook during reloads: got %d, want 200", got)
			return
		}
		_, err := w.as("asha").AddNote(context.WithoutCancel(ctx), &intervenev1.AddNoteRequest{
			ConversationId: conversation, CommandId: uuid.NewString(), Body: "noted",
		})
		if err != nil {
			w.t.Errorf("AddNote during reloads: got error %v, want none", err)
			return
		}
		served.Add(2)
	}
}

// uploads posts a file as asha and answers the status.
func (w *world) uploads(ctx context.Context, conversation string, body io.Reader) string {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url("/v1/conversations/"+conversation+"/media"), body)
	if err != nil {
		return err.Error()
	}
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("Authorization", "Bearer "+tokenOf("asha"))
	answer, err := w.client.Do(r)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(answer.Status + errorText(answer.Body.Close()))
}

func errorText(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

// TestReloadTakes: each thing that a reload takes is so afterwards.
func TestReloadTakes(t *testing.T) {
	w := newWorld(t)
	t.Run("tokens", func(t *testing.T) {
		w.in(t)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		stream, err := w.as("asha").WatchBoard(ctx, &intervenev1.WatchBoardRequest{})
		if err != nil {
			t.Fatalf("WatchBoard: %v", err)
		}
		before := w.config
		w.reloaded(func(c *config.Config) {
			c.Workspaces[0].Tokens = []config.Token{tokenFor("sue", config.RoleSupervisor), tokenFor("nina", config.RoleAgent)}
		})
		for stream.Receive() {
		}
		if err := stream.Err(); connect.CodeOf(err) != connect.CodeUnauthenticated {
			t.Errorf("stream of a token that is gone: got %v, want unauthenticated", err)
		}
		if err := stream.Close(); err != nil && connect.CodeOf(err) != connect.CodeUnauthenticated {
			t.Errorf("close the stream: %v", err)
		}
		for member, want := range map[string]connect.Code{"asha": connect.CodeUnauthenticated, "nina": 0} {
			_, err := w.as(member).ListAgents(t.Context(), &intervenev1.ListAgentsRequest{})
			if got := codeOf(err); got != want {
				t.Errorf("%s: got code %v, want %v", member, got, want)
			}
		}
		w.reloaded(func(c *config.Config) { *c = *before })
	})
	t.Run("policy", func(t *testing.T) {
		w.in(t)
		w.writes("16505550130", standin.Message{Text: "Hello"})
		card := w.card("16505550130")
		w.reloaded(func(c *config.Config) { c.Workspaces[0].Policy.TakeoverFromActive = false })
		_, err := w.as("asha").Intervene(t.Context(), &intervenev1.InterveneRequest{ConversationId: card.GetConversationId(), CommandId: uuid.NewString()})
		if got := codeOf(err); got != connect.CodeFailedPrecondition {
			t.Errorf("intervene without the policy: got code %v, want failed precondition", got)
		}
		w.reloaded(func(c *config.Config) { c.Workspaces[0].Policy.TakeoverFromActive = true })
		w.intervene(card.GetConversationId())
	})
	t.Run("channels", func(t *testing.T) {
		w.in(t)
		body := []byte(strings.ReplaceAll(string(webhook(change("messages",
			fmt.Sprintf(`"messages":[{"from":"16505550140","id":"wamid.second","timestamp":"%d","type":"text","text":{"body":"hi"}}]`, time.Now().Unix())))),
			phoneNumber, "106540352249999"))
		if got := w.deliver(body); got != http.StatusOK || w.has("16505550140") {
			t.Errorf("a number that nobody knows: got %d and its conversation %t, want 200 and none", got, w.has("16505550140"))
		}
		second := w.config.Workspaces[0].Channels[0]
		second.ID, second.PhoneNumberID = "acme-second", "106540352249999"
		got := w.reloaded(func(c *config.Config) { c.Workspaces[0].Channels = append(c.Workspaces[0].Channels, second) })
		if want := []string{"workspaces[acme].channels[acme-second]"}; !slices.Equal(got.Changed, want) {
			t.Errorf("changed: got %q, want %q", got.Changed, want)
		}
		if got := w.deliver(body); got != http.StatusOK || !w.has("16505550140") {
			t.Errorf("a new number: got %d and its conversation %t, want 200 and one", got, w.has("16505550140"))
		}
	})
	t.Run("app secrets", func(t *testing.T) {
		w.in(t)
		w.reloaded(func(c *config.Config) { c.Apps[0].AppSecrets = []config.Secret{config.NewSecret("another secret")} })
		if got := w.deliver(webhook()); got != http.StatusUnauthorized {
			t.Errorf("signed with the old secret: got %d, want 401", got)
		}
		w.reloaded(func(c *config.Config) {
			c.Apps[0].AppSecrets = []config.Secret{config.NewSecret("another secret"), config.NewSecret(appSecret)}
		})
		if got := w.deliver(webhook()); got != http.StatusOK {
			t.Errorf("signed with either secret: got %d, want 200", got)
		}
	})
	t.Run("what waits", func(t *testing.T) {
		w.in(t)
		next := w.edited(func(c *config.Config) { c.Listen, c.DataDir = "127.0.0.1:1", t.TempDir() })
		status, got := w.reload(next, nil)
		if want := []string{"listen", "data_dir"}; status != http.StatusOK || !slices.Equal(got.Waiting, want) || len(got.Changed) > 0 {
			t.Errorf("got %d, %+v, want 200 and %q waiting", status, got, want)
		}
	})
}

// TestReloadLetsTurnsEnd: a turn ends with the bot that it began with, and the next one
// is the new bot's.
func TestReloadLetsTurnsEnd(t *testing.T) {
	w := newWorld(t)
	asked, answer := make(chan struct{}, 1), make(chan struct{})
	bot := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-answer:
		case <-r.Context().Done():
		}
		response.Header().Set("Content-Type", "application/json")
		if _, err := io.WriteString(response, `{"actions": [{"say": {"content": {"text": {"body": "from the old bot"}}}}]}`); err != nil {
			t.Errorf("answer: %v", err)
		}
	}))
	defer bot.Close()
	w.reloaded(func(c *config.Config) { c.Workspaces[0].Bot = config.Bot{Webhook: &config.BotWebhook{URL: bot.URL}} })
	w.writes("16505550150", standin.Message{Text: "Hello"})
	<-asked
	w.reloaded(func(c *config.Config) { c.Workspaces[0].Bot = greeting("from the new bot") })
	close(answer)
	conversation := w.card("16505550150").GetConversationId()
	says := func(text string) {
		w.message(conversation, text, func(m *intervenev1.Message) bool { return m.GetContent().GetText().GetBody() == text })
	}
	says("from the old bot")
	w.writes("16505550150", standin.Message{Text: "And now?"})
	says("from the new bot")
}

// TestReloadRefused: when anything is wrong, nothing is taken.
func TestReloadRefused(t *testing.T) {
	w := newWorld(t)
	broken := w.edited(func(c *config.Config) {
		c.LogLevel = slog.LevelDebug
		c.Workspaces[0].Tokens = nil
		c.Workspaces[1].Bot = config.Bot{Flow: &config.BotFile{Path: "zeta.yaml", Text: []byte("start: nowhere\n")}}
	})
	for name, tt := range map[string]struct {
		next    *config.Config
		misread error
		want    string
	}{
		"a file that is wrong":  {nil, config.Problems{{File: "intervene.yaml", Line: 1, Column: 2, Reason: "is empty"}}, "intervene.yaml:1:2: is empty"},
		"a part that is broken": {broken, nil, "bot of workspace zeta"},
	} {
		status, got := w.reload(tt.next, tt.misread)
		if status != http.StatusUnprocessableEntity || len(got.Problems) == 0 || !strings.Contains(got.Problems[0], tt.want) {
			t.Errorf("%s: got %d %q, want 422 and %q", name, status, got.Problems, tt.want)
		}
		if _, err := w.as("asha").ListAgents(t.Context(), &intervenev1.ListAgentsRequest{}); err != nil || w.level.Level() != slog.LevelInfo {
			t.Errorf("%s: got error %v and level %s, want all as it was", name, err, w.level.Level())
		}
	}
	for name, want := range map[string]string{
		`intervene_config_reloads_total{outcome="refused"}`: "2", `intervene_config_reloads_total{outcome="done"}`: "0",
		"intervene_config_last_reload_good": "0",
	} {
		if got := w.metric(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	w.reloaded(func(*config.Config) {})
	if got := w.metric("intervene_config_last_reload_good"); got != "1" {
		t.Errorf("after a good one: got %s, want 1", got)
	}
}

func TestLogLevel(t *testing.T) {
	w := newWorld(t)
	put := func(level, host string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+w.engine.AdminAddr().String()+serve.LogLevelPath, strings.NewReader(level))
		if err != nil {
			t.Fatalf("make a request: %v", err)
		}
		if host != "" {
			r.Host = host
		}
		answer, err := w.client.Do(r)
		if err != nil {
			t.Fatalf("PUT: %v", err)
		}
		body, err := io.ReadAll(answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			t.Fatalf("PUT: %v", err)
		}
		return answer.StatusCode, strings.TrimSpace(string(body))
	}
	for _, tt := range []struct {
		level, host string
		status      int
		body        string
		want        slog.Level
	}{
		{"debug\n", "", http.StatusOK, `{"log_level":"debug"}`, slog.LevelDebug},
		{"loud", "", http.StatusUnprocessableEntity, `{"problems":["must be debug, info, warn or error"]}`, slog.LevelDebug},
		{"error", "evil.example:9090", http.StatusForbidden, "only from this machine", slog.LevelDebug},
	} {
		status, body := put(tt.level, tt.host)
		if status != tt.status || body != tt.body || w.level.Level() != tt.want {
			t.Errorf("%q: got %d %s and level %s, want %d %s and %s", tt.level, status, body, w.level.Level(), tt.status, tt.body, tt.want)
		}
	}
	if _, body, err := w.admin(http.MethodGet, serve.LogLevelPath); err != nil || string(body) != "{\"log_level\":\"debug\"}\n" {
		t.Errorf("GET: got %q, error %v, want debug", body, err)
	}
	w.reloaded(func(c *config.Config) { c.LogLevel = slog.LevelWarn })
	if got := w.level.Level(); got != slog.LevelWarn {
		t.Errorf("after a reload: got %s, want WARN", got)
	}
}

// has reports whether there is a conversation of a number.
func (w *world) has(phone string) bool {
	return slices.ContainsFunc(w.cards(), func(c *intervenev1.Card) bool { return c.GetContact().GetPhone() == phone })
}

func codeOf(err error) connect.Code {
	if err == nil {
		return 0
	}
	return connect.CodeOf(err)
}

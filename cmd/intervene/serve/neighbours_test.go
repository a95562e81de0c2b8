package serve_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

const (
	zetasNumber standin.PhoneNumberID = "206540352242999"
	// misled is how many customers write to each of two workspaces; more in a soak.
	misled     = 30
	soakMisled = 1000
	badTimeout = 300 * time.Millisecond
	writePace  = 5 * time.Millisecond // between two customers of one workspace
)

// well answers every turn at once, in JSON.
func well(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"actions": [{"say": {"content": {"text": {"body": "hello"}}}}]}`)
}

// harmless is how many of behaviours come first that do no harm: what the others are
// compared with.
const harmless = 2

// behaviours are those of acme's bot.
var behaviours = []struct {
	name string
	bot  http.HandlerFunc
}{
	{"does well", well},
	{"says nothing", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }},
	{"hangs", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}},
	{"crashes", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	{"floods", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for range 64 {
			if _, err := io.WriteString(w, strings.Repeat(" ", 1<<20)); err != nil {
				return
			}
		}
	}},
	{"answers a thousand times", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"actions": [{"say": {"content": {"text": {"body": "hello"}}}}`+
			strings.Repeat(`, {"say": {"content": {"text": {"body": "hello"}}}}`, 1000)+`]}`)
	}},
	{"sends garbage", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"actions": [{"say"`)
	}},
}

// TestBadBotAndItsNeighbour: whatever acme's bot does, its own customers get a
// person and zeta's get their answers. How long those take is logged.
func TestBadBotAndItsNeighbour(t *testing.T) {
	customers := misled
	if os.Getenv("INTERVENE_SOAK") != "" {
		customers = soakMisled
	}
	for i, tt := range behaviours {
		t.Run(strings.ReplaceAll(tt.name, " ", "-"), func(t *testing.T) {
			w := newWorld(t, func(c *standin.Config) {
				c.Numbers = append(c.Numbers, standin.Number{ID: zetasNumber, DisplayPhoneNumber: "15550299", Business: business, AccessToken: accessToken, App: "main"})
			})
			w.neighbours(tt.bot)
			took := w.answered(customers)
			t.Logf("the neighbour's %d answers: p50 %s, p99 %s", len(took), took[len(took)/2], took[len(took)*99/100])
			if i < harmless {
				return
			}
			w.until("a person asked for everybody", func() bool { return w.requesting() == customers })
		})
	}
}

// neighbours starts the engine anew: acme with bot, zeta with one that is well.
func (w *world) neighbours(bot http.HandlerFunc) {
	w.t.Helper()
	w.stop()
	for i, handler := range []http.HandlerFunc{bot, well} {
		server := httptest.NewServer(handler)
		server.Config.ErrorLog = nil
		w.t.Cleanup(server.Close)
		w.config.Workspaces[i].Bot = config.Bot{Webhook: &config.BotWebhook{URL: server.URL}}
	}
	w.config.Workspaces[0].Bot.Deadline = badTimeout
	zeta := &w.config.Workspaces[1]
	zeta.Channels = []config.Channel{{
		ID: "zeta-main", App: "main", PhoneNumberID: string(zetasNumber), AccessToken: config.NewSecret(accessToken), MessagesPerSecond: busyRate,
	}}
	w.start()
}

// answered lets customers write to both at a steady pace, and answers how long
// zeta's waited, the shortest first.
func (w *world) answered(customers int) []time.Duration {
	w.t.Helper()
	wrote := make(map[standin.Identity]time.Time)
	var writers sync.WaitGroup
	for _, number := range []standin.PhoneNumberID{phoneNumber, zetasNumber} {
		writers.Go(func() {
			pace := time.NewTicker(writePace)
			defer pace.Stop()
			for i := range customers {
				<-pace.C
				who := standin.Identity(strconv.Itoa(16505570000 + i))
				if number == zetasNumber {
					wrote[who] = time.Now() // its writer's alone until all are done
				}
				if _, err := w.meta.Write(w.t.Context(), standin.Customer{PhoneNumberID: number, WAID: who, Name: "Nora"}, standin.Message{Text: "hi"}, time.Time{}); err != nil {
					w.t.Errorf("the customer writes: %v", err)
				}
			}
		})
	}
	writers.Wait()
	took := make(map[standin.Identity]time.Duration)
	w.until("the neighbour's answers", func() bool {
		for _, d := range w.meta.Deliveries() {
			if d.PhoneNumberID == zetasNumber {
				took[d.To] = d.AcceptedAt.Sub(wrote[d.To])
			}
		}
		return len(took) == customers
	})
	sorted := make([]time.Duration, 0, len(took))
	for _, d := range took {
		sorted = append(sorted, d.Round(10*time.Microsecond))
	}
	slices.Sort(sorted)
	return sorted
}

// requesting counts acme's conversations that wait for a person because of the bot.
func (w *world) requesting() int {
	n := 0
	for _, c := range w.cards() {
		if c.GetColumn() == intervenev1.Column_COLUMN_REQUESTING && c.GetCause() == intervenev1.Cause_CAUSE_BOT_UNAVAILABLE {
			n++
		}
	}
	return n
}

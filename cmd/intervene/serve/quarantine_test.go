package serve_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/cmd/intervene/serve"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
)

const (
	appSecret   = "test-app-secret"
	phoneNumber = "106540352242922"
)

func testConfig(dir string) *config.Config {
	return &config.Config{
		Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0", DataDir: dir,
		Apps: []config.App{{
			ID: "main", VerifyToken: config.NewSecret("v"), AppSecrets: []config.Secret{config.NewSecret(appSecret)},
			GraphBaseURL: "http://127.0.0.1:1", GraphVersion: "v25.0", // nobody listens there
		}},
		Workspaces: []config.Workspace{{
			ID: "acme",
			Channels: []config.Channel{{
				ID: "acme-main", App: "main", PhoneNumberID: phoneNumber, AccessToken: config.NewSecret("t"),
			}},
		}},
	}
}

func start(t *testing.T, dir string) *serve.Engine {
	t.Helper()
	e, err := serve.Start(testConfig(dir), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	return e
}

func stop(t *testing.T, e *serve.Engine) {
	t.Helper()
	if err := e.Stop(context.Background()); err != nil {
		t.Fatalf("stop: %v", err)
	}
}

// post delivers one POST with a text of each customer, named by its wamid.
func post(t *testing.T, e *serve.Engine, texts ...[2]string) int {
	t.Helper()
	var messages bytes.Buffer
	for i, text := range texts {
		if i > 0 {
			messages.WriteByte(',')
		}
		fmt.Fprintf(&messages, `{"from":%q,"id":%q,"timestamp":"%d","type":"text","text":{"body":"hi"}}`,
			text[0], text[1], time.Now().Unix())
	}
	body := fmt.Sprintf(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{
		"messaging_product":"whatsapp","metadata":{"phone_number_id":%q},"messages":[%s]}}]}]}`, phoneNumber, &messages)
	mac := hmac.New(sha256.New, []byte(appSecret))
	mac.Write([]byte(body))
	request, err := http.NewRequest(http.MethodPost, "http://"+e.Addr().String()+"/webhooks/whatsapp/main", bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

// onJournal runs use on the journal of a stopped engine.
func onJournal(t *testing.T, dir string, use func(*journal.Journal)) {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("open journal: %v", err)
	}
	use(j)
	if err := j.Close(); err != nil {
		t.Fatalf("close journal: %v", err)
	}
}

func conversationOf(t *testing.T, dir, waID string) (id engine.ConversationID) {
	t.Helper()
	onJournal(t, dir, func(j *journal.Journal) {
		var ok bool
		var err error
		id, ok, err = j.ByIdentity("acme-main", engine.Identity{Kind: engine.IdentityWaID, Value: waID})
		if err != nil || !ok {
			t.Fatalf("conversation of %s: found %v, error %v", waID, ok, err)
		}
	})
	return id
}

// swapEvent replaces what stands on the disk for an event, and answers what did.
func swapEvent(t *testing.T, dir string, id engine.ConversationID, version byte, value []byte) (before []byte) {
	t.Helper()
	db, err := pebble.Open(filepath.Join(dir, "store"), &pebble.Options{FormatMajorVersion: pebble.FormatNewest})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	key := append(append([]byte{0x10}, id[:]...), 0, 0, 0, 0, 0, 0, 0, version) // docs/JOURNAL.md
	found, closer, err := db.Get(key)
	if err != nil {
		t.Fatalf("read the event: %v", err)
	}
	before = bytes.Clone(found)
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Set(key, value, pebble.Sync); err != nil {
		t.Fatalf("plant: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatalf("close the store: %v", err)
	}
	return before
}

// TestQuarantine rehearses what an operator goes through with an event that
// cannot be read: the conversation is out of service, its neighbours are not,
// nothing that its customer writes is lost, and repair brings it all back.
func TestQuarantine(t *testing.T) {
	dir := t.TempDir()
	e := start(t, dir)
	if got := post(t, e, [2]string{"15550100", "wamid.a1"}, [2]string{"15550101", "wamid.b1"}); got != http.StatusOK {
		t.Fatalf("first messages: status %d, want 200", got)
	}
	stop(t, e)
	sick := conversationOf(t, dir, "15550100")
	healthy := conversationOf(t, dir, "15550101")
	good := swapEvent(t, dir, sick, 3, []byte{1, 0xEE, 0xFF})

	e = start(t, dir)
	for _, wamid := range []string{"wamid.a2", "wamid.a3", "wamid.a2"} {
		if got := post(t, e, [2]string{"15550100", wamid}, [2]string{"15550101", "wamid.b-" + wamid}); got != http.StatusOK {
			t.Errorf("POST with an item of a quarantined conversation: status %d, want 200", got)
		}
	}
	stop(t, e)
	if got, want := messagesOf(t, dir, healthy), []string{"wamid.b1", "wamid.b-wamid.a2", "wamid.b-wamid.a3"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the neighbour's messages: %v, want %v", got, want)
	}

	repaired, err := serve.Repair(t.Context(), dir, slog.New(slog.DiscardHandler))
	if err != nil || repaired.Replayed != 0 || repaired.Left[sick] != 2 {
		t.Errorf("repair before the mend: %+v (error %v), want 2 left", repaired, err)
	}
	swapEvent(t, dir, sick, 3, good)
	repaired, err = serve.Repair(t.Context(), dir, slog.New(slog.DiscardHandler))
	if err != nil || repaired.Replayed != 2 || len(repaired.Left) != 0 {
		t.Errorf("repair after the mend: %+v (error %v), want 2 replayed", repaired, err)
	}
	if got, want := messagesOf(t, dir, sick), []string{"wamid.a1", "wamid.a2", "wamid.a3"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the mended conversation's messages: %v, want %v", got, want)
	}
	report, err := journal.Verify(dir, nil)
	if err != nil || !report.OK() || report.Parked != 0 {
		t.Errorf("verify: %+v (error %v), want clean with nothing parked", report.Findings, err)
	}
}

// messagesOf are the wamids of the customer's messages, oldest first.
func messagesOf(t *testing.T, dir string, id engine.ConversationID) (wamids []string) {
	t.Helper()
	onJournal(t, dir, func(j *journal.Journal) {
		events, err := j.Events(id, 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if b, ok := e.Body.(engine.MessageReceived); ok {
				wamids = append(wamids, b.External)
			}
		}
	})
	return wamids
}

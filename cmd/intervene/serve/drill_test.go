package serve_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/intervenehq/intervene/cmd/intervene/restore"
	"github.com/intervenehq/intervene/cmd/intervene/serve"
	"github.com/intervenehq/intervene/engine/journal"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// admin asks the engine's admin listener, and answers all that it said.
func (w *world) admin(method, path string) (status int, body []byte, err error) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, "http://"+w.engine.AdminAddr().String()+path, nil)
	if err != nil {
		w.t.Fatalf("make a request: %v", err)
	}
	answer, err := w.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	body, err = io.ReadAll(answer.Body)
	return answer.StatusCode, body, errors.Join(err, answer.Body.Close())
}

func (w *world) backup() []byte {
	w.t.Helper()
	status, body, err := w.admin(http.MethodPost, serve.BackupPath)
	if err != nil || status != http.StatusOK {
		w.t.Fatalf("backup: got status %d, error %v, want all of it", status, err)
	}
	return body
}

func (w *world) held() (held serve.Held) {
	w.t.Helper()
	_, body, err := w.admin(http.MethodGet, serve.HeldPath)
	if err = errors.Join(err, json.Unmarshal(body, &held)); err != nil {
		w.t.Fatalf("held: got error %v, want none", err)
	}
	return held
}

// lose ends the engine and its data directory, of which the ledger alone is left.
func (w *world) lose() (erasures []journal.Erasure) {
	w.t.Helper()
	w.stop()
	text, err := os.ReadFile(filepath.Join(w.config.DataDir, journal.ErasuresName))
	if err != nil {
		w.t.Fatalf("ledger: got error %v, want it", err)
	}
	if erasures, err = journal.ReadErasures(bytes.NewReader(text)); err != nil {
		w.t.Fatalf("ledger: got error %v, want it", err)
	}
	w.config.DataDir = filepath.Join(w.t.TempDir(), "new")
	return erasures
}

func (w *world) restore(backup []byte, erasures []journal.Erasure) restore.Done {
	w.t.Helper()
	done, err := restore.Run(w.t.Context(), restore.Options{
		From: bytes.NewReader(backup), Dir: w.config.DataDir, Erasures: erasures, Journal: journal.Options{Logger: slog.New(slog.DiscardHandler)},
	})
	if err != nil {
		w.t.Fatalf("restore: got error %v, want none", err)
	}
	report, err := journal.Verify(w.config.DataDir, nil)
	if err != nil || !report.OK() {
		w.t.Fatalf("verify: got %v, error %v, want no difference", report.Findings, err)
	}
	return done
}

// spoken is what agents were told is accepted.
type spoken struct {
	mu       sync.Mutex
	messages map[string]string // conversations by message ID
}

func (s *spoken) add(m *intervenev1.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages[m.GetMessageId()] = m.GetConversationId()
}

func (s *spoken) so() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	messages := make(map[string]string, len(s.messages))
	for message, conversation := range s.messages {
		messages[message] = conversation
	}
	return messages
}

const (
	drillCustomers = 12
	// drillBefore is after how many acknowledged messages the backup is begun, and
	// drillAfter how many more follow before the engine is lost.
	drillBefore, drillAfter = 120, 60
)

// TestRestoreDrill loses an engine under load and restores a backup that was made
// meanwhile: whatever was acknowledged before the backup began is there, nobody gets
// anything twice, and who was erased after it stays so.
func TestRestoreDrill(t *testing.T) {
	w := newWorld(t)
	conversations := make([]string, drillCustomers)
	for i := range conversations {
		conversations[i], _ = w.chat(drillCustomer(i))
	}
	// One in three sends is taken and its answer held back: what comes behind it waits.
	if _, err := w.meta.AddFault(standin.Rule{Fault: standin.FaultStall, Every: 3, Delay: 300 * time.Millisecond}); err != nil {
		t.Fatalf("fault: %v", err)
	}
	said := &spoken{messages: make(map[string]string)}
	stop := make(chan struct{})
	var load sync.WaitGroup
	for i, conversation := range conversations[1:] { // the first is erased meanwhile
		load.Go(func() { w.chatter(fmt.Sprintf("customer %d", i), conversation, said, stop) })
	}
	w.until("messages before the backup", func() bool { return len(said.so()) >= drillBefore })
	before := said.so()
	backup := w.backup()
	w.until("messages after the backup", func() bool { return len(said.so()) >= len(before)+drillAfter })
	if _, err := w.as("adam").EraseContact(t.Context(), erase(conversations[0])); err != nil {
		t.Fatalf("EraseContact: %v", err)
	}
	close(stop)
	load.Wait()
	after := len(said.so())
	erasures := w.lose()
	sent := len(w.meta.Deliveries())

	done := w.restore(backup, erasures)
	w.start()
	held := w.held()
	t.Logf("%d messages before the backup of %d bytes, %d after it, %d sends before the loss; held: %+v", len(before), len(backup), after-len(before), sent, held)
	if held.Sends != done.Adopted.Sends || held.Sends == 0 {
		t.Errorf("held: got %+v after %+v, want some sends: else this drill shows nothing", held, done.Adopted)
	}
	if done.Erased != 1 || done.Absent != 0 {
		t.Errorf("restore: got %d erased and %d absent, want the one", done.Erased, done.Absent)
	}
	w.wantSpoken(before)
	for _, card := range w.cards() {
		if card.GetConversationId() == conversations[0] {
			t.Error("the erased: got a card, want none")
		}
	}
	// What is said now goes out, and nothing besides.
	w.meta.ClearFaults()
	fresh, _ := w.chat("16505550199")
	w.becomes(w.says(fresh, text("after the restore")), intervenev1.Delivery_DELIVERY_DELIVERED)
	w.wantNothingTwice()

	status, body, err := w.admin(http.MethodPost, serve.ReleasePath+"?how=drop")
	if err != nil || status != http.StatusOK {
		t.Fatalf("release: got status %d %s, error %v, want it done", status, body, err)
	}
	if held := w.held(); held != (serve.Held{}) {
		t.Errorf("held: got %+v, want nothing after the release", held)
	}
	if n := w.unconfirmed(before); n == 0 {
		t.Error("the held: got none that is not confirmed, want those that may have been sent")
	}
	w.becomes(w.says(fresh, text("after the release")), intervenev1.Delivery_DELIVERY_DELIVERED)
	w.wantNothingTwice()
	w.stop()
	if report, err := journal.Verify(w.config.DataDir, nil); err != nil || !report.OK() {
		t.Errorf("verify: got %v, error %v, want no difference", report.Findings, err)
	}
	w.start()
}

func drillCustomer(i int) standin.Identity { return standin.Identity(fmt.Sprintf("165055502%02d", i)) }

// chatter lets asha say one thing after the other.
func (w *world) chatter(to, conversation string, said *spoken, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		r := text(fmt.Sprintf("%s, message %d", to, n))
		r.ConversationId, r.CommandId = conversation, uuid.NewString()
		answer, err := w.as("asha").SendMessage(w.t.Context(), r)
		if err != nil { // a hundred of them wait to be sent
			pause := time.NewTimer(glance)
			<-pause.C
			continue
		}
		said.add(answer.GetMessage())
	}
}

// wantSpoken wants all messages to be in their conversations.
func (w *world) wantSpoken(messages map[string]string) {
	w.t.Helper()
	there := make(map[string]bool)
	seen := make(map[string]bool)
	for _, conversation := range messages {
		if seen[conversation] {
			continue
		}
		seen[conversation] = true
		for request := (&intervenev1.ListMessagesRequest{ConversationId: conversation, PageSize: 200}); ; {
			page, err := w.as("asha").ListMessages(w.t.Context(), request)
			if err != nil {
				w.t.Fatalf("ListMessages: %v", err)
			}
			for _, m := range page.GetMessages() {
				there[m.GetMessageId()] = true
			}
			if request.PageToken = page.GetNextPageToken(); request.GetPageToken() == "" {
				break
			}
		}
	}
	for id := range messages {
		if !there[id] {
			w.t.Errorf("message %s was acknowledged before the backup: got it not, want it", id)
		}
	}
}

// unconfirmed counts those of messages of which nobody knows whether they were sent.
func (w *world) unconfirmed(messages map[string]string) (n int) {
	w.t.Helper()
	seen := make(map[string]bool)
	for _, conversation := range messages {
		if seen[conversation] {
			continue
		}
		seen[conversation] = true
		for _, m := range w.messages(conversation) {
			if m.GetDelivery() == intervenev1.Delivery_DELIVERY_UNKNOWN {
				n++
			}
		}
	}
	return n
}

// wantNothingTwice wants no customer to have got the same text of asha's twice.
func (w *world) wantNothingTwice() {
	w.t.Helper()
	got := make(map[string]int)
	for _, d := range w.meta.Deliveries() {
		got[d.Body]++
	}
	for text, n := range got {
		if n > 1 && strings.HasPrefix(text, "customer ") {
			w.t.Errorf("%q: got it %d times, want it once", text, n)
		}
	}
}

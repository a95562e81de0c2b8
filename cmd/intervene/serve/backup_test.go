package serve_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/cmd/intervene/restore"
	"github.com/intervenehq/intervene/cmd/intervene/serve"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// largeFile puts into a data directory a file that no socket takes at once.
func largeFile(t *testing.T, dir string) {
	t.Helper()
	folder := filepath.Join(dir, "media", engine.NewConversationID(0, [14]byte{1}).String())
	if err := os.MkdirAll(folder, 0o750); err != nil {
		t.Fatalf("make a folder: %v", err)
	}
	name := filepath.Join(folder, strings.Repeat("a", 64))
	if err := errors.Join(os.WriteFile(name, nil, 0o640), os.Truncate(name, 24<<20)); err != nil {
		t.Fatalf("make a file: %v", err)
	}
}

// begin begins a backup and reads nothing of it.
func (w *world) begin(ctx context.Context) *http.Response {
	w.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+w.engine.AdminAddr().String()+serve.BackupPath, nil)
	if err != nil {
		w.t.Fatalf("make a request: %v", err)
	}
	answer, err := w.client.Do(r)
	if err != nil || answer.StatusCode != http.StatusOK {
		w.t.Fatalf("backup: got %v, error %v, want that it begins", answer, err)
	}
	return answer
}

func (w *world) checkpointIsGone() bool {
	_, err := os.Stat(filepath.Join(w.config.DataDir, "checkpoint"))
	return errors.Is(err, fs.ErrNotExist)
}

// TestOneBackupAtATime: whoever comes second is told so, and what is broken off
// leaves nothing.
func TestOneBackupAtATime(t *testing.T) {
	w := newWorld(t)
	w.stop()
	largeFile(t, w.config.DataDir)
	if err := os.MkdirAll(filepath.Join(w.config.DataDir, "checkpoint", "store"), 0o750); err != nil {
		t.Fatalf("leave what a crash leaves: %v", err)
	}
	w.start()
	if !w.checkpointIsGone() {
		t.Error("after the start: got a checkpoint, want none")
	}
	ctx, breakOff := context.WithCancel(t.Context())
	defer breakOff()
	first := w.begin(ctx)
	status, body, err := w.admin(http.MethodPost, serve.BackupPath)
	if err != nil || status != http.StatusConflict {
		t.Errorf("the second: got status %d %q, error %v, want conflict", status, body, err)
	}
	breakOff()
	if err := first.Body.Close(); err != nil && ctx.Err() == nil {
		t.Errorf("close: %v", err)
	}
	w.until("the checkpoint to go", w.checkpointIsGone)
	if metrics := w.metrics(); !strings.Contains(metrics, "intervene_backup_last_good 0") ||
		!strings.Contains(metrics, `intervene_backups_total{outcome="refused"} 1`) || !strings.Contains(metrics, "intervene_backup_age_seconds +Inf") {
		t.Errorf("metrics: got none of a backup that failed:\n%s", metrics)
	}
	if _, err := restore.Check(t.Context(), bytes.NewReader(w.backup())); err != nil {
		t.Errorf("the next: got error %v, want it whole", err)
	}
	if metrics := w.metrics(); !strings.Contains(metrics, "intervene_backup_last_good 1") || strings.Contains(metrics, "intervene_backup_age_seconds +Inf") {
		t.Errorf("metrics: got none of a good backup:\n%s", metrics)
	}

	// A backup that nobody takes keeps no engine from stopping, and is not forgotten.
	hanging := w.begin(t.Context())
	w.stop()
	if _, err := restore.Check(t.Context(), hanging.Body); err == nil {
		t.Error("broken off by the stop: got no error, want it refused")
	}
	if err := hanging.Body.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	w.start()
	if metrics := w.metrics(); strings.Contains(metrics, "intervene_backup_age_seconds +Inf") {
		t.Error("metrics after a restart: got no backup, want the good one")
	}
}

// metrics are those of backups.
func (w *world) metrics() string {
	w.t.Helper()
	_, body, err := w.admin(http.MethodGet, "/metrics")
	if err != nil {
		w.t.Fatalf("metrics: %v", err)
	}
	var found []string
	for line := range strings.SplitSeq(string(body), "\n") {
		if strings.HasPrefix(line, "intervene_backup") {
			found = append(found, line)
		}
	}
	return strings.Join(found, "\n")
}

func TestNoBackupForAPageOfSomebodyElse(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{serve.BackupPath, serve.ReleasePath + "?how=send"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+w.engine.AdminAddr().String()+path, nil)
		if err != nil {
			t.Fatalf("make a request: %v", err)
		}
		rebound := r.Clone(t.Context())
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		rebound.Host = "evil.example:9090" // a name that leads here
		for _, r := range []*http.Request{r, rebound} {
			answer, err := w.client.Do(r)
			if err != nil {
				t.Fatalf("ask: %v", err)
			}
			if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusForbidden {
				t.Errorf("%s: got status %d, error %v, want forbidden", path, answer.StatusCode, err)
			}
		}
	}
	if status, _, err := w.admin(http.MethodPost, serve.ReleasePath); err != nil || status != http.StatusBadRequest {
		t.Errorf("release without a word: got status %d, error %v, want bad request", status, err)
	}
}

func TestScheduledBackups(t *testing.T) {
	w := newWorld(t)
	w.chat("16505550110")
	w.stop()
	folder := t.TempDir()
	old := []string{"intervene-20260101T000000Z.tar", "intervene-20260102T000000Z.tar", "intervene-20260103T000000Z.tar"}
	for _, name := range append([]string{"intervene-20260104T000000Z.tar.partial", "notes.tar"}, old...) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(name), 0o640); err != nil {
			t.Fatalf("write: %v", err)
		}
	}
	w.config.Backup = &config.Backup{Folder: folder, Every: time.Hour, Keep: 2}
	w.start()
	var names []string
	w.until("a backup, and the old ones to go", func() bool {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatalf("read the folder: %v", err)
		}
		names = names[:0]
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		return len(names) == 3 && !slices.Contains(names, old[0])
	})
	if names[0] != old[2] || names[2] != "notes.tar" {
		t.Fatalf("folder: got %q, want the newest two and what is no backup", names)
	}
	file, err := os.Open(filepath.Join(folder, names[1]))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer func() {
		if err := file.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	if all, err := restore.Check(t.Context(), file); err != nil || all.Head.Offset == 0 {
		t.Errorf("backup: got %+v, error %v, want a whole one", all, err)
	}
}

// TestScheduledBackupWithoutFolder: a disk that is not mounted is a backup that failed.
func TestScheduledBackupWithoutFolder(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.config.Backup = &config.Backup{Folder: filepath.Join(t.TempDir(), "gone"), Every: time.Hour, Keep: 2}
	w.start()
	w.until("a failed backup", func() bool {
		metrics := w.metrics()
		return strings.Contains(metrics, "intervene_backup_last_good 0") && strings.Contains(metrics, `intervene_backups_total{outcome="failed"} 1`)
	})
	w.until("a good backup", func() bool {
		status, _, err := w.admin(http.MethodPost, serve.BackupPath)
		return err == nil && status == http.StatusOK && strings.Contains(w.metrics(), "intervene_backup_last_good 1")
	})
}

// TestRestoreRefuses what is damaged, before any engine can start on it.
func TestRestoreRefuses(t *testing.T) {
	w := newWorld(t)
	w.chat("16505550110")
	backup := w.backup()
	flipped := bytes.Clone(backup)
	flipped[len(flipped)/2] ^= 1
	for name, damaged := range map[string][]byte{"a flipped bit": flipped, "half of it": backup[:len(backup)/2], "nothing": nil} {
		dir := filepath.Join(t.TempDir(), "data")
		o := restore.Options{From: bytes.NewReader(damaged), Dir: dir, Journal: journal.Options{Logger: slog.New(slog.DiscardHandler)}}
		if _, err := restore.Run(t.Context(), o); err == nil {
			t.Errorf("%s: got no error, want it refused", name)
		}
		if _, err := os.Stat(filepath.Join(dir, "store")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got a store (error %v), want none", name, err)
		}
		o.From = bytes.NewReader(backup)
		if _, err := restore.Run(t.Context(), o); err != nil {
			t.Errorf("after %s: got error %v, want it restored", name, err)
		}
		if _, err := restore.Run(t.Context(), o); engine.CodeOf(err) != engine.CodeInvalid {
			t.Errorf("over a journal: got error %v, want code invalid", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := restore.Run(ctx, restore.Options{From: bytes.NewReader(backup), Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: got error %v, want canceled", err)
	}
}

// TestStatusesOfTheEngineThatWasLost count for what both have in common, and for
// nothing that this one says under the same name.
func TestStatusesOfTheEngineThatWasLost(t *testing.T) {
	w := newWorld(t)
	conversation, _ := w.chat("16505550110")
	w.becomes(w.says(conversation, text("before")), intervenev1.Delivery_DELIVERY_DELIVERED)
	backup := w.backup()
	lost := w.becomes(w.says(conversation, text("lost")), intervenev1.Delivery_DELIVERY_DELIVERED)
	w.restore(backup, w.lose())
	w.start()
	if _, err := w.meta.AddFault(standin.Rule{Fault: standin.FaultNoStatus, Always: true}); err != nil {
		t.Fatalf("fault: %v", err)
	}
	own := w.says(conversation, text("own"))
	if own.GetMessageId() != lost.GetMessageId() {
		t.Fatalf("message: got %s, want the name of the lost one, %s: else this shows nothing", own.GetMessageId(), lost.GetMessageId())
	}
	w.becomes(own, intervenev1.Delivery_DELIVERY_ACCEPTED)
	var wamid standin.WAMID
	for _, d := range w.meta.Deliveries() {
		if d.Body == "lost" {
			wamid = d.WAMID
		}
	}
	status := `"statuses":[{"id":"` + string(wamid) + `","status":"read","timestamp":"1760000000","recipient_id":"16505550110",` +
		`"biz_opaque_callback_data":"` + lost.GetMessageId() + `"}]`
	if code := w.deliver(webhook(change("messages", status))); code != http.StatusOK {
		t.Fatalf("deliver: got status %d, want 200", code)
	}
	if got := w.messages(conversation)[0]; got.GetDelivery() != intervenev1.Delivery_DELIVERY_ACCEPTED {
		t.Errorf("own message: got %s, want accepted: the status is of the lost one", got.GetDelivery())
	}
	for _, d := range w.meta.Deliveries() {
		if d.Body == "own" && d.CallbackData == own.GetMessageId() {
			t.Error("own message: got the name of the lost one at the platform, want another")
		}
	}
}

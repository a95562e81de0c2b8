package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/cmd/intervene/serve"
	"github.com/intervenehq/intervene/engine/journal"
)

// startAlone starts an engine without a network, in a folder of its own, and
// answers where its admin listener and its data are.
func startAlone(t *testing.T) (admin, data string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "intervene.yaml")
	text := "listen: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0\nworkspaces: [{id: acme}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatalf("write configuration: %v", err)
	}
	c, err := config.Load(file)
	if err != nil {
		t.Fatalf("configuration: %v", err)
	}
	engine, err := serve.Start(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() {
		if err := engine.Stop(t.Context()); err != nil && t.Context().Err() == nil {
			t.Errorf("stop: %v", err)
		}
	})
	return engine.AdminAddr().String(), c.DataDir
}

// says runs a command and wants a code, and a word in what it told.
func says(t *testing.T, code int, word string, args ...string) (stdout []byte) {
	t.Helper()
	var out, err bytes.Buffer
	if got := run(t.Context(), args, &out, &err); got != code || !strings.Contains(out.String()+err.String(), word) {
		t.Errorf("%v: got code %d and %q %q, want %d and %q", args[0], got, out.String(), err.String(), code, word)
	}
	return out.Bytes()
}

func TestBackupAndRestoreCommands(t *testing.T) {
	admin, data := startAlone(t)
	dir := t.TempDir()
	plain, small := filepath.Join(dir, "b.tar"), filepath.Join(dir, "b.tar.zst")
	says(t, 0, "SHA256", "backup", "--admin", admin, "-o", plain)
	says(t, 0, "SHA256", "backup", "--admin", admin, "--output", small)
	says(t, 1, "is there already", "backup", "--admin", admin, "-o", plain)
	says(t, 0, "SHA256", "backup", "--admin", admin, "-o", plain, "--force")
	streamed := says(t, 0, "SHA256", "backup", "--admin", admin, "-o", "-")
	if err := os.WriteFile(filepath.Join(dir, "streamed.tar"), streamed, 0o600); err != nil {
		t.Fatalf("write: %v", err)
	}
	says(t, 1, "is it running", "backup", "--admin", "127.0.0.1:1", "-o", filepath.Join(dir, "none"))
	says(t, 2, "--output", "backup", "--admin", admin)
	ledger := filepath.Join(data, journal.ErasuresName)
	for i, from := range []string{plain, small, filepath.Join(dir, "streamed.tar")} {
		to := filepath.Join(dir, "data", string(rune('a'+i)))
		says(t, 0, "the backup is whole", "restore", "--check", "--from", from)
		says(t, 0, "erased again: 0", "restore", "--from", from, "--data", to, "--erasures", ledger)
		says(t, 0, "everything is as the events say", "journal", "verify", "--data", to)
		says(t, 1, "must be empty", "restore", "--from", from, "--data", to, "--erasures", ledger)
	}
	says(t, 0, "WARNING: no erasure ledger", "restore", "--from", plain, "--data", filepath.Join(dir, "without"), "--no-erasures")
	says(t, 2, "--erasures is missing", "restore", "--from", plain, "--data", filepath.Join(dir, "no word"))
	says(t, 2, "contradict", "restore", "--from", plain, "--data", filepath.Join(dir, "both"), "--no-erasures", "--erasures", ledger)
	says(t, 2, "--data is missing", "restore", "--from", plain, "--no-erasures")
	says(t, 1, "no such file", "restore", "--from", filepath.Join(dir, "none"), "--check")
	says(t, 1, "no backup of Intervene", "restore", "--from", ledger, "--check")
	says(t, 1, "erasure ledger does not begin", "restore", "--from", plain, "--data", filepath.Join(dir, "wrong"), "--erasures", plain)
	for _, name := range []string{"no word", "both", "wrong", "none"} {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got error %v, want that nothing was made", name, err)
		}
	}

	whole, err := os.ReadFile(plain)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	whole[len(whole)/2] ^= 1
	if err := os.WriteFile(plain, whole, 0o600); err != nil {
		t.Fatalf("write: %v", err)
	}
	says(t, 1, "damaged", "restore", "--from", plain, "--check")
	says(t, 0, "held since the restore: the sends of 0", "release", "--admin", admin)
	says(t, 2, "can't be used together", "release", "--admin", admin, "--send", "--drop")
}

// TestABackupIsWholeOrNotThere, wherever its stream breaks.
func TestABackupIsWholeOrNotThere(t *testing.T) {
	admin, _ := startAlone(t)
	whole := says(t, 0, "SHA256", "backup", "--admin", admin, "-o", "-")
	for n := 0; n < len(whole); n += len(whole)/50 + 1 {
		path := filepath.Join(t.TempDir(), "b.tar")
		err := serve.SaveFile(path, func(to io.Writer) error {
			_, err := backupCommand{}.pass(bytes.NewReader(whole[:n]), to)
			return err
		})
		if err == nil {
			t.Errorf("%d of %d bytes: got no error, want one", n, len(whole))
		}
		if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) > 0 {
			t.Errorf("%d of %d bytes: got %d files, error %v, want none", n, len(whole), len(entries), err)
		}
	}
}

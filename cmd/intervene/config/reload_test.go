package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func parsed(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse(testFile, []byte(text), lookupTestEnv)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return c
}

func TestReload(t *testing.T) {
	const ben = `      - {id: ben, role: ROLE_ADMIN, sha256: "0000000000000000000000000000000000000000000000000000000000000002"}` + "\n"
	const cleo = `      - {id: cleo, role: ROLE_BOT, sha256: "0000000000000000000000000000000000000000000000000000000000000003"}` + "\n"
	one := certificate(t, "one.example.com")
	tests := []struct {
		name, old, new   string
		changed, waiting []string
	}{
		{"nothing", "", "", nil, nil},
		{"a token goes", ben, "", []string{"workspaces[acme].tokens"}, nil},
		{"a token comes", ben, ben + cleo, []string{"workspaces[acme].tokens"}, nil},
		{"a secret changes", "s3cr3t-t", "s3cr3t-u", []string{"workspaces[acme].channels[acme-main]"}, nil},
		{"an app's secret changes", "s3cr3t-a", "s3cr3t-b", []string{"whatsapp_apps[main]"}, nil},
		{"the workspace goes", "id: acme\n", "id: globex\n", []string{"workspaces[acme]", "workspaces[globex]"}, nil},
		{"addresses", "workspaces:", "listen: :1\nadmin_listen: :2\ndata_dir: x\nworkspaces:", nil, []string{"listen", "admin_listen", "data_dir"}},
		{"backups", "workspaces:", "erasure_ledger: e\nbackup: {folder: b}\ntraces: {endpoint: http://c}\nworkspaces:", []string{"backup"}, []string{"erasure_ledger", "traces"}},
		{"TLS begins", "workspaces:", one + "workspaces:", nil, []string{"tls"}},
		{
			"the process", "workspaces:", "log_level: debug\ndrain: {delay: 5s}\nread_receipts: false\nallowed_origins: [\"https://a.example\"]\nworkspaces:",
			[]string{"log_level", "drain", "read_receipts", "allowed_origins"},
			nil,
		},
		{
			"bot, hand-off and retention", "    tokens:", "    bot: {flow: bot.yaml}\n    handoff: {auto_resolve_after: 0}\n    retention_days: 3\n    tokens:",
			[]string{"workspaces[acme].bot", "workspaces[acme].handoff", "workspaces[acme].retention_days"},
			nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			running, untouched := parsed(t, minimal), parsed(t, minimal)
			next := parsed(t, strings.Replace(minimal, tt.old, tt.new, 1))
			got := running.Reload(next)
			if !slices.Equal(got.Changed, tt.changed) || !slices.Equal(got.Waiting, tt.waiting) {
				t.Errorf("got changed %q and waiting %q, want %q and %q", got.Changed, got.Waiting, tt.changed, tt.waiting)
			}
			if !reflect.DeepEqual(running, untouched) {
				t.Errorf("got the running configuration changed")
			}
			again := got.InForce.Reload(next)
			if len(again.Changed) > 0 || !slices.Equal(again.Waiting, tt.waiting) {
				t.Errorf("reloaded again: got changed %q and waiting %q, want none and %q", again.Changed, again.Waiting, tt.waiting)
			}
		})
	}
}

func TestReloadCertificate(t *testing.T) {
	running := parsed(t, certificate(t, "one.example.com")+minimal)
	next := parsed(t, certificate(t, "other.example.com")+minimal)
	if got := running.Reload(next); !slices.Equal(got.Changed, []string{"tls"}) || got.InForce.TLS != next.TLS || len(got.Waiting) > 0 {
		t.Errorf("got changed %q and waiting %q, want the certificate taken", got.Changed, got.Waiting)
	}
}

// TestLoad reads a real file, and what it names, from a folder that is not the
// process's own.
func TestLoad(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("INTERVENE_TEST_SECRET", canary)
	files := map[string]string{
		"bot.yaml":     "fallback: Pardon?\n",
		"access_token": canary + "\n",
		"intervene.yaml": strings.NewReplacer(
			"{value: s3cr3t-v}", "{env: INTERVENE_TEST_SECRET}", "{value: s3cr3t-t}", "{file: access_token}",
			"    tokens:", "    bot: {flow: ./bot.yaml}\n    tokens:",
		).Replace(minimal),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatalf("write: %v", err)
		}
	}
	c, err := Load(filepath.Join(folder, "intervene.yaml"))
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	if got, want := c.DataDir, filepath.Join(folder, "data"); got != want {
		t.Errorf("got data folder %s, want %s", got, want)
	}
	if got := string(c.Workspaces[0].Bot.Flow.Text); got != files["bot.yaml"] {
		t.Errorf("got bot %q, want %q", got, files["bot.yaml"])
	}
	for _, secret := range []Secret{c.Apps[0].VerifyToken, c.Workspaces[0].Channels[0].AccessToken} {
		if got := secret.Reveal(); got != canary {
			t.Errorf("got secret %q, want %q", got, canary)
		}
	}
}

func TestLoadRefusesFiles(t *testing.T) {
	long := filepath.Join(t.TempDir(), "long.yaml")
	if err := os.WriteFile(long, []byte("#"+strings.Repeat(" ", MaxFileBytes)), 0o600); err != nil {
		t.Fatalf("write: %v", err)
	}
	for _, path := range []string{long, filepath.Join(t.TempDir(), "none.yaml"), t.TempDir()} {
		if c, err := Load(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("got configuration %t and error %v, want an error that names %s", c != nil, err, path)
		}
	}
}

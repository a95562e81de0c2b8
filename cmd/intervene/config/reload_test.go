package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/intervenehq/intervene/engine"
)

func parsed(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse(testFile, []byte(text), lookupTestEnv)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return c
}

func TestWithTokens(t *testing.T) {
	const ben = `      - {id: ben, role: ROLE_ADMIN, sha256: "0000000000000000000000000000000000000000000000000000000000000002"}` + "\n"
	const cleo = `      - {id: cleo, role: ROLE_BOT, sha256: "0000000000000000000000000000000000000000000000000000000000000003"}` + "\n"
	tests := []struct {
		name, old, new string
		callers        []engine.AgentID
		ignored        []string
	}{
		{"nothing", "", "", []engine.AgentID{"asha", "ben"}, nil},
		{"a token goes", ben, "", []engine.AgentID{"asha"}, nil},
		{"a token comes", ben, ben + cleo, []engine.AgentID{"asha", "ben", "cleo"}, nil},
		{"a secret changes", "s3cr3t-t", "s3cr3t-u", []engine.AgentID{"asha", "ben"}, []string{"workspaces[acme].channels"}},
		{"an app's secret changes", "s3cr3t-a", "s3cr3t-b", []engine.AgentID{"asha", "ben"}, []string{"whatsapp_apps"}},
		{"the workspace goes", "id: acme\n", "id: globex\n", nil, []string{"workspaces[acme]", "workspaces[globex]"}},
		{"addresses", "workspaces:", "listen: :1\nadmin_listen: :2\ndata_dir: x\nworkspaces:", []engine.AgentID{"asha", "ben"}, []string{"listen", "admin_listen", "data_dir"}},
		{
			"backups", "workspaces:", "erasure_ledger: e\nbackup: {folder: b}\ntraces: {endpoint: http://c}\nworkspaces:",
			[]engine.AgentID{"asha", "ben"},
			[]string{"erasure_ledger", "backup", "traces"},
		},
		{
			"bot and hand-off", "    tokens:", "    bot: {flow: bot.yaml}\n    handoff: {auto_resolve_after: 0}\n    tokens:",
			[]engine.AgentID{"asha", "ben"},
			[]string{"workspaces[acme].bot", "workspaces[acme].handoff"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			running, untouched := parsed(t, minimal), parsed(t, minimal)
			next := parsed(t, strings.Replace(minimal, tt.old, tt.new, 1))
			reloaded, ignored := running.WithTokens(next)
			if !slices.Equal(ignored, tt.ignored) {
				t.Errorf("got ignored %q, want %q", ignored, tt.ignored)
			}
			var callers []engine.AgentID
			for _, token := range reloaded.Workspaces[0].Tokens {
				callers = append(callers, token.ID)
			}
			if !slices.Equal(callers, tt.callers) {
				t.Errorf("got callers %q, want %q", callers, tt.callers)
			}
			if !reflect.DeepEqual(running, untouched) {
				t.Errorf("got the running configuration changed")
			}
			reloaded.Workspaces[0].Tokens = untouched.Workspaces[0].Tokens
			if !reflect.DeepEqual(reloaded, untouched) {
				t.Errorf("got more than tokens changed")
			}
		})
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

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/intervenehq/intervene/deploy"
)

func TestConfigCommand(t *testing.T) {
	for _, name := range []string{"WA_VERIFY_TOKEN", "WA_APP_SECRET", "WA_ACCESS_TOKEN"} {
		t.Setenv(name, "a-secret")
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatalf("write: %v", err)
		}
		return path
	}
	write("broken-flow.yaml", "id: broken\n")
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"the example", []string{"check", write("intervene.yaml", string(deploy.Example))}, 0, "ok: 1 workspaces, 1 apps, 1 channels, 0 tokens; listen 127.0.0.1:8080 (http)"},
		{"a key that nobody knows", []string{"check", write("typo.yaml", "workspace: []\n")}, 1, "typo.yaml:1:1: workspace: is no known field"},
		{"a flow that is broken", []string{"check", write("flow.yaml", "workspaces: [{id: acme, bot: {flow: broken-flow.yaml}}]\n")}, 1, "bot of workspace acme: "},
		{"no file", []string{"check", filepath.Join(dir, "none.yaml")}, 1, "no such file"},
		{"to begin with", []string{"example"}, 0, "# The configuration of `intervene serve`, with every key."},
	} {
		var out, err bytes.Buffer
		code := run(t.Context(), append([]string{"config"}, tt.args...), &out, &err)
		if code != tt.code || !strings.Contains(out.String(), tt.want) || err.Len() > 0 {
			t.Errorf("%s: got exit %d, %q and %q, want %d and %q", tt.name, code, out.String(), err.String(), tt.code, tt.want)
		}
	}
}

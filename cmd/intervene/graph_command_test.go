package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGraphStaysOnLoopback: its control endpoints ask nobody for a token.
func TestGraphStaysOnLoopback(t *testing.T) {
	t.Setenv("WA_APP_SECRET", "secret")
	t.Setenv("WA_ACCESS_TOKEN", "token")
	for _, listen := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "[::]:0", "example.com:0"} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"graph", "--listen", listen}, &stdout, &stderr)
		if code != 1 || !strings.Contains(stderr.String(), "loopback") {
			t.Errorf("graph --listen %s: got code %d and %q, want 1 and a word on loopback", listen, code, stderr.String())
		}
	}
}

func TestGraphNeedsItsSecrets(t *testing.T) {
	t.Setenv("WA_APP_SECRET", "")
	t.Setenv("WA_ACCESS_TOKEN", "token")
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"graph", "--listen", "127.0.0.1:0"}, &stdout, &stderr)
	if code != 1 || !strings.Contains(stderr.String(), "WA_APP_SECRET") {
		t.Errorf("got code %d and %q, want 1 and the name of the variable", code, stderr.String())
	}
}

// TestGraphReadsItsConfig: what the file says is served, and what it leaves
// out of secrets comes from the environment.
func TestGraphReadsItsConfig(t *testing.T) {
	t.Setenv("WA_APP_SECRET", "secret")
	t.Setenv("WA_ACCESS_TOKEN", "")
	file := filepath.Join(t.TempDir(), "graph.json")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatalf("write config: got %v, want no error", err)
		}
	}
	for name, tc := range map[string]struct{ text, want string }{
		"not JSON":    {`apps: []`, "--config"},
		"unknown":     {`{"nubmers": []}`, "nubmers"},
		"no token":    {`{"apps": [{"id": "main"}], "numbers": [{"id": "101"}]}`, "WA_ACCESS_TOKEN"},
		"bad numbers": {`{"apps": [{"id": "main"}], "numbers": [{"access_token": "t"}]}`, "a number needs an ID"},
	} {
		write(tc.text)
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"graph", "--listen", "127.0.0.1:0", "--config", file}, &stdout, &stderr)
		if code != 1 || !strings.Contains(stderr.String(), tc.want) {
			t.Errorf("%s: got code %d and %q, want 1 and a word on %s", name, code, stderr.String(), tc.want)
		}
	}
	write(`{"apps": [{"id": "main"}], "numbers": [{"id": "101", "access_token": "t"}]}`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // it starts, greets, and stops
	var stdout, stderr bytes.Buffer
	code := run(ctx, []string{"graph", "--listen", "127.0.0.1:0", "--config", file}, &stdout, &stderr)
	if code != 0 || !strings.Contains(stdout.String(), "graph_base_url: http://127.0.0.1:") {
		t.Errorf("got code %d, %q and %q, want 0 and where it serves", code, stdout.String(), stderr.String())
	}
}

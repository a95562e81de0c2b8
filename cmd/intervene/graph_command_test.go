package main

import (
	"bytes"
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

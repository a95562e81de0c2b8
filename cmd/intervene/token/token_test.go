package token

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestNew(t *testing.T) {
	seen := make(map[string]bool)
	for range 100 {
		made, err := New()
		if err != nil {
			t.Fatalf("new: %v", err)
		}
		random, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(made.Text, Prefix))
		if err != nil || len(random) != randomBytes || !strings.HasPrefix(made.Text, Prefix) {
			t.Errorf("got %d random bytes (error %v) after the prefix, want %d", len(random), err, randomBytes)
		}
		if seen[made.Text] {
			t.Errorf("got the same token twice")
		}
		seen[made.Text] = true
		if want := Hash(made.Text); made.SHA256 != want {
			t.Errorf("got hash %s, want %s", made.SHA256, want)
		}
	}
}

func TestDraw(t *testing.T) {
	got, err := draw(bytes.NewReader(make([]byte, randomBytes)))
	if err != nil {
		t.Fatalf("draw: %v", err)
	}
	const wantText = "ivt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	// printf %s ivt_AAAA… | sha256sum
	const wantHash = "2dfa1e70b53eb1aa1365e2c2dba5be7aa087ef7f26db7cf1c03091901d1041fd"
	if got.Text != wantText || got.SHA256 != wantHash {
		t.Errorf("got %s with hash %s, want %s with %s", got.Text, got.SHA256, wantText, wantHash)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if printed := fmt.Sprintf(verb, got); strings.Contains(printed, Prefix) {
			t.Errorf("got a token in %s", verb)
		}
	}
}

func TestDrawWithoutRandomness(t *testing.T) {
	tests := []struct {
		name   string
		random io.Reader
		want   error
	}{
		{"too little", strings.NewReader("short"), io.ErrUnexpectedEOF},
		{"broken", iotest.ErrReader(io.ErrClosedPipe), io.ErrClosedPipe},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := draw(tt.random)
			if !errors.Is(err, tt.want) || got.Text != "" {
				t.Errorf("got %d characters and error %v, want none and %v", len(got.Text), err, tt.want)
			}
		})
	}
}

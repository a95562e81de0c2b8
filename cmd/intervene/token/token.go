// Package token makes what callers prove themselves with, and the hash by which
// the configuration knows it. It never stores or logs either.
package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
)

const (
	// Prefix begins every token, so that scanners of leaked secrets find it.
	Prefix = "ivt_"
	// randomBytes are as many as nobody guesses.
	randomBytes = 32
)

// Token is a new secret and its hash: the one is for the caller, the other for
// the configuration.
type Token struct {
	Text   string
	SHA256 string
}

// New draws a token from the system's randomness.
func New() (Token, error) { return draw(rand.Reader) }

func draw(random io.Reader) (Token, error) {
	var secret [randomBytes]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return Token{}, fmt.Errorf("draw a token: %w", err)
	}
	text := Prefix + base64.RawURLEncoding.EncodeToString(secret[:])
	return Token{Text: text, SHA256: Hash(text)}, nil
}

// Hash is the SHA-256 of a whole token, its prefix included, in hexadecimal.
func Hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// String keeps a token out of logs: who hands it over prints its Text.
func (Token) String() string { return "[redacted]" }

// GoString does the same for %#v.
func (t Token) GoString() string { return t.String() }

package config

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted stands wherever a Secret is printed.
const redacted = "[redacted]"

// Secret is a text that nothing but Reveal shows. The zero Secret is empty.
//
// The text stands behind a pointer because fmt prints a struct's unexported
// fields without asking their methods: there it shows an address.
type Secret struct{ text *string }

// NewSecret hides text.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal is the text itself, for those who must send or compare it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

func (Secret) String() string { return redacted }

func (Secret) GoString() string { return redacted }

// Format covers the verbs that ask neither String nor GoString.
func (Secret) Format(f fmt.State, _ rune) {
	// A printer has nowhere to report that it could not write.
	_, _ = io.WriteString(f, redacted)
}

func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText covers JSON, YAML and whatever else encodes texts.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

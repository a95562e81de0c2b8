package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestSecretIsNeverPrinted(t *testing.T) {
	secret := NewSecret(canary)
	type open struct{ Secret Secret }
	type closed struct{ secret Secret }
	type nested struct{ inner map[string]*closed }

	printed := make(map[string]string)
	values := []any{secret, &secret, []Secret{secret}, open{secret}, &open{secret}, closed{secret}, nested{map[string]*closed{"a": {secret}}}}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p"} {
			printed[fmt.Sprintf("%T in %s", v, verb)] = fmt.Sprintf(verb, v)
		}
	}
	asJSON, err := json.Marshal(map[string]any{"open": open{secret}, "keys": map[Secret]int{secret: 1}})
	if err != nil {
		t.Fatalf("marshal JSON: %v", err)
	}
	printed["JSON"] = string(asJSON)
	asYAML, err := yaml.Marshal(open{secret})
	if err != nil {
		t.Fatalf("marshal YAML: %v", err)
	}
	printed["YAML"] = string(asYAML)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", secret, "open", open{secret})
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", secret, "closed", closed{secret})
	printed["log"] = log.String()

	for how, text := range printed {
		if strings.Contains(text, canary) || strings.Contains(strings.ToLower(text), fmt.Sprintf("%x", canary)) {
			t.Errorf("got the secret as %s: %s", how, text)
		}
	}
	for _, how := range []string{"JSON", "YAML", "log", "config.Secret in %v", "config.Secret in %#v", "config.open in %+v"} {
		if !strings.Contains(printed[how], redacted) {
			t.Errorf("got %q as %s, want %s in it", printed[how], how, redacted)
		}
	}
	if got := secret.Reveal(); got != canary {
		t.Errorf("got %q revealed, want %q", got, canary)
	}
	if got := (Secret{}).Reveal(); got != "" {
		t.Errorf("got %q of the zero secret, want nothing", got)
	}
}

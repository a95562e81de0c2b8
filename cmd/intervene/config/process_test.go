package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// certificate makes one for a host, and answers what stands of it in a configuration.
func certificate(t *testing.T, host string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("draw a key: %v", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	shown, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatalf("make a certificate: %v", err)
	}
	hidden, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatalf("encode a key: %v", err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: shown}, "key.pem": {Type: "PRIVATE KEY", Bytes: hidden},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatalf("write: %v", err)
		}
	}
	return fmt.Sprintf("tls: {cert: %s, key: %s}\n", filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
}

func TestTLS(t *testing.T) {
	text := certificate(t, "one.example.com")
	got := parsed(t, text+minimal).TLS
	if names := got.Certificate.Leaf.DNSNames; !slices.Equal(names, []string{"one.example.com"}) {
		t.Errorf("got a certificate for %q, want one.example.com", names)
	}
	other := certificate(t, "other.example.com")
	_, key, _ := strings.Cut(other, "key: ")
	cert, _, _ := strings.Cut(text, "key: ")
	_, err := Parse(testFile, []byte(cert+"key: "+key+minimal), lookupTestEnv)
	if err == nil || !strings.Contains(err.Error(), "tls: is no certificate with its key") {
		t.Errorf("another's key: got error %v, want one of tls", err)
	}
}

func TestProcess(t *testing.T) {
	tests := []struct {
		text  string
		level slog.Level
		drain Drain
	}{
		{"", slog.LevelInfo, Drain{Limit: DefaultDrainLimit}},
		{"log_level: debug\ndrain: {delay: 5s}\n", slog.LevelDebug, Drain{5 * time.Second, DefaultDrainLimit}},
		{"log_level: error\ndrain: {limit: 1m}\n", slog.LevelError, Drain{0, time.Minute}},
	}
	for _, tt := range tests {
		got := parsed(t, tt.text+minimal)
		if got.LogLevel != tt.level || got.Drain != tt.drain {
			t.Errorf("%q: got level %s and drain %v, want %s and %v", tt.text, got.LogLevel, got.Drain, tt.level, tt.drain)
		}
	}
}

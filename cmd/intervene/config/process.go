package config

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"time"
)

// What of the process is when the file does not say.
const (
	DefaultLogLevel   = "info"
	DefaultDrainLimit = 25 * time.Second
)

const (
	// MaxDrainDelay and MaxDrainLimit bound how long a stop may take.
	MaxDrainDelay = 10 * time.Minute
	MaxDrainLimit = 10 * time.Minute
	// MinDrainLimit leaves time for what is on its way.
	MinDrainLimit = time.Second
	// MaxCertificateBytes bounds a file of certificates, and one of a key.
	MaxCertificateBytes = 1 << 20
)

// Drain is how the engine stops.
type Drain struct {
	// Delay is how long it goes on serving once it says that it is not ready, so that
	// load balancers notice.
	Delay time.Duration
	// Limit bounds all that follows.
	Limit time.Duration
}

// TLS is what the public listener proves itself with.
type TLS struct {
	CertPath, KeyPath string
	Certificate       tls.Certificate
}

func (p *parser) drain(v value) Drain {
	f := p.mapping(v, "delay", "limit")
	d := Drain{Limit: p.boundedDuration(f["limit"], DefaultDrainLimit, MaxDrainLimit)}
	if d.Limit < MinDrainLimit && f["limit"].present() {
		p.report(f["limit"], "must be at least %s", MinDrainLimit)
	}
	known := len(p.problems)
	if d.Delay = p.duration(f["delay"], 0); d.Delay > MaxDrainDelay && len(p.problems) == known {
		p.report(f["delay"], "must be at most %s", MaxDrainDelay)
	}
	return d
}

// logLevels are what a level may be called.
var logLevels = map[string]slog.Level{
	"debug": slog.LevelDebug, DefaultLogLevel: slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

// ParseLogLevel reads a level as the file has it.
func ParseLogLevel(text string) (level slog.Level, ok bool) {
	level, ok = logLevels[text]
	return level, ok
}

// LogLevels tells what a level may be.
const LogLevels = "must be debug, info, warn or error"

func (p *parser) logLevel(v value) slog.Level {
	text, set := p.text(v)
	if !set {
		text = DefaultLogLevel
	}
	level, ok := ParseLogLevel(text)
	if !ok {
		p.report(v, LogLevels)
	}
	return level
}

// tls reads a certificate with its key. Nothing of the key is repeated.
func (p *parser) tls(v value) *TLS {
	if !v.present() {
		return nil
	}
	f := p.mapping(v, "cert", "key")
	t := new(TLS)
	known := len(p.problems)
	var cert, key []byte
	t.CertPath, cert = p.contents(f["cert"])
	t.KeyPath, key = p.contents(f["key"])
	if len(p.problems) > known || v.excused {
		return t
	}
	var err error
	if t.Certificate, err = tls.X509KeyPair(cert, key); err != nil {
		p.report(v, "is no certificate with its key: %v", err)
		return t
	}
	if t.Certificate.Leaf == nil {
		if t.Certificate.Leaf, err = x509.ParseCertificate(t.Certificate.Certificate[0]); err != nil {
			p.report(f["cert"], "cannot be read: %v", err)
		}
	}
	return t
}

// contents reads a file that must be there.
func (p *parser) contents(v value) (path string, text []byte) {
	if !p.required(v) {
		return "", nil
	}
	if path = p.path(v, ""); path == "" {
		return "", nil
	}
	text, err := readFile(path, MaxCertificateBytes)
	if err != nil {
		p.report(v, "cannot be read: %v", err)
	}
	return path, text
}
